#include "jobs/place.h"

#include "base/macros.h"
#include "sql_statements.h"

namespace millrace::jobs {

using store::Query;

Status PutReady(Ledger& ledger, const Place& place, std::optional<JobState> from, Cause cause) {
  Query q(ledger.connection(), sql::jobs::kInsertReady);
  q.Bind(place.queue_id, place.priority, place.seq, place.flags);
  RETURN_IF_ERROR(q.Run());
  ledger.Moved(place.queue_id, from, JobState::kReady, cause, place.priority);
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

Status TakeReady(Ledger& ledger, const Place& place) {
  Query q(ledger.connection(), sql::jobs::kDeleteReady);
  q.Bind(place.queue_id, place.priority, place.seq);
  return q.Run();
}

Status TakeScheduled(Ledger& ledger, const Place& place) {
  Query q(ledger.connection(), sql::jobs::kDeleteScheduled);
  q.Bind(place.queue_id, place.due_at_ms, place.seq);
  return q.Run();
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
