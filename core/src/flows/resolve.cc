#include "flows/resolve.h"

#include <algorithm>
#include <compare>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/macros.h"
#include "flows/blocked.h"
#include "flows/cause.h"
#include "flows/members.h"
#include "flows/policy.h"
#include "sql_statements.h"

namespace millrace::flows {
namespace {

using store::Query;
using Note = jobs::Ledger::FlowNote;

// One dependency, seen from the job that has ended.
struct Dependent {
  int64_t row = 0;  // of the job that waits or has waited
  int64_t position = 0;
  DependencyPolicy policy = DependencyPolicy::kFail;
  bool done = false;
  bool blocked = false;
  bool active = false;
};

// A dependency that holds its job back no more, before that is written.
struct DoneEdge {
  int64_t row = 0;
  int64_t position = 0;
  JobState state = {};

  auto operator<=>(const DoneEdge&) const = default;
};

class Resolver {
 public:
  explicit Resolver(jobs::Ledger& ledger) : ledger_(ledger) {}

  // The notes of the ledger; `only`: the first ones have a meaning to this job alone.
  Status Run(int64_t only = 0) {
    for (; ledger_.has_flow_notes(); only = 0) {
      for (const Note& note : ledger_.TakeFlowNotes()) RETURN_IF_ERROR(Handle(note, only));
      RETURN_IF_ERROR(ReleaseCounted());
      RETURN_IF_ERROR(EndUnwanted());
    }
    return Status::Ok();
  }

 private:
  Status Handle(const Note& note, int64_t only) {
    switch (note.kind) {
      case Note::Kind::kCountDown:
        CountDown(note.row);
        return Status::Ok();
      case Note::Kind::kReconsider:
        RETURN_IF_ERROR(WriteDone());
        return Reconsider(note.row);
      case Note::Kind::kUnwanted:
        unwanted_.push_back(note.row);
        return Status::Ok();
      case Note::Kind::kGone:
        RETURN_IF_ERROR(WriteDone());
        break;
      case Note::Kind::kEnded:
        break;
    }
    const bool gone = note.kind == Note::Kind::kGone;
    std::vector<Dependent> dependents;
    RETURN_IF_ERROR(LoadDependents(note.row, &dependents));
    error_.reset();
    for (const Dependent& dependent : dependents) {
      if (only != 0 && dependent.row != only) continue;
      if (gone && dependent.done) continue;  // it has its copy of how that ended
      const Effect effect =
          gone ? EffectOfRemoval(dependent.policy) : EffectOf(dependent.policy, note.state);
      RETURN_IF_ERROR(Apply(dependent, effect, note));
    }
    return Status::Ok();
  }

  Status LoadDependents(int64_t row, std::vector<Dependent>* dependents) {
    Query q(ledger_.connection(), sql::flows::kSelectDependents);
    q.Bind(row);
    for (;;) {
      bool found = false;
      RETURN_IF_ERROR(q.Step(&found));
      if (!found) break;
      dependents->push_back({.row = q.Int(0),
                             .position = q.Int(1),
                             .policy = static_cast<DependencyPolicy>(q.Int(2)),
                             .done = q.Int(3) != 0});
    }
    for (Dependent& dependent : *dependents) RETURN_IF_ERROR(SetStanding(&dependent));
    return Status::Ok();
  }

  // Children that end together mostly are of one parent: it is looked up once.
  Status SetStanding(Dependent* dependent) {
    auto it = standing_.find(dependent->row);
    if (it == standing_.end()) {
      Query q(ledger_.connection(), sql::flows::kSelectStanding);
      q.Bind(dependent->row);
      bool found = false;
      RETURN_IF_ERROR(q.Step(&found));
      it = standing_.emplace(dependent->row, static_cast<JobState>(q.Int(0))).first;
    }
    dependent->blocked = it->second == JobState::kBlocked;
    dependent->active = it->second == JobState::kActive;
    return Status::Ok();
  }

  // A job has begun to wait when some of what it waits for had ended already.
  Status Reconsider(int64_t row) {
    std::vector<std::pair<Dependent, Note>> ended;
    {
      Query q(ledger_.connection(), sql::flows::kSelectUndone);
      q.Bind(row);
      for (;;) {
        bool found = false;
        RETURN_IF_ERROR(q.Step(&found));
        if (!found) break;
        ended.emplace_back(Dependent{.row = row,
                                     .position = q.Int(0),
                                     .policy = static_cast<DependencyPolicy>(q.Int(1)),
                                     .blocked = true},
                           Note{.row = q.Int(3), .state = static_cast<JobState>(q.Int(2))});
      }
    }
    for (const auto& [dependent, note] : ended) {
      error_.reset();
      RETURN_IF_ERROR(Apply(dependent, EffectOf(dependent.policy, note.state), note));
    }
    return Status::Ok();
  }

