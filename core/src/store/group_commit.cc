#include "store/group_commit.h"

#include "base/macros.h"
#include "sql_statements.h"

namespace millrace::store {

void GroupCommit::Commit(std::span<GroupEntry> group) {
  if (CommitTogether(group)) return;
  // One of them spoiled the transaction, and which one is not always known: alone, each answers for
  // itself.
  for (GroupEntry& entry : group) {
    entry.status = Status();
    CommitTogether({&entry, 1});
  }
}

// False if the operations must be tried one by one; otherwise each has its status.
bool GroupCommit::CommitTogether(std::span<GroupEntry> entries) {
  if (Status status = LockWorkingStore(); !status.ok()) {
    for (GroupEntry& entry : entries) entry.status = status;
    return true;
  }
  const Applied applied = ApplyAll(entries);
  store_.UnlockWriter();
  if (applied == Applied::kRedo) return false;
  if (applied != Applied::kCommitted) return true;
  commits_.fetch_add(1, std::memory_order_relaxed);
  operations_.fetch_add(static_cast<int64_t>(entries.size()), std::memory_order_relaxed);
  for (GroupEntry& entry : entries) {
    if (entry.status.ok()) entry.op->Committed();
  }
  hooks_.Committed();
  store_.AfterCommit();
  return true;
}

// The writer lock, on a store that has been recovered if it had failed.
Status GroupCommit::LockWorkingStore() {
  RETURN_IF_ERROR(store_.LockWriter());
  if (store_.failed().ok()) return Status::Ok();
  Status recovered = store_.Recover();
  if (!recovered.ok()) store_.UnlockWriter();
  return recovered;
}

GroupCommit::Applied GroupCommit::ApplyAll(std::span<GroupEntry> entries) {
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
    for (GroupEntry& entry : entries) entry.status = begun;
    return Applied::kFailed;
  }
  bool any = false;
  for (GroupEntry& entry : entries) {
    const int64_t changes_before = connection.total_changes();
    const int64_t gathered_before = hooks_.gathered();
    entry.status = entry.op->Apply(connection);
    if (entry.status.ok()) {
      any = true;
    } else if (!connection.in_transaction() || connection.total_changes() != changes_before ||
               hooks_.gathered() != gathered_before) {
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
GroupCommit::Applied GroupCommit::Undo(Connection& connection, std::span<GroupEntry> entries,
                                       const Status& cause) {
  RollBack(connection);
  if (entries.size() > 1) return Applied::kRedo;
  if (entries[0].status.ok()) entries[0].status = cause;
  return Applied::kFailed;
}

void GroupCommit::RollBack(Connection& connection) {
  // SQLite rolls back by itself after some errors. What ROLLBACK answers tells nothing more: the
  // next BEGIN will.
  if (connection.in_transaction())
    static_cast<void>(Query(connection, sql::transaction::kRollBack).Run());
  rollbacks_.fetch_add(1, std::memory_order_relaxed);
  hooks_.RolledBack();
}

}  // namespace millrace::store
