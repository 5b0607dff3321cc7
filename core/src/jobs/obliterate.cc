// Removing a queue with all that is in it.
#include <array>

#include "base/macros.h"
#include "base/text.h"
#include "jobs/bulk.h"
#include "jobs/bulk_slice.h"
#include "jobs/dedup.h"
#include "jobs/limit_rules.h"
#include "sql_statements.h"

namespace millrace::jobs {
namespace {

using store::Query;

// Rows of an event log that one slice deletes.
constexpr int64_t kEventRows = 1'000;
// Throttled deduplication keys, which outlive their jobs, that one slice deletes.
constexpr int64_t kKeyRows = 1'000;

// ------------------------------------------------------------------------------------------------

// Leases first: without them, and paused, nothing moves from one state to another behind the
// cursor. Then the blocked: what is removed after them sets none of this queue free.
constexpr std::array kObliterated{JobState::kActive,    JobState::kBlocked,   JobState::kReady,
                                  JobState::kScheduled, JobState::kCompleted, JobState::kFailed,
                                  JobState::kCancelled};

Status CheckNoneActive(Ledger& ledger, int64_t queue_id, const std::string& queue) {
  Query q(ledger.connection(), sql::bulk::kCountActive);
  q.Bind(queue_id);
  bool row = false;
  RETURN_IF_ERROR(q.Step(&row));
  if (q.Int(0) == 0) return Status::Ok();
  return Status(Code::kWrongState,
                "queue " + Quoted(queue) + " has " + std::to_string(q.Int(0)) +
                    " active jobs; let them finish, or force it and they are lost");
}

Status IsEmpty(Ledger& ledger, int64_t queue_id, bool* empty) {
  Query q(ledger.connection(), sql::bulk::kIsEmpty);
  q.Bind(queue_id);
  bool row = false;
  RETURN_IF_ERROR(q.Step(&row));
  *empty = q.Int(0) != 0;
  return Status::Ok();
}

// Deletes the oldest rows of the log. *more is true if there may be others.
Status DeleteEvents(Ledger& ledger, int64_t queue_id, bool* more) {
  int64_t rows = 0;
  int64_t events = 0;
  int64_t last_seq = 0;
  {
    Query q(ledger.connection(), sql::ledger::kOldestEvents);
    q.Bind(queue_id, kEventRows);
    for (bool row = true;; ++rows) {
      RETURN_IF_ERROR(q.Step(&row));
      if (!row) break;
      last_seq = q.Int(0);
      events += q.Int(1);
    }
  }
  *more = rows == kEventRows;
  if (rows == 0) return Status::Ok();
  {
    Query q(ledger.connection(), sql::ledger::kDeleteEventsUpTo);
    q.Bind(queue_id, last_seq);
    RETURN_IF_ERROR(q.Run());
  }
  Query q(ledger.connection(), sql::bulk::kSubtractEvents);
  q.Bind(queue_id, events);
  return q.Run();
}

// The queue is empty: its log goes, then its rules and counts, and it is no longer listed. If
// somebody has added jobs meanwhile it lives on with them.
Status Unlist(Ledger& ledger, int64_t queue_id, const std::string& queue, SliceResult* result) {
  bool empty = false;
  RETURN_IF_ERROR(IsEmpty(ledger, queue_id, &empty));
  if (!empty) return ResumeQueue(ledger, queue);
  RETURN_IF_ERROR(DeleteEvents(ledger, queue_id, &result->more));
  if (result->more) return Status::Ok();
  RETURN_IF_ERROR(DeleteKeysOf(ledger, queue_id, kKeyRows, &result->more));
  if (result->more) return Status::Ok();
  RETURN_IF_ERROR(ForgetLimits(ledger, queue_id));
  {
    Query q(ledger.connection(), sql::change::kResetQueue);
    q.Bind(queue_id);
    RETURN_IF_ERROR(q.Run());
  }
  ledger.ForgetRules(queue_id);
  return ledger.ResetCounts(queue_id);
}

}  // namespace

Status ObliterateSlice(Ledger& ledger, const std::string& queue, bool force, int64_t limit,
                       BulkCursor* cursor, SliceResult* result, Companions* companions) {
  *result = {};
  RETURN_IF_ERROR(CheckName(queue, "queue"));
  RETURN_IF_ERROR(CheckSliceLimit(limit));
  ASSIGN_OR_RETURN(const int64_t queue_id, ledger.FindQueueId(queue));
  if (queue_id == 0) return Status::Ok();
  if (!cursor->started) {
    if (!force) RETURN_IF_ERROR(CheckNoneActive(ledger, queue_id, queue));
    RETURN_IF_ERROR(StartCursor(ledger, queue_id, JobState::kActive, false, cursor));
    RETURN_IF_ERROR(PauseQueue(ledger, queue));
  }
  if (cursor->phase == std::ssize(kObliterated)) return Unlist(ledger, queue_id, queue, result);
  RETURN_IF_ERROR(RemoveStates(ledger, queue_id, kObliterated, limit, companions, cursor, result));
  result->more = true;  // the log is left
  return Status::Ok();
}

}  // namespace millrace::jobs
