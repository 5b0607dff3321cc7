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

#include "base/macros.h"
#include "sql_statements.h"
#include "store/admission.h"
#include "store/op_queue.h"

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

constexpr int32_t kMaxOps = 65'000;
constexpr int64_t kMaxBytes = int64_t{1} << 40;

// One operation of the group that is being committed.
struct Entry {
  WriteOp* op;
  Waiter* waiter;
  bool wants_sync;
  int64_t bytes;
  Status status;
};

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
        hooks_(hooks),
        max_group_ops_(static_cast<size_t>(std::max(1, options.max_group_ops))),
        max_group_bytes_(std::max<int64_t>(1, options.max_group_bytes)),
        admission_(std::clamp(options.max_ops, 1, kMaxOps),
                   std::clamp<int64_t>(options.max_bytes, 1, kMaxBytes)),
        queue_(static_cast<size_t>(std::clamp(options.max_ops, 1, kMaxOps))) {}

  ~LeadingWriter() override {
    Stop();
    // The parent's thread does not exist in a forked child: neither joinable nor safe to destroy.
    if (store_.forked()) static_cast<void>(thread_.release());
  }

  Status Submit(WriteOp* op, bool wait_if_full) override;
  Status Run(WriteOp* op, bool wait_if_full) override;
  void Stop() override;
  Stats stats() const override;

 private:
  Status Enter(WriteOp* op, Waiter* waiter, bool wait_if_full);
  Status StartThread();
  void ThreadMain();
  void SignalThread();

  bool TryLead();
  void LeadGroup();
  void TakeGroup(std::vector<Entry>* group);
  void PassOn();

  void CommitGroup(std::span<Entry> group);
  bool CommitTogether(std::span<Entry> entries);
  Status LockWorkingStore();
  enum class Applied { kCommitted, kNothing, kFailed, kRedo };
  Applied ApplyAll(std::span<Entry> entries);
  Applied Undo(Connection& connection, std::span<Entry> entries, const Status& cause);
  void RollBack(Connection& connection);
  void Complete(std::span<Entry> group);
  void CompletePhase(std::span<Entry> group, bool synced_ones);

  Store& store_;
  BatchHooks& hooks_;
  const size_t max_group_ops_;
  const int64_t max_group_bytes_;

  Admission admission_;
  OpQueue queue_;
  std::atomic<int64_t> queued_{
      0};  // pushed and counted, less taken; below 0 for an instant at times

  std::mutex mutex_;  // for the change of leaders only; never held while anything is done
  std::atomic<bool> leading_{false};
  QueuedOp next_;  // popped by a leader that left, for the next one; guarded by the lead

  std::atomic<int> leads_in_progress_{0};
  EventCount leads_ended_;

  std::once_flag thread_once_;
  Status thread_status_;
  std::unique_ptr<std::thread> thread_;
  std::atomic<int> thread_signal_{0};
  std::atomic<bool> thread_stop_{false};
  std::mutex stop_mutex_;

  std::atomic<int64_t> commits_{0};
  std::atomic<int64_t> operations_{0};
  std::atomic<int64_t> rollbacks_{0};
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
  queue_.Push({op, waiter});
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
    if (TryLead()) LeadGroup();
    int state = waiter.state.load(std::memory_order_acquire);
    if (state == Waiter::kWaiting) {
      waiter.state.wait(Waiter::kWaiting, std::memory_order_acquire);
      state = waiter.state.load(std::memory_order_acquire);
    }
    if (state == Waiter::kDone) return std::move(waiter.status);
    waiter.state.compare_exchange_strong(state, Waiter::kWaiting);
  }
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
    while (queued_.load() > 0 && TryLead()) LeadGroup();
  }
}

