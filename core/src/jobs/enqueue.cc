#include "jobs/enqueue.h"

#include "base/macros.h"
#include "jobs/job_row.h"
#include "jobs/locate.h"
#include "jobs/place.h"
#include "sql_statements.h"

namespace millrace::jobs {
namespace {

using store::Query;

// Answers for an id that exists in the queue already.
Status AckExisting(Ledger& ledger, const Location& found, const JobSpec& spec, EnqueueAck* ack) {
  ack->id = spec.id;
  ack->existing = true;
  ack->state = found.state;
  ledger.Log(found.queue_id,
             {.type = EventType::kDuplicate, .state = found.state, .job = &found.key});
  return Status::Ok();
}

// When a job is due; 0 if it may start now.
int64_t DueAt(const JobSpec& spec, int64_t now_ms) {
  const int64_t due_at_ms = spec.due_at_ms != 0  ? spec.due_at_ms
                            : spec.delay_ms != 0 ? now_ms + spec.delay_ms
                                                 : 0;
  return due_at_ms > now_ms ? due_at_ms : 0;
}

}  // namespace

Status EnqueueJob(Ledger& ledger, const JobSpec& spec, EnqueueAck* ack) {
  ASSIGN_OR_RETURN(const int64_t queue_id, ledger.QueueId(spec.queue));
  if (!spec.id.empty()) {
    Location found;
    bool exists = false;
    RETURN_IF_ERROR(Locate(ledger.connection(), spec.id, queue_id, &found, &exists));
    if (exists) return AckExisting(ledger, found, spec, ack);
  }
  const JobKey key{.row = ledger.NextNumber(),
                   .created_at_ms = ledger.now_ms(),
                   .salt = RandomBits34(),
                   .custom_id = spec.id};
  const int64_t due_at_ms = DueAt(spec, ledger.now_ms());
  const int64_t expires_at_ms =
      spec.expires_in_ms != 0 ? ledger.now_ms() + spec.expires_in_ms : spec.expires_at_ms;
  RETURN_IF_ERROR(InsertBody(ledger.connection(), key, queue_id, spec, due_at_ms, expires_at_ms));
  if (!spec.id.empty()) {
    Query q(ledger.connection(), sql::jobs::kInsertKey);
    q.Bind(spec.id, queue_id, key.row);
    RETURN_IF_ERROR(q.Run());
  }
  const Place place{.queue_id = queue_id,
                    .row = key.row,
                    .due_at_ms = due_at_ms,
                    .seq = SequenceOf(key.row, spec.lifo),
                    .priority = spec.priority};
  if (due_at_ms != 0) {
    ack->state = JobState::kScheduled;
    RETURN_IF_ERROR(PutScheduled(ledger, place, kNowhere, Cause::kEnqueue));
  } else {
    ack->state = JobState::kReady;
    RETURN_IF_ERROR(PutReady(ledger, place, kNowhere, Cause::kEnqueue));
  }
  ledger.Log(queue_id, {.type = EventType::kAdded,
                        .state = ack->state,
                        .job = &key,
                        .due_at_ms = due_at_ms,
                        .name = spec.name});
  ack->id = key.PublicId();
  ack->existing = false;
  return Status::Ok();
}

}  // namespace millrace::jobs
