// Rate limits as token buckets, in whole numbers so that they are exact.
//
// A bucket's credit is counted in tokens times period_ms: each millisecond adds `count` to it, a
// start costs `period_ms`, and it never holds more than count * period_ms. Functions are pure.
#ifndef MILLRACE_LIMITS_BUCKET_H_
#define MILLRACE_LIMITS_BUCKET_H_

#include <cstdint>

#include "millrace/limits.h"
#include "millrace/status.h"

namespace millrace::limits {

inline constexpr int64_t kRateCountMax = 1'000'000'000;
inline constexpr int64_t kRatePeriodMaxMs = int64_t{366} * 24 * 60 * 60 * 1000;
inline constexpr int64_t kCreditMax = 9'000'000'000'000'000'000;  // of count * period_ms

struct Bucket {
  int64_t credit = 0;
  int64_t refilled_at_ms = 0;  // 0: never used, so it is full
};

// kInvalidArgument; count 0 with period 0 is no rate limit.
Status CheckRate(const Rate& rate);

// The rest needs rate.count > 0.
// What has come in by now. A clock that was set back adds nothing.
void Refill(const Rate& rate, int64_t now_ms, Bucket* bucket);
// Of a refilled bucket.
int64_t Tokens(const Rate& rate, const Bucket& bucket);
void TakeToken(const Rate& rate, Bucket* bucket);
// When a refilled bucket has a token (now, if it has one), and when it is full.
int64_t NextTokenAt(const Rate& rate, const Bucket& bucket);
int64_t FullAt(const Rate& rate, const Bucket& bucket);
// The bucket when its rate is replaced: as many tokens as it has, as far as the new one holds them.
// A bucket that had no rate is full.
Bucket Rerate(const Rate& old_rate, Bucket bucket, const Rate& rate, int64_t now_ms);

}  // namespace millrace::limits

#endif  // MILLRACE_LIMITS_BUCKET_H_