void LeadingWriter::Stop() {
  if (store_.forked()) return;
  std::lock_guard<std::mutex> lock(stop_mutex_);
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
  return {.commits = commits_.load(std::memory_order_relaxed),
          .operations = operations_.load(std::memory_order_relaxed),
          .rollbacks = rollbacks_.load(std::memory_order_relaxed),
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

void LeadingWriter::LeadGroup() {
  leads_in_progress_.fetch_add(1);
  std::vector<Entry> group;
  TakeGroup(&group);
  if (!group.empty()) CommitGroup(group);
  PassOn();
  // No longer the leader: the next group commits while this one syncs.
  Complete(group);
  leads_in_progress_.fetch_sub(1);
  leads_ended_.NotifyAll();
}

void LeadingWriter::TakeGroup(std::vector<Entry>* group) {
  group->reserve(
      std::min(max_group_ops_, static_cast<size_t>(std::max<int64_t>(1, queued_.load()))));
  int64_t bytes = 0;
  while (group->size() < max_group_ops_ && bytes < max_group_bytes_) {
    QueuedOp item = std::exchange(next_, QueuedOp{});
    if (!item.op && !queue_.Pop(&item)) break;
    const bool wants_sync = item.op->durability == Durability::kPower && !store_.in_memory();
    group->push_back({item.op, item.waiter, wants_sync, item.op->bytes, Status()});
    bytes += std::max<int64_t>(0, item.op->bytes);
  }
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

// --- One group

void LeadingWriter::CommitGroup(std::span<Entry> group) {
  if (CommitTogether(group)) return;
  // One of them spoiled the transaction, and which one is not always known: alone, each answers for
  // itself.
  for (Entry& entry : group) {
    entry.status = Status();
    CommitTogether({&entry, 1});
  }
}

// False if the operations must be tried one by one; otherwise each has its status.
bool LeadingWriter::CommitTogether(std::span<Entry> entries) {
  if (Status status = LockWorkingStore(); !status.ok()) {
    for (Entry& entry : entries) entry.status = status;
    return true;
  }
  const Applied applied = ApplyAll(entries);
  store_.UnlockWriter();
  if (applied == Applied::kRedo) return false;
  if (applied != Applied::kCommitted) return true;
  commits_.fetch_add(1, std::memory_order_relaxed);
  operations_.fetch_add(static_cast<int64_t>(entries.size()), std::memory_order_relaxed);
  for (Entry& entry : entries) {
    if (entry.status.ok()) entry.op->Committed();
  }
  hooks_.Committed();
  store_.AfterCommit();
  return true;
}

// The writer lock, on a store that has been recovered if it had failed.
Status LeadingWriter::LockWorkingStore() {
  RETURN_IF_ERROR(store_.LockWriter());
  if (store_.failed().ok()) return Status::Ok();
  Status recovered = store_.Recover();
  if (!recovered.ok()) store_.UnlockWriter();
  return recovered;
}

LeadingWriter::Applied LeadingWriter::ApplyAll(std::span<Entry> entries) {
  Connection& connection = store_.writer();
  // A rollback that failed earlier must not fail everybody for ever.
  if (connection.in_transaction()) RollBack(connection);
  Status begun = Query(connection, sql::transaction::kBeginImmediate).Run();
  if (begun.ok()) {
    begun = hooks_.Begin(connection);
    if (!begun.ok()) RollBack(connection);
  }
  if (!begun.ok()) {
    // Nobody's fault: trying them one by one would only multiply the wait.
    for (Entry& entry : entries) entry.status = begun;
    return Applied::kFailed;
  }
  bool any = false;
  for (Entry& entry : entries) {
    const int64_t changes_before = connection.total_changes();
    entry.status = entry.op->Apply(connection);
    if (entry.status.ok()) {
      any = true;
    } else if (!connection.in_transaction() || connection.total_changes() != changes_before) {
      return Undo(connection, entries, entry.status);
    }
  }
  if (!any) {
    RollBack(connection);
    return Applied::kNothing;
  }
  Status done = hooks_.Flush(connection);
  if (done.ok()) done = Query(connection, sql::transaction::kCommit).Run();
  if (!done.ok()) return Undo(connection, entries, done);
  return Applied::kCommitted;
}

// After an error that spoils the whole transaction.
LeadingWriter::Applied LeadingWriter::Undo(Connection& connection, std::span<Entry> entries,
                                           const Status& cause) {
  RollBack(connection);
  if (entries.size() > 1) return Applied::kRedo;
  if (entries[0].status.ok()) entries[0].status = cause;
  return Applied::kFailed;
}

void LeadingWriter::RollBack(Connection& connection) {
  // SQLite rolls back by itself after some errors. What ROLLBACK answers tells nothing more: the
  // next BEGIN will.
  if (connection.in_transaction())
    static_cast<void>(Query(connection, sql::transaction::kRollBack).Run());
  rollbacks_.fetch_add(1, std::memory_order_relaxed);
  hooks_.RolledBack();
}

// --- Completion

void LeadingWriter::Complete(std::span<Entry> group) {
  bool sync = false;
  for (Entry& entry : group) {
    entry.wants_sync = entry.wants_sync && entry.status.ok();
    sync = sync || entry.wants_sync;
  }
  CompletePhase(group, false);
  if (!sync) return;
  if (const Status synced = store_.Sync(); !synced.ok()) {
    for (Entry& entry : group) {
      if (entry.wants_sync) entry.status = synced;
    }
  }
  CompletePhase(group, true);
}

void LeadingWriter::CompletePhase(std::span<Entry> group, bool synced_ones) {
  uint64_t weights = 0;
  for (const Entry& entry : group) {
    if (entry.wants_sync == synced_ones) weights += Admission::Weight(entry.bytes);
  }
  if (weights == 0) return;
  // Room first, so that Done() may submit a successor without waiting.
  admission_.Leave(weights);
  for (Entry& entry : group) {
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
