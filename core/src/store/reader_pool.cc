#include "store/reader_pool.h"

#include "base/check.h"

namespace millrace::store {

Result<Connection*> ReaderPool::Borrow() {
  {
    const std::lock_guard lock(mutex_);
    if (!closed_.ok()) return closed_;
    ++out_;
    if (!idle_.empty()) {
      Connection* const connection = idle_.back().release();
      idle_.pop_back();
      return connection;
    }
  }
  Result<std::unique_ptr<Connection>> opened = Connection::Open(options_);
  if (opened.ok()) return opened->release();
  GiveBack(nullptr);
  return opened.status();
}

void ReaderPool::GiveBack(Connection* connection) {
  std::unique_ptr<Connection> returned(connection);
  // A transaction left open would pin the WAL for ever.
  MILLRACE_CHECK(!returned || !returned->in_transaction());
  const std::lock_guard lock(mutex_);
  --out_;
  if (returned && closed_.ok() && idle_.size() < kMaxIdle) idle_.push_back(std::move(returned));
  // Closed here if not kept: CloseAll() must not return before.
  if (returned && !closed_.ok()) returned->KeepWalOnClose();
  returned.reset();
  if (out_ == 0) all_back_.notify_all();
}

void ReaderPool::CloseAll(const Status& reason, bool keep_wal) {
  std::unique_lock lock(mutex_);
  closed_ = reason;
  all_back_.wait(lock, [this] { return out_ == 0; });
  for (const auto& connection : idle_) {
    if (keep_wal) connection->KeepWalOnClose();
  }
  idle_.clear();
}

void ReaderPool::Reopen() {
  const std::lock_guard lock(mutex_);
  closed_ = Status::Ok();
}

}  // namespace millrace::store
