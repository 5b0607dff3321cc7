// No wake-up is lost between real processes: each waits for the others with a long time-out, which
// must never be what ends the wait. Run with the futex and with the portable waiter.
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <memory>
#include <string>

#include "catch.h"
#include "wake/child_process.h"
#include "wake/doorbell.h"

namespace millrace::wake {
namespace {

// Long enough that no slow machine reaches it: whoever does was not rung.
constexpr int64_t kLostMs = 60'000;
constexpr int kSlots = 4;

int64_t ProcessId(int slot) {
  return 500 + slot;
}

// Stands for the database: what is committed there, and by whom it was taken.
struct Shared {
  std::atomic<int64_t> posted[kSlots];   // jobs of queue i
  std::atomic<int64_t> claimed[kSlots];  // of these, taken
  std::atomic<int64_t> done;
  std::atomic<bool> stop;
};

class SharedFile {
 public:
  explicit SharedFile(const std::string& path) {
    const int fd = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    REQUIRE(fd >= 0);
    REQUIRE(ftruncate(fd, sizeof(Shared)) == 0);
    void* memory = mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    REQUIRE(memory != MAP_FAILED);
    close(fd);
    shared_ = static_cast<Shared*>(memory);
  }
  SharedFile(const SharedFile&) = delete;
  SharedFile& operator=(const SharedFile&) = delete;
  ~SharedFile() { munmap(shared_, sizeof(Shared)); }
  Shared* operator->() const { return shared_; }

 private:
  Shared* shared_;
};

std::unique_ptr<Doorbell> OpenBell(const std::string& path, int slot, bool portable) {
  Doorbell::Options options;
  options.sidecar_path = path;
  options.slot = slot;
  options.process_id = ProcessId(slot);
  options.portable = portable;
  auto bell = Doorbell::Open(options);
  REQUIRE(bell.ok());
  return std::move(*bell);
}

bool Claim(const SharedFile& shared, int queue) {
  int64_t claimed = shared->claimed[queue].load();
  while (claimed < shared->posted[queue].load()) {
    if (shared->claimed[queue].compare_exchange_weak(claimed, claimed + 1)) return true;
  }
  return false;
}

// Takes one job of the queue, as the pump does: look, arm, look again, wait. False: told to stop.
// Fails on a lost wake-up.
bool TakeOne(Doorbell& bell, const SharedFile& shared, int queue) {
  for (;;) {
    const uint32_t seen = bell.Seen();
    bell.ArmJobs(std::array<int64_t, 1>{queue}, 1);
    if (Claim(shared, queue)) return true;
    if (shared->stop.load()) return false;
    const auto start = std::chrono::steady_clock::now();
    bell.Wait(seen, kLostMs);
    REQUIRE(std::chrono::steady_clock::now() - start < std::chrono::milliseconds(kLostMs));
  }
}

void Post(Doorbell& bell, const SharedFile& shared, int queue, int64_t jobs) {
  shared->posted[queue].fetch_add(jobs);
  bell.RingJobs(queue, jobs);
}

struct ChildSetup {
  ChildSetup()
      : arguments(ChildArguments()),
        slot(std::stoi(arguments.at(2))),
        shared(arguments.at(1)),
        bell(OpenBell(arguments.at(0), slot, arguments.at(3) == "portable")) {}
  const std::vector<std::string> arguments;
  const int slot;
  const SharedFile shared;
  const std::unique_ptr<Doorbell> bell;
};

TEST_CASE("wake child: answers each job of queue 1 by one of queue 0", "[.wake-child]") {
  ChildSetup child;
  ChildWriteLine("ready");
  while (TakeOne(*child.bell, child.shared, 1)) Post(*child.bell, child.shared, 0, 1);
}

TEST_CASE("wake child: works off queue 2 and tells slot 0", "[.wake-child]") {
  ChildSetup child;
  ChildWriteLine("ready");
  while (TakeOne(*child.bell, child.shared, 2)) {
    child.shared->done.fetch_add(1);
    child.bell->RingProcess(0, ProcessId(0), kControl);
  }
}

struct Stage {
  explicit Stage(bool with_portable)
      : portable(with_portable),
        sidecar(directory.File("store.db-mill")),
        shared_path(directory.File("shared")),
        shared(shared_path),
        bell(OpenBell(sidecar, 0, portable)) {}

  std::unique_ptr<ChildProcess> Start(const std::string& test_case, int slot) {
    auto child = std::make_unique<ChildProcess>(
        test_case, std::vector<std::string>{sidecar, shared_path, std::to_string(slot),
                                            portable ? "portable" : "futex"});
    REQUIRE(child->ReadLine() == "ready");
    return child;
  }

  void Stop(ChildProcess& child, int slot) {
    shared->stop.store(true);
    bell->RingProcess(slot, ProcessId(slot), kControl);
    CHECK(child.Join() == 0);
  }

  const bool portable;
  TemporaryDirectory directory;
  const std::string sidecar;
  const std::string shared_path;
  const SharedFile shared;
  const std::unique_ptr<Doorbell> bell;
};

// A child prints Catch's summary to our output; its own pipe carries what we read.
TEST_CASE("two processes that wait for each other never wait in vain", "[wake][process]") {
  const bool portable = GENERATE(false, true);
  const int rounds = portable ? 300 : 20'000;
  Stage stage(portable);
  const auto child = stage.Start("wake child: answers each job of queue 1 by one of queue 0", 1);
  for (int round = 0; round < rounds; ++round) {
    Post(*stage.bell, stage.shared, 1, 1);
    REQUIRE(TakeOne(*stage.bell, stage.shared, 0));
  }
  stage.Stop(*child, 1);
  CHECK(stage.shared->posted[1].load() == rounds);
  CHECK(stage.shared->posted[0].load() == rounds);
}

TEST_CASE("processes that compete for a queue leave no job behind", "[wake][process]") {
  const bool portable = GENERATE(false, true);
  const int rounds = portable ? 100 : 3'000;
  Stage stage(portable);
  const char* worker = "wake child: works off queue 2 and tells slot 0";
  const auto first = stage.Start(worker, 1);
  const auto second = stage.Start(worker, 2);
  const auto third = stage.Start(worker, 3);
  int64_t posted = 0;
  for (int round = 0; round < rounds; ++round) {
    const int64_t jobs =
        1 + round % 3;  // up to as many as there are workers: each must wake the right number
    posted += jobs;
    Post(*stage.bell, stage.shared, 2, jobs);
    for (;;) {
      const uint32_t seen = stage.bell->Seen();
      if (stage.shared->done.load() == posted) break;
      const auto start = std::chrono::steady_clock::now();
      stage.bell->Wait(seen, kLostMs);
      REQUIRE(std::chrono::steady_clock::now() - start < std::chrono::milliseconds(kLostMs));
    }
  }
  stage.Stop(*first, 1);
  stage.Stop(*second, 2);
  stage.Stop(*third, 3);
  CHECK(stage.shared->claimed[2].load() == posted);
}

}  // namespace
}  // namespace millrace::wake
