#include "jobs/place.h"

#include "base/macros.h"
#include "jobs/parking.h"
#include "sql_statements.h"

namespace millrace::jobs {

using store::Query;

Status PutReady(Ledger& ledger, const Place& place, std::optional<JobState> from, Cause cause) {
  bool gives = true;
  if (place.group.empty()) {
    Query q(ledger.connection(), sql::jobs::kInsertReady);
    q.Bind(place.queue_id, place.priority, place.seq, place.flags);
    RETURN_IF_ERROR(q.Run());
  } else {
    ASSIGN_OR_RETURN(gives, ledger.groups().PutReady(place));
  }
  ledger.Moved(place.queue_id, from, JobState::kReady, cause, place.priority);
  if (!gives) ledger.WakeNoneFor(place.queue_id);
  return Status::Ok();
}

Status PutScheduled(Ledger& ledger, const Place& place, std::optional<JobState> from, Cause cause) {
  bool first = true;
  {
    Query q(ledger.connection(), sql::jobs::kEarliestDue);
    q.Bind(place.queue_id);
    bool row = false;
    RETURN_IF_ERROR(q.Step(&row));
    first = !row || place.due_at_ms < q.Int(0);
  }
  Query q(ledger.connection(), sql::jobs::kInsertScheduled);
  q.Bind(place.queue_id, place.due_at_ms, place.seq, place.priority, place.flags);
  RETURN_IF_ERROR(q.Run());
  ledger.Moved(place.queue_id, from, JobState::kScheduled, cause, place.priority);
  if (first) ledger.WakeFor(place.queue_id);
  return Status::Ok();
}

Status PutBlocked(Ledger& ledger, const Place& place, int64_t pending, std::optional<JobState> from,
                  Cause cause) {
  Query q(ledger.connection(), sql::flows::kInsertBlocked);
  q.Bind(place.row, place.queue_id, place.priority, place.seq, place.flags, pending);
  RETURN_IF_ERROR(q.Run());
  ledger.Moved(place.queue_id, from, JobState::kBlocked, cause, place.priority);
  return Status::Ok();
}

Status TakeReady(Ledger& ledger, const Place& place) {
  if (!place.group.empty()) return ledger.groups().TakeReady(place);
  if (place.parked_by != 0) return TakeParked(ledger, place);
  Query q(ledger.connection(), sql::jobs::kDeleteReady);
  q.Bind(place.queue_id, place.priority, place.seq);
  return q.Run();
}

Status TakeScheduled(Ledger& ledger, const Place& place) {
  Query q(ledger.connection(), sql::jobs::kDeleteScheduled);
  q.Bind(place.queue_id, place.due_at_ms, place.seq);
  return q.Run();
}

Status TakeBlocked(Ledger& ledger, const Place& place) {
  Query q(ledger.connection(), sql::flows::kDeleteBlocked);
  q.Bind(place.row);
  return q.Run();
}

Status LeaveActive(Ledger& ledger, const Place& place, const std::string& task) {
  RETURN_IF_ERROR(ledger.limits().End(place.queue_id, task));
  return place.group.empty() ? Status::Ok() : ledger.groups().Ended(place);
}

Status PutFinished(Ledger& ledger, const Place& place, const Ending& ending, JobState from,
                   Cause cause) {
  Query q(ledger.connection(), sql::jobs::kInsertFinished);
  q.Bind(place.row, place.queue_id, static_cast<int>(ending.state), ledger.now_ms(),
         ending.started_at_ms, ending.attempts, ending.process_id, place.flags,
         static_cast<int>(ending.content_type), store::Blob{ending.body});
  RETURN_IF_ERROR(q.Run());
  ledger.Moved(place.queue_id, from, ending.state, cause, place.priority);
  return Status::Ok();
}

}  // namespace millrace::jobs
