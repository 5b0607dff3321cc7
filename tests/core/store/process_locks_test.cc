// The writer lock and the slots between processes, also while a second SQLite uses the same file.
#include "store/process_locks.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <thread>
#include <vector>

#include "store/file_format.h"
#include "store/ofd_locks.h"
#include "store/store_test_util.h"

namespace millrace::store {
namespace {

// What any other user of the file in this process does in the end: opens and closes a descriptor.
// POSIX locks of the whole process vanish with that.
void OpenAndClose(const std::string& path) {
  for (const char* suffix : {"", "-wal", "-shm"}) {
    const int descriptor = open((path + suffix).c_str(), O_RDWR | O_CLOEXEC);
    REQUIRE(descriptor >= 0);
    close(descriptor);
  }
}

struct flock PosixRange(int64_t offset) {
  struct flock range = {};
  range.l_type = F_WRLCK;
  range.l_whence = SEEK_SET;
  range.l_start = offset;
  range.l_len = 1;
  return range;
}

// "free" or "taken": whether another process could take this byte's lock.
std::string SeenByOther(const std::string& path, int64_t offset) {
  return ChildProcess("child: probes a lock", {path, std::to_string(offset)}).ReadLine();
}

}  // namespace

TEST_CASE("child: probes a lock", "[.child]") {
  const auto arguments = ChildArguments();
  const int descriptor = open(arguments.at(0).c_str(), O_RDWR | O_CLOEXEC);
  REQUIRE(descriptor >= 0);
  struct flock range = PosixRange(std::stoll(arguments.at(1)));
  ChildWriteLine(fcntl(descriptor, F_SETLK, &range) == 0 ? "free" : "taken");
}

TEST_CASE("child: tries to write at once", "[.child]") {
  const auto arguments = ChildArguments();
  auto connection = RequireOk(Connection::Open({.path = arguments.at(0), .busy_timeout_ms = 0}));
  ChildWriteLine(connection->Exec("BEGIN IMMEDIATE").ok() ? "admitted" : "refused");
}

TEST_CASE("locks survive a second user of the file in the process", "[store][locks]") {
  TemporaryDirectory directory;
  const std::string path = directory.File("a.db");
  auto store = OpenStore(path);
  REQUIRE(RequireOk(store->ClaimSlot()) == 0);
  RequireOk(store->LockWriter());
  RequireOk(store->writer().Exec("BEGIN IMMEDIATE; CREATE TABLE notes (number INTEGER)"));

  // The control: a POSIX lock of ours really is lost by what the other user does.
  const int descriptor = open(path.c_str(), O_RDWR | O_CLOEXEC);
  struct flock range = PosixRange(12345678);
  REQUIRE(fcntl(descriptor, F_SETLK, &range) == 0);
  REQUIRE(SeenByOther(path, 12345678) == "taken");
  OpenAndClose(path);
  REQUIRE(SeenByOther(path, 12345678) == "free");
  close(descriptor);

  CHECK(SeenByOther(path, kWriterLockOffset) == "taken");
  CHECK(SeenByOther(path, kSlotLockOffset) == "taken");
  CHECK(SeenByOther(path, kSlotLockOffset + 1) == "free");
  CHECK(ChildProcess("child: tries to write at once", {path}).ReadLine() == "refused");
  RequireOk(store->writer().Exec("COMMIT"));
  CHECK(ChildProcess("child: tries to write at once", {path}).ReadLine() == "admitted");
  store->UnlockWriter();
  CHECK(SeenByOther(path, kWriterLockOffset) == "free");
}

TEST_CASE("the system's SQLite in the process does not drop our locks", "[store][locks]") {
  void* const library = dlopen("libsqlite3.so.0", RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    WARN("libsqlite3.so.0 is not installed; the descriptor test covers what it does");
    return;
  }
  const auto open_db =
      reinterpret_cast<int (*)(const char*, void**)>(dlsym(library, "sqlite3_open"));
  const auto exec = reinterpret_cast<int (*)(void*, const char*, void*, void*, void*)>(
      dlsym(library, "sqlite3_exec"));
  const auto close_db = reinterpret_cast<int (*)(void*)>(dlsym(library, "sqlite3_close"));
  REQUIRE((open_db && exec && close_db));
  TemporaryDirectory directory;
  const std::string path = directory.File("a.db");
  auto store = OpenStore(path);
  RequireOk(store->LockWriter());
  RequireOk(store->writer().Exec("BEGIN IMMEDIATE; CREATE TABLE notes (number INTEGER)"));
  void* other = nullptr;
  REQUIRE(open_db(path.c_str(), &other) == 0);
  CHECK(exec(other, "SELECT count(*) FROM jobs", nullptr, nullptr, nullptr) == 0);
  CHECK(exec(other, "BEGIN IMMEDIATE", nullptr, nullptr, nullptr) != 0);
  REQUIRE(close_db(other) == 0);
  CHECK(ChildProcess("child: tries to write at once", {path}).ReadLine() == "refused");
  RequireOk(store->writer().Exec("COMMIT"));
  store->UnlockWriter();
  CHECK(ReadInt(*store, "SELECT count(*) FROM notes") == 0);
}

TEST_CASE("child: commits beside a second user of the file", "[.child]") {
  const auto arguments = ChildArguments();
  const std::string& path = arguments.at(0);
  auto store = OpenStore(path);
  std::atomic<bool> stop{false};
  std::thread other([&] {
    while (!stop) OpenAndClose(path);
  });
  std::vector<std::thread> threads;
  std::atomic<int> acknowledged{0};
  for (int thread = 0; thread < 2; ++thread) {
    threads.emplace_back([&] {
      for (int i = 0; i < 100; ++i)
        acknowledged += Write(*store, "INSERT INTO notes VALUES (1)").ok() ? 1 : 0;
    });
  }
  for (auto& thread : threads) thread.join();
  stop = true;
  other.join();
  ChildWriteLine(std::to_string(acknowledged));
}

TEST_CASE("no acknowledged commit is lost beside a second user of the file", "[store][locks]") {
  TemporaryDirectory directory;
  const std::string path = directory.File("a.db");
  auto store = OpenStore(path);
  RequireOk(Write(*store, "CREATE TABLE notes (number INTEGER)"));
  std::vector<std::unique_ptr<ChildProcess>> children;
  for (int i = 0; i < 3; ++i) {
    children.push_back(std::make_unique<ChildProcess>(
        "child: commits beside a second user of the file", std::vector{path}));
  }
  int64_t acknowledged = 0;
  for (const auto& child : children) acknowledged += std::stoll("0" + child->ReadLine());
  CHECK(acknowledged == 600);
  CHECK(ReadInt(*store, "SELECT count(*) FROM notes") == acknowledged);
  CHECK(RequireOk(store->writer().QueryText("PRAGMA integrity_check")) == "ok");
}

TEST_CASE("the writer lock admits one thread of one process", "[store][locks]") {
  TemporaryDirectory directory;
  const std::string path = directory.File("a.db");
  auto first = OpenStore(path);
  auto second = OpenStore(path);
  std::atomic<int> inside{0};
  std::atomic<int> most{0};
  std::atomic<int> times{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&, store = (i % 2 == 0 ? first : second).get()] {
      for (int round = 0; round < 200; ++round) {
        if (!store->LockWriter().ok()) return;
        if (++inside > most) most = inside.load();
        std::this_thread::yield();
        --inside;
        ++times;
        store->UnlockWriter();
      }
    });
  }
  for (auto& thread : threads) thread.join();
  CHECK(times == 800);
  CHECK(most == 1);
}

