// Deaths of real processes, which hold a kernel lock as the store's slots do.
#include "wake/liveness.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/types.h>
#include <unistd.h>

#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "catch.h"
#include "wake/child_process.h"

namespace millrace::wake {
namespace {

using SteadyClock = std::chrono::steady_clock;

constexpr int64_t kNeverMs = 3'600'000;  // a probe interval that no test waits for
constexpr auto kHung = std::chrono::seconds(120);

struct flock SlotLock(int slot, short type) {
  struct flock lock = {};
  lock.l_type = type;
  lock.l_whence = SEEK_SET;
  lock.l_start = slot;
  lock.l_len = 1;
  return lock;
}

TEST_CASE("wake child: holds a slot until it is killed", "[.wake-child]") {
  const auto arguments = ChildArguments();
  const int fd = open(arguments.at(0).c_str(), O_RDWR | O_CLOEXEC);
  struct flock lock = SlotLock(std::stoi(arguments.at(1)), F_WRLCK);
  REQUIRE(fcntl(fd, F_OFD_SETLK, &lock) == 0);
  // With "fork", a grandchild keeps the lock after the child's end, until the test closes the pipe.
  if (arguments.at(2) == "fork" && fork() == 0) {
    ChildReadLine();
    _exit(0);
  }
  ChildWriteLine("ready");
  if (arguments.at(2) == "fork") {
    for (;;) pause();
  }
  ChildReadLine();
}

// A table of processes and their locks, and the watch over them.
class Watch {
 public:
  Watch()
      : path_(directory_.File("locks")),
        fd_(open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600)) {
    REQUIRE(fd_ >= 0);
  }
  ~Watch() {
    liveness_.reset();
    close(fd_);
  }

  std::unique_ptr<ChildProcess> StartChild(int slot, const std::string& mode = "plain") {
    auto child =
        std::make_unique<ChildProcess>("wake child: holds a slot until it is killed",
                                       std::vector<std::string>{path_, std::to_string(slot), mode});
    REQUIRE(child->ReadLine() == "ready");
    return child;
  }

  void Start(bool use_pidfd, int64_t probe_ms) {
    Liveness::Options options;
    options.use_pidfd = use_pidfd;
    options.probe_ms = probe_ms;
    options.slot_held = [this](int slot) { return SlotHeld(slot); };
    options.list_peers = [this] {
      const std::lock_guard lock(mutex_);
      ++listings_;
      changed_.notify_all();
      return peers_;
    };
    options.on_death = [this](const Peer& peer) { OnDeath(peer); };
    liveness_ = Liveness::Start(std::move(options));
    AwaitListings(0, 1);
  }

  void AddPeer(const Peer& peer) {
    const std::lock_guard lock(mutex_);
    peers_.push_back(peer);
  }
  void RemovePeers() {
    const std::lock_guard lock(mutex_);
    peers_.clear();
  }
  // Deaths are announced again while this is on, as if the store could not be written.
  void KeepListed(bool keep) {
    const std::lock_guard lock(mutex_);
    keep_listed_ = keep;
  }

  void AwaitDeaths(size_t count) {
    std::unique_lock lock(mutex_);
    REQUIRE(changed_.wait_for(lock, kHung, [&] { return deaths_.size() >= count; }));
  }
  // Until there were `more` listings since there were `before`, and so a probe between each two.
  void AwaitListings(int before, int more) {
    std::unique_lock lock(mutex_);
    REQUIRE(changed_.wait_for(lock, kHung, [&] { return listings_ >= before + more; }));
  }
  void AwaitListings(int more) { AwaitListings(listings(), more); }
  int listings() {
    const std::lock_guard lock(mutex_);
    return listings_;
  }
  // The same for looks at a slot that was held.
  void AwaitHeldLooks(int before, int more) {
    std::unique_lock lock(mutex_);
    REQUIRE(changed_.wait_for(lock, kHung, [&] { return held_looks_ >= before + more; }));
  }
  int held_looks() {
    const std::lock_guard lock(mutex_);
    return held_looks_;
  }
  std::vector<Peer> deaths() {
    const std::lock_guard lock(mutex_);
    return deaths_;
  }
  SteadyClock::time_point death_at() {
    const std::lock_guard lock(mutex_);
    return death_at_;
  }
  Liveness& liveness() { return *liveness_; }
  void Stop() { liveness_.reset(); }

