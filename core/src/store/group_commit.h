// One group of operations on its way to disk: the transaction and what is done when it fails.
#ifndef MILLRACE_STORE_GROUP_COMMIT_H_
#define MILLRACE_STORE_GROUP_COMMIT_H_

#include <atomic>
#include <cstdint>
#include <span>

#include "millrace/status.h"
#include "store/writer.h"

namespace millrace::store {

struct Waiter;

// One operation of the group that is being committed.
struct GroupEntry {
  WriteOp* op;
  Waiter* waiter;
  bool wants_sync;
  int64_t bytes;
  Status status;
};

// One thread at a time (the writer's leader); the counters may be read by any.
class GroupCommit {
 public:
  GroupCommit(Store& store, BatchHooks& hooks) : store_(store), hooks_(hooks) {}

  // Commits the operations together if possible; otherwise each in a transaction of its own, so
  // that only the guilty ones fail. Afterwards each entry has its status, and Committed() was
  // called where that is ok. Does not sync.
  void Commit(std::span<GroupEntry> group);

  int64_t commits() const { return commits_.load(std::memory_order_relaxed); }
  int64_t operations() const { return operations_.load(std::memory_order_relaxed); }
  int64_t rollbacks() const { return rollbacks_.load(std::memory_order_relaxed); }

 private:
  enum class Applied { kCommitted, kNothing, kFailed, kRedo };

  bool CommitTogether(std::span<GroupEntry> entries);
  Status LockWorkingStore();
  Applied ApplyAll(std::span<GroupEntry> entries);
  Applied Undo(Connection& connection, std::span<GroupEntry> entries, const Status& cause);
  void RollBack(Connection& connection);

  Store& store_;
  BatchHooks& hooks_;
  std::atomic<int64_t> commits_{0};
  std::atomic<int64_t> operations_{0};
  std::atomic<int64_t> rollbacks_{0};
};

}  // namespace millrace::store

#endif  // MILLRACE_STORE_GROUP_COMMIT_H_
