#include "limits/bucket.h"

#include <random>

#include "catch.h"
#include "store/store_test_util.h"

namespace millrace::limits {
namespace {

constexpr int64_t kStart = 1'700'000'000'000;

TEST_CASE("a bucket that was never used is full", "[limits][bucket]") {
  const Rate rate{.count = 3, .period_ms = 1'000};
  Bucket bucket;
  Refill(rate, kStart, &bucket);
  CHECK(Tokens(rate, bucket) == 3);
  CHECK(NextTokenAt(rate, bucket) == kStart);
  CHECK(FullAt(rate, bucket) == kStart);
}

TEST_CASE("a token comes every period / count, to the millisecond", "[limits][bucket]") {
  const Rate rate{.count = 3, .period_ms = 1'000};
  Bucket bucket;
  Refill(rate, kStart, &bucket);
  for (int i = 0; i < 3; ++i) TakeToken(rate, &bucket);
  CHECK(Tokens(rate, bucket) == 0);
  CHECK(NextTokenAt(rate, bucket) == kStart + 334);  // 333.3, rounded up
  CHECK(FullAt(rate, bucket) == kStart + 1'000);
  Refill(rate, kStart + 333, &bucket);
  CHECK(Tokens(rate, bucket) == 0);
  CHECK(NextTokenAt(rate, bucket) == kStart + 334);
  Refill(rate, kStart + 334, &bucket);
  CHECK(Tokens(rate, bucket) == 1);
  TakeToken(rate, &bucket);
  CHECK(NextTokenAt(rate, bucket) == kStart + 667);  // nothing was lost by the rounding
}

TEST_CASE("a clock that is set back neither fills a bucket nor blocks it", "[limits][bucket]") {
  const Rate rate{.count = 2, .period_ms = 100};
  Bucket bucket;
  Refill(rate, kStart, &bucket);
  TakeToken(rate, &bucket);
  TakeToken(rate, &bucket);
  Refill(rate, kStart - 1'000'000, &bucket);
  CHECK(Tokens(rate, bucket) == 0);
  CHECK(NextTokenAt(rate, bucket) == kStart - 1'000'000 + 50);
}

TEST_CASE("the largest rates do not overflow", "[limits][bucket]") {
  const Rate rate{.count = kRateCountMax, .period_ms = kCreditMax / kRateCountMax};
  store::RequireOk(CheckRate(rate));
  Bucket bucket;
  Refill(rate, kStart, &bucket);
  CHECK(Tokens(rate, bucket) == kRateCountMax);
  TakeToken(rate, &bucket);
  Refill(rate, kStart + rate.period_ms - 1, &bucket);
  CHECK(Tokens(rate, bucket) == kRateCountMax);
}

TEST_CASE("rates that cannot be kept are refused", "[limits][bucket]") {
  store::RequireOk(CheckRate({}));
  for (const Rate& rate :
       {Rate{.count = -1, .period_ms = 1}, Rate{.count = 1, .period_ms = 0},
        Rate{.count = 0, .period_ms = 1}, Rate{.count = kRateCountMax + 1, .period_ms = 1},
        Rate{.count = 1, .period_ms = kRatePeriodMaxMs + 1},
        Rate{.count = kRateCountMax, .period_ms = kRatePeriodMaxMs}}) {
    CAPTURE(rate.count, rate.period_ms);
    const Status status = CheckRate(rate);
    CHECK(status.code() == Code::kInvalidArgument);
    CHECK(status.message().find("accepted") != std::string::npos);
  }
}

TEST_CASE("a replaced rate keeps the tokens that the new one can hold", "[limits][bucket]") {
  const Rate slow{.count = 10, .period_ms = 10'000};
  Bucket bucket;
  Refill(slow, kStart, &bucket);
  for (int i = 0; i < 6; ++i) TakeToken(slow, &bucket);
  const Rate small{.count = 2, .period_ms = 500};
  CHECK(Tokens(small, Rerate(slow, bucket, small, kStart)) == 2);
  const Rate large{.count = 100, .period_ms = 500};
  CHECK(Tokens(large, Rerate(slow, bucket, large, kStart)) == 4);
  CHECK(Tokens(small, Rerate({}, {}, small, kStart)) == 2);
  // The same rate again is no way to get more.
  const Bucket same = Rerate(slow, bucket, slow, kStart);
  CHECK(same.credit == bucket.credit);
}

TEST_CASE("no window sees more starts than the limit states", "[limits][bucket]") {
  std::mt19937_64 random(7);
  for (int round = 0; round < 50; ++round) {
    const Rate rate{.count = 1 + static_cast<int64_t>(random() % 20),
                    .period_ms = 1 + static_cast<int64_t>(random() % 500)};
    CAPTURE(rate.count, rate.period_ms);
    Bucket bucket;
    std::vector<int64_t> starts;
    int64_t now = kStart;
    for (int i = 0; i < 2'000; ++i) {
      now += static_cast<int64_t>(random() % 40);
      Refill(rate, now, &bucket);
      while (Tokens(rate, bucket) > 0 && random() % 4 != 0) {
        TakeToken(rate, &bucket);
        starts.push_back(now);
      }
    }
    // In the long run, and in every window of the period.
    const auto most = rate.count + (now - kStart) * rate.count / rate.period_ms;
    CHECK(std::ssize(starts) <= most);
    for (size_t first = 0, last = 0; last < starts.size(); ++last) {
      while (starts[last] - starts[first] >= rate.period_ms) ++first;
      REQUIRE(static_cast<int64_t>(last - first + 1) < 2 * rate.count);
    }
  }
}

}  // namespace
}  // namespace millrace::limits
