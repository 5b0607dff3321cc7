#include "store/checkpointer.h"

#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include "catch.h"
#include "store/crash_vfs.h"
#include "store/power_cut_workload.h"
#include "store/writer_fake_store.h"

namespace millrace::store {
namespace {

class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "millrace-XXXXXX").string();
    path_ = mkdtemp(pattern.data());
  }
  ~TemporaryFolder() { std::filesystem::remove_all(path_); }
  std::string File(const char* name) const { return (path_ / name).string(); }

 private:
  std::filesystem::path path_;
};

int64_t FileBytes(const std::string& path) {
  struct stat info{};
  return stat(path.c_str(), &info) == 0 ? static_cast<int64_t>(info.st_size) : 0;
}

class QuietHooks : public BatchHooks {
 public:
  Status Begin(Connection&) override { return Status::Ok(); }
  Status Flush(Connection&) override { return Status::Ok(); }
  void Committed() override {}
  void RolledBack() override {}
};

// A store of the real kind with the table blobs(id, body), and a writer.
struct Open {
  explicit Open(const std::string& path, int64_t wal_limit_bytes) {
    OpenOptions options;
    options.path = path;
    options.wal_limit_bytes = wal_limit_bytes;
    Result<std::unique_ptr<Store>> opened = Store::Open(options);
    if (!opened.ok()) return;
    store = std::move(opened.value());
    if (!store->LockWriter().ok()) return;
    created = store->writer().Exec(
        "CREATE TABLE IF NOT EXISTS blobs (id INTEGER PRIMARY KEY, body BLOB NOT NULL) STRICT");
    store->UnlockWriter();
    writer = Writer::Create(*store, hooks, {});
  }
  ~Open() {
    if (writer) writer->Stop();
  }

  // Writes over 64 rows again and again: the WAL grows, the database does not.
  Status Write(int64_t id) {
    const std::string body(8'000, static_cast<char>('a' + id % 26));
    NoteOp op([&](Connection& connection) {
      Query query(connection, "INSERT OR REPLACE INTO blobs (id, body) VALUES (?1, ?2)");
      query.Bind(id % 64, Blob{body});
      return query.Run();
    });
    return writer->Run(&op, true);
  }

  QuietHooks hooks;
  Status created;
  std::unique_ptr<Store> store;
  std::unique_ptr<Writer> writer;
};

// In a child process: several threads that never pause.
int WriteWithoutPause(const std::string& path, int64_t wal_limit_bytes, int threads, int writes) {
  Open open(path, wal_limit_bytes);
  if (!open.writer || !open.created.ok()) return 2;
  std::atomic<int> failed{0};
  std::vector<std::thread> all;
  for (int t = 0; t < threads; ++t) {
    all.emplace_back([&, t] {
      for (int i = 0; i < writes; ++i) failed += open.Write(t * 1000 + i).ok() ? 0 : 1;
    });
  }
  for (std::thread& thread : all) thread.join();
  return failed == 0 ? 0 : 1;
}

template <typename Condition>
bool Eventually(const Condition& condition) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return true;
}

}  // namespace

TEST_CASE("the WAL stays bounded while several processes write without pause", "[checkpointer]") {
  constexpr int64_t kWalLimit = 16 << 20;  // the default
  constexpr int kProcesses = 3;
  constexpr int kThreads = 2;
  constexpr int kWrites = 5'000 / kStride;
  const TemporaryFolder folder;
  const std::string path = folder.File("load.db");
  {
    const Open created(path, kWalLimit);
  }
  std::vector<pid_t> children;
  for (int i = 0; i < kProcesses; ++i) {
    const pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) _exit(WriteWithoutPause(path, kWalLimit, kThreads, kWrites));
    children.push_back(child);
  }
  int64_t wal_max = 0;
  for (const pid_t child : children) {
    int status = 0;
    REQUIRE(Eventually([&] {
      wal_max = std::max(wal_max, FileBytes(path + "-wal"));
      return waitpid(child, &status, WNOHANG) == child;
    }));
    CHECK(WIFEXITED(status));
    CHECK(WEXITSTATUS(status) == 0);
  }
  // Each row is a page of 4 KiB at least.
  constexpr int64_t kWritten = int64_t{kProcesses} * kThreads * kWrites * 4096;
  std::printf(
      "checkpointer: %lld MiB written by %d processes, WAL limit %lld KiB, its maximum %lld KiB\n",
      static_cast<long long>(kWritten >> 20), kProcesses, static_cast<long long>(kWalLimit >> 10),
      static_cast<long long>(wal_max >> 10));
  CHECK(wal_max > 0);
  CHECK(wal_max < 3 * kWalLimit);
}

TEST_CASE("an idle store's WAL is truncated once, and then the thread sleeps", "[checkpointer]") {
  const TemporaryFolder folder;
  const std::string path = folder.File("idle.db");
  Open open(path, 1 << 20);
  REQUIRE(open.writer);
  for (int i = 0; i < 100; ++i) REQUIRE(open.Write(i).ok());
  REQUIRE(Eventually([&] { return FileBytes(path + "-wal") == 0; }));
  REQUIRE(Eventually([&] { return open.store->stats().wal_bytes == 0; }));
  CHECK(open.store->stats().checkpoints > 0);
  REQUIRE(open.Write(1).ok());
  CHECK(FileBytes(path + "-wal") > 0);
}

