// Sync, its failure, and recovery, on a disk that fails on demand.
#include "store/recover.h"

#include <atomic>
#include <thread>
#include <vector>

#include "store/crash_vfs.h"
#include "store/store_test_util.h"

namespace millrace::store {
namespace {

OpenOptions OptionsOn(const CrashVfs& vfs) {
  OpenOptions options = OptionsFor("/a.db");
  options.test_vfs = vfs.name();
  return options;
}

Status Recover(Store& store) {
  RequireOk(store.LockWriter());
  const Status status = store.Recover();
  store.UnlockWriter();
  return status;
}

}  // namespace

TEST_CASE("concurrent syncs are shared, and none is skipped", "[store][sync]") {
  TemporaryDirectory directory;
  auto store = OpenStore(directory.File("a.db"));
  RequireOk(Write(*store, "CREATE TABLE notes (number INTEGER)"));
  RequireOk(store->Sync());
  const int64_t before = store->stats().syncs;
  RequireOk(store->Sync());
  CHECK(store->stats().syncs == before + 1);
  std::atomic<int> ok{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int round = 0; round < 50; ++round) ok += store->Sync().ok() ? 1 : 0;
    });
  }
  for (auto& thread : threads) thread.join();
  CHECK(ok == 200);
  CHECK(store->stats().syncs > before + 1);
  CHECK(store->stats().syncs <= before + 201);
}

TEST_CASE("a synced commit survives a power cut", "[store][sync]") {
  CrashVfs vfs;
  auto store = RequireOk(Store::Open(OptionsOn(vfs)));
  RequireOk(Write(*store, "CREATE TABLE notes (number INTEGER)"));
  RequireOk(Write(*store, "INSERT INTO notes VALUES (1)"));
  RequireOk(store->Sync());
  RequireOk(Write(*store, "INSERT INTO notes VALUES (2)"));
  for (uint64_t seed = 0; seed < 50; ++seed) {
    CrashVfs after(AfterPowerCut(vfs.disk().Snapshot(), seed));
    auto again = RequireOk(Store::Open(OptionsOn(after)));
    CHECK(ReadInt(*again, "SELECT count(*) FROM notes WHERE number = 1") == 1);
  }
}

TEST_CASE("a failed sync is final until the store is recovered", "[store][sync]") {
  CrashVfs vfs;
  std::vector<std::string> lines;
  OpenOptions options = OptionsOn(vfs);
  options.on_log = [&](const std::string& line) { lines.push_back(line); };
  auto store = RequireOk(Store::Open(options));
  RequireOk(Write(*store, "CREATE TABLE notes (number INTEGER)"));
  RequireOk(Write(*store, "INSERT INTO notes VALUES (1)"));
  vfs.disk().FailNth(1, CrashDisk::kSync, CrashDisk::Failure::kIoError, false);
  RequireError(store->Sync(), Code::kIoError, "syncing the store's WAL");
  REQUIRE(vfs.disk().failures() == 1);
  // The disk would say ok to another sync; that would be a lie.
  RequireError(store->Sync(), Code::kIoError, "syncing the store's WAL");
  RequireError(store->failed(), Code::kIoError, "syncing the store's WAL");
  RequireError(store->Read().status(), Code::kIoError, "syncing the store's WAL");
  CHECK(lines.empty());

  RequireOk(Recover(*store));
  RequireOk(store->failed());
  CHECK(ReadInt(*store, "SELECT count(*) FROM notes") == 1);
  REQUIRE(lines.size() == 1);
  CHECK(lines[0].find("/a.db was opened again and verified") != std::string::npos);

  // And what the failed sync had not written is on the disk now.
  RequireOk(Write(*store, "INSERT INTO notes VALUES (2)"));
  RequireOk(store->Sync());
  for (uint64_t seed = 0; seed < 50; ++seed) {
    CrashVfs after(AfterPowerCut(vfs.disk().Snapshot(), seed));
    auto again = RequireOk(Store::Open(OptionsOn(after)));
    INFO("seed " << seed);
    CHECK(ReadInt(*again, "SELECT count(*) FROM notes") == 2);
    CHECK(RequireOk(again->writer().QueryText("PRAGMA integrity_check")) == "ok");
  }
}

