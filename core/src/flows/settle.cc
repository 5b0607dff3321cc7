#include "flows/settle.h"

#include <algorithm>
#include <string>

#include "base/macros.h"
#include "flows/enqueue.h"
#include "flows/graph.h"
#include "jobs/change.h"
#include "jobs/finish.h"
#include "jobs/json_object.h"
#include "sql_statements.h"

namespace millrace::flows {
namespace {

using jobs::Lease;
using jobs::Place;
using store::Query;
using Kind = Outcome::Kind;
using Note = jobs::Ledger::FlowNote;

bool Suspends(Kind kind) {
  return kind == Kind::kWaiting || kind == Kind::kReplaced;
}

Outcome Ending(Kind kind, std::string body) {
  Outcome outcome;
  outcome.kind = kind;
  outcome.body = std::move(body);
  outcome.retryable = false;
  return outcome;
}

// Whether this is an answer about the jobs, and not about the disk.
bool IsRefusal(const Status& status) {
  return status.code() == Code::kInvalidArgument || status.code() == Code::kNotFound ||
         status.code() == Code::kWrongState || status.code() == Code::kGroupFull;
}

Status Refuse(jobs::Ledger& ledger, const Lease& lease, const Status& why, Settled* settled) {
  const std::string error = jobs::JsonObject()
                                .Text("type", "FlowRefused")
                                .Text("message", why.message())
                                .Text("stack", "")
                                .Take();
  RETURN_IF_ERROR(jobs::FinishJob(ledger, lease, Ending(Kind::kFailed, error), settled));
  if (settled->status.ok()) settled->status = why;
  return Status::Ok();
}

// From now on the job ends as others do, and forgets what it has waited for itself.
Status Replace(jobs::Ledger& ledger, int64_t row, int64_t roots) {
  {
    Query q(ledger.connection(), sql::flows::kDeleteDependencies);
    q.Bind(row);
    RETURN_IF_ERROR(q.Run());
  }
  Query q(ledger.connection(), sql::flows::kSetJoin);
  q.Bind(row, static_cast<int>(roots == 1 ? JoinKind::kForward : JoinKind::kCollect));
  return q.Run();
}

// The lease has ended; the job waits, or is ready if nothing is left to wait for.
Status Suspend(jobs::Ledger& ledger, const Lease& lease, Place place, Settled* settled) {
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
  const bool ready = pending == 0 && !joins;
  settled->state = ready ? JobState::kReady : JobState::kBlocked;
  if (ready) {
    RETURN_IF_ERROR(PutReady(ledger, place, JobState::kActive, jobs::Cause::kRelease));
  } else {
    RETURN_IF_ERROR(PutBlocked(ledger, place, std::max<int64_t>(pending, 1), JobState::kActive,
                               jobs::Cause::kWait));
    ledger.NoteFlow({.kind = pending == 0 ? Note::Kind::kCountDown : Note::Kind::kReconsider,
                     .row = place.row});
  }
  ledger.Log(place.queue_id, {.type = ready ? EventType::kReady : EventType::kBlocked,
                              .state = settled->state,
                              .prev = JobState::kActive,
                              .job = &lease.key,
                              .attempt = lease.attempts_made + 1,
                              .count = pending});
  return Status::Ok();
}

// With the outcome, or not at all: under a lost lease neither is.
Status WriteProgress(jobs::Ledger& ledger, const Lease& lease, const Outcome& outcome) {
  const Status status = jobs::SetLeaseProgress(ledger, lease, outcome.progress);
  return status.code() == Code::kLeaseLost ? Status::Ok() : status;
}

}  // namespace

Status CheckOutcomeJobs(const Outcome& outcome) {
  if (outcome.kind == Kind::kReplaced && outcome.jobs.empty()) {
    return Status(Code::kInvalidArgument,
                  "jobs is empty; an attempt that is replaced needs at least one");
  }
  return CheckGraph(outcome.jobs);
}

Status FinishJob(jobs::Ledger& ledger, const Lease& lease, const Outcome& outcome,
                 Settled* settled) {
  const bool suspends = Suspends(outcome.kind);
  if (!suspends && outcome.jobs.empty()) {
    if (!outcome.progress.empty()) RETURN_IF_ERROR(WriteProgress(ledger, lease, outcome));
    return jobs::FinishJob(ledger, lease, outcome, settled);
  }
  jobs::Location at;
  bool found = false;
  RETURN_IF_ERROR(jobs::LocateRow(ledger.connection(), lease.key.row, &at, &found));
  if (!found || at.state != JobState::kActive || at.token != lease.token) {
    return jobs::FinishJob(ledger, lease, Ending(Kind::kReleased, ""), settled);  // says: lost
  }
  if (suspends && at.cancel_requested) {
    return jobs::FinishJob(ledger, lease, Ending(Kind::kCancelled, ""), settled);
  }
  Enqueue enqueue(ledger, outcome.jobs);
  if (suspends) enqueue.SetWaiter(at);
  if (Status status = enqueue.Prepare(); !status.ok()) {
    return IsRefusal(status) ? Refuse(ledger, lease, status, settled) : status;
  }
  if (!outcome.progress.empty()) RETURN_IF_ERROR(WriteProgress(ledger, lease, outcome));
  if (outcome.kind == Kind::kReplaced) {
    RETURN_IF_ERROR(Replace(ledger, lease.key.row, enqueue.roots()));
  }
  RETURN_IF_ERROR(enqueue.Write(&settled->added));
  if (!suspends) return jobs::FinishJob(ledger, lease, outcome, settled);
  Place place;
  bool held = false;
  RETURN_IF_ERROR(jobs::LeaveLease(ledger, lease, &place, &held));
  if (!outcome.jobs.empty()) place.flags |= jobs::kDependent;
  settled->status = Status::Ok();
  settled->due_at_ms = 0;
  return Suspend(ledger, lease, place, settled);
}

}  // namespace millrace::flows
