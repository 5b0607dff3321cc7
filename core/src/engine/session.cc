#include "engine/session.h"

#include <algorithm>
#include <chrono>

#include "base/macros.h"
#include "base/text.h"
#include "flows/settle.h"
#include "jobs/change.h"
#include "jobs/finish.h"
#include "jobs/validate.h"

namespace millrace::engine {
namespace {

constexpr int64_t kNever = INT64_MAX;
Status NotHeld(int64_t token) {
  return Status(Code::kNotFound,
                "token " + std::to_string(token) + " is of no job that this session runs");
}

}  // namespace

SessionCore::SessionCore(SessionContext context, SessionOptions options)
    : context_(std::move(context)),
      options_(std::move(options)),
      slots_(options_.slots),
      paused_(options_.paused),
      gauge_(options_.prefetch, options_.prefetch_ms) {}

std::string SessionCore::QueueName(int64_t queue_id) const {
  for (const auto& [id, name] : context_.queues) {
    if (id == queue_id) return name;
  }
  return "";
}

int32_t SessionCore::Want() const {
  if (paused_ || stopping_ || unresponsive_) return 0;
  const auto here = static_cast<int64_t>(running_.size() + waiting_.size());
  return static_cast<int32_t>(std::max<int64_t>(int64_t{slots_} + gauge_.Target() - here, 0));
}

// --- Takers ---

template <typename Ready>
bool SessionCore::WaitFor(Lock& lock, std::condition_variable& changed, int64_t timeout_ms,
                          Ready ready) {
  if (timeout_ms == 0) return ready();
  if (timeout_ms < 0) {
    changed.wait(lock, ready);
    return true;
  }
  return changed.wait_for(lock, std::chrono::milliseconds(timeout_ms), ready);
}

Result<std::vector<LeasedJob>> SessionCore::Take(int32_t max, int64_t timeout_ms) {
  RETURN_IF_ERROR(jobs::CheckRange(max, 1, 1'000'000, "max"));
  for (;;) {
    ASSIGN_OR_RETURN(std::vector<LeasedJob> jobs, TakeWaiting(max, timeout_ms));
    const bool any = !jobs.empty();
    OpenTaken(&jobs);
    if (!jobs.empty() || !any) return jobs;
  }
}

Result<std::vector<LeasedJob>> SessionCore::TakeWaiting(int32_t max, int64_t timeout_ms) {
  Lock lock(mutex_);
  if (std::exchange(unresponsive_, false)) {
    hungry_ = false;
    (void)Kick(std::move(lock));
    lock = Lock(mutex_);
  }
  ++takers_;
  WaitFor(lock, jobs_changed_, timeout_ms, [&] { return !waiting_.empty() || stopping_; });
  --takers_;
  std::vector<LeasedJob> jobs;
  if (waiting_.empty() && stopping_) return Status(Code::kClosed, "the session was stopped");
  const size_t count = std::min(waiting_.size(), static_cast<size_t>(max));
  jobs.reserve(count);
  for (size_t i = 0; i < count; ++i) {
    jobs::Claimed& claimed = waiting_.front();
    auto running = std::make_shared<Running>();
    running->lease = std::move(claimed.lease);
    const JobSpec& spec = claimed.job.spec;
    running->keep_logs = spec.keep_logs;
    if (!context_.keyring->empty()) {
      running->sealing = context_.keyring->ModeOf(spec.sealing, spec.data);
      running->name = spec.name;
    }
    running_.emplace(running->lease.token, std::move(running));
    jobs.push_back(std::move(claimed.job));
    waiting_.pop_front();
  }
  if (waiting_.empty()) jobs_announced_ = false;
  if (count == 0) return jobs;
  waiting_since_ms_ = context_.clock->MonotonicMs();
  const bool limits = std::any_of(jobs.begin(), jobs.end(), [](const LeasedJob& job) {
    return job.spec.time_limit_ms != 0 || job.spec.soft_time_limit_ms != 0;
  });
  (void)Kick(std::move(lock));
  if (limits) context_.pump->Nudge();
  return jobs;
}

Result<Notices> SessionCore::Drain(int64_t timeout_ms) {
  Lock lock(mutex_);
  auto any = [&] {
    return !notices_.settled.empty() || !notices_.signals.empty() || notices_.drained ||
           !notices_.rescued.empty() || !notices_.errors.empty();
  };
  WaitFor(lock, notices_changed_, timeout_ms, [&] { return any() || closed_; });
  if (!any() && closed_) return Status(Code::kClosed, "the session was closed");
  notices_announced_ = false;
  return std::exchange(notices_, Notices{});
}

Status SessionCore::Settle(int64_t token, Outcome outcome) {
  RETURN_IF_ERROR(jobs::CheckOutcome(outcome, context_.max_payload_bytes));
  RETURN_IF_ERROR(flows::CheckOutcomeJobs(outcome));
  if (!outcome.progress.empty()) {
    RETURN_IF_ERROR(jobs::CheckProgress(outcome.progress, context_.max_payload_bytes));
  }
  RETURN_IF_ERROR(SealOutcome(token, &outcome));
  Lock lock(mutex_);
  auto it = running_.find(token);
  if (it == running_.end()) return NotHeld(token);
  if (closed_) return Status(Code::kClosed, "the session was closed");
  if (outcome.throttle && outcome.throttle->scope == LimitScope::kGroup &&
      it->second->lease.place.group.empty()) {
    return Status(Code::kInvalidArgument,
                  "throttle.scope is \"group\", but the job is in none; \"store\", \"queue\" or "
                  "\"task\" is accepted");
  }
  notes_.push_back({.kind = Note::Kind::kSettle,
                    .running = std::move(it->second),
                    .outcome = std::move(outcome),
                    .text = {}});
  running_.erase(it);
  ++settled_since_;
  unresponsive_ = false;
  return Kick(std::move(lock));
}

Status SessionHandle::SettleMany(std::vector<std::pair<int64_t, Outcome>> outcomes,
                                 size_t* failed_index) {
  for (size_t i = 0; i < outcomes.size(); ++i) {
    Status status = core_->Settle(outcomes[i].first, std::move(outcomes[i].second));
    if (status.ok()) continue;
    if (failed_index) *failed_index = i;
    return status;
  }
  return Status::Ok();
}

Status SessionCore::Write(int64_t token, Note::Kind kind, std::string text) {
  const int64_t max_bytes = context_.max_payload_bytes;
  RETURN_IF_ERROR(kind == Note::Kind::kProgress     ? jobs::CheckProgress(text, max_bytes)
                  : kind == Note::Kind::kCheckpoint ? jobs::CheckCheckpoint(text, max_bytes)
                                                    : jobs::CheckLogLine(text));
  SealNote(token, kind, &text);
  Lock lock(mutex_);
  auto it = running_.find(token);
  if (it == running_.end()) return NotHeld(token);
  uint8_t& flags = it->second->lease.place.flags;
  flags |= jobs::kHasRun;  // job_runs will have a row for it
  if (kind == Note::Kind::kCheckpoint) flags |= jobs::kHasCheckpoint;
  notes_.push_back({.kind = kind, .running = it->second, .outcome = {}, .text = std::move(text)});
  return Kick(std::move(lock));
}

// --- Control ---

void SessionCore::SetSlots(int32_t slots) {
  Lock lock(mutex_);
  slots_ = std::clamp(slots, 1, 100'000);
  if (!closed_) slots_to_write_ = slots_;
  (void)Kick(std::move(lock));
  context_.pump->Nudge();
}

// Gives claimed but untaken jobs back. With mutex_ held; the caller kicks.
void SessionCore::GiveBackWaiting() {
  while (!waiting_.empty()) {
    auto running = std::make_shared<Running>();
    running->lease = std::move(waiting_.front().lease);
    waiting_.pop_front();
    Outcome outcome;
    outcome.kind = Outcome::Kind::kReleased;
    notes_.push_back({.kind = Note::Kind::kSettle,
                      .running = std::move(running),
                      .outcome = std::move(outcome),
                      .text = {},
                      .quiet = true});
  }
  jobs_announced_ = false;
  gauge_.Reset();
}

void SessionCore::Pause() {
  Lock lock(mutex_);
  paused_ = true;
  GiveBackWaiting();
  (void)Kick(std::move(lock));
}

void SessionCore::Resume() {
  Lock lock(mutex_);
  paused_ = false;
  hungry_ = false;
  (void)Kick(std::move(lock));
}

int32_t SessionCore::active() {
  const Lock lock(mutex_);
  return static_cast<int32_t>(running_.size());
}

void SessionCore::Stop() {
  Lock lock(mutex_);
  stopping_ = true;
  GiveBackWaiting();
  jobs_changed_.notify_all();
  const bool announce = !std::exchange(jobs_announced_, true);
  (void)Kick(std::move(lock));
  if (announce && options_.on_ready) options_.on_ready();
}

Status SessionCore::Close(int64_t timeout_ms) {
  Stop();
  Lock lock(mutex_);
  auto written = [&] { return !step_under_way_ && notes_.empty() && step_notes_.empty(); };
  const bool all =
      WaitFor(lock, step_ended_, timeout_ms, [&] { return running_.empty() && written(); });
  if (!all) {
    for (auto& [token, running] : running_) {
      Outcome outcome;
      outcome.kind = Outcome::Kind::kReleased;
      if (running->lease.delivery == Delivery::kAtMostOnce) {  // its handler may still run
        outcome.kind = Outcome::Kind::kFailed;
        outcome.retryable = false;
        outcome.body = jobs::JobLost("the worker's session was closed while it ran the job");
      }
      Tell(*running, Signal::Kind::kLeaseLost, "the session was closed");
      notes_.push_back({.kind = Note::Kind::kSettle,
                        .running = running,
                        .outcome = std::move(outcome),
                        .text = {},
                        .quiet = true});
    }
    running_.clear();
    const Status status = Kick(std::move(lock));
    lock = Lock(mutex_);
    // A step that cannot be written (disk full) is not waited for: the process's end releases its
    // leases.
    step_ended_.wait(lock, [&] { return !step_under_way_ && (written() || retry_at_ms_ != 0); });
    (void)status;
  }
  lock.unlock();
  ConcludeLeft();
  lock.lock();
  closed_ = true;
  const bool announce = !std::exchange(notices_announced_, true);
  notices_changed_.notify_all();
  const Status status =
      step_notes_.empty() && notes_.empty()
          ? Status::Ok()
          : Status(Code::kIoError,
                   "some finished attempts could not be written; they will run again");
  lock.unlock();
  if (announce && options_.on_ready) options_.on_ready();
  return status;
}

bool SessionCore::AllWritten() {
  const Lock lock(mutex_);
  return !step_under_way_ && notes_.empty() && step_notes_.empty();
}

SessionHandle::~SessionHandle() {
  if (fork_generation_ == ForkGeneration()) {
    (void)Close(0);
  } else {
    // Its locks and conditions may be held by threads of the parent: never touched, never freed.
    static_cast<void>(new std::shared_ptr<SessionCore>(std::move(core_)));
  }
}

Status SessionHandle::Close(int64_t timeout_ms) {
  if (fork_generation_ != ForkGeneration())
    return Status(Code::kForkedChild, "this session belongs to the parent process");
  const Status status = core_->Close(timeout_ms);
  std::function<void()> on_closed;
  {
    const std::lock_guard lock(mutex_);
    on_closed = std::exchange(on_closed_, nullptr);
  }
  if (on_closed) on_closed();
  return status;
}

// --- Notices ---

// Wakes those who wait for jobs or notices, once per change from nothing to something.
void SessionCore::Notify(Lock lock, bool jobs, bool notices) {
  if (jobs && waiting_.size() == 1) {
    jobs_changed_.notify_one();
  } else if (jobs) {
    jobs_changed_.notify_all();
  }
  if (notices) notices_changed_.notify_all();
  const bool announce = (jobs && !std::exchange(jobs_announced_, true)) ||
                        (notices && !std::exchange(notices_announced_, true));
  lock.unlock();
  if (announce && options_.on_ready) options_.on_ready();
}

void SessionCore::Tell(const Running& running, Signal::Kind kind, std::string reason) {
  notices_.signals.push_back({.kind = kind,
                              .token = running.lease.token,
                              .id = running.lease.key.PublicId(),
                              .reason = std::move(reason)});
}

void SessionCore::NoteRescued(const std::vector<std::string>& ids) {
  Lock lock(mutex_);
  notices_.rescued.insert(notices_.rescued.end(), ids.begin(), ids.end());
  Notify(std::move(lock), false, true);
}

// --- PumpSession ---

int32_t SessionCore::Hunger(std::vector<int64_t>* queue_ids) {
  const Lock lock(mutex_);
  looked_for_ = false;
  const int32_t want = Want();
  if (want <= 0 || step_under_way_) return 0;
  // Feed() refuses until then: who said "hungry" would be fed in vain, again and again.
  if (context_.clock->MonotonicMs() < retry_at_ms_) return 0;
  Queues(queue_ids);
  looked_for_ = true;
  return want;
}

void SessionCore::Queues(std::vector<int64_t>* queue_ids) {
  for (const auto& [queue_id, name] : context_.queues) queue_ids->push_back(queue_id);
}

// On the pump's own thread, so that a job found by it starts without another hop.
void SessionCore::Feed() {
  const std::shared_ptr<SessionCore> self = shared_from_this();
  Lock lock(mutex_);
  if (context_.clock->MonotonicMs() < retry_at_ms_) return;
  hungry_ = false;
  const bool start = StartStep();
  lock.unlock();
  if (!start) return;
  // Done() has the answer; an operation that was not taken must be ended here.
  const Status status = context_.writer->Run(this, true);
  if (status.code() == Code::kClosed) {
    lock = Lock(mutex_);
    const bool ended = !step_under_way_;
    lock.unlock();
    if (!ended) FinishStep(status);
  }
}

// That its queues are drained a session hears from its steps. One that has found nothing from its
// opening makes none: an empty claim is a read.
void SessionCore::FindNothing() {
  Lock lock(mutex_);
  if (!looked_for_ || !std::exchange(new_, false) || closed_ || options_.quiet) return;
  notices_.drained = true;
  Notify(std::move(lock), false, true);
}

int64_t SessionCore::Tick(int64_t monotonic_ms) {
  ConcludeLeft();
  Lock lock(mutex_);
  int64_t next = kNever;
  bool news = false;
  for (auto& [token, running] : running_) {
    const jobs::Lease& lease = running->lease;
    if (lease.soft_deadline_ms != 0 && !running->soft_told) {
      if (lease.soft_deadline_ms <= monotonic_ms) {
        running->soft_told = news = true;
        Tell(*running, Signal::Kind::kSoftLimit, "");
      } else {
        next = std::min(next, lease.soft_deadline_ms);
      }
    }
    if (lease.deadline_ms == 0 || running->hard_told) continue;
    if (lease.deadline_ms <= monotonic_ms) {
      running->hard_told = true;
      notes_.push_back(
          {.kind = Note::Kind::kTimeOut, .running = running, .outcome = {}, .text = {}});
    } else {
      next = std::min(next, lease.deadline_ms);
    }
  }
  if (!waiting_.empty()) {
    // Threads in Take() have been woken; a busy machine may take long to run them.
    if (takers_ > 0) waiting_since_ms_ = monotonic_ms;
    if (waiting_since_ms_ + kWaitingMaxMs <= monotonic_ms) {
      GiveBackWaiting();
      unresponsive_ = true;
    } else {
      next = std::min(next, waiting_since_ms_ + kWaitingMaxMs);
    }
  }
  const bool start = retry_at_ms_ <= monotonic_ms && StartStep();
  if (retry_at_ms_ > monotonic_ms) next = std::min(next, retry_at_ms_);
  next_tick_ms_ = next;
  Notify(std::move(lock), false, news);
  if (start) {
    const Status status = context_.writer->Submit(this, true);
    if (!status.ok()) FinishStep(status);
  }
  return next;
}

bool SessionCore::HoldsLeases() {
  const Lock lock(mutex_);
  heard_tokens_.clear();
  for (const auto& [token, running] : running_) heard_tokens_.push_back(token);
  return !heard_tokens_.empty();
}

void SessionCore::Hear(const std::vector<jobs::LeaseNews>& leases) {
  std::unordered_map<int64_t, const jobs::LeaseNews*> by_token;
  for (const jobs::LeaseNews& news : leases) by_token.emplace(news.token, &news);
  Lock lock(mutex_);
  bool told = false;
  for (const int64_t token : heard_tokens_) {
    auto it = running_.find(token);
    if (it == running_.end() || it->second->cancel_told || it->second->hard_told) continue;
    Running& running = *it->second;
    auto news = by_token.find(token);
    if (news != by_token.end() && !news->second->cancel_requested) continue;
    running.cancel_told = told = true;
    if (news == by_token.end()) {
      Tell(running, Signal::Kind::kLeaseLost, "the job was taken away");
    } else {
      Tell(running, Signal::Kind::kCancel, OpenReason(running, news->second->cancel_reason));
    }
  }
  Notify(std::move(lock), false, told);
}

void SessionCore::Fail(const Status& status) {
  Lock lock(mutex_);
  // The same trouble each second is told once until somebody has looked.
  if (!notices_.errors.empty() && notices_.errors.back().code() == status.code()) return;
  notices_.errors.push_back(status);
  Notify(std::move(lock), false, true);
}

}  // namespace millrace::engine
