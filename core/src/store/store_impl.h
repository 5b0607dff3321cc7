// The one implementation of Store: on a file, or in memory.
#ifndef MILLRACE_STORE_STORE_IMPL_H_
#define MILLRACE_STORE_STORE_IMPL_H_

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <string>

#include "base/log.h"
#include "store/checkpointer.h"
#include "store/connection.h"
#include "store/process_locks.h"
#include "store/reader_pool.h"
#include "store/store.h"
#include "store/wal_sync.h"

namespace millrace::store {

// Page cache of the connection that writes; SQLite takes it as it is needed.
constexpr int64_t kWriterCacheKib = 16 << 10;

// What Open() has found out and prepared.
struct StoreParts {
  bool in_memory = false;
  std::string path;  // resolved; ":memory:" in memory
  std::string vfs;
  int64_t busy_timeout_ms = 0;
  int64_t wal_limit_bytes = 0;
  Log log;
  std::unique_ptr<ProcessLocks> locks;
  std::unique_ptr<Connection> writer;  // in WAL mode, at this version's schema
};

class StoreImpl final : public Store {
 public:
  // The WAL and the directory have been synced when it returns.
  static Result<std::unique_ptr<Store>> Create(StoreParts parts);
  ~StoreImpl() override;

  bool in_memory() const override { return parts_.in_memory; }
  const std::string& path() const override { return parts_.path; }
  Status LockWriter() override;
  void UnlockWriter() override;
  Connection& writer() override { return *parts_.writer; }
  Result<Reader> Read() override;
  Status Sync() override;
  Status Recover() override;
  Status failed() const override;
  void OnFailure(std::function<void()> callback) override;
  void AfterCommit() override;
  Result<int> ClaimSlot() override;
  void ReleaseSlot(int slot) override;
  bool SlotHeld(int slot) const override;
  Result<BackupInfo> Backup(const std::string& destination) override;
  Stats stats() const override;
  Status Close() override;
  bool forked() const override;

 private:
  explicit StoreImpl(StoreParts parts);

  Status Usable() const;
  Connection::Options ConnectionOptions(bool read_only) const;
  Status StartCheckpointer();
  Status ReopenAndVerify();

  StoreParts parts_;
  const uint32_t fork_generation_;
  std::atomic<bool> closed_{false};
  std::atomic<bool> recovering_{false};
  std::mutex close_mutex_;
  // Behind pointers, so that a forked child can leave them alone: their mutexes may be locked for
  // ever there.
  std::unique_ptr<ReaderPool> readers_;
  std::unique_ptr<WalSync> sync_;
  std::unique_ptr<Checkpointer> checkpointer_;
};

}  // namespace millrace::store

#endif  // MILLRACE_STORE_STORE_IMPL_H_
