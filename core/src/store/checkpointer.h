// Background checkpoints: keeps the WAL bounded under constant load and empty when idle, never in a
// caller's commit.
#ifndef MILLRACE_STORE_CHECKPOINTER_H_
#define MILLRACE_STORE_CHECKPOINTER_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "millrace/status.h"

struct sqlite3;

namespace millrace::store {

// One a store file and process. Owns one thread with a connection of its own; both start with the
// first commit that finds the WAL over a quarter of its limit, and the thread sleeps without
// time-out while it has nothing to do.
//
//   WAL over a quarter     PASSIVE, beside the writers.
//   WAL over half          They never let a PASSIVE catch up: sync what was copied, then take the
//                          writer lock for the short rest and RESTART; the next commit begins the
//                          WAL anew.
//   WAL over its limit     The same without PASSIVE.
//   WAL over twice that    A writer lets the thread have its turn before it commits again: without
//                          that, a thread that the system seldom runs would never get the lock.
//   no commit for idle_ms  TRUNCATE, once; then it sleeps until the WAL has grown again.
//
// So the WAL is at most as long as twice its limit and one commit of each process, unless turn
// after turn fails: a reader keeps the WAL, another process's checkpoint does not end, the disk is
// full. Then the writers go on, with a turn for each eighth of the limit.
//
// Thread-safe. In a child after fork() it must be leaked (release the pointer): its thread does not
// exist there, and its connection belongs to the parent.
class Checkpointer {
 public:
  struct Options {
    std::string path;
    std::string vfs;  // empty: Millrace's own
    int64_t page_bytes = 4096;
    int64_t wal_limit_bytes = 16 << 20;
    int64_t busy_timeout_ms = 50;  // how long RESTART waits, with the writer lock held, for readers
    int64_t idle_ms = 1000;        // real time from the last commit to TRUNCATE
    // Store::LockWriter and UnlockWriter. Called from the checkpoint thread: they must exclude this
    // process's own threads too, not only other processes.
    std::function<Status()> lock_writer;
    std::function<void()> unlock_writer;
    // A sync failed, so what the kernel still holds is unknown: the store must become failed() and
    // be recovered. On the checkpoint thread, with the writer lock held or not: must not take it.
    // May be empty.
    std::function<void(const Status&)> on_sync_failed;
    std::function<void(const std::string&)> log;  // one line for humans; may be empty
  };
  struct Stats {
    int64_t checkpoints = 0;    // completed, of every kind
    int64_t restarts = 0;       // of these, with the writer lock
    int64_t truncates = 0;      // of these, when idle
    int64_t busy = 0;           // attempts that another process's checkpoint or a reader cut short
    int64_t wal_bytes = 0;      // in use, as this process's newest commit saw it
    int64_t wal_bytes_max = 0;  // the most that this process has seen
  };

  // Never touches the file; the connection is opened with the thread.
  static Result<std::unique_ptr<Checkpointer>> Start(Options options);
  // Stop(false), if that was not called.
  virtual ~Checkpointer() = default;

  // Learns the WAL's length from each commit of this connection (sqlite3_wal_hook: no system call).
  // Call it for every connection that writes, after its PRAGMAs (wal_autocheckpoint would replace
  // the hook), and again after Recover(). The checkpointer must outlive the connection.
  virtual void Watch(sqlite3* writer) = 0;
  // After each commit, outside the writer lock. Two atomic loads; wakes the thread only if the WAL
  // has passed its mark.
  virtual void AfterCommit() = 0;
  // Before each commit, outside the writer lock. Two atomic loads, unless the WAL has passed twice
  // its limit: then it waits until the thread has tried what it was last woken for. Ends with
  // Stop().
  virtual void MakeRoom() = 0;
  // Joins the thread and closes the connection; with `truncate`, a last TRUNCATE is tried first,
  // without waiting for readers. The writer lock must not be held. Idempotent; later calls of
  // AfterCommit() and MakeRoom() do nothing.
  virtual void Stop(bool truncate) = 0;

  virtual Stats stats() const = 0;
};

}  // namespace millrace::store

#endif  // MILLRACE_STORE_CHECKPOINTER_H_
