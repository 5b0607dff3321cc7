// How a thread sleeps until a word of shared memory changes: a futex, or a poll where there is
// none.
#ifndef MILLRACE_WAKE_WAITER_H_
#define MILLRACE_WAKE_WAITER_H_

#include <atomic>
#include <cstdint>
#include <memory>

namespace millrace::wake {

// Stateless, thread-safe. The word may be in a file mapped by several processes.
class Waiter {
 public:
  virtual ~Waiter() = default;
  // Returns when the word differs from `seen`, at the latest after timeout_ms, and also for no
  // reason: the caller looks again. Must not be called with timeout_ms <= 0.
  virtual void Sleep(const std::atomic<uint32_t>& word, uint32_t seen, int64_t timeout_ms) = 0;
  // Ends the Sleep of whoever sleeps on the word. The word was changed before.
  virtual void Wake(const std::atomic<uint32_t>& word) = 0;
};

// Linux: FUTEX_WAIT and FUTEX_WAKE, shared between processes. Elsewhere the same as
// MakePollWaiter().
std::unique_ptr<Waiter> MakeFutexWaiter();
// Sleeps a millisecond at a time; needs nothing of the system, costs a wake-up each millisecond.
std::unique_ptr<Waiter> MakePollWaiter();

}  // namespace millrace::wake

#endif  // MILLRACE_WAKE_WAITER_H_
