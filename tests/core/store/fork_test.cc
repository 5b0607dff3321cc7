// fork() with an open store: the child inherits nothing, is told so, and can open the store anew.
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <mutex>
#include <optional>
#include <thread>

#include "store/store_test_util.h"

namespace millrace::store {
namespace {

// A forked child that runs `body` and ends with its answer as exit status; no test macros in it. A
// child that hangs is ended by its alarm.
class Forked {
 public:
  explicit Forked(const std::function<int(const std::function<void()>& wait)>& body) {
    int born[2] = {-1, -1};
    REQUIRE(pipe2(pipe_, O_CLOEXEC) == 0);
    REQUIRE(pipe2(born, O_CLOEXEC) == 0);
    pid_ = fork();
    REQUIRE(pid_ >= 0);
    if (pid_ != 0) {
      close(born[1]);
      char byte = 0;
      REQUIRE(read(born[0], &byte, 1) == 0);  // the child's fork handlers have run
      close(born[0]);
      return;
    }
    close(born[1]);
    alarm(60);
    close(pipe_[1]);
    const int answer = body([this] {
      char byte = 0;
      static_cast<void>(read(pipe_[0], &byte, 1));  // ends when the parent closes
    });
    _exit(answer);
  }
  ~Forked() {
    if (pid_ > 0) Join();
  }
  void LetGo() {
    if (pipe_[1] >= 0) close(pipe_[1]);
    pipe_[1] = -1;
  }
  int Join() {
    LetGo();
    int status = 0;
    waitpid(pid_, &status, 0);
    close(pipe_[0]);
    pid_ = -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }
  pid_t pid() const { return pid_; }

 private:
  int pipe_[2] = {-1, -1};
  pid_t pid_ = -1;
};

// The allocator of GCC 12's AddressSanitizer does not look after forks: a lock that another thread
// has at that moment is locked for ever in the child. There, and only there, forks and the work of
// other threads take turns.
class Turn {
 public:
#ifdef __SANITIZE_ADDRESS__
  Turn() : lock_(mutex_) {}

 private:
  static inline std::mutex mutex_;
  std::lock_guard<std::mutex> lock_;
#else
  Turn() {}  // not trivial, so that nobody takes it for unused
#endif
};

// How many descriptors and mappings of the store's files a process has.
int FilesOfStore(const std::string& process, const std::string& path) {
  int count = 0;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/" + process + "/fd")) {
    std::error_code gone;
    const auto target = std::filesystem::read_symlink(entry.path(), gone);
    if (!gone && target.string().starts_with(path)) ++count;
  }
  std::ifstream maps("/proc/" + process + "/maps");
  for (std::string line; std::getline(maps, line);) {
    if (line.find(path) != std::string::npos) ++count;
  }
  return count;
}

bool IsForkedChild(const Status& status) {
  return status.code() == Code::kForkedChild;
}

int UseParentsStore(Store& store) {
  if (!store.forked()) return 1;
  if (!IsForkedChild(store.LockWriter())) return 2;
  if (!IsForkedChild(store.Read().status())) return 3;
  if (!IsForkedChild(store.Sync())) return 4;
  if (!IsForkedChild(store.ClaimSlot().status())) return 5;
  if (!IsForkedChild(store.Recover())) return 6;
  if (!IsForkedChild(store.Backup("/nowhere/x").status())) return 7;
  if (!IsForkedChild(store.failed())) return 8;
  if (!store.SlotHeld(0)) return 9;
  if (!IsForkedChild(store.writer().Exec("SELECT 1"))) return 10;
  Query query(store.writer(), "SELECT 1");
  if (!IsForkedChild(query.Run())) return 11;
  store.AfterCommit();
  store.ReleaseSlot(0);
  store.UnlockWriter();
  if (!IsForkedChild(store.Close())) return 12;
  return 0;
}

// Opens the file afresh and reads, and writes if it may.
int UseOwnStore(const std::string& path, bool write) {
  auto opened = Store::Open(OptionsFor(path));
  if (!opened.ok()) return 21;
  Store& store = **opened;
  if (store.forked()) return 22;
  {
    const auto reader = store.Read();
    if (!reader.ok() || !(**reader).QueryInt("SELECT count(*) FROM notes").ok()) return 23;
  }
  if (!store.ClaimSlot().ok()) return 24;
  if (!write) return 0;
  if (!store.LockWriter().ok()) return 25;
  if (!store.writer().Exec("INSERT INTO notes VALUES (2)").ok()) return 26;
  store.UnlockWriter();
  return store.Sync().ok() && store.Close().ok() ? 0 : 27;
}

std::unique_ptr<Store> OpenWithNotes(const std::string& path) {
  auto store = OpenStore(path);
  RequireOk(Write(*store, "CREATE TABLE notes (number INTEGER)"));
  CHECK(ReadInt(*store, "SELECT count(*) FROM notes") == 0);
  return store;
}

}  // namespace

