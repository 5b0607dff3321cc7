#include "limits/bucket.h"

#include <algorithm>
#include <string>

namespace millrace::limits {
namespace {

int64_t Capacity(const Rate& rate) {
  return rate.count * rate.period_ms;
}

Status OutOfRange(const char* argument, int64_t value, int64_t max) {
  return Status(Code::kInvalidArgument, std::string(argument) + " is " + std::to_string(value) +
                                            "; 1 to " + std::to_string(max) + " is accepted");
}

// When a bucket will hold this much.
int64_t CreditAt(const Rate& rate, const Bucket& bucket, int64_t credit) {
  const int64_t missing = credit - bucket.credit;
  if (missing <= 0) return bucket.refilled_at_ms;
  return bucket.refilled_at_ms + missing / rate.count + (missing % rate.count != 0 ? 1 : 0);
}

}  // namespace

Status CheckRate(const Rate& rate) {
  if (rate.count == 0 && rate.period_ms == 0) return Status::Ok();
  if (rate.count < 1 || rate.count > kRateCountMax) {
    return OutOfRange("rate.count", rate.count, kRateCountMax);
  }
  if (rate.period_ms < 1 || rate.period_ms > kRatePeriodMaxMs) {
    return OutOfRange("rate.period_ms", rate.period_ms, kRatePeriodMaxMs);
  }
  if (rate.period_ms <= kCreditMax / rate.count) return Status::Ok();
  return Status(Code::kInvalidArgument, "rate is " + std::to_string(rate.count) + " in " +
                                            std::to_string(rate.period_ms) +
                                            " ms; numbers of which the product is at most " +
                                            std::to_string(kCreditMax) + " are accepted");
}

void Refill(const Rate& rate, int64_t now_ms, Bucket* bucket) {
  const int64_t elapsed_ms = std::max<int64_t>(now_ms - bucket->refilled_at_ms, 0);
  const int64_t capacity = Capacity(rate);
  const int64_t gained =
      elapsed_ms >= rate.period_ms ? capacity : elapsed_ms * rate.count;  // <= capacity
  const int64_t held = std::clamp<int64_t>(bucket->credit, 0, capacity);
  bucket->credit = held > capacity - gained ? capacity : held + gained;
  bucket->refilled_at_ms = now_ms;
}

int64_t Tokens(const Rate& rate, const Bucket& bucket) {
  return bucket.credit / rate.period_ms;
}

void TakeToken(const Rate& rate, Bucket* bucket) {
  bucket->credit -= rate.period_ms;
}

int64_t NextTokenAt(const Rate& rate, const Bucket& bucket) {
  return CreditAt(rate, bucket, rate.period_ms);
}

int64_t FullAt(const Rate& rate, const Bucket& bucket) {
  return CreditAt(rate, bucket, Capacity(rate));
}

Bucket Rerate(const Rate& old_rate, Bucket bucket, const Rate& rate, int64_t now_ms) {
  if (rate.count == 0) return Bucket{};
  if (old_rate.count == 0) return Bucket{.credit = Capacity(rate), .refilled_at_ms = now_ms};
  Refill(old_rate, now_ms, &bucket);
  if (old_rate.count == rate.count && old_rate.period_ms == rate.period_ms) return bucket;
  const int64_t tokens = std::min(Tokens(old_rate, bucket), rate.count);
  return Bucket{.credit = tokens * rate.period_ms, .refilled_at_ms = now_ms};
}

}  // namespace millrace::limits
