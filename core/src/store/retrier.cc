#include "store/retrier.h"

#include <algorithm>
#include <chrono>
#include <system_error>

namespace millrace::store {
namespace {

constexpr std::chrono::milliseconds kFirstWait{20};
constexpr std::chrono::milliseconds kLongestWait{1000};

}  // namespace

void Retrier::Start() {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (stop_) return;
  wanted_ = true;
  if (thread_.joinable()) {
    changed_.notify_all();
    return;
  }
  try {
    thread_ = std::thread([this] { ThreadMain(); });
  } catch (const std::system_error&) {
    wanted_ = false;
  }
}

void Retrier::Stop() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    stop_ = true;
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void Retrier::ThreadMain() {
  std::unique_lock<std::mutex> lock(mutex_);
  for (;;) {
    changed_.wait(lock, [this] { return wanted_ || stop_; });
    auto wait = kFirstWait;
    // Not at once: whoever met the failure may be about to write again, which mends it as well.
    while (!changed_.wait_for(lock, wait, [this] { return stop_; })) {
      wanted_ = false;
      lock.unlock();
      const bool done = attempt_();
      lock.lock();
      if (done && !wanted_) break;
      wait = std::min(wait * 2, kLongestWait);
    }
    if (stop_) return;
  }
}

}  // namespace millrace::store
