// The sidecar file is a hint: whatever is in it, and whatever happens to it, nothing crashes and
// the present processes find each other again.
#include "wake/sidecar.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <filesystem>
#include <fstream>
#include <memory>
#include <numeric>
#include <string>
#include <thread>
#include <vector>

#include "base/id.h"
#include "catch.h"
#include "wake/child_process.h"
#include "wake/doorbell.h"

namespace millrace::wake {
namespace {

constexpr uint32_t kEveryReason = kJobs | kEvents | kControl | kLocal;
constexpr std::array<int64_t, 1> kQueue{7};

std::unique_ptr<Doorbell> OpenBell(const std::string& path, int slot, bool portable = false) {
  Doorbell::Options options;
  options.sidecar_path = path;
  options.slot = slot;
  options.process_id = 100 + slot;
  options.portable = portable;
  auto bell = Doorbell::Open(options);
  REQUIRE(bell.ok());
  return std::move(*bell);
}

std::string RandomBytes(size_t size) {
  std::string bytes(size, '\0');
  for (char& byte : bytes) byte = static_cast<char>(RandomBits64());
  return bytes;
}

void WriteFile(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
}

std::string ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(file), {});
}

// Every call of the interface once; with hostile contents the answers mean nothing.
void UseEverything(Doorbell& bell) {
  std::vector<int64_t> many(40);
  std::iota(many.begin(), many.end(), 1);
  const uint32_t seen = bell.Seen();
  bell.ArmJobs(kQueue, 3);
  bell.ArmJobs(many, 3);
  bell.ArmEvents(many);
  for (int64_t queue = -3; queue < 50; ++queue) {
    bell.RingJobs(queue, 1'000'000'000);
    bell.RingEvents(queue);
  }
  for (int slot = -2; slot < 1030; ++slot) {
    bell.RingProcess(slot, 101, kControl);
    bell.ForgetProcess(slot, 101);
  }
  bell.RingSelf(kLocal);
  bell.Wait(seen, 1);
  bell.ArmJobs({}, 0);
  bell.ArmEvents({});
  REQUIRE(bell.CheckFile().ok());
}

// Whether b hears a, and a hears b.
void RequireConnected(Doorbell& a, Doorbell& b) {
  for (auto [ringer, waiter] : {std::pair(&a, &b), std::pair(&b, &a)}) {
    waiter->Wait(waiter->Seen() - 1, 0);  // takes what is left of before
    const uint32_t seen = waiter->Seen();
    waiter->ArmJobs(kQueue, 1);
    ringer->RingJobs(kQueue[0], 1);
    REQUIRE(waiter->Seen() != seen);
    REQUIRE(waiter->Wait(seen, 60'000) == kJobs);
  }
}

TEST_CASE("the sidecar is private to its user and not inherited by exec", "[wake][sidecar]") {
  TemporaryDirectory directory;
  const std::string path = directory.File("store.db-mill");
  const auto bell = OpenBell(path, 0);
  struct stat info;
  REQUIRE(stat(path.c_str(), &info) == 0);
  CHECK((info.st_mode & 07777) == 0600);
  CHECK(info.st_size == static_cast<off_t>(sizeof(Layout)));
  CHECK(info.st_blocks * 512 >= info.st_size);  // no holes: a full disk cannot raise SIGBUS
  CHECK(info.st_nlink == 1);
  int found = 0;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    std::error_code error;
    if (std::filesystem::read_symlink(entry.path(), error) != path) continue;
    ++found;
    CHECK((fcntl(std::stoi(entry.path().filename()), F_GETFD) & FD_CLOEXEC) != 0);
  }
  CHECK(found == 1);
  CHECK(std::distance(std::filesystem::directory_iterator(directory.File("")), {}) == 1);
}

TEST_CASE("a file that is no sidecar is replaced, not trusted", "[wake][sidecar]") {
  TemporaryDirectory directory;
  const std::string path = directory.File("store.db-mill");
  std::vector<std::string> contents = {"", "x", RandomBytes(sizeof(Layout)), RandomBytes(100),
                                       std::string(sizeof(Layout), '\0')};
  OpenBell(path, 0).reset();
  const std::string good = ReadFile(path);
  contents.push_back(good.substr(0, good.size() - 1));
  contents.push_back(good + "x");
  for (const size_t at : {0, 8, 12}) {  // magic, version, size
    contents.push_back(good);
    contents.back()[at] = static_cast<char>(contents.back()[at] + 1);
  }
  for (const std::string& bytes : contents) {
    WriteFile(path, bytes);
    const auto a = OpenBell(path, 0);
    const auto b = OpenBell(path, 1);
    RequireConnected(*a, *b);
    CHECK(ReadFile(path).substr(0, 16) == good.substr(0, 16));
  }
}

TEST_CASE("what is not a regular file is replaced", "[wake][sidecar]") {
  TemporaryDirectory directory;
  const std::string path = directory.File("store.db-mill");
  const std::string target = directory.File("precious");
  WriteFile(target, "precious");
  REQUIRE(symlink(target.c_str(), path.c_str()) == 0);
  OpenBell(path, 0).reset();
  CHECK(ReadFile(target) == "precious");
  CHECK(std::filesystem::is_regular_file(std::filesystem::symlink_status(path)));
  REQUIRE(unlink(path.c_str()) == 0);
  REQUIRE(mkfifo(path.c_str(), 0600) == 0);
  const auto a = OpenBell(path, 0);
  const auto b = OpenBell(path, 1);
  RequireConnected(*a, *b);
}

TEST_CASE("random contents behind a valid header do no harm", "[wake][sidecar]") {
  TemporaryDirectory directory;
  const std::string path = directory.File("store.db-mill");
  OpenBell(path, 0).reset();
  const std::string header = ReadFile(path).substr(0, 16);
  for (int round = 0; round < 12; ++round) {
    std::string bytes = RandomBytes(sizeof(Layout));
    if (round % 3 == 1) bytes.assign(bytes.size(), '\xff');
    if (round % 3 == 2) {
      for (size_t i = 128; i < 384; ++i) bytes[i] = '\xff';  // every slot says that it is armed
    }
    bytes.replace(0, header.size(), header);
    WriteFile(path, bytes);
    const auto a = OpenBell(path, 0);
    const auto b = OpenBell(path, 1023, round % 2 == 0);
    UseEverything(*a);
    UseEverything(*b);
    RequireConnected(*a, *b);
  }
}

TEST_CASE("somebody who scribbles into the file meanwhile does no harm", "[wake][sidecar]") {
  TemporaryDirectory directory;
  const std::string path = directory.File("store.db-mill");
  const auto a = OpenBell(path, 0);
  const auto b = OpenBell(path, 1);
  std::atomic<bool> stop{false};
  std::thread vandal([&] {
    const int fd = open(path.c_str(), O_WRONLY | O_CLOEXEC);
    while (!stop.load()) {
      const std::string bytes = RandomBytes(512);
      const auto at = static_cast<off_t>(RandomBits64() % (sizeof(Layout) - bytes.size()));
      if (pwrite(fd, bytes.data(), bytes.size(), at) < 0) break;
    }
    close(fd);
  });
  for (int round = 0; round < 10; ++round) {
    UseEverything(*a);
    UseEverything(*b);
  }
  stop.store(true);
  vandal.join();
  REQUIRE(a->CheckFile().ok());
  REQUIRE(b->CheckFile().ok());
  RequireConnected(*a, *b);
}

TEST_CASE("after the file was deleted or replaced all meet in the new one", "[wake][sidecar]") {
  const bool portable = GENERATE(false, true);
  TemporaryDirectory directory;
  const std::string path = directory.File("store.db-mill");
  const auto a = OpenBell(path, 0, portable);
  const auto b = OpenBell(path, 1, portable);
  RequireConnected(*a, *b);
  const uint32_t seen = a->Seen();
  REQUIRE(unlink(path.c_str()) == 0);
  RequireConnected(*a, *b);  // a deleted file is as good as any for those who have it mapped
  const auto late = OpenBell(path, 2, portable);
  REQUIRE(a->CheckFile().ok());
  REQUIRE(b->CheckFile().ok());
  CHECK(a->Wait(seen, 3'600'000) == kEveryReason);
  RequireConnected(*a, *b);
  RequireConnected(*a, *late);
  REQUIRE(rename(path.c_str(), directory.File("elsewhere").c_str()) == 0);
  WriteFile(path, "something else");
  for (Doorbell* bell : {a.get(), b.get(), late.get()}) REQUIRE(bell->CheckFile().ok());
  RequireConnected(*b, *late);
}

TEST_CASE("a waiting process is roused when the file is found replaced", "[wake][sidecar]") {
  TemporaryDirectory directory;
  const std::string path = directory.File("store.db-mill");
  const auto bell = OpenBell(path, 0);
  uint32_t reasons = 0;
  const uint32_t seen = bell->Seen();
  std::thread waiter([&] { reasons = bell->Wait(seen, 3'600'000); });
  REQUIRE(unlink(path.c_str()) == 0);
  REQUIRE(bell->CheckFile().ok());
  waiter.join();
  CHECK(reasons == kEveryReason);
}

TEST_CASE("a truncated file raises no signal, and all meet in a new one", "[wake][sidecar]") {
  const bool portable = GENERATE(false, true);
  TemporaryDirectory directory;
  const std::string path = directory.File("store.db-mill");
  for (const off_t size :
       {off_t{0}, off_t{1}, off_t{4096}, static_cast<off_t>(sizeof(Layout)) - 4096}) {
    const auto a = OpenBell(path, 0, portable);
    const auto b = OpenBell(path, 1023, portable);
    RequireConnected(*a, *b);
    REQUIRE(truncate(path.c_str(), size) == 0);
    UseEverything(*a);
    UseEverything(*b);
    RequireConnected(*a, *b);
  }
}

TEST_CASE("a process asleep on a truncated file wakes at its time-out and goes on",
          "[wake][sidecar]") {
  const bool portable = GENERATE(false, true);
  TemporaryDirectory directory;
  const std::string path = directory.File("store.db-mill");
  const auto a = OpenBell(path, 0, portable);
  const auto b = OpenBell(path, 1, portable);
  uint32_t reasons = 0;
  const uint32_t seen = a->Seen();
  const auto sidecar = Sidecar::OpenFile(path);
  REQUIRE(sidecar.ok());
  const std::atomic<uint32_t>& sleeping = (*sidecar)->layout()->slots[0].sleeping;
  std::thread waiter([&] { reasons = a->Wait(seen, 500); });
  while (sleeping.load() == 0) std::this_thread::yield();
  REQUIRE(truncate(path.c_str(), 0) == 0);
  waiter.join();
  CHECK(reasons == kEveryReason);
  REQUIRE(b->CheckFile().ok());
  RequireConnected(*a, *b);
}

TEST_CASE("without a sidecar the process goes on alone and says why", "[wake][sidecar]") {
  TemporaryDirectory directory;
  const std::string path = directory.File("store.db-mill");
  std::filesystem::create_directories(path + "/not-empty");
  const auto a = OpenBell(path, 0);
  const Status status = a->CheckFile();
  CHECK_FALSE(status.ok());
  CHECK(status.message().find(path) != std::string::npos);
  const uint32_t seen = a->Seen();
  a->RingSelf(kLocal);
  CHECK(a->Wait(seen, 60'000) == kLocal);
  std::filesystem::remove_all(path);
  REQUIRE(a->CheckFile().ok());
  const auto b = OpenBell(path, 1);
  RequireConnected(*a, *b);
}

TEST_CASE("processes that open a missing or bad sidecar at once agree on one", "[wake][sidecar]") {
  TemporaryDirectory directory;
  const std::string path = directory.File("store.db-mill");
  for (int round = 0; round < 50; ++round) {
    if (round % 2 == 0) {
      unlink(path.c_str());
    } else {
      WriteFile(path, "bad");
    }
    constexpr int kOpeners = 6;
    std::array<std::unique_ptr<Doorbell>, kOpeners> bells;
    std::vector<std::thread> openers;
    for (int i = 0; i < kOpeners; ++i) {
      openers.emplace_back([&bells, &path, i] {
        Doorbell::Options options;
        options.sidecar_path = path;
        options.slot = i;
        options.process_id = 100 + i;
        auto bell = Doorbell::Open(options);
        if (bell.ok()) bells[static_cast<size_t>(i)] = std::move(*bell);
      });
    }
    for (auto& opener : openers) opener.join();
    for (const auto& bell : bells) {
      REQUIRE(bell != nullptr);
      REQUIRE(bell->CheckFile().ok());
    }
    for (size_t i = 1; i < kOpeners; ++i) RequireConnected(*bells[0], *bells[i]);
    CHECK(std::distance(std::filesystem::directory_iterator(directory.File("")), {}) == 1);
  }
}

}  // namespace
}  // namespace millrace::wake
