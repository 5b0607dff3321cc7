#include "jobs/update.h"

#include <optional>
#include <string>
#include <utility>

#include "base/macros.h"
#include "base/seal.h"
#include "jobs/job_row.h"
#include "jobs/locate.h"
#include "jobs/place.h"
#include "jobs/read.h"
#include "jobs/validate.h"
#include "sql_statements.h"

namespace millrace::jobs {
namespace {

using store::Query;

bool HasTime(const JobChange& change) {
  return change.due_at_ms || change.delay_ms;
}

bool HasPlace(const JobChange& change) {
  return change.priority || change.lifo || HasTime(change);
}

Status WrongState(const Location& at, const std::string& accepted) {
  return Status(Code::kWrongState, "job " + at.key.PublicId() + " is " + JobStateName(at.state) +
                                       "; " + accepted + " is accepted");
}

Status CheckState(const Location& at, const JobChange& change) {
  if (change.in_state && at.state != *change.in_state) {
    return WrongState(at, JobStateName(*change.in_state));
  }
  const bool waits = at.state == JobState::kScheduled || at.state == JobState::kReady ||
                     at.state == JobState::kBlocked;
  if (waits || !HasPlace(change)) return Status::Ok();
  return WrongState(at, "another priority or time of a scheduled, ready or blocked job");
}

// The task's and queue's names go with the data where it is sealed, as when it was enqueued.
Status SealData(Ledger& ledger, const Location& at, const JobChange& change, JobSpec* spec) {
  const Keyring& keyring = ledger.keyring();
  const Sealing mode = keyring.ModeOf(spec->sealing, spec->data);
  ASSIGN_OR_RETURN(const std::string queue, QueueNameOf(ledger.connection(), at.queue_id));
  spec->data = keyring.Seal(mode, {.field = SealField::kData, .queue = queue, .name = spec->name},
                            *change.data);
  spec->content_type = change.content_type;
  return Status::Ok();
}

// When it is due after the change; 0: at once.
int64_t DueOf(const Ledger& ledger, const Location& at, const JobChange& change,
              const JobSpec& spec) {
  int64_t due_at_ms = at.state == JobState::kBlocked ? spec.due_at_ms : at.place.due_at_ms;
  if (change.due_at_ms) due_at_ms = *change.due_at_ms;
  if (change.delay_ms) due_at_ms = *change.delay_ms == 0 ? 0 : ledger.now_ms() + *change.delay_ms;
  return HasTime(change) && due_at_ms <= ledger.now_ms() ? 0 : due_at_ms;
}

Status MoveBlocked(Ledger& ledger, const Place& place) {
  Query q(ledger.connection(), sql::change::kMoveBlocked);
  q.Bind(place.row, place.priority, place.seq);
  return q.Run();
}

// A ready or scheduled job, from one place to the other.
Status MoveWaiting(Ledger& ledger, const Location& at, const Place& place, bool timed) {
  const bool was_ready = at.state == JobState::kReady;
  RETURN_IF_ERROR(was_ready ? TakeReady(ledger, at.place) : TakeScheduled(ledger, at.place));
  // The move counts one priority for both ends.
  if (was_ready) ledger.Reprioritized(at.queue_id, at.place.priority, place.priority);
  const JobState to = place.due_at_ms != 0 ? JobState::kScheduled : JobState::kReady;
  if (to == JobState::kReady) {
    RETURN_IF_ERROR(PutReady(ledger, place, at.state, Cause::kChange));
  } else {
    RETURN_IF_ERROR(PutScheduled(ledger, place, at.state, Cause::kChange));
  }
  if (to == at.state && !(timed && to == JobState::kScheduled)) return Status::Ok();
  const bool ready = to == JobState::kReady;
  ledger.Log(at.queue_id, {.type = ready ? EventType::kReady : EventType::kScheduled,
                           .state = to,
                           .prev = at.state,
                           .job = &at.key,
                           .due_at_ms = place.due_at_ms});
  return Status::Ok();
}

}  // namespace

Status CheckChange(const JobChange& change, int64_t max_payload_bytes) {
  if (change.data) {
    RETURN_IF_ERROR(CheckPayload(*change.data, change.content_type, "data", max_payload_bytes));
  }
  if (change.priority)
    RETURN_IF_ERROR(CheckRange(*change.priority, -kPriorityMax, kPriorityMax, "priority"));
  if (change.due_at_ms && change.delay_ms) {
    return Status(Code::kInvalidArgument,
                  "due_at_ms and delay_ms were both given; one of them is accepted");
  }
  if (change.due_at_ms) RETURN_IF_ERROR(CheckRange(*change.due_at_ms, 0, kTimeMaxMs, "due_at_ms"));
  if (change.delay_ms) RETURN_IF_ERROR(CheckRange(*change.delay_ms, 0, kDurationMaxMs, "delay_ms"));
  if (change.data || HasPlace(change)) return Status::Ok();
  return Status(Code::kInvalidArgument,
                "nothing to change was given; data, priority, lifo, due_at_ms and delay_ms are "
                "accepted");
}

Status UpdateJob(Ledger& ledger, const JobRef& job, const JobChange& change) {
  ASSIGN_OR_RETURN(const Location at, FindJob(ledger.connection(), job));
  RETURN_IF_ERROR(CheckState(at, change));
  Body body;
  bool found = false;
  RETURN_IF_ERROR(LoadBody(ledger.connection(), at.key.row, &body, &found));
  if (!found) return Status(Code::kCorrupt, "a job has no body; run `millrace doctor`");
  JobSpec& spec = body.spec;
  if (change.data) RETURN_IF_ERROR(SealData(ledger, at, change, &spec));
  spec.priority = change.priority.value_or(spec.priority);
  spec.lifo = change.lifo.value_or(spec.lifo);
  Place place = at.place;
  place.priority = spec.priority;
  place.seq = SequenceOf(place.row, spec.lifo);
  const int64_t due_at_ms = DueOf(ledger, at, change, spec);
  if (HasTime(change)) spec.due_at_ms = due_at_ms;
  RETURN_IF_ERROR(ReplaceBody(ledger.connection(), at.key, at.queue_id, spec, spec.due_at_ms,
                              spec.expires_at_ms));
  if (!HasPlace(change)) return Status::Ok();
  if (at.state == JobState::kBlocked) return MoveBlocked(ledger, place);
  place.due_at_ms = due_at_ms;
  place.parked_by = 0;  // the next claim looks anew
  return MoveWaiting(ledger, at, place, HasTime(change));
}

}  // namespace millrace::jobs
