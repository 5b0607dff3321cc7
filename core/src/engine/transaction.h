// A user's transaction: one write operation that serves the user's calls until it is to end.
#ifndef MILLRACE_ENGINE_TRANSACTION_H_
#define MILLRACE_ENGINE_TRANSACTION_H_

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/fork.h"
#include "jobs/ledger.h"
#include "millrace/transaction.h"
#include "store/writer.h"

namespace millrace::engine {

// The thread that is inside an engine's open transaction. One at a time: the transaction has the
// writer. Thread-safe.
class TransactionThread {
 public:
  void Enter(std::thread::id id) { id_.store(id, std::memory_order_relaxed); }
  void Leave() { id_.store({}, std::memory_order_relaxed); }
  // True for the thread that would wait for itself.
  bool Inside() const {
    const std::thread::id id = id_.load(std::memory_order_relaxed);
    return id != std::thread::id() && id == std::this_thread::get_id();
  }
  // kWrongState if the calling thread is inside a transaction.
  Status CheckOutside(const char* doing) const;

 private:
  std::atomic<std::thread::id> id_{};
};

struct TransactionContext {
  store::Writer* writer = nullptr;
  jobs::Ledger* ledger = nullptr;
  TransactionThread* inside = nullptr;
  std::function<Status(std::vector<JobSpec>*)> prepare;  // checks jobs before they are written
  Durability durability = Durability::kPower;
  int64_t timeout_ms = 0;
  bool thread_bound = true;
};

// Shared by the handle and the engine's list. A thread of its own, from the first call to the end,
// runs the operation; the callers hand it their calls one by one and wait for the answers.
class TransactionCore : public store::WriteOp {
 public:
  explicit TransactionCore(TransactionContext context);
  ~TransactionCore() override;

  Result<SqlResult> Execute(const std::string& sql, const std::vector<SqlValue>& parameters);
  Result<std::vector<EnqueueAck>> Enqueue(std::vector<JobSpec> jobs);
  Status Commit();
  Status Rollback();
  // Rolls back what is open and waits until that is done. `reason`: what later calls answer.
  void End(const Status& reason);

  // store::WriteOp; on the thread.
  Status Apply(store::Connection& connection) override;
  void Done(const Status&) override {}

 private:
  struct Call {
    std::function<Status(store::Connection&)> work;  // empty: it ends the transaction
    bool commits = false;
    std::thread::id caller;
    Status answer;
    bool answered = false;
  };

  Status Run(Call* call);
  Status Start();
  void ThreadMain();
  // The next call; null: the deadline has passed or somebody ends it, and *why says which.
  Call* NextCall(Status* why);
  void Answer(Call* call, Status answer);
  Status Serve(store::Connection& connection, Call* call);
  Status StopReason();
  Status Doomed(const Status& cause) const;
  bool Forked() const { return fork_generation_ != ForkGeneration(); }

  const TransactionContext context_;  // not to be used after the end: the engine may be gone
  const uint32_t fork_generation_ = ForkGeneration();
  std::mutex calls_;  // one call at a time
  std::mutex mutex_;
  std::condition_variable changed_;
  std::unique_ptr<std::thread> thread_;
  Call* call_ = nullptr;  // handed over, not answered
  bool running_ = false;  // the thread has not come to its end
  Status ended_;          // not ok: it has ended, and this is what calls answer
  bool committed_ = false;
  std::atomic<bool> stop_{false};
  Status stop_reason_;
  std::chrono::steady_clock::time_point deadline_;
  Status doomed_;  // of the thread: what happened that leaves only Rollback()
};

// What the caller holds.
class TransactionHandle : public Transaction {
 public:
  explicit TransactionHandle(std::shared_ptr<TransactionCore> core) : core_(std::move(core)) {}
  ~TransactionHandle() override;
  Result<SqlResult> Execute(const std::string& sql,
                            const std::vector<SqlValue>& parameters) override {
    return core_->Execute(sql, parameters);
  }
  Result<std::vector<EnqueueAck>> Enqueue(std::vector<JobSpec> jobs) override {
    return core_->Enqueue(std::move(jobs));
  }
  Status Commit() override { return core_->Commit(); }
  Status Rollback() override { return core_->Rollback(); }

 private:
  const std::shared_ptr<TransactionCore> core_;
};

}  // namespace millrace::engine

#endif  // MILLRACE_ENGINE_TRANSACTION_H_
