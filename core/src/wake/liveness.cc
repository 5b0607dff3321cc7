#include "wake/liveness.h"

#include <fcntl.h>
#include <poll.h>

#include <algorithm>
#include <atomic>
#include <cassert>
#include <chrono>
#include <thread>
#include <utility>

#include "base/fork.h"
#include "base/unique_fd.h"
#include "wake/pidfd.h"

namespace millrace::wake {
namespace {

using SteadyClock = std::chrono::steady_clock;

// A thousand processes that each watch a thousand others would use up their descriptors. What is
// over it is probed.
constexpr size_t kMaxPidfds = 128;
// A process whose end was announced while its lock is still held, say by a child between fork and
// exec, is looked at again after this time, then after twice that, and so on up to the probe.
constexpr int64_t kRecheckMs = 5;

struct Pipe {
  UniqueFd read;
  UniqueFd write;
};

Pipe MakePipe() {
  int fds[2] = {-1, -1};
#ifdef __linux__
  if (pipe2(fds, O_CLOEXEC | O_NONBLOCK) != 0) return {};
#else
  if (pipe(fds) != 0) return {};
  for (const int fd : fds) {
    fcntl(fd, F_SETFD, FD_CLOEXEC);
    fcntl(fd, F_SETFL, O_NONBLOCK);
  }
#endif
  return {UniqueFd(fds[0]), UniqueFd(fds[1])};
}

struct Watched {
  Peer peer;
  UniqueFd pidfd;
  bool ended = false;  // announced by the pidfd, but the lock was still held then
};

class LivenessImpl : public Liveness {
 public:
  explicit LivenessImpl(Options options)
      : options_(std::move(options)),
        probe_(std::chrono::milliseconds(std::max<int64_t>(options_.probe_ms, 1))),
        fork_generation_(ForkGeneration()),
        pipe_(MakePipe()),
        thread_(std::make_unique<std::thread>([this] { Run(); })) {}

  ~LivenessImpl() override {
    if (ForkGeneration() != fork_generation_) {
      (void)thread_.release();  // runs in the parent only: nothing to join here
      return;
    }
    stop_.store(true);
    Poke();
    thread_->join();
  }

  void Refresh() override {
    if (ForkGeneration() == fork_generation_) Poke();
  }

 private:
  void Poke() {
    const char byte = 0;
    [[maybe_unused]] const ssize_t written =
        write(pipe_.write.get(), &byte, 1);  // full: poked already
  }

  void Run() {
    while (!stop_.load()) {
      List();
      Probe();
      recheck_ms_ = kRecheckMs;
      const auto next_probe = SteadyClock::now() + probe_;
      while (!stop_.load() && WaitForNews(next_probe)) {
      }
    }
  }

  void List();
  void Probe();
  bool WaitForNews(SteadyClock::time_point next_probe);
  void TakeNews(const std::vector<pollfd>& polled);
  bool CheckEnded();

  const Options options_;
  const SteadyClock::duration probe_;
  const uint32_t fork_generation_;
  const Pipe pipe_;
  std::atomic<bool> stop_{false};

  // The thread's own.
  std::vector<Watched> watched_;  // by slot, then process_id
  int64_t recheck_ms_ = kRecheckMs;

  std::unique_ptr<std::thread> thread_;  // last: everything else is there when it starts
};

bool Before(const Peer& a, const Peer& b) {
  return std::pair(a.slot, a.process_id) < std::pair(b.slot, b.process_id);
}

// Takes over the present list, and keeps the descriptors of the peers that are still in it.
void LivenessImpl::List() {
  std::vector<Peer> peers = options_.list_peers();
  std::sort(peers.begin(), peers.end(), Before);
  std::vector<Watched> next;
  next.reserve(peers.size());
  auto old = watched_.begin();
  size_t pidfds = 0;
  for (const Peer& peer : peers) {
    while (old != watched_.end() && Before(old->peer, peer)) ++old;
    Watched& added = next.emplace_back();
    added.peer = peer;
    const bool known = old != watched_.end() && old->peer.process_id == peer.process_id;
    if (known) {
      added.pidfd = std::move(old->pidfd);
      added.ended = old->ended;
    } else if (options_.use_pidfd && pidfds < kMaxPidfds) {
      added.pidfd = OpenPidfd(peer.pid);
    }
    if (added.pidfd.valid()) ++pidfds;
  }
  watched_ = std::move(next);
}

// Looks at every lock. One that was free is announced at each probe while it is listed, and needs
// no pidfd any more.
void LivenessImpl::Probe() {
  for (size_t i = 0; i < watched_.size() && !stop_.load(); ++i) {
    Watched& watched = watched_[i];
    const int slot = watched.peer.slot;
    const bool superseded = i + 1 < watched_.size() && watched_[i + 1].peer.slot == slot;
    if (!superseded && options_.slot_held(slot)) continue;
    watched.pidfd = UniqueFd();
    watched.ended = false;
    options_.on_death(watched.peer);
  }
}

// Sleeps until something ends, Refresh() is called or it is time to look. False: list and probe
// now.
bool LivenessImpl::WaitForNews(SteadyClock::time_point next_probe) {
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(next_probe - SteadyClock::now());
  if (left.count() <= 0) return false;
  std::vector<pollfd> polled{{pipe_.read.get(), POLLIN, 0}};
  for (const Watched& watched : watched_) {
    polled.push_back({watched.pidfd.get(), POLLIN, 0});  // negative: poll() skips it
  }
  int64_t timeout_ms = left.count();
  if (CheckEnded()) {
    timeout_ms = std::min(timeout_ms, recheck_ms_);
    recheck_ms_ *= 2;
  }
  timeout_ms = std::min<int64_t>(timeout_ms, 60'000);
  if (poll(polled.data(), polled.size(), static_cast<int>(timeout_ms)) <= 0) return true;
  if (polled[0].revents != 0) {
    char bytes[64];
    while (read(pipe_.read.get(), bytes, sizeof(bytes)) > 0) {
    }
    return false;
  }
  TakeNews(polled);
  return true;
}

// A pidfd stays readable for ever: it has said all that it can and is closed.
void LivenessImpl::TakeNews(const std::vector<pollfd>& polled) {
  assert(polled.size() == watched_.size() + 1);
  for (size_t i = 0; i < watched_.size(); ++i) {
    if (polled[i + 1].revents == 0) continue;
    watched_[i].pidfd = UniqueFd();
    watched_[i].ended = true;
  }
}

// Looks at the locks of those whose end was announced. True: some are held nevertheless.
bool LivenessImpl::CheckEnded() {
  bool held = false;
  for (Watched& watched : watched_) {
    if (!watched.ended || stop_.load()) continue;
    watched.ended = options_.slot_held(watched.peer.slot);
    if (watched.ended) {
      held = true;
    } else {
      options_.on_death(watched.peer);
    }
  }
  return held;
}

}  // namespace

std::unique_ptr<Liveness> Liveness::Start(Options options) {
  assert(options.slot_held && options.list_peers && options.on_death);
  return std::make_unique<LivenessImpl>(std::move(options));
}

}  // namespace millrace::wake
