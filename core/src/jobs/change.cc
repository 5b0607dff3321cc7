#include "jobs/change.h"

#include <algorithm>
#include <optional>

#include "base/macros.h"
#include "base/text.h"
#include "jobs/dedup.h"
#include "jobs/finish.h"
#include "jobs/payloads.h"
#include "jobs/read.h"
#include "jobs/retention.h"
#include "sql_statements.h"

namespace millrace::jobs {
namespace {

using store::Blob;
using store::Query;

// Deeper JSON than this is refused: the parsers of both languages can follow it, whatever they run
// in.
constexpr int kJsonDepthMax = 500;

Status WrongState(const Location& at, const char* accepted) {
  return Status(Code::kWrongState,
                "job " + at.key.PublicId() + " is " + JobStateName(at.state) + "; " + accepted);
}

Status TooLarge(const char* argument, size_t bytes, int64_t max_bytes) {
  return Status(Code::kTooLarge, std::string(argument) + " has " + std::to_string(bytes) +
                                     " bytes; at most " + std::to_string(max_bytes) +
                                     " are accepted");
}

Status CheckText(std::string_view text, int64_t max_bytes, const char* argument) {
  if (static_cast<int64_t>(text.size()) > max_bytes)
    return TooLarge(argument, text.size(), max_bytes);
  if (IsValidUtf8(text)) return Status::Ok();
  return Status(Code::kInvalidArgument, std::string(argument) + " is not valid UTF-8");
}

// A job's own rules, where it has any.
struct OwnRules {
  int32_t keep_logs = -1;
  std::optional<Keep> keep_failed;
};

Status LoadOwnRules(Ledger& ledger, int64_t row, OwnRules* rules) {
  Query q(ledger.connection(), sql::change::kSelectOwnRules);
  q.Bind(row);
  bool found = false;
  RETURN_IF_ERROR(q.Step(&found));
  if (!found) return Status::Ok();
  if (!q.IsNull(0)) rules->keep_logs = static_cast<int32_t>(q.Int(0));
  if (!q.IsNull(1)) rules->keep_failed = Keep{.age_ms = q.Int(1), .count = q.Int(2)};
  return Status::Ok();
}

Status RunOn(Ledger& ledger, const char* sql, int64_t row) {
  Query q(ledger.connection(), sql);
  q.Bind(row);
  return q.Run();
}

// Takes a waiting job from its place; neither counted nor logged.
Status TakeWaiting(Ledger& ledger, const Location& at) {
  if (at.state == JobState::kReady) return TakeReady(ledger, at.place);
  return at.state == JobState::kBlocked ? TakeBlocked(ledger, at.place)
                                        : TakeScheduled(ledger, at.place);
}

Status RequestCancel(Ledger& ledger, const Location& at, const std::string& reason) {
  std::string stored;
  if (!reason.empty()) {
    ASSIGN_OR_RETURN(stored, SealFor(ledger, at.key.row, SealField::kError, reason));
  }
  Query q(ledger.connection(), sql::change::kRequestCancel);
  std::optional<Blob> bytes;
  if (!reason.empty()) bytes = Blob{stored};
  q.Bind(at.key.row, bytes);
  RETURN_IF_ERROR(q.Run());
  ledger.WakeOwner(at.process_id);
  return Status::Ok();
}

Status MarkLeaseRun(Ledger& ledger, const Lease& lease, uint8_t flags = kHasRun) {
  Query q(ledger.connection(), sql::change::kMarkActive);
  q.Bind(lease.key.row, lease.token, flags);
  RETURN_IF_ERROR(q.Run());
  if (ledger.connection().changes() == 1) return Status::Ok();
  return Status(Code::kLeaseLost, "the lease of job " + lease.key.PublicId() +
                                      " is no longer this worker's; nothing was changed");
}

Status WriteProgress(Ledger& ledger, const JobKey& key, int64_t queue_id, JobState state,
                     std::string_view json) {
  Query q(ledger.connection(), sql::change::kWriteProgress);
  q.Bind(key.row, Blob{json});
  RETURN_IF_ERROR(q.Run());
  ledger.Log(
      queue_id,
      {.type = EventType::kProgress, .state = state, .prev = state, .job = &key, .data = json});
  return Status::Ok();
}

Status WriteLogLine(Ledger& ledger, int64_t row, std::string_view text, int64_t keep_lines) {
  int64_t line = 0;
  {
    Query q(ledger.connection(), sql::change::kNextLogLine);
    q.Bind(row);
    bool found = false;
    RETURN_IF_ERROR(q.Step(&found));
    line = q.Int(0);
  }
  {
    Query q(ledger.connection(), sql::change::kInsertLogLine);
    q.Bind(row, line, ledger.now_ms(), Blob{text});
    RETURN_IF_ERROR(q.Run());
  }
  if (line <= keep_lines) return Status::Ok();
  Query q(ledger.connection(), sql::change::kTrimLog);
  q.Bind(row, line - keep_lines);
  return q.Run();
}

int64_t LinesKept(int32_t keep_logs) {
  return keep_logs < 0 ? kLogLinesMax : std::min<int64_t>(keep_logs, kLogLinesMax);
}

void LogReady(Ledger& ledger, const Location& at) {
  ledger.Log(
      at.queue_id,
      {.type = EventType::kReady, .state = JobState::kReady, .prev = at.state, .job = &at.key});
}

// What a job has gathered goes; its row stays if it counts log lines.
Status ForgetRun(Ledger& ledger, const RedriveOptions& options, Place* place) {
  if (!options.keep_attempts_made) {
    RETURN_IF_ERROR(RunOn(ledger, sql::jobs::kDeleteAttemptErrors, place->row));
  }
  RETURN_IF_ERROR(RunOn(ledger, sql::change::kResetRun, place->row));
  if (ledger.connection().changes() == 1) return Status::Ok();
  place->flags &= static_cast<uint8_t>(~kHasRun);
  return RunOn(ledger, sql::jobs::kDeleteRun, place->row);
}

// The counts that a redriven job goes on with.
Status KeepAttempts(Ledger& ledger, const RedriveOptions& options, const Attempts& attempts,
                    Place* place) {
  const int32_t made = options.keep_attempts_made ? attempts.made : 0;
  const int32_t started = options.keep_attempts_started ? attempts.started : 0;
  if (made == 0 && started == 0) return Status::Ok();
  place->flags |= kHasRun;
  Query q(ledger.connection(), sql::jobs::kWriteRun);
  q.Bind(place->row, started, made, 0, std::optional<int64_t>(), 0, 0);
  return q.Run();
}

// A redriven job waits again for what is not done. One that no worker runs is joined again: it is
// blocked, if only until the operation ends.
Status RedriveDependent(Ledger& ledger, const Location& at, const Place& place, bool* blocked) {
  int64_t pending = 0;
  bool joins = false;
  {
    Query q(ledger.connection(), sql::flows::kSelectHeld);
    q.Bind(place.row);
    bool found = false;
    RETURN_IF_ERROR(q.Step(&found));
    pending = q.Int(0);
    joins = q.Int(1) != 0;
  }
  *blocked = pending > 0 || joins;
  if (!*blocked) return Status::Ok();
  if (pending == 0) ledger.NoteFlow({.kind = Ledger::FlowNote::Kind::kCountDown, .row = place.row});
  RETURN_IF_ERROR(
      PutBlocked(ledger, place, std::max<int64_t>(pending, 1), at.state, Cause::kRedrive));
  ledger.Log(at.queue_id, {.type = EventType::kBlocked,
                           .state = JobState::kBlocked,
                           .prev = at.state,
                           .job = &at.key,
                           .count = pending});
  return Status::Ok();
}

}  // namespace

Status CheckJson(std::string_view json, const char* argument, int64_t max_bytes) {
  if (static_cast<int64_t>(json.size()) > max_bytes) {
    return TooLarge(argument, json.size(), max_bytes);
  }
  if (IsJson(json, kJsonDepthMax)) return Status::Ok();
  return Status(Code::kInvalidArgument, std::string(argument) + " is " + Quoted(json) +
                                            "; JSON text of at most " +
                                            std::to_string(kJsonDepthMax) + " levels is accepted");
}

Status CheckProgress(std::string_view json, int64_t max_payload_bytes) {
  return CheckJson(json, "progress", max_payload_bytes);
}

Status CheckCheckpoint(std::string_view json, int64_t max_payload_bytes) {
  return CheckJson(json, "checkpoint", max_payload_bytes);
}

Status CheckLogLine(std::string_view text) {
  return CheckText(text, kLogLineMaxBytes, "line");
}

Status CheckReason(std::string_view reason) {
  return CheckText(reason, kReasonMaxBytes, "reason");
}

Status CancelJob(Ledger& ledger, const JobRef& job, const std::string& reason,
                 CancelResult* result) {
  RETURN_IF_ERROR(CheckReason(reason));
  ASSIGN_OR_RETURN(const Location at, FindJob(ledger.connection(), job));
  return CancelAt(ledger, at, reason, result);
}

Status CancelAt(Ledger& ledger, const Location& at, const std::string& reason,
                CancelResult* result) {
  if (at.state >= JobState::kCompleted) {
    *result = CancelResult::kFinished;
    return Status::Ok();
  }
  if (at.state == JobState::kActive) {
    *result = CancelResult::kRequested;
    return RequestCancel(ledger, at, reason);
  }
  OwnRules rules;
  RETURN_IF_ERROR(LoadOwnRules(ledger, at.key.row, &rules));
  ASSIGN_OR_RETURN(const std::string error, CancelError(ledger, at.key.row, reason));
  RETURN_IF_ERROR(TakeWaiting(ledger, at));
  RETURN_IF_ERROR(
      EndWaiting(ledger, at.key, at.place, at.state, Cause::kCancel, error, rules.keep_failed));
  *result = CancelResult::kCancelled;
  return Status::Ok();
}

Status RedriveAt(Ledger& ledger, const Location& at, const RedriveOptions& options) {
  if (at.state < JobState::kCompleted) {
    return WrongState(at, "completed, failed and cancelled jobs can be redriven");
  }
  Place place = at.place;
  Attempts attempts;
  if (options.keep_attempts_started || options.keep_attempts_made) {
    ASSIGN_OR_RETURN(attempts, ReadAttempts(ledger.connection(), place.row));
  }
  RETURN_IF_ERROR(RunOn(ledger, sql::jobs::kDeleteFinished, place.row));
  if (place.has(kHasRun)) RETURN_IF_ERROR(ForgetRun(ledger, options, &place));
  RETURN_IF_ERROR(KeepAttempts(ledger, options, attempts, &place));
  RETURN_IF_ERROR(RunOn(ledger, sql::change::kClearExpiry, place.row));
  RETURN_IF_ERROR(RetakeKey(ledger, at));
  if (place.has(kAwaited)) RETURN_IF_ERROR(RunOn(ledger, sql::flows::kReopenDependents, place.row));
  bool blocked = false;
  if (place.has(kDependent)) RETURN_IF_ERROR(RedriveDependent(ledger, at, place, &blocked));
  if (blocked) return Status::Ok();
  RETURN_IF_ERROR(PutReady(ledger, place, at.state, Cause::kRedrive));
  LogReady(ledger, at);
  return Status::Ok();
}

Status RedriveJob(Ledger& ledger, const JobRef& job, const RedriveOptions& options) {
  ASSIGN_OR_RETURN(const Location at, FindJob(ledger.connection(), job));
  return RedriveAt(ledger, at, options);
}

Status PromoteAt(Ledger& ledger, const Location& at) {
  if (at.state != JobState::kScheduled) return WrongState(at, "scheduled jobs can be promoted");
  RETURN_IF_ERROR(TakeScheduled(ledger, at.place));
  Place place = at.place;
  place.due_at_ms = 0;
  RETURN_IF_ERROR(PutReady(ledger, place, JobState::kScheduled, Cause::kPromote));
  LogReady(ledger, at);
  return Status::Ok();
}

Status PromoteJob(Ledger& ledger, const JobRef& job) {
  ASSIGN_OR_RETURN(const Location at, FindJob(ledger.connection(), job));
  return PromoteAt(ledger, at);
}

Status RemoveAt(Ledger& ledger, const Location& at) {
  if (at.state == JobState::kActive)
    return WrongState(at, "jobs in any other state can be removed");
  if (at.state >= JobState::kCompleted) return RemoveFinished(ledger, at.place, at.state);
  RETURN_IF_ERROR(TakeWaiting(ledger, at));
  ledger.Moved(at.queue_id, at.state, kNowhere, Cause::kRemove, at.place.priority);
  return DeleteBody(ledger, at.queue_id, at.key.row, at.place.flags);
}

Status RemoveJob(Ledger& ledger, const JobRef& job) {
  ASSIGN_OR_RETURN(const Location at, FindJob(ledger.connection(), job));
  return RemoveLogged(ledger, at);
}

Status RemoveLogged(Ledger& ledger, const Location& at) {
  RETURN_IF_ERROR(RemoveAt(ledger, at));
  ledger.Log(at.queue_id,
             {.type = EventType::kRemoved, .state = at.state, .prev = at.state, .job = &at.key});
  return Status::Ok();
}

Status SetProgress(Ledger& ledger, const JobRef& job, const std::string& json,
                   int64_t max_payload_bytes) {
  RETURN_IF_ERROR(CheckProgress(json, max_payload_bytes));
  ASSIGN_OR_RETURN(const Location at, FindJob(ledger.connection(), job));
  ASSIGN_OR_RETURN(const std::string stored,
                   SealFor(ledger, at.key.row, SealField::kProgress, json));
  RETURN_IF_ERROR(MarkPlace(ledger, at, kHasRun));
  return WriteProgress(ledger, at.key, at.queue_id, at.state, stored);
}

Status AppendLog(Ledger& ledger, const JobRef& job, const std::string& text, int64_t* lines) {
  if (lines) *lines = 0;
  RETURN_IF_ERROR(CheckLogLine(text));
  ASSIGN_OR_RETURN(const Location at, FindJob(ledger.connection(), job));
  OwnRules rules;
  RETURN_IF_ERROR(LoadOwnRules(ledger, at.key.row, &rules));
  if (LinesKept(rules.keep_logs) == 0) return Status::Ok();
  ASSIGN_OR_RETURN(const std::string stored, SealFor(ledger, at.key.row, SealField::kLog, text));
  RETURN_IF_ERROR(MarkPlace(ledger, at, kHasRun));
  RETURN_IF_ERROR(WriteLogLine(ledger, at.key.row, stored, LinesKept(rules.keep_logs)));
  if (!lines) return Status::Ok();
  Query q(ledger.connection(), sql::change::kCountLogLines);
  q.Bind(at.key.row);
  bool found = false;
  RETURN_IF_ERROR(q.Step(&found));
  *lines = q.Int(0);
  return Status::Ok();
}

Status SetLeaseProgress(Ledger& ledger, const Lease& lease, std::string_view json) {
  RETURN_IF_ERROR(MarkLeaseRun(ledger, lease));
  return WriteProgress(ledger, lease.key, lease.place.queue_id, JobState::kActive, json);
}

Status SetLeaseCheckpoint(Ledger& ledger, const Lease& lease, std::string_view json) {
  RETURN_IF_ERROR(MarkLeaseRun(ledger, lease, kHasRun | kHasCheckpoint));
  Query q(ledger.connection(), sql::change::kWriteCheckpoint);
  q.Bind(lease.key.row, Blob{json});
  return q.Run();
}

Status AppendLeaseLog(Ledger& ledger, const Lease& lease, std::string_view text,
                      int32_t keep_logs) {
  if (LinesKept(keep_logs) == 0) return Status::Ok();
  RETURN_IF_ERROR(MarkLeaseRun(ledger, lease));
  return WriteLogLine(ledger, lease.key.row, text, LinesKept(keep_logs));
}

}  // namespace millrace::jobs
