#include "store/writer.h"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <span>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/macros.h"
#include "store/admission.h"
#include "store/group_commit.h"
#include "store/op_queue.h"
#include "store/retrier.h"

namespace millrace::store {

// What a synchronous caller sleeps on; lives on its stack. Whoever completes it touches nothing of
// it after the state is kDone, except that notify_one() names its address.
struct Waiter {
  static constexpr int kWaiting = 0;
  static constexpr int kNudged =
      1;  // nobody leads and this caller's operation is the next: try to lead
  static constexpr int kDone = 2;
  std::atomic<int> state{kWaiting};
  Status status;
};

namespace {

constexpr int32_t kMaxOps = 65'534;
constexpr int64_t kMaxBytes = int64_t{1} << 40;
// A burst of asynchronous operations is forgotten after a few groups.
constexpr int64_t kCrowdMax = 32;

// Who leads, and why nobody is ever left behind
//
// At most one thread leads (`leading_`, changed under `mutex_`); only it pops the queue and uses
// the store's writer. A submitter first pushes and counts (`queued_`), then looks at `leading_`. A
// leader first gives up `leading_`, then looks at `queued_`. All four are sequentially consistent,
// so either the submitter sees that nobody leads (and leads, or signals the thread), or the leader
// sees that something is queued (and nudges the owner of the next operation, or the thread). A
// nudge does not hand the lead over: whoever comes first takes it, because waking a thread takes
// longer than a commit. The nudged one that comes too late is nudged again by that leader's exit,
// or finds itself done.
class LeadingWriter : public Writer {
 public:
  LeadingWriter(Store& store, BatchHooks& hooks, const Options& options)
      : store_(store),
        commit_(store, hooks),
        max_group_ops_(static_cast<size_t>(std::max(1, options.max_group_ops))),
        max_group_bytes_(std::max<int64_t>(1, options.max_group_bytes)),
        admission_(std::clamp(options.max_ops, 1, kMaxOps),
                   std::clamp<int64_t>(options.max_bytes, 1, kMaxBytes)),
        queue_(static_cast<size_t>(std::clamp(options.max_ops, 1, kMaxOps))) {
    recovery_ = std::make_unique<Retrier>([this] { return TryRecovery(); });
    store_.OnFailure([retrier = recovery_.get()] { retrier->Start(); });
  }

  ~LeadingWriter() override {
    Stop();
    if (!store_.forked()) return;
    // The parent's threads do not exist in a forked child: neither joinable nor safe to destroy.
    static_cast<void>(thread_.release());
    static_cast<void>(recovery_.release());
  }

  Status Submit(WriteOp* op, bool wait_if_full) override;
  Status Run(WriteOp* op, bool wait_if_full) override;
  void Stop() override;
  Stats stats() const override;

 private:
  Status Enter(WriteOp* op, Waiter* waiter, bool wait_if_full);
  bool TryRecovery();
  Status StartThread();
  void ThreadMain();
  void SignalThread();

  bool TryLead();
  bool LeadGroup(const Waiter* self);
  void TakeGroup(const Waiter* self, std::vector<GroupEntry>* group);
  void PassOn();

  void Complete(std::span<GroupEntry> group);
  void CompletePhase(std::span<GroupEntry> group, bool synced_ones);

  Store& store_;
  GroupCommit commit_;
  const size_t max_group_ops_;
  const int64_t max_group_bytes_;

  Admission admission_;
  OpQueue queue_;
  std::atomic<int64_t> queued_{
      0};  // pushed and counted, less taken; below 0 for an instant at times

  std::mutex mutex_;  // for the change of leaders only; never held while anything is done
  std::atomic<bool> leading_{false};
  int64_t crowd_ = 0;  // how many come at once, judged by the groups so far; guarded by the lead
  QueuedOp next_;      // popped by a leader that left, for the next one; guarded by the lead

  std::atomic<int> leads_in_progress_{0};
  EventCount leads_ended_;

  std::unique_ptr<Retrier> recovery_;  // of a failed store

  std::once_flag thread_once_;
  Status thread_status_;
  std::unique_ptr<std::thread> thread_;
  std::atomic<int> thread_signal_{0};
  std::atomic<bool> thread_stop_{false};
  std::mutex stop_mutex_;

