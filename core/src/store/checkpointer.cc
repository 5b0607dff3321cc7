#include "store/checkpointer.h"

#include <sqlite3.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <string>
#include <system_error>
#include <thread>
#include <utility>

#include "store/connection.h"

namespace millrace::store {
namespace {

constexpr int64_t kFrameHeaderBytes = 24;
constexpr int64_t kWalHeaderBytes = 32;
// A TRUNCATE that readers or another process prevent is tried this often, idle_ms apart; then the
// thread sleeps.
constexpr int kTruncateAttempts = 5;

class ThreadedCheckpointer : public Checkpointer {
 public:
  explicit ThreadedCheckpointer(Options options)
      : options_(std::move(options)),
        passive_at_(std::max<int64_t>(1, options_.wal_limit_bytes / 4)),
        restart_at_(std::max<int64_t>(1, options_.wal_limit_bytes / 2)),
        wake_at_(passive_at_) {}
  ~ThreadedCheckpointer() override { Stop(false); }

  void Watch(sqlite3* writer) override;
  void AfterCommit() override;
  void MakeRoom() override;
  void Stop(bool truncate) override;
  Stats stats() const override;

 private:
  enum class Outcome { kComplete, kPartial, kBusy, kFailed };

  static int OnWal(void* self, sqlite3* db, const char* schema, int frames);
  void Wake();
  void ThreadMain();
  bool OpenConnection();
  void CheckpointBesideWriters();
  void RestartWithWriterLock();
  Outcome Truncate();
  Outcome Checkpoint(int mode, int64_t busy_timeout_ms);
  bool SyncDatabase();
  void Report(const Status& status);

  const Options options_;
  const int64_t passive_at_;
  const int64_t restart_at_;

  std::atomic<int64_t> wal_bytes_{0};
  std::atomic<int64_t> wal_bytes_max_{0};
  std::atomic<int64_t> wake_at_;
  std::atomic<int64_t> commits_{0};
  std::atomic<bool> wake_requested_{false};  // spares the mutex while a wake-up is on its way

  std::mutex mutex_;
  std::condition_variable changed_;
  std::condition_variable turn_ended_;
  bool wanted_ = false;
  bool stop_ = false;
  bool truncate_at_stop_ = false;
  std::thread thread_;

  // The thread's own.
  std::unique_ptr<Connection> connection_;
  std::string reported_;  // the last error that was logged: a full disk is news once

