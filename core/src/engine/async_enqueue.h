// Enqueues that nobody waits for in a thread: the caller goes on, a callback gets the answer.
#ifndef MILLRACE_ENGINE_ASYNC_ENQUEUE_H_
#define MILLRACE_ENGINE_ASYNC_ENQUEUE_H_

#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "jobs/ledger.h"
#include "millrace/engine.h"
#include "store/writer.h"

namespace millrace::engine {

// Adds all jobs in the open transaction, and concludes it. After an error something may be written.
Status EnqueueAll(jobs::Ledger& ledger, const std::vector<JobSpec>& jobs, Durability level,
                  std::vector<EnqueueAck>* acks);

// One atomic enqueue as a write operation.
class EnqueueOp : public store::WriteOp {
 public:
  EnqueueOp(jobs::Ledger& ledger, std::vector<JobSpec> jobs, Durability level);
  Status Apply(store::Connection& connection) override;
  void Done(const Status&) override {}
  // The answer after an ok Done().
  std::vector<EnqueueAck> TakeAcks() { return std::move(acks_); }

 private:
  jobs::Ledger& ledger_;
  const std::vector<JobSpec> jobs_;
  std::vector<EnqueueAck> acks_;
};

// Where operations wait that found the writer's queue full although their caller did not want to
// block: a thread that starts with the first of them submits them in order as room comes.
// Thread-safe.
class Overflow {
 public:
  explicit Overflow(store::Writer& writer) : writer_(writer) {}
  ~Overflow() { Stop(); }
  // True if operations wait here: later ones must go behind them.
  bool busy();
  // After Stop() the operation is ended with kClosed.
  void Add(store::WriteOp* op);
  // Submits what waits, then ends the thread.
  void Stop();

 private:
  void Loop();

  store::Writer& writer_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<store::WriteOp*> waiting_;
  std::thread thread_;
  bool stopping_ = false;
};

// Submits each batch as an operation of its own; `done` gets all answers when the last is there.
// `refused` holds the answers of batches that were not accepted (same indices); their jobs are not
// submitted.
void SubmitBatches(store::Writer& writer, jobs::Ledger& ledger, Overflow& overflow,
                   std::vector<std::vector<JobSpec>> batches, std::vector<Status> refused,
                   Durability durability, bool wait_if_full, Engine::EnqueueManyCallback done);

}  // namespace millrace::engine

#endif  // MILLRACE_ENGINE_ASYNC_ENQUEUE_H_
