// The write operation of a session: what was said about its leases, then claims, in one commit.
#include <algorithm>

#include "base/macros.h"
#include "engine/operation.h"
#include "engine/session.h"
#include "flows/read.h"
#include "flows/resolve.h"
#include "flows/settle.h"
#include "jobs/change.h"
#include "jobs/claim.h"
#include "jobs/finish.h"
#include "jobs/process.h"
#include "jobs/quarantine.h"

namespace millrace::engine {
namespace {

constexpr int64_t kRetryStepMs = 100;  // after a disk or I/O error

Status Damaged(const jobs::Lease& lease, const Status& failed) {
  return Status(Code::kCorrupt, "job " + lease.key.PublicId() +
                                    " is damaged and was taken out of the way; run `millrace "
                                    "doctor`: " +
                                    failed.message());
}

int64_t NoteBytes(const Note& note) {
  size_t bytes = note.outcome.body.size() + note.outcome.progress.size() + note.text.size();
  for (const JobSpec& job : note.outcome.jobs) bytes += job.data.size() + job.headers.size();
  return static_cast<int64_t>(bytes);
}

}  // namespace

bool SessionCore::StartStep() {
  const int32_t want = Want();
  const bool to_write = !notes_.empty() || !step_notes_.empty() || slots_to_write_ != 0;
  if (step_under_way_ || !(to_write || (want > 0 && !hungry_))) return false;
  step_under_way_ = true;
  new_ = false;
  step_want_ = want;
  step_committed_ = false;
  step_slots_ = slots_to_write_;
  step_notes_.insert(step_notes_.end(), std::make_move_iterator(notes_.begin()),
                     std::make_move_iterator(notes_.end()));
  notes_.clear();
  gauge_.Add(std::exchange(settled_since_, 0));
  // A claim alone promises nothing: only what settles is as durable as the session.
  durability = step_notes_.empty() ? Durability::kProcess : context_.durability;
  step_count_ = step_notes_.size();
  if (isolation_.active()) {
    step_count_ = std::min(step_count_, static_cast<size_t>(isolation_.limit()));
    step_want_ = 0;
  }
  bytes = 0;
  for (const Note& note : step_notes_) bytes += NoteBytes(note);
  return true;
}

// Never blocks: with a full writer queue the pump's thread waits for room instead.
Status SessionCore::Kick(Lock lock) {
  const bool start = StartStep();
  lock.unlock();
  if (!start) return Status::Ok();
  const Status status = context_.writer->Submit(this, false);
  if (status.ok()) return status;
  if (status.code() != Code::kQueueFull) {
    FinishStep(status);
    return status;
  }
  lock = Lock(mutex_);
  step_under_way_ = false;
  step_ended_.notify_all();
  lock.unlock();
  context_.pump->Nudge();
  return Status::Ok();
}

Status SessionCore::Apply(store::Connection&) {
  step_settled_.clear();
  step_claimed_.clear();
  step_left_.clear();
  step_more_ = false;
  const bool take_away = isolation_.stage() == Isolation::Stage::kTakeAway;
  for (size_t i = 0; i < step_count_; ++i) {
    RETURN_IF_ERROR(take_away ? TakeAway(step_notes_[i]) : ApplyNote(step_notes_[i]));
  }
  if (isolation_.stage() != Isolation::Stage::kWhole) {
    step_left_ = context_.ledger->TakeFlowNotes();
    return Status::Ok();
  }
  // Before the claim: what these have set free may be run by the slots that they leave.
  RETURN_IF_ERROR(flows::Resolve(*context_.ledger));
  if (step_slots_ != 0) {
    RETURN_IF_ERROR(jobs::UpdateSessionSlots(*context_.ledger, context_.session_id, step_slots_));
  }
  RETURN_IF_ERROR(ClaimForQueues(step_want_));
  return Conclude(*context_.ledger);  // last: a claim ends what has expired
}

// What a handler says while it runs.
Status SessionCore::ApplyReport(const Note& note) {
  const jobs::Lease& lease = note.running->lease;
  if (note.kind == Note::Kind::kProgress) {
    return jobs::SetLeaseProgress(*context_.ledger, lease, note.text);
  }
  if (note.kind == Note::Kind::kCheckpoint) {
    return jobs::SetLeaseCheckpoint(*context_.ledger, lease, note.text);
  }
  return jobs::AppendLeaseLog(*context_.ledger, lease, note.text, note.running->keep_logs);
}

Status SessionCore::ApplyNote(Note& note) {
  const jobs::Lease& lease = note.running->lease;
  if (note.kind != Note::Kind::kSettle && note.kind != Note::Kind::kTimeOut) {
    const Status status = ApplyReport(note);
    return status.code() == Code::kLeaseLost ? Status::Ok() : status;  // its settle will say so
  }
  Settled settled{.token = lease.token, .id = {}, .queue = {}, .status = {}};
  if (note.kind == Note::Kind::kSettle) {
    RETURN_IF_ERROR(flows::FinishJob(*context_.ledger, lease, note.outcome, &settled));
  } else {
    RETURN_IF_ERROR(jobs::TimeOutJob(*context_.ledger, lease, false, &settled));
  }
  step_settled_.push_back(std::move(settled));
  return Status::Ok();
}

// What a damaged job has to do with ends here; the others must not wait for it.
Status SessionCore::TakeAway(Note& note) {
  const jobs::Lease& lease = note.running->lease;
  if (note.kind != Note::Kind::kSettle && note.kind != Note::Kind::kTimeOut) return Status::Ok();
  bool held = false;
  RETURN_IF_ERROR(jobs::TakeAwayLease(*context_.ledger, lease, step_failed_.ToString(), &held));
  step_settled_.push_back({.token = lease.token, .status = Damaged(lease, step_failed_)});
  return Status::Ok();
}

// Takes from each queue in turn, beginning with another one each time. A rolled-back step begins
// where it began.
Status SessionCore::ClaimForQueues(int32_t want) {
  const size_t count = context_.queues.size();
  for (size_t i = 0; i < count && want > 0; ++i) {
    const auto& [queue_id, name] = context_.queues[(next_queue_ + i) % count];
    const size_t before = step_claimed_.size();
    bool more = false;
    RETURN_IF_ERROR(jobs::ClaimJobs(*context_.ledger, queue_id, name, context_.process_id, want,
                                    &step_claimed_, &more));
    for (size_t at = before; at < step_claimed_.size(); ++at) {
      RETURN_IF_ERROR(flows::AddRelations(context_.ledger->connection(), &step_claimed_[at]));
    }
    step_more_ = step_more_ || more;
    want -= static_cast<int32_t>(step_claimed_.size() - before);
  }
  return Status::Ok();
}

void SessionCore::Committed() {
  Lock lock(mutex_);
  step_committed_ = true;
  const bool left = !step_left_.empty();
  left_.insert(left_.end(), std::make_move_iterator(step_left_.begin()),
               std::make_move_iterator(step_left_.end()));
  step_left_.clear();
  if (slots_to_write_ == step_slots_) slots_to_write_ = 0;
  next_queue_ = (next_queue_ + 1) % context_.queues.size();
  hungry_ = static_cast<int32_t>(step_claimed_.size()) < step_want_ && !step_more_;
  if (waiting_.empty()) waiting_since_ms_ = context_.clock->MonotonicMs();
  const bool came = !step_claimed_.empty();
  waiting_.Append(&step_claimed_);
  if (stopping_ || paused_) GiveBackWaiting();
  const bool nudge = !waiting_.empty() && next_tick_ms_ > waiting_since_ms_ + kWaitingMaxMs;
  if (nudge) next_tick_ms_ = 0;
  Notify(std::move(lock), came, false);
  if (nudge || left) context_.pump->Nudge();  // it minds how long they wait
}

// On a thread that may wait for the writer: the pump's, or the one that closes the session.
void SessionCore::ConcludeLeft() {
  Lock lock(mutex_);
  const std::vector<jobs::Ledger::FlowNote> left = std::exchange(left_, {});
  lock.unlock();
  if (!left.empty()) ConcludeApart(*context_.writer, *context_.ledger, left);
}

void SessionCore::Done(const Status& status) {
  FinishStep(status);
}

// Turns what a committed step has written into notices; true if there are any. With mutex_ held.
bool SessionCore::TellSettled(const Status& status) {
  if (!step_committed_) return false;
  bool news = false;
  size_t next = 0;
  for (size_t i = 0; i < step_count_; ++i) {
    Note& note = step_notes_[i];
    if (note.kind != Note::Kind::kSettle && note.kind != Note::Kind::kTimeOut) {
      if (isolation_.stage() != Isolation::Stage::kTakeAway) continue;
      notices_.errors.push_back(Damaged(note.running->lease, step_failed_));
      news = true;
      continue;
    }
    Settled& settled = step_settled_[next++];
    const jobs::Lease& lease = note.running->lease;
    if (note.kind == Note::Kind::kTimeOut) {
      if (settled.status.ok()) Tell(*note.running, Signal::Kind::kHardLimit, "");
      news = true;
      continue;
    }
    if (note.quiet) continue;
    if (!status.ok()) settled.status = status;
    if (options_.quiet && settled.status.ok()) continue;
    settled.id = lease.key.PublicId();
    settled.queue = QueueName(lease.place.queue_id);
    notices_.settled.push_back(std::move(settled));
    news = true;
  }
  DropNotes(step_count_);
  return news;
}

void SessionCore::DropNotes(size_t count) {
  step_notes_.erase(step_notes_.begin(), step_notes_.begin() + static_cast<ptrdiff_t>(count));
  if (step_notes_.empty()) isolation_.End();
}

// After a failed step: true if the next one is to try less of it, at once. With mutex_ held.
bool SessionCore::Isolate(const Status& status) {
  if (step_committed_ || step_count_ == 0 || !jobs::IsDamage(status)) return false;
  isolation_.Failed(static_cast<int64_t>(step_count_));
  step_failed_ = status;
  if (isolation_.stage() != Isolation::Stage::kGiveUp) return true;
  // Not even its lease can be taken away: it is left to `doctor`.
  const Note& note = step_notes_.front();
  const jobs::Lease& lease = note.running->lease;
  if (note.kind == Note::Kind::kSettle && !note.quiet) {
    notices_.settled.push_back({.token = lease.token,
                                .id = lease.key.PublicId(),
                                .queue = QueueName(lease.place.queue_id),
                                .status = Damaged(lease, status)});
  }
  isolation_.Succeeded();
  DropNotes(1);
  return true;
}

void SessionCore::FinishStep(const Status& status) {
  const std::shared_ptr<SessionCore> self =
      shared_from_this();  // Close() may let go of it meanwhile
  Lock lock(mutex_);
  step_under_way_ = false;
  const bool again = !status.ok() && Isolate(status);
  bool news = TellSettled(status) || !status.ok();
  if (again) {
    retry_at_ms_ = 0;
  } else if (!status.ok()) {
    // What was not committed stays in step_notes_ and goes with the next step.
    notices_.errors.push_back(status);
    retry_at_ms_ = context_.clock->MonotonicMs() + kRetryStepMs;
    hungry_ = true;
  } else {
    retry_at_ms_ = 0;
    if (isolation_.active()) isolation_.Succeeded();
  }
  if (!options_.quiet && hungry_ && running_.empty() && waiting_.empty() && notes_.empty() &&
      step_notes_.empty() && status.ok()) {
    news = news || !notices_.drained;
    notices_.drained = true;
  }
  step_ended_.notify_all();
  const bool hungry = hungry_;
  Notify(std::move(lock), false, news);
  if (status.ok() || again) (void)Kick(Lock(mutex_));
  if (hungry) context_.pump->Nudge();
}

}  // namespace millrace::engine
