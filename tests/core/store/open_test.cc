// Store::Open: what it refuses, what it makes of a file, and that no file can crash it.
#include <grp.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <thread>
#include <vector>

#include "store/file_format.h"
#include "store/filesystem.h"
#include "store/migrate.h"
#include "store/store_test_util.h"

namespace millrace::store {
namespace {

Status OpenStatus(const std::string& path) {
  return Store::Open(OptionsFor(path)).status();
}

// Makes an SQLite file that is not (or not quite) ours.
void MakeDatabase(const std::string& path, const std::string& sql) {
  auto connection = RequireOk(Connection::Open({.path = path, .create = true}));
  RequireOk(connection->Exec(sql.c_str()));
}

std::string Pragma(Store& store, const char* name) {
  return RequireOk(store.writer().QueryText((std::string("PRAGMA ") + name).c_str()));
}

}  // namespace

TEST_CASE("a new store has the layout that the design names", "[store][open]") {
  TemporaryDirectory directory;
  const std::string path = directory.File("a.db");
  auto store = OpenStore(path);
  CHECK(Pragma(*store, "page_size") == "4096");
  CHECK(Pragma(*store, "auto_vacuum") == "2");
  CHECK(Pragma(*store, "journal_mode") == "wal");
  CHECK(Pragma(*store, "synchronous") == "1");
  CHECK(Pragma(*store, "wal_autocheckpoint") == "0");
  CHECK(Pragma(*store, "application_id") == std::to_string(kApplicationId));
  CHECK(Pragma(*store, "user_version") == std::to_string(SchemaVersion()));
  CHECK(Pragma(*store, "integrity_check") == "ok");
  for (const char* suffix : {"", "-wal", "-shm"}) {
    struct stat file = {};
    REQUIRE(stat((path + suffix).c_str(), &file) == 0);
    CHECK((file.st_mode & 0777) == 0600);
  }
  CHECK_FALSE(store->in_memory());
  CHECK_FALSE(store->forked());
  RequireOk(store->failed());
}

TEST_CASE("the last one to close leaves one file", "[store][open]") {
  TemporaryDirectory directory;
  const std::string path = directory.File("a.db");
  auto first = OpenStore(path);
  auto second = OpenStore(path);
  RequireOk(Write(*first, "CREATE TABLE notes (number INTEGER)"));
  CHECK(ReadInt(*second, "SELECT count(*) FROM notes") == 0);
  RequireOk(first->Close());
  RequireOk(Write(*second, "INSERT INTO notes VALUES (1)"));
  RequireOk(second->Close());
  RequireOk(second->Close());
  CHECK(
      (!std::filesystem::exists(path + "-wal") || std::filesystem::file_size(path + "-wal") == 0));
  auto again = OpenStore(path);
  CHECK(ReadInt(*again, "SELECT count(*) FROM notes") == 1);
  again.reset();
  CHECK_FALSE(std::filesystem::exists(path + "-wal"));
  CHECK_FALSE(std::filesystem::exists(path + "-shm"));
}

TEST_CASE("a closed store answers closed", "[store][open]") {
  TemporaryDirectory directory;
  auto store = OpenStore(directory.File("a.db"));
  RequireOk(store->Close());
  RequireError(store->LockWriter(), Code::kClosed, "a.db is closed");
  RequireError(store->Read().status(), Code::kClosed, "is closed");
  RequireError(store->Sync(), Code::kClosed, "is closed");
  RequireError(store->ClaimSlot().status(), Code::kClosed, "is closed");
  RequireError(store->Backup(directory.File("b.db")).status(), Code::kClosed, "is closed");
  CHECK(store->SlotHeld(0));  // nobody is declared dead without an answer
}

TEST_CASE("a store in memory has the same schema and no files", "[store][open]") {
  auto store = OpenStore(":memory:");
  CHECK(store->in_memory());
  CHECK(store->path() == ":memory:");
  CHECK(Pragma(*store, "user_version") == std::to_string(SchemaVersion()));
  RequireOk(Write(*store, "CREATE TABLE notes (number INTEGER); INSERT INTO notes VALUES (3)"));
  CHECK(ReadInt(*store, "SELECT number FROM notes") == 3);
  RequireOk(store->Sync());
  CHECK(RequireOk(store->ClaimSlot()) == 0);
  CHECK(store->SlotHeld(0));
  CHECK_FALSE(store->SlotHeld(1));
  TemporaryDirectory directory;
  CHECK(RequireOk(store->Backup(directory.File("b.db"))).pages > 0);
  CHECK(ReadInt(*OpenStore(directory.File("b.db")), "SELECT number FROM notes") == 3);
}

TEST_CASE("opening without create makes no file", "[store][open]") {
  TemporaryDirectory directory;
  OpenOptions options = OptionsFor(directory.File("a.db"));
  options.create = false;
  RequireError(Store::Open(options).status(), Code::kNotFound, "there is no store at");
  CHECK_FALSE(std::filesystem::exists(options.path));
  OpenStore(options.path);
  CHECK(Store::Open(options).ok());
}

TEST_CASE("a file system that cannot hold a WAL is refused before a file is made",
          "[store][open]") {
  TemporaryDirectory directory;
  const ScopedFilesystemProbe probe(
      [](const std::string&) { return FilesystemInfo{0x6969, "nfs4"}; });
  RequireError(OpenStatus(directory.File("a.db")), Code::kUnsupportedFilesystem, "is on NFS");
  CHECK_FALSE(std::filesystem::exists(directory.File("a.db")));
}

TEST_CASE("somebody else's file is refused and not changed", "[store][open]") {
  TemporaryDirectory directory;
  const std::string path = directory.File("a.db");
  std::string expected = "not a Millrace store";
  SECTION("text") {
    WriteFile(path, "Dear diary,\n");
    expected = "is not an SQLite database";
  }
  SECTION("longer text") {
    WriteFile(path, std::string(20'000, 'x'));
    expected = "is not an SQLite database";
  }
  SECTION("the beginning of a header") {
    WriteFile(path, "SQLite format 3");
    expected = "is not an SQLite database";
  }
  SECTION("a database") {
    MakeDatabase(path, "CREATE TABLE users (name TEXT)");
  }
  SECTION("a database in WAL mode") {
    MakeDatabase(path, "PRAGMA journal_mode=WAL; CREATE TABLE users (name TEXT)");
  }
  SECTION("a database with a version of its own") {
    MakeDatabase(path, "PRAGMA user_version=7");
  }
  SECTION("a database with the mark of another application") {
    MakeDatabase(path, "PRAGMA application_id=252006673; CREATE TABLE users (name TEXT)");
    expected = "of another application (its application_id is 252006673)";
  }
  const std::string before = ReadFile(path);
  RequireError(OpenStatus(path), Code::kNotAStore, expected);
  CHECK(ReadFile(path) == before);
}

TEST_CASE("a newer schema is refused", "[store][open]") {
  TemporaryDirectory directory;
  const std::string path = directory.File("a.db");
  RequireOk(Write(*OpenStore(path), "PRAGMA user_version=9999"));
  RequireError(OpenStatus(path), Code::kNewerSchema,
               "schema version 9999, written by a newer Millrace");
  CHECK(ReadFile(path).size() > 0);
}

TEST_CASE("a creation that was cut off is taken up again", "[store][open]") {
  TemporaryDirectory directory;
  const std::string path = directory.File("a.db");
  SECTION("an empty file") {
    WriteFile(path, "");
  }
  SECTION("an empty database in WAL mode") {
    MakeDatabase(path,
                 "PRAGMA page_size=8192; PRAGMA auto_vacuum=INCREMENTAL; PRAGMA journal_mode=WAL");
  }
  SECTION("an empty database in rollback mode") {
    MakeDatabase(path, "PRAGMA page_size=8192; VACUUM");
  }
  auto store = OpenStore(path);
  CHECK(Pragma(*store, "user_version") == std::to_string(SchemaVersion()));
  CHECK(Pragma(*store, "journal_mode") == "wal");
}

TEST_CASE("a store that was taken out of WAL mode is put back", "[store][open]") {
  TemporaryDirectory directory;
  const std::string path = directory.File("a.db");
  OpenStore(path);
  MakeDatabase(path, "PRAGMA journal_mode=DELETE");
  CHECK(Pragma(*OpenStore(path), "journal_mode") == "wal");
}

TEST_CASE("child: opens a store as a user without rights", "[.child]") {
  const auto arguments = ChildArguments();
  REQUIRE(setgroups(0, nullptr) == 0);
  REQUIRE(setresgid(65534, 65534, 65534) == 0);
  REQUIRE(setresuid(65534, 65534, 65534) == 0);
  ChildWriteLine(OpenStatus(arguments.at(0)).ToString());
}

TEST_CASE("missing rights are named", "[store][open]") {
  if (geteuid() != 0)
    return;  // only root can become a user without rights, and has all rights itself
  TemporaryDirectory directory;
  const std::string path = directory.File("a.db");
  OpenStore(path);
  const auto answer = [&] {
    return ChildProcess("child: opens a store as a user without rights", {path}).ReadLine();
  };
  const auto root = std::filesystem::path(path).parent_path();
  using std::filesystem::perms;
  SECTION("of the directory") {
    std::filesystem::permissions(root, perms::owner_all | perms::group_read | perms::group_exec |
                                           perms::others_read | perms::others_exec);
    std::filesystem::permissions(path, perms::all);
    const std::string line = answer();
    INFO(line);
    CHECK(line.starts_with("permission_denied: the store's directory"));
  }
  SECTION("of the file") {
    std::filesystem::permissions(root, perms::all);
    const std::string line = answer();
    INFO(line);
    CHECK(line.starts_with("permission_denied: the store"));
    CHECK(line.find("must be readable and writable by this user") != std::string::npos);
  }
}

TEST_CASE("child: opens a store when told", "[.child]") {
  const auto arguments = ChildArguments();
  ChildWriteLine("here");
  ChildReadLine();
  auto store = OpenStore(arguments.at(0));
  RequireOk(
      Write(*store,
            "CREATE TABLE IF NOT EXISTS openers (number INTEGER); INSERT INTO openers VALUES (1)"));
  ChildWriteLine("done");
}

TEST_CASE("many processes create one store at once", "[store][open]") {
  TemporaryDirectory directory;
  const std::string path = directory.File("a.db");
  constexpr size_t kChildren = 8;
  std::vector<std::unique_ptr<ChildProcess>> children;
  for (size_t i = 0; i < kChildren; ++i) {
    children.push_back(
        std::make_unique<ChildProcess>("child: opens a store when told", std::vector{path}));
  }
  for (const auto& child : children) REQUIRE(child->ReadLine() == "here");
  for (const auto& child : children) child->CloseInput();
  for (const auto& child : children) CHECK(child->ReadLine() == "done");
  for (const auto& child : children) CHECK(child->Join() == 0);
  auto store = OpenStore(path);
  CHECK(ReadInt(*store, "SELECT count(*) FROM openers") == kChildren);
  CHECK(Pragma(*store, "page_size") == "4096");
  CHECK(Pragma(*store, "integrity_check") == "ok");
}

TEST_CASE("threads open, use and close one store at once", "[store][open]") {
  TemporaryDirectory directory;
  const std::string path = directory.File("a.db");
  std::vector<std::thread> threads;
  std::atomic<int> opened{0};
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int round = 0; round < 10; ++round) {
        auto store = Store::Open(OptionsFor(path));
        if (store.ok() && (*store)->Read().ok() && (*store)->Sync().ok()) ++opened;
      }
    });
  }
  for (auto& thread : threads) thread.join();
  CHECK(opened == 40);
}

}  // namespace millrace::store
