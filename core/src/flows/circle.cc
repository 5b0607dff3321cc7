#include "flows/circle.h"

#include <string>
#include <unordered_map>

#include "base/macros.h"
#include "flows/graph.h"
#include "jobs/locate.h"
#include "sql_statements.h"

namespace millrace::flows {
namespace {

using store::Query;

// Goes depth first from job to what it waits for. Jobs that exist go by their row; the new one at
// position i by -1 - i, for its row is not known yet.
class Walk {
 public:
  Walk(jobs::Ledger& ledger, const std::vector<JobSpec>& specs, const std::vector<int64_t>& parents,
       const std::function<int64_t(const JobRef&)>& row_of)
      : ledger_(ledger), specs_(specs), row_of_(row_of) {
    for (size_t i = 0; i < parents.size(); ++i) {
      if (parents[i] != 0) children_[parents[i]].push_back(New(i));
    }
  }

  Status From(int64_t start) {
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

 private:
  enum class Mark : uint8_t { kOnPath, kLeft };
  struct Step {
    int64_t at;
    std::vector<int64_t> waits_for;
    size_t next = 0;
  };
  static int64_t New(size_t index) { return -1 - static_cast<int64_t>(index); }

  Status Enter(int64_t at) {
    marks_[at] = Mark::kOnPath;
    path_.push_back({.at = at, .waits_for = {}});
    std::vector<int64_t>& waits_for = path_.back().waits_for;
    if (at < 0) {
      const JobSpec& spec = specs_[static_cast<size_t>(-1 - at)];
      int64_t existing = 0;
      RETURN_IF_ERROR(FindExisting(spec, &existing));
      if (existing != 0) {
        waits_for.push_back(existing);
        return Status::Ok();
      }
      for (const Dependency& dependency : spec.after) {
        waits_for.push_back(dependency.index >= 0 ? New(static_cast<size_t>(dependency.index))
                                                  : row_of_(dependency.job));
      }
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

  // An id that is taken names another job than the one described.
  Status FindExisting(const JobSpec& spec, int64_t* row) {
    if (spec.id.empty()) return Status::Ok();
    ASSIGN_OR_RETURN(const int64_t queue_id, ledger_.FindQueueId(spec.queue));
    if (queue_id == 0) return Status::Ok();
    jobs::Location at;
    bool found = false;
    RETURN_IF_ERROR(jobs::Locate(ledger_.connection(), spec.id, queue_id, &at, &found));
    if (found) *row = at.key.row;
    return Status::Ok();
  }

  // The last new job on the path is the one that closes it.
  Status Refuse() const {
    for (auto step = path_.rbegin(); step != path_.rend(); ++step) {
      if (step->at >= 0) continue;
      return Status(Code::kInvalidArgument,
                    SpecName(specs_, static_cast<size_t>(-1 - step->at)) +
                        " would wait for a job that waits for it; jobs that do not wait for each "
                        "other are accepted");
    }
    return Status(Code::kCorrupt, "jobs in the store wait for each other; run `millrace doctor`");
  }

  jobs::Ledger& ledger_;
  const std::vector<JobSpec>& specs_;
  const std::function<int64_t(const JobRef&)>& row_of_;
  std::unordered_map<int64_t, std::vector<int64_t>> children_;
  std::unordered_map<int64_t, Mark> marks_;
  std::vector<Step> path_;

 public:
  bool Seen(int64_t row) const { return marks_.contains(row); }
};

}  // namespace

Status CheckNoCircle(jobs::Ledger& ledger, const std::vector<JobSpec>& specs,
                     const std::vector<int64_t>& parents,
                     const std::function<int64_t(const JobRef&)>& row_of) {
  Walk walk(ledger, specs, parents, row_of);
  for (const int64_t parent : parents) {
    if (parent != 0 && !walk.Seen(parent)) RETURN_IF_ERROR(walk.From(parent));
  }
  return Status::Ok();
}

}  // namespace millrace::flows
