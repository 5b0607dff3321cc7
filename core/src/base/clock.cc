// The real clock and the one that tests advance by hand.
#include <algorithm>
#include <chrono>

#include "millrace/options.h"

namespace millrace {
namespace {

template <typename ClockType>
int64_t NowMs() {
  const auto now = ClockType::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
}

class SystemClock final : public Clock {
 public:
  int64_t WallMs() override { return NowMs<std::chrono::system_clock>(); }
  int64_t MonotonicMs() override { return NowMs<std::chrono::steady_clock>(); }
};

// How long a wait on a manual clock really sleeps before it looks again: short enough for a test
// that advances the clock by hours, long enough not to spin.
constexpr int64_t kManualPollMs = 2;

}  // namespace

std::shared_ptr<Clock> RealClock() {
  static const auto* const clock = new std::shared_ptr<Clock>(std::make_shared<SystemClock>());
  return *clock;
}

int64_t ManualClock::WallMs() {
  return now_ms_.load() + wall_offset_ms_.load();
}

int64_t ManualClock::MonotonicMs() {
  return now_ms_.load();
}

int64_t ManualClock::RealWaitMs(int64_t ms) {
  return std::min(ms, kManualPollMs);
}

void ManualClock::Advance(int64_t ms) {
  now_ms_.fetch_add(ms);
}

void ManualClock::JumpWall(int64_t ms) {
  wall_offset_ms_.fetch_add(ms);
}

}  // namespace millrace
