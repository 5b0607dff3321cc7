#include "wake/waiter.h"

#ifdef __linux__

#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <climits>

namespace millrace::wake {
namespace {

// No FUTEX_PRIVATE_FLAG: the kernel names the word by its place in the file, which processes share.
class FutexWaiter : public Waiter {
 public:
  void Sleep(const std::atomic<uint32_t>& word, uint32_t seen, int64_t timeout_ms) override {
    timespec timeout;
    timeout.tv_sec = static_cast<time_t>(timeout_ms / 1000);
    timeout.tv_nsec = static_cast<long>(timeout_ms % 1000) * 1'000'000;
    // EAGAIN (changed already), EINTR, ETIMEDOUT and EFAULT (the file was cut short) all mean: look
    // again.
    syscall(SYS_futex, &word, FUTEX_WAIT, seen, &timeout, nullptr, 0);
  }

  void Wake(const std::atomic<uint32_t>& word) override {
    syscall(SYS_futex, &word, FUTEX_WAKE, INT_MAX, nullptr, nullptr, 0);
  }
};

}  // namespace

std::unique_ptr<Waiter> MakeFutexWaiter() {
  return std::make_unique<FutexWaiter>();
}

}  // namespace millrace::wake

#else

namespace millrace::wake {
std::unique_ptr<Waiter> MakeFutexWaiter() {
  return MakePollWaiter();
}
}  // namespace millrace::wake

#endif
