// After a transaction that failed because of damage: how much of its work the next one is to try,
// until the damaged piece is alone, and what to do with that one. Nothing of this is in the way of
// transactions that succeed.
#ifndef MILLRACE_ENGINE_ISOLATION_H_
#define MILLRACE_ENGINE_ISOLATION_H_

#include <algorithm>
#include <cstdint>

namespace millrace::engine {

// Not thread-safe. A transaction takes the first limit() pieces of what is left.
class Isolation {
 public:
  static constexpr int64_t kAll = INT64_MAX;
  enum class Stage : uint8_t {
    kWhole,     // as ever
    kAlone,     // Conclude comes later and apart: what it cleans or resolves may be the damage
    kTakeAway,  // the piece's lease is taken away, with a record in quarantine
    kGiveUp,    // even that fails: the piece is dropped
  };

  bool active() const { return limit_ != kAll; }
  int64_t limit() const { return limit_; }
  Stage stage() const { return stage_; }

  // A transaction of so many pieces failed because of damage: the next try is another one.
  void Failed(int64_t pieces) {
    if (pieces > 1) {
      limit_ = pieces / 2;
      stage_ = Stage::kWhole;
      return;
    }
    const bool alone = limit_ == 1;  // else it had other work beside it
    limit_ = 1;
    if (alone && stage_ != Stage::kGiveUp)
      stage_ = static_cast<Stage>(static_cast<uint8_t>(stage_) + 1);
  }
  // A piece or several are done.
  void Succeeded() {
    stage_ = Stage::kWhole;
    if (active()) limit_ = std::min<int64_t>(2 * limit_, 1 << 20);
  }
  // All work is done.
  void End() { *this = Isolation(); }

 private:
  int64_t limit_ = kAll;
  Stage stage_ = Stage::kWhole;
};

}  // namespace millrace::engine

#endif  // MILLRACE_ENGINE_ISOLATION_H_
