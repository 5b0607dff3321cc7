// fdatasync of the WAL, shared by all callers.
#ifndef MILLRACE_STORE_WAL_SYNC_H_
#define MILLRACE_STORE_WAL_SYNC_H_

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>

#include "millrace/status.h"
#include "store/connection.h"

struct sqlite3_file;

namespace millrace::store {

// Thread-safe. The sync goes through SQLite's own file object of the writing connection, so that it
// passes every VFS that is in use. That object is used here by one thread while another may write
// through it. This is sound because
//   - the object lives as long as the connection, and stays the WAL's: leaving WAL mode needs an
//   exclusive lock on the
//     database file, and the connection holds a shared one for life;
//   - xSync of the unix VFS only reads its descriptor. What it may write is a flag "sync the
//   directory too", cleared
//     by the first sync, which Attach() does before anyone else knows the file; and the errno of a
//     failure, after which nobody syncs again;
//   - the kernel allows fdatasync beside write; frames written after it began may or may not be
//   covered, and their
//     callers ask for a sync that begins later.
class WalSync {
 public:
  // Begins to sync the WAL of this connection, which must have read once in WAL mode. Syncs it, and
  // forgets an earlier failure if that went well.
  Status Attach(Connection& connection);
  // Waits for a running sync; later ones fail with `reason`. Before the connection is closed.
  void Detach(const Status& reason);

  // Returns when a sync that began after this call has ended. A failed sync is final: this and all
  // later calls answer its error until Attach().
  Status Sync();
  // Records a failure seen elsewhere (by a checkpoint's sync).
  void Fail(const Status& status);
  Status failed() const;
  // Called when a sync has failed, or Fail() was called; with the mutex held.
  void OnFailure(std::function<void()> callback);
  bool has_failed() const { return has_failed_.load(std::memory_order_acquire); }

  int64_t syncs() const { return syncs_.load(std::memory_order_relaxed); }

 private:
  Status SyncFile() const;
  void SetFailed(const Status& status);

  mutable std::mutex mutex_;
  std::condition_variable ended_;
  sqlite3_file* file_ = nullptr;
  bool running_ = false;
  uint64_t begun_ = 0;      // number of the newest sync that began
  uint64_t completed_ = 0;  // number of the newest sync that went well
  Status failed_ = Status(Code::kClosed, "the store is not open");
  std::atomic<bool> has_failed_{true};
  std::function<void()> on_failure_;
  std::atomic<int64_t> syncs_{0};
};

// The WAL's file object of a connection that has read once in WAL mode.
Result<sqlite3_file*> WalFile(Connection& connection);

// An error of SQLite's file methods, which know no connection.
Status FileStatus(int sqlite_code, int system_error, const char* doing);

}  // namespace millrace::store

#endif  // MILLRACE_STORE_WAL_SYNC_H_