  std::atomic<int64_t> checkpoints_{0};
  std::atomic<int64_t> restarts_{0};
  std::atomic<int64_t> truncates_{0};
  std::atomic<int64_t> busy_{0};
};

void ThreadedCheckpointer::Watch(sqlite3* writer) {
  sqlite3_wal_hook(writer, &ThreadedCheckpointer::OnWal, this);
}

// In the commit itself, under the writer lock: only takes notes.
int ThreadedCheckpointer::OnWal(void* self, sqlite3*, const char*, int frames) {
  auto& me = *static_cast<ThreadedCheckpointer*>(self);
  const int64_t bytes = kWalHeaderBytes + frames * (me.options_.page_bytes + kFrameHeaderBytes);
  const int64_t before = me.wal_bytes_.exchange(bytes);
  // The WAL began anew: the next quarter counts again.
  if (bytes < before) me.wake_at_.store(me.passive_at_);
  if (bytes > me.wal_bytes_max_.load(std::memory_order_relaxed)) {
    me.wal_bytes_max_.store(bytes, std::memory_order_relaxed);
  }
  me.commits_.fetch_add(1, std::memory_order_relaxed);
  return SQLITE_OK;
}

void ThreadedCheckpointer::AfterCommit() {
  if (wal_bytes_.load(std::memory_order_relaxed) < wake_at_.load(std::memory_order_relaxed)) return;
  if (!wake_requested_.exchange(true)) Wake();
}

void ThreadedCheckpointer::MakeRoom() {
  if (wal_bytes_.load(std::memory_order_relaxed) < 2 * options_.wal_limit_bytes) return;
  if (!wake_requested_.load()) return;
  std::unique_lock<std::mutex> lock(mutex_);
  turn_ended_.wait(lock, [this] { return !wake_requested_.load() || stop_; });
}

void ThreadedCheckpointer::Wake() {
  std::lock_guard<std::mutex> lock(mutex_);
  if (stop_) return;
  wanted_ = true;
  if (thread_.joinable()) {
    changed_.notify_one();
    return;
  }
  try {
    thread_ = std::thread([this] { ThreadMain(); });
  } catch (const std::system_error& error) {
    if (options_.log)
      options_.log(std::string("cannot start the checkpoint thread: ") + error.what());
    wake_at_.fetch_add(passive_at_);
    wake_requested_.store(false);
    turn_ended_.notify_all();
  }
}

void ThreadedCheckpointer::Stop(bool truncate) {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    if (stop_) return;
    stop_ = true;
    truncate_at_stop_ = truncate;
  }
  changed_.notify_one();
  turn_ended_.notify_all();
  if (thread_.joinable()) {
    thread_.join();
  } else if (truncate) {
    Truncate();
  }
  connection_.reset();
}

void ThreadedCheckpointer::ThreadMain() {
  int attempts_left = 0;  // of TRUNCATE; 0: nothing to do before the next wake-up
  int64_t commits_seen = 0;
  std::unique_lock<std::mutex> lock(mutex_);
  for (;;) {
    const auto awaited = [this] { return wanted_ || stop_; };
    if (attempts_left == 0) {
      changed_.wait(lock, awaited);
    } else {
      changed_.wait_for(lock, std::chrono::milliseconds(options_.idle_ms), awaited);
    }
    if (stop_) break;
    const bool wanted = std::exchange(wanted_, false);
    lock.unlock();
    if (wanted) {
      CheckpointBesideWriters();
      attempts_left = kTruncateAttempts;
    } else if (commits_.load(std::memory_order_relaxed) == commits_seen) {
      attempts_left = Truncate() == Outcome::kComplete ? 0 : attempts_left - 1;
    }
    commits_seen = commits_.load(std::memory_order_relaxed);
    lock.lock();
    if (wanted) {
      wake_requested_.store(false);
      turn_ended_.notify_all();
    }
  }
  lock.unlock();
  if (truncate_at_stop_) Truncate();
}

bool ThreadedCheckpointer::OpenConnection() {
  if (connection_) return true;
  Connection::Options options;
  options.path = options_.path;
  options.vfs = options_.vfs;
  options.busy_timeout_ms = 0;
  Result<std::unique_ptr<Connection>> opened = Connection::Open(options);
  if (!opened.ok()) {
    Report(opened.status());
    return false;
  }
  connection_ = std::move(opened.value());
  return true;
}

void ThreadedCheckpointer::CheckpointBesideWriters() {
  Outcome outcome = Outcome::kPartial;
  if (wal_bytes_.load() < options_.wal_limit_bytes) {
    outcome = Checkpoint(SQLITE_CHECKPOINT_PASSIVE, 0);
    // What was copied is synced now, so that the writers do not wait for that below.
    if (outcome != Outcome::kFailed && wal_bytes_.load() >= restart_at_ && !SyncDatabase()) {
      outcome = Outcome::kFailed;
    }
  }
  // Busy: another process is at it, and restarts the WAL for all if need be. Over the limit nobody
  // relies on others. Complete: the next commit may begin the WAL anew, but a reader could prevent
  // that for ever.
  const int64_t wal_bytes = wal_bytes_.load();
  const bool too_long = wal_bytes >= options_.wal_limit_bytes ||
                        (wal_bytes >= restart_at_ && outcome != Outcome::kBusy);
  if (too_long && outcome != Outcome::kFailed) RestartWithWriterLock();
  // The mark moves with the WAL, so that what cannot be done now is tried again after another
  // eighth of the limit, and not with every commit. A WAL that begins anew resets it (OnWal), also
  // just now.
  const int64_t bytes = wal_bytes_.load();
  wake_at_.store(bytes + passive_at_ / 2);
  if (wal_bytes_.load() < bytes) wake_at_.store(passive_at_);
}

// Under load, PASSIVE never reaches the end of the WAL, because the writers go on writing; and only
// a WAL that was copied to its end can begin anew. So the writers wait for the rest, which the
// PASSIVE before has made short. If they are so fast that the WAL has passed its limit meanwhile,
// they wait for all of it: that is the back-pressure.
void ThreadedCheckpointer::RestartWithWriterLock() {
  if (options_.lock_writer) {
    if (Status status = options_.lock_writer(); !status.ok()) {
      Report(status);
      return;
    }
  }
  Outcome outcome = Checkpoint(SQLITE_CHECKPOINT_RESTART, options_.busy_timeout_ms);
  // SQLite does not wait for the checkpoint of another process, which ends soon now that nothing is
  // written.
  for (int64_t waited_ms = 0; outcome == Outcome::kBusy && waited_ms < options_.busy_timeout_ms;
       ++waited_ms) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
    outcome = Checkpoint(SQLITE_CHECKPOINT_RESTART, 0);
  }
  if (options_.lock_writer) options_.unlock_writer();
  if (outcome == Outcome::kComplete) restarts_.fetch_add(1, std::memory_order_relaxed);
}