  Status Apply(const Dependent& dependent, Effect effect, const Note& note) {
    const bool gone = note.kind == Note::Kind::kGone;
    if (effect == Effect::kDone && dependent.blocked && !dependent.done && !gone) {
      CountDown(dependent.row);
      done_.push_back({.row = dependent.row, .position = dependent.position, .state = note.state});
      return Status::Ok();
    }
    RETURN_IF_ERROR(WriteDone());
    if (dependent.done) return Write(dependent, note, true);
    // What failed while the job runs counts when it comes to wait.
    if (!dependent.blocked) {
      const bool now =
          gone || effect == Effect::kDone || (effect == Effect::kRun && !dependent.active);
      if (effect == Effect::kForget) return Forget(dependent);
      return Write(dependent, note, now || effect == Effect::kRemove);
    }
    switch (effect) {
      case Effect::kKeep:
        return Write(dependent, note, false);
      case Effect::kDone:
        CountDown(dependent.row);
        return Write(dependent, note, true);
      case Effect::kForget:
        CountDown(dependent.row);
        return Forget(dependent);
      case Effect::kRun:
        RETURN_IF_ERROR(Write(dependent, note, true));
        return Move(dependent.row, [&](const Blocked& job) { return Release(ledger_, job); });
      case Effect::kRemove:
        return Move(dependent.row, [&](const Blocked& job) { return RemoveBlocked(ledger_, job); });
      case Effect::kFail:
      case Effect::kCancel:
        break;
    }
    // Of a removed job nothing can come any more: redriven, the other one does without it.
    RETURN_IF_ERROR(Write(dependent, note, gone));
    if (!error_) {
      error_.emplace();
      RETURN_IF_ERROR(DependencyError(ledger_, note, &*error_));
    }
    const JobState state = effect == Effect::kFail ? JobState::kFailed : JobState::kCancelled;
    return Move(dependent.row,
                [&](const Blocked& job) { return EndBlocked(ledger_, job, state, *error_); });
  }

  template <typename F>
  Status Move(int64_t row, F move) {
    Blocked blocked;
    bool found = false;
    RETURN_IF_ERROR(LoadBlocked(ledger_, row, &blocked, &found));
    standing_.erase(row);
    return found ? move(blocked) : Status::Ok();
  }

  Status Write(const Dependent& dependent, const Note& note, bool done) {
    const bool gone = note.kind == Note::Kind::kGone;
    Query q(ledger_.connection(), gone ? sql::flows::kLoseDependency : sql::flows::kEndDependency);
    q.Bind(dependent.row, dependent.position, static_cast<int>(note.state), done);
    return q.Run();
  }

  // What Apply() has left: runs of neighbours in one statement each. Everything else that reads or
  // writes dependencies comes after it.
  Status WriteDone() {
    if (done_.empty()) return Status::Ok();
    std::sort(done_.begin(), done_.end());
    for (size_t first = 0; first < done_.size();) {
      size_t end = first + 1;
      while (end < done_.size() && done_[end].row == done_[first].row &&
             done_[end].state == done_[first].state &&
             done_[end].position == done_[end - 1].position + 1) {
        ++end;
      }
      Query q(ledger_.connection(), sql::flows::kEndNeighbours);
      q.Bind(done_[first].row, done_[first].position, done_[end - 1].position,
             static_cast<int>(done_[first].state));
      RETURN_IF_ERROR(q.Run());
      first = end;
    }
    done_.clear();
    return Status::Ok();
  }

  Status Forget(const Dependent& dependent) {
    Query q(ledger_.connection(), sql::flows::kForgetDependency);
    q.Bind(dependent.row, dependent.position);
    return q.Run();
  }

  // Written once for all that ended together: the children of one parent often do.
  void CountDown(int64_t row) {
    auto [it, added] = counts_.try_emplace(row, 0);
    if (added) counted_.push_back(row);
    ++it->second;
  }

  Status ReleaseCounted() {
    RETURN_IF_ERROR(WriteDone());
    for (const int64_t row : counted_) {
      {
        Query q(ledger_.connection(), sql::flows::kCountDown);
        q.Bind(row, counts_[row]);
        RETURN_IF_ERROR(q.Run());
        if (ledger_.connection().changes() == 1) continue;
      }
      RETURN_IF_ERROR(Move(row, [&](const Blocked& job) { return Release(ledger_, job); }));
    }
    counts_.clear();
    counted_.clear();
    return Status::Ok();
  }

  // When what has ended is written: who waits for them must be known.
  Status EndUnwanted() {
    if (unwanted_.empty()) return Status::Ok();
    standing_.clear();
    for (const int64_t row : std::exchange(unwanted_, {})) {
      RETURN_IF_ERROR(CancelUnwanted(ledger_, row));
    }
    return Status::Ok();
  }

  jobs::Ledger& ledger_;
  std::vector<int64_t> unwanted_;
  std::unordered_map<int64_t, int64_t> counts_;
  std::unordered_map<int64_t, JobState> standing_;  // of jobs that wait, as long as it is known
  std::vector<DoneEdge> done_;                      // not written yet
  std::vector<int64_t> counted_;                    // the keys of counts_, in order
  std::optional<std::string> error_;                // of the note at hand, once it is needed
};

}  // namespace

Status Resolve(jobs::Ledger& ledger) {
  if (!ledger.has_flow_notes()) return Status::Ok();
  return Resolver(ledger).Run();
}

Result<std::vector<int64_t>> Dependents(store::Connection& connection, int64_t row) {
  std::vector<int64_t> rows;
  Query q(connection, sql::flows::kSelectDependents);
  q.Bind(row);
  for (;;) {
    bool found = false;
    RETURN_IF_ERROR(q.Step(&found));
    if (!found) return rows;
    if (rows.empty() || rows.back() != q.Int(0)) rows.push_back(q.Int(0));
  }
}

Status ResolveFor(jobs::Ledger& ledger, const Note& note, int64_t dependent) {
  ledger.NoteFlow(note);
  return Resolver(ledger).Run(dependent);
}

}  // namespace millrace::flows