 private:
  bool SlotHeld(int slot) {
    struct flock lock = SlotLock(slot, F_WRLCK);
    const bool held = fcntl(fd_, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
    const std::lock_guard guard(mutex_);
    held_looks_ += held ? 1 : 0;
    changed_.notify_all();
    return held;
  }

  void OnDeath(const Peer& peer) {
    const std::lock_guard lock(mutex_);
    deaths_.push_back(peer);
    death_at_ = SteadyClock::now();
    if (!keep_listed_) {
      std::erase_if(peers_, [&](const Peer& p) { return p.process_id == peer.process_id; });
    }
    changed_.notify_all();
  }

  TemporaryDirectory directory_;
  const std::string path_;
  const int fd_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Peer> peers_;
  std::vector<Peer> deaths_;
  SteadyClock::time_point death_at_;
  int listings_ = 0;
  int held_looks_ = 0;
  bool keep_listed_ = false;
  std::unique_ptr<Liveness> liveness_;
};

TEST_CASE("a SIGKILL is noticed by the pidfd, without the probe", "[wake][liveness]") {
  for (int round = 0; round < 5; ++round) {
    Watch watch;
    const auto child = watch.StartChild(3);
    watch.AddPeer({11, 3, child->pid()});
    watch.Start(true, kNeverMs);
    watch.AwaitHeldLooks(0, 1);  // the first probe is over: the next is in an hour
    const auto killed_at = SteadyClock::now();
    child->Signal(SIGKILL);
    watch.AwaitDeaths(1);
    const auto deaths = watch.deaths();
    REQUIRE(deaths.size() == 1);
    CHECK(deaths[0].process_id == 11);
    const std::chrono::duration<double, std::milli> took = watch.death_at() - killed_at;
    std::printf("SIGKILL to on_death: %.2f ms\n", took.count());
  }
}

TEST_CASE("an orderly end is noticed as well", "[wake][liveness]") {
  Watch watch;
  const auto child = watch.StartChild(3);
  watch.AddPeer({11, 3, child->pid()});
  watch.Start(true, kNeverMs);
  child->CloseInput();
  watch.AwaitDeaths(1);
  CHECK(child->Join() == 0);
}

TEST_CASE("without pidfd the probe finds the dead", "[wake][liveness]") {
  const int64_t pid_known = GENERATE(0, 1);
  Watch watch;
  const auto child = watch.StartChild(3);
  watch.AddPeer({11, 3, pid_known * child->pid()});
  watch.Start(pid_known == 0, 10);  // no pid, or pidfds switched off
  watch.AwaitListings(3);
  CHECK(watch.deaths().empty());
  child->Signal(SIGKILL);
  watch.AwaitDeaths(1);
}

TEST_CASE("the lock decides, not the pid", "[wake][liveness]") {
  Watch watch;
  const auto other = watch.StartChild(900);
  auto child = watch.StartChild(3);
  watch.AddPeer({11, 3, other->pid()});  // as if from another pid namespace
  watch.Start(true, 20);
  other->Signal(SIGKILL);
  CHECK(other->Join() == 128 + SIGKILL);
  watch.AwaitListings(5);
  CHECK(watch.deaths().empty());
  child.reset();
  watch.AwaitDeaths(1);
  CHECK(watch.deaths()[0].process_id == 11);
}

TEST_CASE("a pid that does not exist leaves it to the lock", "[wake][liveness]") {
  Watch watch;
  auto child = watch.StartChild(3);
  watch.AddPeer({11, 3, (int64_t{1} << 31) - 1});
  watch.AddPeer({12, 3'000, -5});
  watch.AddPeer({13, 3'001, int64_t{1} << 40});
  watch.Start(true, 20);
  watch.AwaitDeaths(2);
  watch.AwaitListings(3);
  CHECK(watch.deaths().size() == 2);
  child.reset();
  watch.AwaitDeaths(3);
}

TEST_CASE("a lock that outlives its process is looked at again soon", "[wake][liveness]") {
  Watch watch;
  const auto child = watch.StartChild(3, "fork");
  watch.AddPeer({11, 3, child->pid()});
  watch.Start(true, kNeverMs);
  watch.AwaitHeldLooks(0, 1);  // the first probe
  child->Signal(SIGKILL);
  watch.AwaitHeldLooks(1, 2);  // by the news of its end; the grandchild holds the lock
  CHECK(watch.deaths().empty());
  child->CloseInput();  // the grandchild ends
  watch.AwaitDeaths(1);
}

TEST_CASE("of two peers in one slot the older is dead", "[wake][liveness]") {
  Watch watch;
  const auto child = watch.StartChild(3);
  watch.AddPeer({12, 3, child->pid()});
  watch.AddPeer({11, 3, child->pid()});
  watch.Start(true, kNeverMs);
  watch.AwaitDeaths(1);
  REQUIRE(watch.deaths().size() == 1);
  CHECK(watch.deaths()[0].process_id == 11);
}

TEST_CASE("a death is announced until the peer is unlisted", "[wake][liveness]") {
  Watch watch;
  watch.KeepListed(true);
  watch.AddPeer({11, 3, 0});
  watch.Start(true, 5);
  watch.AwaitDeaths(3);
  watch.RemovePeers();
  watch.AwaitListings(2);
  const size_t deaths = watch.deaths().size();
  watch.AwaitListings(3);
  CHECK(watch.deaths().size() == deaths);
}

TEST_CASE("Refresh lists new peers at once", "[wake][liveness]") {
  Watch watch;
  watch.Start(true, kNeverMs);
  const auto child = watch.StartChild(3);
  watch.AddPeer({11, 3, child->pid()});
  watch.liveness().Refresh();
  watch.AwaitHeldLooks(0, 1);
  child->Signal(SIGKILL);
  watch.AwaitDeaths(1);
}

TEST_CASE("many peers die at once", "[wake][liveness]") {
  Watch watch;
  std::vector<std::unique_ptr<ChildProcess>> children;
  for (int slot = 0; slot < 6; ++slot) {
    children.push_back(watch.StartChild(slot));
    watch.AddPeer({100 - slot, slot, children.back()->pid()});
  }
  watch.Start(true, kNeverMs);
  for (const auto& child : children) child->Signal(SIGKILL);
  watch.AwaitDeaths(children.size());
  CHECK(watch.deaths().size() == children.size());
  watch.Stop();
}

}  // namespace
}  // namespace millrace::wake
