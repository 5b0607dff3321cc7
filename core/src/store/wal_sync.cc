#include "store/wal_sync.h"

#include <sqlite3.h>

#include <cerrno>
#include <string>
#include <utility>

#include "base/check.h"
#include "base/macros.h"
#include "store/errors.h"

namespace millrace::store {

Result<sqlite3_file*> WalFile(Connection& connection) {
  sqlite3_file* file = nullptr;
  const int result =
      sqlite3_file_control(connection.raw(), "main", SQLITE_FCNTL_JOURNAL_POINTER, &file);
  if (result != SQLITE_OK || file == nullptr || file->pMethods == nullptr) {
    return Status(Code::kInternal,
                  "SQLite has no WAL file open (result " + std::to_string(result) + ")");
  }
  return file;
}

Status FileStatus(int sqlite_code, int system_error, const char* doing) {
  Status status = SqliteStatus(nullptr, sqlite_code, doing);
  if (status.ok() || system_error == 0) return status;
  return Status(status.code(), status.message() + ": " + ErrnoText(system_error));
}

Status WalSync::Attach(Connection& connection) {
  ASSIGN_OR_RETURN(sqlite3_file* const file, WalFile(connection));
  {
    const std::lock_guard lock(mutex_);
    MILLRACE_CHECK(!running_);
    file_ = file;
  }
  RETURN_IF_ERROR(SyncFile());
  const std::lock_guard lock(mutex_);
  failed_ = Status::Ok();
  has_failed_.store(false, std::memory_order_release);
  return Status::Ok();
}

void WalSync::Detach(const Status& reason) {
  std::unique_lock lock(mutex_);
  if (failed_.ok()) SetFailed(reason);
  ended_.wait(lock, [this] { return !running_; });
  file_ = nullptr;
}

Status WalSync::SyncFile() const {
  errno = 0;
  const int result = file_->pMethods->xSync(file_, SQLITE_SYNC_NORMAL | SQLITE_SYNC_DATAONLY);
  return FileStatus(result, errno, "syncing the store's WAL");
}

void WalSync::SetFailed(const Status& status) {
  failed_ = status;
  has_failed_.store(true, std::memory_order_release);
}

Status WalSync::Sync() {
  std::unique_lock lock(mutex_);
  const uint64_t needed =
      begun_ + 1;  // a sync that runs already may have missed this caller's commit
  while (completed_ < needed) {
    if (!failed_.ok()) return failed_;
    if (running_) {
      ended_.wait(lock);
      continue;
    }
    running_ = true;
    const uint64_t number = ++begun_;
    lock.unlock();
    const Status status = SyncFile();
    syncs_.fetch_add(1, std::memory_order_relaxed);
    lock.lock();
    running_ = false;
    // Another failure may have been recorded meanwhile: then this success proves nothing.
    if (failed_.ok() && status.ok()) completed_ = number;
    if (failed_.ok() && !status.ok()) {
      SetFailed(status);
      if (on_failure_) on_failure_();
    }
    ended_.notify_all();
  }
  return Status::Ok();
}

void WalSync::Fail(const Status& status) {
  const std::lock_guard lock(mutex_);
  if (failed_.ok()) SetFailed(status);
  if (on_failure_) on_failure_();
}

void WalSync::OnFailure(std::function<void()> callback) {
  const std::lock_guard lock(mutex_);
  on_failure_ = std::move(callback);
}

Status WalSync::failed() const {
  if (!has_failed()) return Status::Ok();
  const std::lock_guard lock(mutex_);
  return failed_;
}

}  // namespace millrace::store
