// An open store file: its checks on opening, one connection to write, a pool of connections to
// read, kernel locks, the WAL's sync and its checkpoints. Knows nothing about jobs.
#ifndef MILLRACE_STORE_STORE_H_
#define MILLRACE_STORE_STORE_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "millrace/engine.h"
#include "millrace/options.h"
#include "millrace/status.h"
#include "store/connection.h"

namespace millrace::store {

// A borrowed read connection; goes back to the pool when it is destroyed. Never keep one across
// user code.
class Reader {
 public:
  Reader(Connection* connection, std::function<void(Connection*)> give_back)
      : connection_(connection), give_back_(std::move(give_back)) {}
  Reader(Reader&& other) noexcept
      : connection_(std::exchange(other.connection_, nullptr)),
        give_back_(std::move(other.give_back_)) {}
  Reader& operator=(Reader&&) = delete;
  ~Reader() {
    if (connection_) give_back_(connection_);
  }
  Connection& operator*() const { return *connection_; }
  Connection* operator->() const { return connection_; }

 private:
  Connection* connection_;
  std::function<void(Connection*)> give_back_;
};

// Thread-safe except writer(), which needs the writer's lock.
class Store {
 public:
  struct Stats {
    int64_t syncs = 0;
    int64_t checkpoints = 0;
    int64_t wal_bytes = 0;
    int64_t wal_bytes_max = 0;
  };

  // Path forms and errors as in OpenOptions / Engine::Open. Runs pending migrations under the
  // writer lock.
  static Result<std::unique_ptr<Store>> Open(const OpenOptions& options);
  virtual ~Store() = default;

  virtual bool in_memory() const = 0;  // ":memory:": one connection, no files, no locks, no sync
  virtual const std::string& path() const = 0;

  // The kernel lock that queues the writers of all processes (F_OFD_SETLKW on a byte of the
  // database file). Blocks; over twice the WAL's limit also for a checkpoint's turn
  // (Checkpointer::MakeRoom). A store without files locks an in-process mutex. The connection
  // writer() may be used between the two calls.
  virtual Status LockWriter() = 0;
  virtual void UnlockWriter() = 0;
  virtual Connection& writer() = 0;

  // A read connection; never blocks on writers (in memory: takes the writer's mutex). An error if
  // the store is closed, forked or failed.
  virtual Result<Reader> Read() = 0;

  // Makes every commit that has returned so far survive a power cut: one fdatasync of the WAL.
  // Concurrent callers share syncs: a caller is satisfied by a sync that began after it called. A
  // failed sync is final: the store becomes failed (see failed()) and is reopened by Recover(); it
  // never syncs again and acknowledges.
  virtual Status Sync() = 0;
  // After a failed sync or a corrupt-WAL error: closes all connections, opens them afresh, forces a
  // full checkpoint with syncs, verifies (quick_check). Call with the writer lock held and no
  // reader out in this thread (it waits for those of others). Ok: the store works again, and
  // writer() is another object. Otherwise writer() must not be used before a later Recover()
  // succeeds.
  virtual Status Recover() = 0;
  virtual Status failed() const = 0;
  // `callback` is called whenever the store becomes failed, on any thread and with locks held: it
  // may only take note. Null: nobody any more. One at a time; the writer's.
  virtual void OnFailure(std::function<void()> callback) { static_cast<void>(callback); }

  // Tells the checkpoint thread about a commit; it wakes only when the WAL has passed its threshold
  // (PASSIVE while busy, TRUNCATE when idle), never in the caller.
  virtual void AfterCommit() = 0;

  // Liveness locks: byte ranges of the database file, far beyond its data, one for each process
  // slot. Held until released or the process dies; fork() does not inherit them (the child's copies
  // of the descriptors are closed).
  static constexpr int kMaxSlots = 1024;
  virtual Result<int> ClaimSlot() = 0;  // the lowest free slot; kBusy if all are taken
  virtual void ReleaseSlot(int slot) = 0;
  virtual bool SlotHeld(int slot) const = 0;  // by any process, this one included

  virtual Result<BackupInfo> Backup(const std::string& destination) = 0;
  virtual Stats stats() const = 0;

  // Orderly close: stops the checkpoint thread, checkpoint(TRUNCATE) if nobody else has the file
  // open. Idempotent.
  virtual Status Close() = 0;
  // True in a child that was forked after Open(): every call answers kForkedChild, nothing of the
  // parent is touched.
  virtual bool forked() const = 0;
};

}  // namespace millrace::store

#endif  // MILLRACE_STORE_STORE_H_
