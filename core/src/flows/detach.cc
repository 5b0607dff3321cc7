#include "flows/detach.h"

#include <utility>
#include <vector>

#include "base/macros.h"
#include "flows/members.h"
#include "jobs/locate.h"
#include "jobs/read.h"
#include "sql_statements.h"

namespace millrace::flows {
namespace {

using jobs::Location;
using store::Query;

// Deletes what holds the job back because of the other; what is done already stays to be read.
Status Detach(jobs::Ledger& ledger, const Location& at, int64_t depends_on, int64_t* removed) {
  {
    Query q(ledger.connection(), sql::flows::kDetach);
    q.Bind(at.key.row, depends_on);
    RETURN_IF_ERROR(q.Run());
  }
  *removed = ledger.connection().changes();
  if (at.state != JobState::kBlocked) return Status::Ok();
  for (int64_t i = 0; i < *removed; ++i) {
    ledger.NoteFlow({.kind = jobs::Ledger::FlowNote::Kind::kCountDown, .row = at.key.row});
  }
  return Status::Ok();
}

// Positions and rows of what a job still waits for, behind a position.
Status LoadHeld(jobs::Ledger& ledger, int64_t row, int64_t behind, int64_t limit,
                std::vector<std::pair<int64_t, int64_t>>* held) {
  Query q(ledger.connection(), sql::flows::kSelectHeldAfter);
  q.Bind(row, behind, limit);
  for (;;) {
    bool found = false;
    RETURN_IF_ERROR(q.Step(&found));
    if (!found) return Status::Ok();
    held->emplace_back(q.Int(0), q.Int(1));
  }
}

bool IsUnprocessed(JobState state) {
  return state == JobState::kScheduled || state == JobState::kReady || state == JobState::kBlocked;
}

}  // namespace

Status RemoveDependency(jobs::Ledger& ledger, const JobRef& job, const JobRef& depends_on,
                        bool* removed) {
  *removed = false;
  ASSIGN_OR_RETURN(const Location at, jobs::FindJob(ledger.connection(), job));
  ASSIGN_OR_RETURN(const Location other, jobs::FindJob(ledger.connection(), depends_on));
  int64_t edges = 0;
  RETURN_IF_ERROR(Detach(ledger, at, other.key.row, &edges));
  *removed = edges > 0;
  return Status::Ok();
}

Status RemoveUnprocessedSlice(jobs::Ledger& ledger, const JobRef& job, int64_t limit,
                              jobs::BulkCursor* cursor, jobs::SliceResult* result) {
  *result = {};
  ASSIGN_OR_RETURN(const Location at, jobs::FindJob(ledger.connection(), job));
  std::vector<std::pair<int64_t, int64_t>> held;
  RETURN_IF_ERROR(LoadHeld(ledger, at.key.row, cursor->started ? cursor->major : -1, limit, &held));
  cursor->started = true;
  int64_t work = 0;
  for (const auto& [position, row] : held) {
    if (work >= limit) {
      result->more = true;
      return Status::Ok();
    }
    cursor->major = position;
    Location other;
    bool found = false;
    RETURN_IF_ERROR(jobs::LocateRow(ledger.connection(), row, &other, &found));
    if (!found || !IsUnprocessed(other.state)) continue;
    int64_t edges = 0;
    RETURN_IF_ERROR(Detach(ledger, at, row, &edges));
    int64_t gone = 0;
    RETURN_IF_ERROR(RemoveLocated(ledger, other, &gone));
    work += gone;
    ++result->changed;
  }
  result->more = std::ssize(held) == limit;
  return Status::Ok();
}

}  // namespace millrace::flows