TEST_CASE("a wait for the writer lock can be given up", "[store][locks]") {
  ProcessLocks locks(-1);
  RequireOk(locks.LockWriter());
  std::atomic<bool> give_up{false};
  Status status;
  std::thread waiter([&] { status = locks.LockWriterUnless([&] { return give_up.load(); }); });
  give_up = true;
  locks.WakeWaiters();
  waiter.join();
  RequireError(status, Code::kClosed, "given up");
  RequireError(locks.TryLockWriter(), Code::kBusy, "writer lock");
  locks.UnlockWriter();
  RequireOk(locks.TryLockWriter());
  locks.UnlockWriter();
  RequireOk(locks.LockWriter());
  locks.UnlockWriter();
}

TEST_CASE("slots are claimed from the lowest, by one store each", "[store][locks]") {
  TemporaryDirectory directory;
  const std::string path = directory.File("a.db");
  auto first = OpenStore(path);
  auto second = OpenStore(path);
  CHECK_FALSE(first->SlotHeld(0));
  CHECK(RequireOk(first->ClaimSlot()) == 0);
  CHECK(RequireOk(second->ClaimSlot()) == 1);
  CHECK(RequireOk(first->ClaimSlot()) == 2);
  for (const auto* store : {first.get(), second.get()}) {
    CHECK(store->SlotHeld(0));
    CHECK(store->SlotHeld(1));
    CHECK(store->SlotHeld(2));
    CHECK_FALSE(store->SlotHeld(3));
    CHECK_FALSE(store->SlotHeld(-1));
    CHECK_FALSE(store->SlotHeld(Store::kMaxSlots));
  }
  first->ReleaseSlot(0);
  second->ReleaseSlot(2);  // not its own: nothing happens
  CHECK_FALSE(second->SlotHeld(0));
  CHECK(second->SlotHeld(2));
  CHECK(RequireOk(second->ClaimSlot()) == 0);
  RequireOk(second->Close());
  CHECK_FALSE(first->SlotHeld(0));
  CHECK_FALSE(first->SlotHeld(1));
  CHECK(first->SlotHeld(2));
}

TEST_CASE("there is an end to the slots", "[store][locks]") {
  TemporaryDirectory directory;
  auto store = OpenStore(directory.File("a.db"));
  for (int slot = 0; slot < Store::kMaxSlots; ++slot)
    REQUIRE(RequireOk(store->ClaimSlot()) == slot);
  RequireError(store->ClaimSlot().status(), Code::kBusy, "all 1024 process slots");
  RequireError(OpenStore(store->path())->ClaimSlot().status(), Code::kBusy,
               "all 1024 process slots");
}

TEST_CASE("child: holds a slot and the writer lock", "[.child]") {
  auto store = OpenStore(ChildArguments().at(0));
  RequireOk(store->LockWriter());
  ChildWriteLine(std::to_string(RequireOk(store->ClaimSlot())));
  ChildReadLine();
}

TEST_CASE("the kernel releases what a killed process held", "[store][locks]") {
  TemporaryDirectory directory;
  const std::string path = directory.File("a.db");
  auto store = OpenStore(path);
  ChildProcess child("child: holds a slot and the writer lock", {path});
  REQUIRE(child.ReadLine() == "0");
  CHECK(store->SlotHeld(0));
  RequireOk(OpenStore(path)->Close());  // neither opening nor closing waits for it
  CHECK(SeenByOther(path, kWriterLockOffset) == "taken");
  child.Signal(SIGKILL);
  child.Join();
  CHECK_FALSE(store->SlotHeld(0));
  RequireOk(Write(*store, "CREATE TABLE notes (number INTEGER)"));
}

}  // namespace millrace::store
