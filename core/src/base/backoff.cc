#include "base/backoff.h"

#include <algorithm>

namespace millrace {
namespace {

// Clamps to [0, 1]; not-a-number counts as 0.
double Fraction(double value) {
  return value > 0 ? std::min(value, 1.0) : 0.0;
}

int64_t ExponentialMs(int64_t delay_ms, int64_t max_ms, int32_t attempt) {
  const int64_t cap = max_ms > 0 ? std::min(max_ms, kBackoffMaxMs) : kBackoffMaxMs;
  const int32_t doublings = std::max(attempt, 1) - 1;
  // 2^doublings would carry delay_ms past the cap: say so without shifting bits out.
  if (delay_ms > 0 && (doublings >= 62 || delay_ms > (cap >> doublings))) return cap;
  return delay_ms << std::min(doublings, 62);
}

}  // namespace

int64_t BackoffDelayMs(const Backoff& backoff, int32_t attempt, double random01) {
  const int64_t delay_ms = std::clamp<int64_t>(backoff.delay_ms, 0, kBackoffMaxMs);
  int64_t wait_ms = 0;
  switch (backoff.kind) {
    case Backoff::Kind::kNone:
      return 0;
    case Backoff::Kind::kFixed:
    case Backoff::Kind::kCustom:
      wait_ms = delay_ms;
      break;
    case Backoff::Kind::kExponential:
      wait_ms = ExponentialMs(delay_ms, backoff.max_ms, attempt);
      break;
  }
  const double cut = static_cast<double>(wait_ms) * Fraction(backoff.jitter) * Fraction(random01);
  return std::clamp<int64_t>(wait_ms - static_cast<int64_t>(cut), 0, wait_ms);
}

}  // namespace millrace
