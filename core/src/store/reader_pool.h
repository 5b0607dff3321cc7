// A few connections to read with, opened when they are first needed.
#ifndef MILLRACE_STORE_READER_POOL_H_
#define MILLRACE_STORE_READER_POOL_H_

#include <condition_variable>
#include <cstddef>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "millrace/status.h"
#include "store/connection.h"

namespace millrace::store {

// Thread-safe. Any number of connections may be out at once; at most kMaxIdle are kept when they
// come back, with their prepared statements.
class ReaderPool {
 public:
  static constexpr size_t kMaxIdle = 4;

  explicit ReaderPool(Connection::Options options) : options_(std::move(options)) {}

  Result<Connection*> Borrow();
  void GiveBack(Connection* connection);

  // Waits until all are back, then closes them; Borrow() answers `reason` until Reopen(). With
  // `keep_wal`, the last connection to close does not checkpoint.
  void CloseAll(const Status& reason, bool keep_wal);
  void Reopen();

 private:
  const Connection::Options options_;
  std::mutex mutex_;
  std::condition_variable all_back_;
  Status closed_;
  int out_ = 0;
  std::vector<std::unique_ptr<Connection>> idle_;
};

}  // namespace millrace::store

#endif  // MILLRACE_STORE_READER_POOL_H_
