// The bounds of the queue into the writer, in operations and bytes, and the door that Stop()
// closes.
#ifndef MILLRACE_STORE_ADMISSION_H_
#define MILLRACE_STORE_ADMISSION_H_

#include <algorithm>
#include <atomic>
#include <cstdint>

#include "store/event_count.h"

namespace millrace::store {

// Counts what was admitted and is not completed yet. One atomic word holds both counts and the
// closed bit, so that "closed and empty" is one observation and nothing slips in behind a Close().
// Thread-safe.
class Admission {
 public:
  enum class Answer { kAdmitted, kFull, kClosed };

  Admission(int64_t max_ops, int64_t max_bytes)
      : max_ops_(static_cast<uint64_t>(max_ops)), max_bytes_(static_cast<uint64_t>(max_bytes)) {}

  // One operation larger than the bound of bytes is admitted when it is alone.
  Answer TryEnter(int64_t bytes) {
    const uint64_t more = Word(1, bytes);
    uint64_t word = word_.load();
    do {
      if (word & kClosed) return Answer::kClosed;
      const uint64_t ops = word & kOpsMask;
      const uint64_t held = (word & ~kClosed) >> kOpsBits;
      if (ops >= max_ops_) return Answer::kFull;
      if (ops > 0 && held + (more >> kOpsBits) > max_bytes_) return Answer::kFull;
    } while (!word_.compare_exchange_weak(word, word + more));
    return Answer::kAdmitted;
  }

  // Blocks while it is full.
  Answer Enter(int64_t bytes) {
    Answer answer = Answer::kFull;
    room_.Await([&] {
      answer = TryEnter(bytes);
      return answer != Answer::kFull;
    });
    return answer;
  }

  // What one operation of these bytes weighs; Leave() takes the sum of the weights of those that
  // leave.
  static uint64_t Weight(int64_t bytes) { return Word(1, bytes); }
  void Leave(uint64_t weights) {
    word_.fetch_sub(weights);
    room_.NotifyAll();
  }

  void Close() {
    word_.fetch_or(kClosed);
    room_.NotifyAll();
  }
  bool closed() const { return (word_.load() & kClosed) != 0; }
  bool empty() const { return (word_.load() & ~kClosed) == 0; }

 private:
  static constexpr int kOpsBits = 20;
  static constexpr uint64_t kOpsMask = (uint64_t{1} << kOpsBits) - 1;
  static constexpr uint64_t kClosed = uint64_t{1} << 63;
  static constexpr int64_t kMaxBytes = int64_t{1} << 40;

  static uint64_t Word(uint64_t ops, int64_t bytes) {
    return ops | (static_cast<uint64_t>(std::clamp<int64_t>(bytes, 0, kMaxBytes)) << kOpsBits);
  }

  const uint64_t max_ops_;
  const uint64_t max_bytes_;
  std::atomic<uint64_t> word_{0};
  EventCount room_;
};

}  // namespace millrace::store

#endif  // MILLRACE_STORE_ADMISSION_H_
