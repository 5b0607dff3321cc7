#include "flows/circle.h"

#include "base/macros.h"
#include "flows/graph.h"
#include "sql_statements.h"

namespace millrace::flows {

using store::Query;

// A new circle goes through a job of the call that one in the store comes to wait for. What else
// that one waits for is not gone over: it may have ten thousand children.
Status Circle::Check() {
  for (const int64_t child : linked_) {
    if (!marks_.contains(child)) RETURN_IF_ERROR(From(child));
  }
  return Status::Ok();
}

Status Circle::From(int64_t start) {
  RETURN_IF_ERROR(Enter(start));
  while (!path_.empty()) {
    Step& step = path_.back();
    if (step.next == step.waits_for.size()) {
      marks_[step.at] = Mark::kLeft;
      path_.pop_back();
      continue;
    }
    const int64_t next = step.waits_for[step.next++];
    const auto mark = marks_.find(next);
    if (mark == marks_.end()) {
      RETURN_IF_ERROR(Enter(next));
    } else if (mark->second == Mark::kOnPath) {
      return Refuse();
    }
  }
  return Status::Ok();
}

Status Circle::Enter(int64_t at) {
  marks_[at] = Mark::kOnPath;
  path_.push_back({.at = at, .waits_for = {}});
  std::vector<int64_t>& waits_for = path_.back().waits_for;
  if (at < 0) {
    EnterNew(PositionOf(at), &waits_for);
    return Status::Ok();
  }
  if (auto it = children_.find(at); it != children_.end()) waits_for = it->second;
  Query q(ledger_.connection(), sql::flows::kSelectUnfinished);
  q.Bind(at);
  for (;;) {
    bool row = false;
    RETURN_IF_ERROR(q.Step(&row));
    if (!row) return Status::Ok();
    waits_for.push_back(q.Int(0));
  }
}

// An id that is taken, or a key that is held, names another job than the one described.
void Circle::EnterNew(size_t index, std::vector<int64_t>* waits_for) const {
  const Fate fate = fates_.empty() ? Fate{} : fates_[index];
  for (const int64_t job : {fate.other, fate.perhaps, fate.follows}) {
    if (job != 0) waits_for->push_back(job);
  }
  if (!fate.added && fate.perhaps == 0) return;
  for (const Dependency& dependency : specs_[index].after) {
    waits_for->push_back(dependency.index >= 0 ? NewJob(static_cast<size_t>(dependency.index))
                                               : row_of_(dependency.job));
  }
}

// The last new job on the path is the one that closes it.
Status Circle::Refuse() const {
  for (auto step = path_.rbegin(); step != path_.rend(); ++step) {
    if (step->at >= 0) continue;
    return Status(Code::kInvalidArgument,
                  SpecName(specs_, PositionOf(step->at)) +
                      " would wait for a job that waits for it; jobs that do not wait for each "
                      "other are accepted");
  }
  return Status(Code::kCorrupt, "jobs in the store wait for each other; run `millrace doctor`");
}

}  // namespace millrace::flows
