#include "engine/async_enqueue.h"

#include <atomic>
#include <utility>

#include "base/macros.h"
#include "engine/operation.h"
#include "flows/enqueue.h"

namespace millrace::engine {
namespace {

class BatchOp;

// Collects the answers of one call. Deletes itself when the last one is in.
class Gather {
 public:
  Gather(std::vector<Status> refused, Durability durability, Engine::EnqueueManyCallback done)
      : durability_(durability), done_(std::move(done)), left_(refused.size() + 1) {
    for (Status& status : refused) {
      if (status.ok()) {
        answers_.emplace_back(std::vector<EnqueueAck>());
      } else {
        answers_.emplace_back(std::move(status));
      }
    }
  }
  void Set(size_t index, Result<std::vector<EnqueueAck>> answer) {
    answers_[index] = std::move(answer);
    Release(1);
  }
  void Release(size_t count) {
    if (left_.fetch_sub(count, std::memory_order_acq_rel) != count) return;
    done_(std::move(answers_));
    delete this;
  }
  bool accepted(size_t index) const { return answers_[index].ok(); }
  Durability durability() const { return durability_; }

 private:
  const Durability durability_;
  const Engine::EnqueueManyCallback done_;
  std::vector<Result<std::vector<EnqueueAck>>> answers_;
  std::atomic<size_t> left_;
};

class BatchOp : public EnqueueOp {
 public:
  BatchOp(jobs::Ledger& ledger, std::vector<JobSpec> jobs, Gather* gather, size_t index)
      : EnqueueOp(ledger, std::move(jobs), gather->durability()), gather_(gather), index_(index) {}
  void Done(const Status& status) override {
    if (status.ok()) {
      gather_->Set(index_, TakeAcks());
    } else {
      gather_->Set(index_, status);
    }
    delete this;
  }

 private:
  Gather* const gather_;
  const size_t index_;
};

}  // namespace

Status EnqueueAll(jobs::Ledger& ledger, const std::vector<JobSpec>& jobs, Durability level,
                  std::vector<EnqueueAck>* acks) {
  RETURN_IF_ERROR(flows::EnqueueJobs(ledger, jobs, acks));
  for (EnqueueAck& ack : *acks) ack.durability = level;
  return Conclude(ledger);
}

EnqueueOp::EnqueueOp(jobs::Ledger& ledger, std::vector<JobSpec> jobs, Durability level)
    : ledger_(ledger), jobs_(std::move(jobs)) {
  durability = level;
  for (const JobSpec& job : jobs_)
    bytes += static_cast<int64_t>(job.data.size() + job.headers.size());
}

Status EnqueueOp::Apply(store::Connection&) {
  return EnqueueAll(ledger_, jobs_, durability, &acks_);
}

bool Overflow::busy() {
  const std::lock_guard lock(mutex_);
  return !waiting_.empty();
}

void Overflow::Add(store::WriteOp* op) {
  {
    const std::lock_guard lock(mutex_);
    if (!stopping_) {
      waiting_.push_back(op);
      if (!thread_.joinable()) thread_ = std::thread([this] { Loop(); });
      changed_.notify_one();
      return;
    }
  }
  // The thread may be gone already, and nobody would ever answer.
  op->Done(Status(Code::kClosed, "the engine was closed"));
}

void Overflow::Loop() {
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [&] { return !waiting_.empty() || stopping_; });
    if (waiting_.empty()) return;
    store::WriteOp* const op = waiting_.front();
    lock.unlock();
    const Status status = writer_.Submit(op, true);
    if (!status.ok()) op->Done(status);
    lock.lock();
    waiting_.pop_front();  // only now: until it is queued, later ones must not overtake it
  }
}

void Overflow::Stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_one();
  if (thread_.joinable()) thread_.join();
}

void SubmitBatches(store::Writer& writer, jobs::Ledger& ledger, Overflow& overflow,
                   std::vector<std::vector<JobSpec>> batches, std::vector<Status> refused,
                   Durability durability, bool wait_if_full, Engine::EnqueueManyCallback done) {
  auto* const gather = new Gather(std::move(refused), durability, std::move(done));
  const size_t count = batches.size();
  size_t skipped = 0;
  std::vector<bool> accepted(count);
  for (size_t i = 0; i < count; ++i) accepted[i] = gather->accepted(i);
  for (size_t i = 0; i < count; ++i) {
    if (!accepted[i]) {
      ++skipped;
      continue;
    }
    auto* const op = new BatchOp(ledger, std::move(batches[i]), gather, i);
    if (wait_if_full && overflow.busy()) {
      overflow.Add(op);
      continue;
    }
    const Status status = writer.Submit(op, false);
    if (status.ok()) continue;
    if (status.code() == Code::kQueueFull && wait_if_full) {
      overflow.Add(op);
    } else {
      op->Done(status);
    }
  }
  gather->Release(skipped + 1);
}

}  // namespace millrace::engine
