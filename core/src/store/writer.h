// The write path: a bounded lock-free queue of operations, committed in groups by whoever leads.
// See design section 5.
#ifndef MILLRACE_STORE_WRITER_H_
#define MILLRACE_STORE_WRITER_H_

#include <cstdint>
#include <memory>

#include "millrace/status.h"
#include "millrace/types.h"
#include "store/store.h"

namespace millrace::store {

// One all-or-nothing change. The object belongs to the submitter; the writer lets go of it by
// calling Done().
class WriteOp {
 public:
  virtual ~WriteOp() = default;

  // Makes the change on the open transaction. Called again from the start if the transaction was
  // rolled back because of another operation, so it must not keep results of an earlier call. An
  // error undoes this operation only: if it has written or gathered (BatchHooks) anything, the
  // writer rolls the whole transaction back and applies the others again.
  virtual Status Apply(Connection& connection) = 0;
  // After COMMIT, before the sync: others can see the change. On the leading thread; must be short,
  // must not call the writer.
  virtual void Committed() {}
  // Last call, exactly once: as durable as asked, or failed with nothing changed. May delete the
  // operation, may submit others, must not block. On the leading thread.
  virtual void Done(const Status& status) = 0;

  Durability durability = Durability::kPower;  // kMemory counts as kProcess here
  int64_t bytes = 0;                           // for the queue's byte bound
  // Committed without others, and led by the thread that runs it: it may take its time.
  bool alone = false;
};

// What the owner of the transaction adds around the operations of a group (counters, event log,
// wake-ups).
class BatchHooks {
 public:
  virtual ~BatchHooks() = default;
  virtual Status Begin(Connection& connection) = 0;  // right after BEGIN IMMEDIATE
  virtual Status Flush(Connection& connection) = 0;  // right before COMMIT
  virtual void Committed() = 0;   // after COMMIT and after the writer lock is released
  virtual void RolledBack() = 0;  // forget everything since Begin
  // Differs whenever operations have gathered something in memory since it was asked before.
  virtual int64_t gathered() const { return 0; }
};

// Thread-safe. One code path for all: LeadGroup() takes the lead (a mutex), the kernel's writer
// lock, pops what is queued, BEGIN IMMEDIATE, Begin, Apply each, Flush, COMMIT, unlocks, Committed;
// then completes the operations that need no sync, syncs once outside every lock if one needs it,
// completes those. A synchronous caller leads when nobody does; else it waits for the leader.
// Asynchronous operations are led by the writer's own thread, started by the first of them; it
// sleeps while there is nothing to do.
class Writer {
 public:
  struct Options {
    int32_t max_ops = 8192;
    int64_t max_bytes = 256 << 20;
    int32_t max_group_ops = 1024;        // of one commit
    int64_t max_group_bytes = 16 << 20;  // of one commit, at least one operation
  };
  struct Stats {
    int64_t commits = 0;
    int64_t operations = 0;
    int64_t rollbacks = 0;
    int64_t queue_full_waits = 0;
  };

  static std::unique_ptr<Writer> Create(Store& store, BatchHooks& hooks, const Options& options);
  virtual ~Writer() = default;

  // Queues an operation and returns; Done() is called later from another thread (never from inside
  // this call). kQueueFull (wait_if_full false) and kClosed: the operation was not taken, Done() is
  // not called.
  virtual Status Submit(WriteOp* op, bool wait_if_full) = 0;
  // Queues an operation and returns when Done() has been called; the answer is what Done() was
  // given.
  virtual Status Run(WriteOp* op, bool wait_if_full) = 0;

  // Takes no more operations, completes the queued ones, joins the thread. Idempotent.
  virtual void Stop() = 0;
  virtual Stats stats() const = 0;
};

}  // namespace millrace::store

#endif  // MILLRACE_STORE_WRITER_H_
