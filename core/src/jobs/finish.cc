#include "jobs/finish.h"

#include <algorithm>

#include "base/backoff.h"
#include "base/id.h"
#include "base/macros.h"
#include "base/text.h"
#include "jobs/limit_rules.h"
#include "jobs/locate.h"
#include "jobs/payloads.h"
#include "jobs/retention.h"
#include "sql_statements.h"

namespace millrace::jobs {
namespace {

using store::Query;

constexpr int64_t kAttemptErrorsKept = 10;
// A longer error of an attempt is only kept with the job, not in the event log as well.
constexpr size_t kLoggedErrorMaxBytes = 16 << 10;
constexpr std::string_view kErrorTooLong =
    R"({"type":"Error","message":"too long for the event log: see the job","stack":""})";
// Older jobs that a job with a rule of its own may take with it.
constexpr int64_t kOwnRuleSlice = 16;

// What the lease's row said when it was taken away.
struct Ended {
  bool held = false;  // false: the token is no longer the job's, and nothing has changed
  uint8_t flags = 0;  // of its place: others may have set some without the holder's knowledge
  bool cancel_requested = false;   // the handler may not have seen it
  std::string cancel_reason = {};  // as stored
};

// Nearly always the row is as its holder knows it: one statement then.
Status DeleteLease(Ledger& ledger, const Lease& lease, Ended* ended) {
  {
    Query q(ledger.connection(), sql::jobs::kDeleteActiveAsKnown);
    q.Bind(lease.key.row, lease.token, lease.place.flags);
    RETURN_IF_ERROR(q.Run());
  }
  ended->flags = lease.place.flags;
  ended->held = ledger.connection().changes() == 1;
  if (ended->held) return Status::Ok();
  {
    Query q(ledger.connection(), sql::jobs::kSelectActive);
    q.Bind(lease.key.row);
    bool row = false;
    RETURN_IF_ERROR(q.Step(&row));
    if (!row || q.Int(2) != lease.token) return Status::Ok();
    ended->flags = static_cast<uint8_t>(q.Int(6));
    ended->cancel_requested = q.Int(8) != 0;
    if (!q.IsNull(9)) ended->cancel_reason = q.BlobBytes(9);
  }
  ended->held = true;
  Query q(ledger.connection(), sql::jobs::kDeleteActive);
  q.Bind(lease.key.row, lease.token);
  return q.Run();
}

Status EndLease(Ledger& ledger, const Lease& lease, Ended* ended) {
  RETURN_IF_ERROR(DeleteLease(ledger, lease, ended));
  return ended->held ? LeaveActive(ledger, lease.place, lease.name) : Status::Ok();
}

const std::optional<Keep>& OwnKeep(const Lease& lease, JobState state) {
  return state == JobState::kCompleted ? lease.keep_completed : lease.keep_failed;
}

EventType EndEvent(JobState state) {
  if (state == JobState::kCompleted) return EventType::kCompleted;
  return state == JobState::kFailed ? EventType::kFailed : EventType::kCancelled;
}

Counters::What CounterOf(JobState state) {
  if (state == JobState::kCompleted) return Counters::What::kCompleted;
  return state == JobState::kFailed ? Counters::What::kFailed : Counters::What::kCancelled;
}

// Of an attempt that ends.
void Count(Ledger& ledger, const Lease& lease, Counters::What what) {
  ledger.counters().Add(lease.place.queue_id, lease.name, what);
}

// The same of a job that nobody runs.
Status CountEnd(Ledger& ledger, const Place& place, JobState state) {
  Query q(ledger.connection(), sql::counters::kSelectTask);
  q.Bind(place.row);
  bool found = false;
  RETURN_IF_ERROR(q.Step(&found));
  if (found) ledger.counters().Add(place.queue_id, q.Text(0), CounterOf(state));
  return Status::Ok();
}

// The job ends here. Its rows go at once if nothing of it is to be kept; then the event carries the
// result. `own` is the job's rule instead of its queue's.
Status End(Ledger& ledger, const JobKey& key, Place place, const Ending& ending, JobState from,
           Cause cause, const std::optional<Keep>& own) {
  const JobState state = ending.state;
  if (place.has(kHasCheckpoint)) {
    Query q(ledger.connection(), sql::change::kClearCheckpoint);
    q.Bind(key.row);
    RETURN_IF_ERROR(q.Run());
    place.flags &= static_cast<uint8_t>(~kHasCheckpoint);
  }
  ASSIGN_OR_RETURN(const QueueRules rules, ledger.Rules(place.queue_id));
  const Keep keep = own                             ? *own
                    : state == JobState::kCompleted ? rules.keep_completed
                                                    : rules.keep_failed;
  RETURN_IF_ERROR(PutFinished(ledger, place, ending, from, cause));
  const bool gone = keep.count == 0;
  // A result that stays beside its job is not written twice; the log holds JSON only.
  const bool logged =
      ending.content_type == ContentType::kJson && (gone || state != JobState::kCompleted);
  ledger.Log(place.queue_id, {.type = EndEvent(state),
                              .state = state,
                              .prev = from,
                              .job = &key,
                              .attempt = ending.attempts,
                              .data = logged ? ending.body : std::string_view()});
  if (place.has(kAwaited)) ledger.NoteFlow({.row = place.row, .state = state});
  if (gone) return RemoveFinished(ledger, place, state);
  if (own) return CleanFinished(ledger, place.queue_id, state, keep, kOwnRuleSlice);
  ledger.NoteEnded(place.queue_id, state);
  return Status::Ok();
}

// Ends a job with the attempt that its lease was for.
Status EndAttempt(Ledger& ledger, const Lease& lease, const Place& place, JobState state,
                  Cause cause, std::string_view body, ContentType type) {
  Count(ledger, lease, CounterOf(state));
  return End(ledger, lease.key, place,
             {.state = state,
              .started_at_ms = lease.started_at_ms,
              .attempts = lease.attempts_made + 1,
              .process_id = lease.process_id,
              .content_type = type,
              .body = body},
             JobState::kActive, cause, OwnKeep(lease, state));
}

Status WriteRun(Ledger& ledger, const Lease& lease, int32_t made, int32_t crashes,
                int64_t due_at_ms) {
  Query q(ledger.connection(), sql::jobs::kWriteRun);
  std::optional<int64_t> due;
  if (due_at_ms != 0) due = due_at_ms;
  q.Bind(lease.key.row, lease.attempts_started, made, crashes, due, lease.started_at_ms,
         lease.process_id);
  return q.Run();
}

Status KeepAttemptError(Ledger& ledger, const Lease& lease, std::string_view error) {
  {
    Query q(ledger.connection(), sql::jobs::kInsertAttemptError);
    q.Bind(lease.key.row, lease.token, ledger.now_ms(), store::Blob{error});
    RETURN_IF_ERROR(q.Run());
  }
  Query q(ledger.connection(), sql::jobs::kTrimAttemptErrors);
  q.Bind(lease.key.row, kAttemptErrorsKept);
  return q.Run();
}

// How many of the children that it has added still hold a job that goes back to the queue.
Status CountUnmet(Ledger& ledger, const Place& place, int64_t* unmet) {
  *unmet = 0;
  if (!place.has(kDependent)) return Status::Ok();
  Query q(ledger.connection(), sql::flows::kCountUnmet);
  q.Bind(place.row);
  bool found = false;
  RETURN_IF_ERROR(q.Step(&found));
  *unmet = q.Int(0);
  return Status::Ok();
}

// Back to the queue once the children that it has added are done (and its time has come).
Status PutBackBlocked(Ledger& ledger, const Lease& lease, const Place& place, int64_t unmet,
                      std::string_view error) {
  RETURN_IF_ERROR(PutBlocked(ledger, place, unmet, JobState::kActive, Cause::kWait));
  // One that has failed already may end it.
  ledger.NoteFlow({.kind = Ledger::FlowNote::Kind::kReconsider, .row = place.row});
  ledger.Log(place.queue_id, {.type = EventType::kBlocked,
                              .state = JobState::kBlocked,
                              .prev = JobState::kActive,
                              .job = &lease.key,
                              .attempt = lease.attempts_made + 1,
                              .count = unmet,
                              .data = error});
  return Status::Ok();
}

// Back to the queue, now or later.
Status PutBack(Ledger& ledger, const Lease& lease, Place place, int64_t delay_ms, Cause now,
               Cause later, std::string_view error, Settled* settled) {
  place.due_at_ms = delay_ms > 0 ? ledger.now_ms() + delay_ms : 0;
  const std::string_view logged = error.size() <= kLoggedErrorMaxBytes ? error : kErrorTooLong;
  int64_t unmet = 0;
  RETURN_IF_ERROR(CountUnmet(ledger, place, &unmet));
  if (unmet > 0) {
    settled->state = JobState::kBlocked;
    return PutBackBlocked(ledger, lease, place, unmet, logged);
  }
  if (delay_ms > 0) {
    RETURN_IF_ERROR(PutScheduled(ledger, place, JobState::kActive, later));
  } else {
    RETURN_IF_ERROR(PutReady(ledger, place, JobState::kActive, now));
  }
  settled->state = delay_ms > 0 ? JobState::kScheduled : JobState::kReady;
  settled->due_at_ms = place.due_at_ms;
  ledger.Log(place.queue_id, {.type = delay_ms > 0 ? EventType::kScheduled : EventType::kReady,
                              .state = settled->state,
                              .prev = JobState::kActive,
                              .job = &lease.key,
                              .attempt = lease.attempts_made + 1,
                              .due_at_ms = place.due_at_ms,
                              .data = logged});
  return Status::Ok();
}

int64_t RetryDelay(const Outcome& outcome, const RetryPolicy& policy, int32_t attempts_made) {
  if (outcome.delay_ms) return std::min(*outcome.delay_ms, kBackoffMaxMs);
  return BackoffDelayMs(policy.backoff, attempts_made, Random01());
}

// The attempt failed: another one if there is one left, else the dead letters.
Status FailAttempt(Ledger& ledger, const Lease& lease, Place place, const Outcome& outcome,
                   Settled* settled) {
  const RetryPolicy& policy = outcome.policy ? *outcome.policy : lease.retry;
  const int32_t made = lease.attempts_made + 1;
  if (!outcome.retryable || made >= policy.max_attempts) {
    settled->state = JobState::kFailed;
    return EndAttempt(ledger, lease, place, JobState::kFailed, Cause::kFail, outcome.body,
                      outcome.content_type);
  }
  const int64_t delay_ms = RetryDelay(outcome, policy, made);
  const int64_t due_at_ms = delay_ms > 0 ? ledger.now_ms() + delay_ms : 0;
  place.flags |= kHasRun;
  RETURN_IF_ERROR(WriteRun(ledger, lease, made, lease.crashes, due_at_ms));
  RETURN_IF_ERROR(KeepAttemptError(ledger, lease, outcome.body));
  Count(ledger, lease, Counters::What::kRetried);
  const std::string_view error =
      outcome.content_type == ContentType::kJson ? outcome.body : std::string_view();
  return PutBack(ledger, lease, place, delay_ms, Cause::kRetryNow, Cause::kRetryLater, error,
                 settled);
}

// Given back: the attempt does not count.
Status Release(Ledger& ledger, const Lease& lease, Place place, const Outcome& outcome,
               Settled* settled) {
  const int64_t delay_ms = outcome.delay_ms ? std::min(*outcome.delay_ms, kBackoffMaxMs) : 0;
  if (outcome.throttle) RETURN_IF_ERROR(ThrottleLike(ledger, lease, *outcome.throttle));
  if (delay_ms > 0 || place.has(kHasRun)) {
    place.flags |= kHasRun;
    RETURN_IF_ERROR(WriteRun(ledger, lease, lease.attempts_made, lease.crashes,
                             delay_ms > 0 ? ledger.now_ms() + delay_ms : 0));
  }
  return PutBack(ledger, lease, place, delay_ms, Cause::kRelease, Cause::kPostpone, {}, settled);
}

std::string CoreError(const char* type, const std::string& message) {
  std::string error = R"({"type":")" + std::string(type) + R"(","message":)";
  AppendJsonString(&error, message);
  return error + R"(,"stack":""})";
}

// The error of a job whose handler says nothing of the cancel, or was never called.
Status UnheardCancelError(Ledger& ledger, const Lease& lease, std::string stored_reason,
                          std::string* error) {
  std::string reason;
  if (!stored_reason.empty()) {
    auto opened = OpenStored(ledger.connection(), ledger.keyring(), lease.place.queue_id,
                             SealField::kError, std::move(stored_reason));
    const Code code = opened.ok() ? Code::kOk : opened.status().code();
    // Whoever asked for the cancel may have had a key that is not here.
    const bool unreadable = code == Code::kPermissionDenied || code == Code::kCorrupt;
    if (!opened.ok() && !unreadable) return opened.status();
    if (opened.ok()) reason = std::move(*opened);
  }
  ASSIGN_OR_RETURN(*error, CancelError(ledger, lease.key.row, reason));
  return Status::Ok();
}

}  // namespace

Status NoteUnwanted(Ledger& ledger, const Place& place) {
  if (!place.has(kDependent)) return Status::Ok();
  Query q(ledger.connection(), sql::flows::kSelectMembers);
  q.Bind(place.row);
  for (;;) {
    bool row = false;
    RETURN_IF_ERROR(q.Step(&row));
    if (!row) return Status::Ok();
    ledger.NoteFlow({.kind = Ledger::FlowNote::Kind::kUnwanted, .row = q.Int(0)});
  }
}

Result<std::string> CancelError(Ledger& ledger, int64_t row, const std::string& reason) {
  if (reason.empty()) return CoreError("JobCancelled", "the job was cancelled");
  return SealFor(ledger, row, SealField::kError, CoreError("JobCancelled", reason));
}

std::string JobLost(const char* why) {
  return CoreError("JobLost", std::string(why) + "; it is delivered at most once");
}

Status FinishJob(Ledger& ledger, const Lease& lease, const Outcome& outcome, Settled* settled) {
  using Kind = Outcome::Kind;
  settled->status = Status::Ok();
  settled->due_at_ms = 0;
  const Kind kind = outcome.kind;
  Ended ended;
  RETURN_IF_ERROR(EndLease(ledger, lease, &ended));
  if (!ended.held) {
    settled->status =
        Status(Code::kLeaseLost, "the lease of job " + lease.key.PublicId() +
                                     " is no longer this worker's; nothing was changed");
    return Status::Ok();
  }
  Place place = lease.place;
  place.flags |= ended.flags;
  if (kind != Kind::kReleased && kind != Kind::kWaiting && kind != Kind::kReplaced) {
    ledger.counters().AddTime(place.queue_id, lease.name, Counters::What::kRun,
                              ledger.now_ms() - lease.started_at_ms);
  }
  if (kind == Kind::kCompleted) {
    settled->state = JobState::kCompleted;
    return EndAttempt(ledger, lease, place, JobState::kCompleted, Cause::kComplete, outcome.body,
                      outcome.content_type);
  }
  if (kind == Kind::kCancelled || ended.cancel_requested) {
    settled->state = JobState::kCancelled;
    if (ended.cancel_requested) RETURN_IF_ERROR(NoteUnwanted(ledger, place));
    if (!outcome.body.empty()) {
      return EndAttempt(ledger, lease, place, JobState::kCancelled, Cause::kCancel, outcome.body,
                        outcome.content_type);
    }
    std::string error;
    RETURN_IF_ERROR(UnheardCancelError(ledger, lease, std::move(ended.cancel_reason), &error));
    return EndAttempt(ledger, lease, place, JobState::kCancelled, Cause::kCancel, error,
                      ContentType::kJson);
  }
  if (kind == Kind::kReleased) return Release(ledger, lease, place, outcome, settled);
  return FailAttempt(ledger, lease, place, outcome, settled);
}

Status RescueJob(Ledger& ledger, const Lease& lease, const char* why, bool* lost) {
  Ended ended;
  RETURN_IF_ERROR(EndLease(ledger, lease, &ended));
  *lost = !ended.held;
  if (!ended.held) return Status::Ok();
  const int32_t crashes = lease.crashes + 1;
  Count(ledger, lease, Counters::What::kCrashed);
  ledger.Log(lease.place.queue_id, {.type = EventType::kRescued,
                                    .state = JobState::kActive,
                                    .prev = JobState::kActive,
                                    .job = &lease.key,
                                    .attempt = lease.attempts_made + 1,
                                    .count = crashes});
  const std::string message = std::string(why) + " (crash " + std::to_string(crashes) + "; " +
                              std::to_string(lease.max_crashes) + " are allowed)";
  const std::string error = CoreError("WorkerLost", message);
  Place place = lease.place;
  place.flags |= static_cast<uint8_t>(ended.flags | kHasRun);
  const bool ends = ended.cancel_requested || lease.delivery == Delivery::kAtMostOnce ||
                    crashes > lease.max_crashes;
  Lease written = lease;  // the attempt that ends a job is known by its ending
  if (ends) --written.attempts_started;
  RETURN_IF_ERROR(WriteRun(ledger, written, lease.attempts_made, crashes, 0));
  if (ended.cancel_requested) {
    RETURN_IF_ERROR(NoteUnwanted(ledger, place));
    return EndAttempt(ledger, lease, place, JobState::kCancelled, Cause::kCancel, error,
                      ContentType::kJson);
  }
  if (lease.delivery == Delivery::kAtMostOnce) {
    return EndAttempt(ledger, lease, place, JobState::kFailed, Cause::kLose, JobLost(why),
                      ContentType::kJson);
  }
  if (crashes > lease.max_crashes) {
    return EndAttempt(ledger, lease, place, JobState::kFailed, Cause::kCrashLimit, error,
                      ContentType::kJson);
  }
  RETURN_IF_ERROR(KeepAttemptError(ledger, lease, error));
  Settled settled;
  return PutBack(ledger, lease, place, 0, Cause::kRescue, Cause::kPostpone, error, &settled);
}

Status TimeOutJob(Ledger& ledger, const Lease& lease, bool hung, Settled* settled) {
  Outcome outcome;
  outcome.kind = Outcome::Kind::kFailed;
  // How far the handler has come, or whether it still runs, nobody knows.
  outcome.retryable = lease.delivery == Delivery::kAtLeastOnce;
  outcome.body =
      hung && !outcome.retryable
          ? JobLost("the worker hangs: the attempt took longer than its time limit")
          : CoreError("TimeLimitExceeded", "the attempt took longer than its time limit");
  return FinishJob(ledger, lease, outcome, settled);
}

Status LeaveLease(Ledger& ledger, const Lease& lease, Place* place, bool* held) {
  Ended ended;
  RETURN_IF_ERROR(EndLease(ledger, lease, &ended));
  *held = ended.held;
  if (!ended.held) return Status::Ok();
  *place = lease.place;
  place->flags |= static_cast<uint8_t>(ended.flags | kHasRun);
  return WriteRun(ledger, lease, lease.attempts_made, lease.crashes, 0);
}

Status EndUnworked(Ledger& ledger, const JobKey& key, const Place& place, JobState from,
                   const PlainEnd& end) {
  RunRecord run;
  RETURN_IF_ERROR(CountEnd(ledger, place, end.state));
  if (place.has(kHasRun)) RETURN_IF_ERROR(LoadRun(ledger.connection(), key.row, &run));
  return End(ledger, key, place,
             {.state = end.state,
              .started_at_ms = run.started_at_ms,
              .attempts = run.attempts_made,
              .process_id = run.process_id,
              .content_type = end.content_type,
              .body = end.body},
             from, end.cause, end.own);
}

Status EndWaiting(Ledger& ledger, const JobKey& key, const Place& place, JobState from, Cause cause,
                  std::string_view error, const std::optional<Keep>& keep_failed) {
  return EndUnworked(
      ledger, key, place, from,
      {.state = JobState::kCancelled, .cause = cause, .body = error, .own = keep_failed});
}

}  // namespace millrace::jobs