ThreadedCheckpointer::Outcome ThreadedCheckpointer::Truncate() {
  if (options_.lock_writer) {
    if (Status status = options_.lock_writer(); !status.ok()) {
      Report(status);
      return Outcome::kFailed;
    }
  }
  const Outcome outcome = Checkpoint(SQLITE_CHECKPOINT_TRUNCATE, 0);
  if (outcome == Outcome::kComplete) {
    truncates_.fetch_add(1, std::memory_order_relaxed);
    wal_bytes_.store(0, std::memory_order_relaxed);  // nobody commits now: the lock is held
    wake_at_.store(passive_at_, std::memory_order_relaxed);
  }
  if (options_.lock_writer) options_.unlock_writer();
  return outcome;
}

ThreadedCheckpointer::Outcome ThreadedCheckpointer::Checkpoint(int mode, int64_t busy_timeout_ms) {
  if (!OpenConnection()) return Outcome::kFailed;
  sqlite3* db = connection_->raw();
  sqlite3_busy_timeout(db, static_cast<int>(busy_timeout_ms));
  int frames_in_wal = 0;
  int frames_copied = 0;
  const int code = sqlite3_wal_checkpoint_v2(db, "main", mode, &frames_in_wal, &frames_copied);
  if ((code & 0xff) == SQLITE_BUSY) {
    busy_.fetch_add(1, std::memory_order_relaxed);
    return Outcome::kBusy;
  }
  if (code != SQLITE_OK) {
    const int extended = sqlite3_extended_errcode(db);
    const Status status = connection_->LastError(extended, "checkpoint");
    Report(status);
    const bool of_sync = extended == SQLITE_IOERR_FSYNC || extended == SQLITE_IOERR_DIR_FSYNC;
    if (of_sync && options_.on_sync_failed) options_.on_sync_failed(status);
    return Outcome::kFailed;
  }
  reported_.clear();
  checkpoints_.fetch_add(1, std::memory_order_relaxed);
  return frames_copied == frames_in_wal ? Outcome::kComplete : Outcome::kPartial;
}

bool ThreadedCheckpointer::SyncDatabase() {
  sqlite3_file* file = nullptr;
  sqlite3_file_control(connection_->raw(), "main", SQLITE_FCNTL_FILE_POINTER, &file);
  if (!file || !file->pMethods) return true;
  const int code = file->pMethods->xSync(file, SQLITE_SYNC_NORMAL);
  if (code == SQLITE_OK) return true;
  const Status status(Code::kIoError, "checkpoint: the database file could not be synced");
  Report(status);
  if (options_.on_sync_failed) options_.on_sync_failed(status);
  return false;
}

void ThreadedCheckpointer::Report(const Status& status) {
  // The lock was not to be had now, or the store is closing: nothing is wrong.
  if (status.code() == Code::kBusy || status.code() == Code::kClosed) return;
  if (status.message() == reported_) return;
  reported_ = status.message();
  if (options_.log) options_.log("checkpoint failed: " + status.ToString());
}

Checkpointer::Stats ThreadedCheckpointer::stats() const {
  return {.checkpoints = checkpoints_.load(std::memory_order_relaxed),
          .restarts = restarts_.load(std::memory_order_relaxed),
          .truncates = truncates_.load(std::memory_order_relaxed),
          .busy = busy_.load(std::memory_order_relaxed),
          .wal_bytes = wal_bytes_.load(std::memory_order_relaxed),
          .wal_bytes_max = wal_bytes_max_.load(std::memory_order_relaxed)};
}

}  // namespace

Result<std::unique_ptr<Checkpointer>> Checkpointer::Start(Options options) {
  if (options.wal_limit_bytes <= 0 || options.page_bytes <= 0) {
    return Status(Code::kInvalidArgument, "wal_limit_bytes and page_bytes must be positive");
  }
  return std::unique_ptr<Checkpointer>(std::make_unique<ThreadedCheckpointer>(std::move(options)));
}

}  // namespace millrace::store
