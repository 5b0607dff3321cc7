// Waiting for a condition that is made of atomics, without a lock on the signalling side.
#ifndef MILLRACE_STORE_EVENT_COUNT_H_
#define MILLRACE_STORE_EVENT_COUNT_H_

#include <atomic>

namespace millrace::store {

// The waiter announces itself, looks at the condition once more, and only then sleeps; the
// signaller changes the condition and looks for waiters. All accesses are sequentially consistent
// (the condition's must be too), so one of the two sees the other. No condition variable:
// destroying one in a forked child would wait for the parent's waiters.
class EventCount {
 public:
  template <typename Condition>
  void Await(const Condition& condition) {
    if (condition()) return;
    waiters_.fetch_add(1);
    for (;;) {
      const int seen = epoch_.load();
      if (condition()) break;
      epoch_.wait(seen);
    }
    waiters_.fetch_sub(1);
  }

  // Costs one load while nobody waits.
  void NotifyAll() {
    if (waiters_.load() == 0) return;
    epoch_.fetch_add(1);
    epoch_.notify_all();
  }

 private:
  std::atomic<int> epoch_{0};
  std::atomic<int> waiters_{0};
};

}  // namespace millrace::store

#endif  // MILLRACE_STORE_EVENT_COUNT_H_
