#include <algorithm>
#include <chrono>
#include <thread>

#include "wake/waiter.h"

namespace millrace::wake {
namespace {

class PollWaiter : public Waiter {
 public:
  void Sleep(const std::atomic<uint32_t>& word, uint32_t seen, int64_t timeout_ms) override {
    if (word.load(std::memory_order_seq_cst) != seen) return;
    // One slice a call: the caller checks between two that the memory is still there.
    std::this_thread::sleep_for(std::chrono::milliseconds(std::min<int64_t>(timeout_ms, 1)));
  }
  void Wake(const std::atomic<uint32_t>&) override {}
};

}  // namespace

std::unique_ptr<Waiter> MakePollWaiter() {
  return std::make_unique<PollWaiter>();
}

}  // namespace millrace::wake