TEST_CASE("a recovery that fails can be tried again", "[store][sync]") {
  CrashVfs vfs;
  auto store = RequireOk(Store::Open(OptionsOn(vfs)));
  RequireOk(Write(*store, "CREATE TABLE notes (number INTEGER); INSERT INTO notes VALUES (1)"));
  vfs.disk().FailNth(1, CrashDisk::kSync, CrashDisk::Failure::kIoError, true);
  RequireError(store->Sync(), Code::kIoError, "syncing");
  RequireError(Recover(*store), Code::kIoError, "syncing the WAL");
  CHECK_FALSE(store->failed().ok());
  vfs.disk().FailNth(1, CrashDisk::kOpen, CrashDisk::Failure::kIoError, true);
  CHECK_FALSE(Recover(*store).ok());
  vfs.disk().FailNth(1, CrashDisk::kWrite, CrashDisk::Failure::kDiskFull, true);
  RequireError(Recover(*store), Code::kDiskFull, "");
  vfs.disk().Heal();
  RequireOk(Recover(*store));
  CHECK(ReadInt(*store, "SELECT count(*) FROM notes") == 1);
  RequireOk(store->Sync());
}

TEST_CASE("a store that failed closes without touching what it has", "[store][sync]") {
  CrashVfs vfs;
  auto store = RequireOk(Store::Open(OptionsOn(vfs)));
  RequireOk(Write(*store, "CREATE TABLE notes (number INTEGER)"));
  CHECK(ReadInt(*store, "SELECT count(*) FROM notes") == 0);
  vfs.disk().FailNth(1, CrashDisk::kSync, CrashDisk::Failure::kIoError, false);
  REQUIRE_FALSE(store->Sync().ok());
  std::atomic<int> changes{0};
  vfs.disk().Observe([&](int64_t, const auto&) { ++changes; });
  RequireOk(store->Close());
  CHECK(changes == 0);
}

TEST_CASE("recovery works on a real file beside other processes' readers", "[store][sync]") {
  TemporaryDirectory directory;
  auto store = OpenStore(directory.File("a.db"));
  auto other = OpenStore(directory.File("a.db"));
  RequireOk(Write(*store, "CREATE TABLE notes (number INTEGER); INSERT INTO notes VALUES (1)"));
  const Reader reader = RequireOk(other->Read());
  RequireOk(reader->Exec("BEGIN"));
  CHECK(RequireOk(reader->QueryInt("SELECT count(*) FROM notes")) == 1);
  OpenOptions options = OptionsFor(directory.File("a.db"));
  options.busy_timeout_ms = 0;
  auto recovering = RequireOk(Store::Open(options));
  RequireOk(Recover(*recovering));
  RequireOk(Write(*recovering, "INSERT INTO notes VALUES (2)"));
  CHECK(RequireOk(reader->QueryInt("SELECT count(*) FROM notes")) == 1);
  RequireOk(reader->Exec("ROLLBACK"));
  CHECK(RequireOk(reader->QueryInt("SELECT count(*) FROM notes")) == 2);
}

TEST_CASE("every failing I/O of an opening is an error, and the next opening works",
          "[store][sync]") {
  for (int64_t nth = 1;; ++nth) {
    CrashVfs vfs;
    vfs.disk().FailNth(nth, CrashDisk::kAny, CrashDisk::Failure::kIoError, false);
    {
      const auto store = Store::Open(OptionsOn(vfs));
      INFO("failing I/O " << nth << ": " << store.status().ToString());
      if (vfs.disk().failures() == 0) {
        CHECK(store.ok());
        CHECK(nth > 20);
        return;
      }
      if (!store.ok()) CHECK(store.status().code() != Code::kInternal);
    }
    vfs.disk().Heal();
    auto again = RequireOk(Store::Open(OptionsOn(vfs)));
    CHECK(RequireOk(again->writer().QueryText("PRAGMA integrity_check")) == "ok");
  }
}

}  // namespace millrace::store
