// The wait between two attempts of a job.
#ifndef MILLRACE_BASE_BACKOFF_H_
#define MILLRACE_BASE_BACKOFF_H_

#include <cstdint>

#include "millrace/types.h"

namespace millrace {

// No wait is longer than this (100 years), so that a due time never overflows.
inline constexpr int64_t kBackoffMaxMs = 3'155'760'000'000;

// Milliseconds to wait after attempt number `attempt` (from 1; smaller counts as 1) has failed, by
// the formula beside Backoff. random01 in [0, 1) places the wait within its jitter. Always in [0,
// kBackoffMaxMs], whatever the values are.
int64_t BackoffDelayMs(const Backoff& backoff, int32_t attempt, double random01);

}  // namespace millrace

#endif  // MILLRACE_BASE_BACKOFF_H_
