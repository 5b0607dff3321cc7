#include "store/backup.h"

#include <sys/stat.h>

#include <atomic>
#include <filesystem>
#include <thread>

#include "store/store_test_util.h"

namespace millrace::store {

TEST_CASE("a backup is one moment of a store that is being written", "[store][backup]") {
  TemporaryDirectory directory;
  auto store = OpenStore(directory.File("a.db"));
  // More than one slice of pages, so that commits fall into the middle of the copy.
  RequireOk(Write(*store,
                  "CREATE TABLE filler (blob BLOB);"
                  "CREATE TABLE first (number INTEGER); CREATE TABLE second (number INTEGER);"
                  "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 600)"
                  "INSERT INTO filler SELECT randomblob(16000) FROM n"));
  std::atomic<bool> stop{false};
  std::atomic<int> commits{0};
  std::thread writer([&] {
    while (!stop) {
      if (Write(*store, "INSERT INTO first VALUES (1); INSERT INTO second VALUES (1)").ok())
        ++commits;
    }
  });
  const std::string destination = directory.File("b.db");
  const int before = commits;
  const auto info = store->Backup(destination);
  while (commits <= before) std::this_thread::yield();  // the writer goes on
  stop = true;
  writer.join();
  RequireOk(info.status());
  CHECK(static_cast<uintmax_t>(info->bytes) == std::filesystem::file_size(destination));
  CHECK(info->bytes == info->pages * 4096);
  struct stat file = {};
  REQUIRE(stat(destination.c_str(), &file) == 0);
  CHECK((file.st_mode & 0777) == 0600);
  CHECK_FALSE(std::filesystem::exists(destination + ".part"));
  CHECK_FALSE(std::filesystem::exists(destination + "-wal"));

  auto copy = OpenStore(destination);
  CHECK(RequireOk(copy->writer().QueryText("PRAGMA integrity_check")) == "ok");
  CHECK(ReadInt(*copy, "SELECT (SELECT count(*) FROM first) = (SELECT count(*) FROM second)") == 1);
  CHECK(ReadInt(*copy, "SELECT count(*) FROM filler") == 600);
  CHECK(ReadInt(*store, "SELECT count(*) FROM first") == commits);
}

TEST_CASE("a backup overwrites nothing and leaves nothing half done", "[store][backup]") {
  TemporaryDirectory directory;
  auto store = OpenStore(directory.File("a.db"));
  const std::string destination = directory.File("b.db");
  SECTION("an existing file") {
    WriteFile(destination, "precious");
    RequireError(store->Backup(destination).status(), Code::kInvalidArgument,
                 "b.db exists already");
    CHECK(ReadFile(destination) == "precious");
  }
  SECTION("the store itself") {
    RequireError(store->Backup(store->path()).status(), Code::kInvalidArgument, "exists already");
  }
  SECTION("a backup that was cut off") {
    WriteFile(destination + ".part", "half");
    RequireError(store->Backup(destination).status(), Code::kInvalidArgument, "b.db.part exists");
    CHECK(ReadFile(destination + ".part") == "half");
  }
  SECTION("no directory") {
    RequireError(store->Backup(directory.File("none/b.db")).status(), Code::kNotFound,
                 "No such file or directory");
  }
  SECTION("no name") {
    RequireError(store->Backup("").status(), Code::kInvalidArgument, "destination");
  }
  SECTION("given up in the middle") {
    RequireOk(Write(*store, "CREATE TABLE filler AS SELECT randomblob(8000000) AS blob"));
    const Reader reader = RequireOk(store->Read());
    int slices = 0;
    const auto give_up = [&] {
      return ++slices == 2 ? Status(Code::kClosed, "enough") : Status::Ok();
    };
    RequireError(BackupTo(*reader, destination, give_up).status(), Code::kClosed, "enough");
    CHECK_FALSE(std::filesystem::exists(destination));
    CHECK_FALSE(std::filesystem::exists(destination + ".part"));
    CHECK_FALSE(reader->in_transaction());
    CHECK(RequireOk(BackupTo(*reader, destination, [] { return Status::Ok(); })).pages > 900);
  }
}

}  // namespace millrace::store