TEST_CASE("a forked child is told, and touches nothing of its parent", "[store][fork]") {
  TemporaryDirectory directory;
  const std::string path = directory.File("a.db");
  auto store = OpenWithNotes(path);
  REQUIRE(RequireOk(store->ClaimSlot()) == 0);
  RequireOk(store->LockWriter());
  RequireOk(store->writer().Exec("BEGIN IMMEDIATE; INSERT INTO notes VALUES (1)"));
  Forked child([&](const auto&) {
    const int answer = UseParentsStore(*store);
    store.reset();
    return answer;
  });
  CHECK(child.Join() == 0);
  CHECK(store->SlotHeld(0));
  RequireOk(store->writer().Exec("COMMIT"));
  store->UnlockWriter();
  RequireOk(Write(*store, "INSERT INTO notes VALUES (1)"));
  CHECK(ReadInt(*store, "SELECT count(*) FROM notes") == 2);
  CHECK(RequireOk(store->writer().QueryText("PRAGMA integrity_check")) == "ok");
}

TEST_CASE("a forked child keeps no descriptor, no mapping and so no lock", "[store][fork]") {
  TemporaryDirectory directory;
  const std::string path = directory.File("a.db");
  auto store = OpenWithNotes(path);
  REQUIRE(RequireOk(store->ClaimSlot()) == 0);
  RequireOk(store->LockWriter());
  REQUIRE(FilesOfStore("self", path) > 4);
  Forked child([](const auto& wait) {
    wait();
    return 0;
  });
  CHECK(FilesOfStore(std::to_string(child.pid()), path) == 0);
  store->UnlockWriter();
  store.reset();  // the parent's locks go although the child lives
  auto other = OpenStore(path);
  CHECK_FALSE(other->SlotHeld(0));
  RequireOk(Write(*other, "INSERT INTO notes VALUES (1)"));
  CHECK(child.Join() == 0);
}

TEST_CASE("a forked child opens the store anew, beside its parent", "[store][fork]") {
  TemporaryDirectory directory;
  const std::string path = directory.File("a.db");
  auto store = OpenWithNotes(path);
  SECTION("while the parent writes") {
    RequireOk(store->LockWriter());
    RequireOk(store->writer().Exec("BEGIN IMMEDIATE; INSERT INTO notes VALUES (1)"));
    Forked child([&](const auto&) { return UseOwnStore(path, false); });
    CHECK(child.Join() == 0);
    RequireOk(store->writer().Exec("COMMIT"));
    store->UnlockWriter();
  }
  SECTION("and writes too, and its own child as well") {
    Forked child([&](const auto&) {
      const int answer = UseOwnStore(path, true);
      const pid_t grandchild = fork();
      if (grandchild == 0) _exit(UseOwnStore(path, true));
      int status = 0;
      waitpid(grandchild, &status, 0);
      return answer != 0 ? answer : WEXITSTATUS(status);
    });
    CHECK(child.Join() == 0);
    CHECK(ReadInt(*store, "SELECT count(*) FROM notes") == 2);
  }
  RequireOk(Write(*store, "INSERT INTO notes VALUES (1)"));
  CHECK(RequireOk(store->writer().QueryText("PRAGMA integrity_check")) == "ok");
}

TEST_CASE("forks in the middle of everything leave usable children", "[store][fork]") {
  TemporaryDirectory directory;
  const std::string path = directory.File("a.db");
  auto store = OpenWithNotes(path);
  std::atomic<bool> stop{false};
  std::atomic<int64_t> written{0};
  std::atomic<int64_t> opened{0};
  std::thread opener([&] {
    while (!stop) {
      const Turn turn;
      static_cast<void>(Store::Open(OptionsFor(path)));
      ++opened;
    }
  });
  std::thread writer([&] {
    while (!stop) {
      const Turn turn;
      if (!store->LockWriter().ok()) return;
      if (store->writer().Exec("INSERT INTO notes VALUES (1)").ok()) ++written;
      store->UnlockWriter();
      static_cast<void>(store->Sync());
    }
  });
  while (opened == 0 || written == 0) std::this_thread::yield();  // both are at it
  for (int i = 0; i < 20; ++i) {
    std::optional<Forked> child;
    {
      const Turn turn;
      child.emplace([&](const auto&) { return UseOwnStore(path, true); });
    }
    CHECK(child->Join() == 0);
  }
  stop = true;
  opener.join();
  writer.join();
  CHECK(ReadInt(*store, "SELECT count(*) FROM notes WHERE number = 2") == 20);
  CHECK(ReadInt(*store, "SELECT count(*) FROM notes WHERE number = 1") == written);
  CHECK(RequireOk(store->writer().QueryText("PRAGMA integrity_check")) == "ok");
}

}  // namespace millrace::store