  std::atomic<int64_t> queue_full_waits_{0};
};

// --- Callers

Status LeadingWriter::Enter(WriteOp* op, Waiter* waiter, bool wait_if_full) {
  Admission::Answer answer = admission_.TryEnter(op->bytes);
  if (answer == Admission::Answer::kFull) {
    if (!wait_if_full) {
      return Status(Code::kQueueFull,
                    "the writer's queue is full: try again later, or let the call wait");
    }
    queue_full_waits_.fetch_add(1, std::memory_order_relaxed);
    answer = admission_.Enter(op->bytes);
  }
  if (answer == Admission::Answer::kClosed) return Status(Code::kClosed, "the store was closed");
  MILLRACE_CHECK(queue_.Push({op, waiter}));  // there is a node for everything that was admitted
  // From here on the operation may be completed, and be gone, at any time.
  queued_.fetch_add(1);
  return Status::Ok();
}

Status LeadingWriter::Submit(WriteOp* op, bool wait_if_full) {
  if (store_.forked()) return Status(Code::kForkedChild, "the store was opened before fork()");
  RETURN_IF_ERROR(StartThread());
  RETURN_IF_ERROR(Enter(op, nullptr, wait_if_full));
  if (!leading_.load()) SignalThread();
  return Status::Ok();
}

Status LeadingWriter::Run(WriteOp* op, bool wait_if_full) {
  if (store_.forked()) return Status(Code::kForkedChild, "the store was opened before fork()");
  Waiter waiter;
  RETURN_IF_ERROR(Enter(op, &waiter, wait_if_full));
  for (;;) {
    // Before the look at the own state: this caller may be the only one who knows that something is
    // queued.
    if (TryLead()) LeadGroup(&waiter);
    int state = waiter.state.load(std::memory_order_acquire);
    if (state == Waiter::kWaiting) {
      waiter.state.wait(Waiter::kWaiting, std::memory_order_acquire);
      state = waiter.state.load(std::memory_order_acquire);
    }
    if (state == Waiter::kDone) return std::move(waiter.status);
    waiter.state.compare_exchange_strong(state, Waiter::kWaiting);
  }
}

// Every write recovers a failed store first. Where nobody writes, because all only wait and read,
// this does it: a store that has failed answers no reader, so nobody would find out what there is
// to write.
bool LeadingWriter::TryRecovery() {
  class NoChange : public WriteOp {
    Status Apply(Connection&) override { return Status::Ok(); }
    void Done(const Status&) override {}
  } op;
  op.durability = Durability::kProcess;
  const Status status = Run(&op, true);
  return status.code() == Code::kClosed || status.code() == Code::kForkedChild ||
         (status.ok() && store_.failed().ok());
}

Status LeadingWriter::StartThread() {
  std::call_once(thread_once_, [this] {
    try {
      thread_ = std::make_unique<std::thread>([this] { ThreadMain(); });
    } catch (const std::system_error& error) {
      thread_status_ =
          Status(Code::kIoError, std::string("cannot start the writer thread: ") + error.what());
    }
  });
  return thread_status_;
}

void LeadingWriter::SignalThread() {
  if (thread_signal_.exchange(1) == 0) thread_signal_.notify_one();
}

void LeadingWriter::ThreadMain() {
  for (;;) {
    thread_signal_.wait(0);
    thread_signal_.store(0);
    if (thread_stop_.load()) return;
    while (queued_.load() > 0 && TryLead()) {
      if (!LeadGroup(nullptr)) break;  // the next one is led by its own thread, which was nudged
    }
  }
}

void LeadingWriter::Stop() {
  if (store_.forked()) return;
  std::lock_guard<std::mutex> lock(stop_mutex_);
  store_.OnFailure(nullptr);
  recovery_->Stop();
  admission_.Close();
  // Everything admitted is led by somebody; in this order, because a group is counted as led before
  // it is taken.
  leads_ended_.Await([this] { return admission_.empty() && leads_in_progress_.load() == 0; });
  std::call_once(thread_once_,
                 [this] { thread_status_ = Status(Code::kClosed, "the store was closed"); });
  if (!thread_) return;
  thread_stop_.store(true);
  SignalThread();
  thread_->join();
  thread_.reset();
}

Writer::Stats LeadingWriter::stats() const {
  return {.commits = commit_.commits(),
          .operations = commit_.operations(),
          .rollbacks = commit_.rollbacks(),
          .queue_full_waits = queue_full_waits_.load(std::memory_order_relaxed)};
}

// --- The lead

bool LeadingWriter::TryLead() {
  if (leading_.load()) return false;
  std::lock_guard<std::mutex> lock(mutex_);
  if (leading_.load()) return false;
  leading_.store(true);
  return true;
}

// False if there was nothing that this thread (`self` is what it waits on, if it is a caller)
// leads.
bool LeadingWriter::LeadGroup(const Waiter* self) {
  leads_in_progress_.fetch_add(1);
  std::vector<GroupEntry> group;
  TakeGroup(self, &group);
  const bool led = !group.empty();
  if (!group.empty()) commit_.Commit(group);
  PassOn();
  // No longer the leader: the next group commits while this one syncs.
  Complete(group);
  leads_in_progress_.fetch_sub(1);
  leads_ended_.NotifyAll();
  return led;
}

void LeadingWriter::TakeGroup(const Waiter* self, std::vector<GroupEntry>* group) {
  // Those who were woken by the last group are about to come back. Led at once, this caller's next
  // operation would be a commit of its own, and theirs too.
  if (queued_.load() < crowd_) std::this_thread::yield();
  group->reserve(
      std::min(max_group_ops_, static_cast<size_t>(std::max<int64_t>(1, queued_.load()))));
  int64_t bytes = 0;
  while (group->size() < max_group_ops_ && bytes < max_group_bytes_) {
    QueuedOp item = std::exchange(next_, QueuedOp{});
    if (!item.op && !queue_.Pop(&item)) break;
    const bool alone = item.op->alone;
    // Another caller's would keep this thread long after its own operation is done.
    if (alone && (!group->empty() || item.waiter != self)) {
      next_ = item;
      break;
    }
    const bool wants_sync = item.op->durability == Durability::kPower && !store_.in_memory();
    group->push_back({item.op, item.waiter, wants_sync, item.op->bytes, Status()});
    bytes += std::max<int64_t>(0, item.op->bytes);
    if (alone) break;
  }
  crowd_ = std::max(std::min(static_cast<int64_t>(group->size()), kCrowdMax), crowd_ * 3 / 4);
  queued_.fetch_sub(static_cast<int64_t>(group->size()));
}

void LeadingWriter::PassOn() {
  std::lock_guard<std::mutex> lock(mutex_);
  leading_.store(false);
  if (queued_.load() <= 0) return;
  // Still alone with the queue: nobody takes the lead without the mutex.
  if (!next_.op && !queue_.Pop(&next_)) return;
  if (!next_.waiter) {
    SignalThread();
    return;
  }
  int waiting = Waiter::kWaiting;
  if (next_.waiter->state.compare_exchange_strong(waiting, Waiter::kNudged))
    next_.waiter->state.notify_one();
}

// --- Completion

void LeadingWriter::Complete(std::span<GroupEntry> group) {
  bool sync = false;
  for (GroupEntry& entry : group) {
    entry.wants_sync = entry.wants_sync && entry.status.ok();
    sync = sync || entry.wants_sync;
  }
  CompletePhase(group, false);
  if (!sync) return;
  if (const Status synced = store_.Sync(); !synced.ok()) {
    for (GroupEntry& entry : group) {
      if (entry.wants_sync) entry.status = synced;
    }
  }
  CompletePhase(group, true);
}

void LeadingWriter::CompletePhase(std::span<GroupEntry> group, bool synced_ones) {
  uint64_t weights = 0;
  for (const GroupEntry& entry : group) {
    if (entry.wants_sync == synced_ones) weights += Admission::Weight(entry.bytes);
  }
  if (weights == 0) return;
  // Room first, so that Done() may submit a successor without waiting.
  admission_.Leave(weights);
  for (GroupEntry& entry : group) {
    if (entry.wants_sync != synced_ones) continue;
    entry.op->Done(entry.status);  // the operation may be gone now
    if (!entry.waiter) continue;
    entry.waiter->status = std::move(entry.status);
    entry.waiter->state.store(Waiter::kDone, std::memory_order_release);
    entry.waiter->state.notify_one();  // by address only: the waiter may be gone now
  }
}

}  // namespace

std::unique_ptr<Writer> Writer::Create(Store& store, BatchHooks& hooks, const Options& options) {
  return std::make_unique<LeadingWriter>(store, hooks, options);
}

}  // namespace millrace::store