TEST_CASE("no thread is started and nothing copied while the WAL is short", "[checkpointer]") {
  const TemporaryFolder folder;
  Open open(folder.File("short.db"), 64 << 20);
  REQUIRE(open.writer);
  for (int i = 0; i < 50; ++i) REQUIRE(open.Write(i).ok());
  CHECK(open.store->stats().checkpoints == 0);
  CHECK(open.store->stats().wal_bytes > 0);
}

TEST_CASE("a reader that stays keeps the WAL, and checkpoints go on when it has left",
          "[checkpointer]") {
  const TemporaryFolder folder;
  const std::string path = folder.File("reader.db");
  Open open(path, 1 << 20);
  REQUIRE(open.writer);
  REQUIRE(open.Write(0).ok());
  {
    Result<Reader> reader = open.store->Read();
    REQUIRE(reader.ok());
    REQUIRE((*reader)->Exec("BEGIN").ok());
    REQUIRE((*reader)->QueryInt("SELECT count(*) FROM blobs").ok());
    for (int i = 0; i < 300; ++i) REQUIRE(open.Write(i).ok());
    CHECK(*(*reader)->QueryInt("SELECT count(*) FROM blobs") == 1);
    REQUIRE((*reader)->Exec("COMMIT").ok());
  }
  CHECK(FileBytes(path + "-wal") > 1 << 20);
  for (int i = 0; i < 100; ++i) REQUIRE(open.Write(i).ok());
  CHECK(Eventually([&] { return FileBytes(path + "-wal") == 0; }));
}

TEST_CASE("over twice the limit a writer lets the checkpoint thread have its turn",
          "[checkpointer]") {
  const TemporaryFolder folder;
  Connection::Options connecting;
  connecting.path = folder.File("starved.db");
  connecting.create = true;
  Result<std::unique_ptr<Connection>> connection = Connection::Open(connecting);
  REQUIRE(connection.ok());
  REQUIRE((*connection)->Exec("PRAGMA journal_mode=WAL; CREATE TABLE notes (body BLOB)").ok());
  // Until then the thread gets no lock, as under heavy load.
  std::atomic<bool> asks_for_lock{false};
  std::atomic<bool> has_lock{false};
  const auto give_lock = [&] {
    has_lock = true;
    has_lock.notify_all();
  };
  Checkpointer::Options options;
  options.path = connecting.path;
  options.wal_limit_bytes = 200'000;
  options.lock_writer = [&] {
    asks_for_lock = true;
    has_lock.wait(false);
    return Status::Ok();
  };
  options.unlock_writer = [] {};
  const auto checkpointer = std::move(Checkpointer::Start(options).value());
  checkpointer->Watch((*connection)->raw());
  bool written = true;
  const auto full = [&] {
    return asks_for_lock && checkpointer->stats().wal_bytes >= 2 * options.wal_limit_bytes;
  };
  while (written && !full()) {
    written = (*connection)->Exec("INSERT INTO notes VALUES (zeroblob(8000))").ok();
    checkpointer->AfterCommit();
  }
  CHECK(written);
  CHECK(checkpointer->stats().restarts == 0);
  SECTION("it waits for it") {
    give_lock();
    checkpointer->MakeRoom();
    CHECK(checkpointer->stats().restarts == 1);
  }
  SECTION("it does not wait for one that is stopped") {
    std::thread waits([&] { checkpointer->MakeRoom(); });
    std::thread stops([&] { checkpointer->Stop(false); });
    waits.join();
    give_lock();
    stops.join();
  }
}

TEST_CASE("a checkpoint's failed sync makes the store failed, and the next write recovers it",
          "[checkpointer]") {
  CrashVfs vfs;
  std::atomic<int> told{0};
  Connection::Options connecting;
  connecting.path = "notes.db";
  connecting.create = true;
  connecting.vfs = vfs.name();
  Result<std::unique_ptr<Connection>> connection = Connection::Open(connecting);
  REQUIRE(connection.ok());
  REQUIRE(
      (*connection)
          ->Exec("PRAGMA page_size=4096; PRAGMA journal_mode=WAL; CREATE TABLE notes (body BLOB)")
          .ok());
  Checkpointer::Options options;
  options.path = connecting.path;
  options.vfs = vfs.name();
  options.wal_limit_bytes = 200'000;
  options.on_sync_failed = [&](const Status& status) {
    told += status.code() == Code::kIoError ? 1 : 100;
  };
  Result<std::unique_ptr<Checkpointer>> checkpointer = Checkpointer::Start(options);
  REQUIRE(checkpointer.ok());
  (*checkpointer)->Watch((*connection)->raw());
  vfs.disk().FailNth(1, CrashDisk::kSync, CrashDisk::Failure::kIoError, true);
  while (told == 0) {
    // Not the header's sync of a WAL that begins anew: this one only grows.
    REQUIRE((*connection)->Exec("INSERT INTO notes VALUES (zeroblob(8000))").ok());
    (*checkpointer)->AfterCommit();
  }
  CHECK(told < 100);
  vfs.disk().Heal();
  (*checkpointer)->Stop(true);
  (*checkpointer)->Stop(true);
  CHECK((*checkpointer)->stats().truncates == 1);
  connection->reset();
}

}  // namespace millrace::store
