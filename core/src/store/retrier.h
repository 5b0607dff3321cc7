// Tries something again until it succeeds, on a thread that exists only once it was needed.
#ifndef MILLRACE_STORE_RETRIER_H_
#define MILLRACE_STORE_RETRIER_H_

#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>

namespace millrace::store {

// Thread-safe. Waits 20 ms, then twice as long each time, at most a second, between attempts;
// sleeps without time-out when there is nothing to do. In a child after fork() it must be leaked.
class Retrier {
 public:
  // `attempt` answers true when there is nothing more to do. May block.
  explicit Retrier(std::function<bool()> attempt) : attempt_(std::move(attempt)) {}
  ~Retrier() { Stop(); }
  Retrier(const Retrier&) = delete;
  Retrier& operator=(const Retrier&) = delete;

  // Does not block and does not call `attempt` itself. Without a thread to be had, nothing happens.
  void Start();
  // Waits for a running attempt. Later calls of Start() do nothing.
  void Stop();

 private:
  void ThreadMain();

  const std::function<bool()> attempt_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool wanted_ = false;
  bool stop_ = false;
  std::thread thread_;
};

}  // namespace millrace::store

#endif  // MILLRACE_STORE_RETRIER_H_
