// A Store of which every step can be made to block or fail: for tests of the writer alone.
#ifndef MILLRACE_TESTS_CORE_STORE_WRITER_FAKE_STORE_H_
#define MILLRACE_TESTS_CORE_STORE_WRITER_FAKE_STORE_H_

#include <atomic>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include "base/fork.h"
#include "store/connection.h"
#include "store/crash_vfs.h"
#include "store/writer.h"

namespace millrace::store {

// Opens once. Lets a test hold a thread at a chosen place.
class Gate {
 public:
  void Open() {
    std::lock_guard<std::mutex> lock(mutex_);
    open_ = true;
    changed_.notify_all();
  }
  // Says that somebody is here, then waits for Open().
  void Pass() {
    std::unique_lock<std::mutex> lock(mutex_);
    ++arrived_;
    changed_.notify_all();
    changed_.wait(lock, [this] { return open_; });
  }
  void AwaitArrival(int count = 1) {
    std::unique_lock<std::mutex> lock(mutex_);
    changed_.wait(lock, [&] { return arrived_ >= count; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool open_ = false;
  int arrived_ = 0;
};

// One connection on a test disk, with the table notes(author, number). The std::functions may be
// changed only while nobody writes.
class FakeStore : public Store {
 public:
  FakeStore();

  CrashDisk& disk() { return vfs_.disk(); }
  // A number read by a fresh connection: what others see.
  int64_t Count(const char* sql);

  std::function<Status()> on_lock = [] { return Status::Ok(); };
  std::function<Status()> on_sync = [] { return Status::Ok(); };
  std::function<Status()> on_recover = [] { return Status::Ok(); };
  std::atomic<int> syncs{0};
  std::atomic<int> recoveries{0};
  std::atomic<int> after_commits{0};

  bool in_memory() const override { return false; }
  const std::string& path() const override { return path_; }
  Status LockWriter() override;
  void UnlockWriter() override { writer_mutex_.unlock(); }
  Connection& writer() override { return *connection_; }
  Result<Reader> Read() override { return Status(Code::kInternal, "not needed here"); }
  Status Sync() override;
  Status Recover() override;
  Status failed() const override;
  void AfterCommit() override { ++after_commits; }
  Result<int> ClaimSlot() override { return Status(Code::kInternal, "not needed here"); }
  void ReleaseSlot(int) override {}
  bool SlotHeld(int) const override { return false; }
  Result<BackupInfo> Backup(const std::string&) override {
    return Status(Code::kInternal, "not needed here");
  }
  Stats stats() const override { return {}; }
  Status Close() override { return Status::Ok(); }
  bool forked() const override { return fork_generation_ != ForkGeneration(); }

 private:
  const std::string path_ = "notes.db";
  const uint32_t fork_generation_ = ForkGeneration();
  CrashVfs vfs_;
  std::mutex writer_mutex_;
  mutable std::mutex failed_mutex_;
  Status failed_;
  std::unique_ptr<Connection> connection_;
};

// Counts what the writer asks for. Only the leading thread touches it.
class CountingHooks : public BatchHooks {
 public:
  std::function<Status(Connection&)> on_flush = [](Connection&) { return Status::Ok(); };
  std::atomic<int> begins{0};
  std::atomic<int> flushes{0};
  std::atomic<int> commits{0};
  std::atomic<int> rollbacks{0};

  Status Begin(Connection&) override {
    ++begins;
    return Status::Ok();
  }
  Status Flush(Connection& connection) override {
    ++flushes;
    return on_flush(connection);
  }
  void Committed() override { ++commits; }
  void RolledBack() override { ++rollbacks; }
  int64_t gathered() const override { return noted; }
  int64_t noted = 0;  // by operations
};

// Inserts one note, or does what the test says.
class NoteOp : public WriteOp {
 public:
  NoteOp(int64_t author, int64_t number, Durability level = Durability::kProcess);
  NoteOp(std::function<Status(Connection&)> apply, Durability level = Durability::kProcess);

  Status Apply(Connection& connection) override;
  void Committed() override { ++committed; }
  void Done(const Status& status) override;
  // Waits for Done(); then `status` can be read.
  void Await();

  std::function<void(const Status&)> on_done;
  std::atomic<int> applied{0};
  std::atomic<int> committed{0};
  std::atomic<int> done{0};
  Status status;

 private:
  std::function<Status(Connection&)> apply_;
};

Status InsertNote(Connection& connection, int64_t author, int64_t number);

}  // namespace millrace::store

#endif  // MILLRACE_TESTS_CORE_STORE_WRITER_FAKE_STORE_H_
