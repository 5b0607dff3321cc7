#include "base/backoff.h"

#include <cmath>
#include <limits>

#include "base/id.h"
#include "catch.h"

namespace millrace {
namespace {

constexpr int64_t kInt64Max = std::numeric_limits<int64_t>::max();

Backoff Exponential(int64_t delay_ms, int64_t max_ms = 0, double jitter = 0) {
  return {Backoff::Kind::kExponential, delay_ms, max_ms, jitter};
}

TEST_CASE("each kind of back-off follows its formula", "[base][backoff]") {
  CHECK(BackoffDelayMs({Backoff::Kind::kNone, 500, 0, 0}, 3, 0) == 0);
  CHECK(BackoffDelayMs({Backoff::Kind::kFixed, 500, 0, 0}, 1, 0) == 500);
  CHECK(BackoffDelayMs({Backoff::Kind::kFixed, 500, 0, 0}, 9, 0) == 500);
  CHECK(BackoffDelayMs({Backoff::Kind::kCustom, 500, 0, 0}, 9, 0) == 500);
  CHECK(BackoffDelayMs(Exponential(1'000), 1, 0) == 1'000);
  CHECK(BackoffDelayMs(Exponential(1'000), 2, 0) == 2'000);
  CHECK(BackoffDelayMs(Exponential(1'000), 11, 0) == 1'024'000);
  CHECK(BackoffDelayMs(Exponential(1'000, 60'000), 6, 0) == 32'000);
  CHECK(BackoffDelayMs(Exponential(1'000, 60'000), 7, 0) == 60'000);
  CHECK(BackoffDelayMs(Exponential(1'000, 60'000), 1'000'000, 0) == 60'000);
  CHECK(BackoffDelayMs(Exponential(100'000, 60'000), 1, 0) == 60'000);
  CHECK(BackoffDelayMs(Exponential(0), 50, 0) == 0);
}

TEST_CASE("attempts below the first count as the first", "[base][backoff]") {
  CHECK(BackoffDelayMs(Exponential(1'000), 0, 0) == 1'000);
  CHECK(BackoffDelayMs(Exponential(1'000), std::numeric_limits<int32_t>::min(), 0) == 1'000);
}

TEST_CASE("jitter places the wait between d(1-j) and d", "[base][backoff]") {
  const Backoff half{Backoff::Kind::kFixed, 1'000, 0, 0.5};
  CHECK(BackoffDelayMs(half, 1, 0) == 1'000);
  CHECK(BackoffDelayMs(half, 1, 0.5) == 750);
  CHECK(BackoffDelayMs(half, 1, 0.9999999) >= 500);
  const Backoff full{Backoff::Kind::kFixed, 1'000, 0, 1.0};
  for (int i = 0; i < 10'000; ++i) {
    const int64_t wait_ms = BackoffDelayMs(full, 1, Random01());
    REQUIRE((wait_ms >= 0 && wait_ms <= 1'000));
  }
}

TEST_CASE("no value overflows or goes below zero", "[base][backoff]") {
  CHECK(BackoffDelayMs(Exponential(kInt64Max), 1, 0) == kBackoffMaxMs);
  CHECK(BackoffDelayMs(Exponential(kInt64Max), 63, 0) == kBackoffMaxMs);
  CHECK(BackoffDelayMs(Exponential(1), std::numeric_limits<int32_t>::max(), 0) == kBackoffMaxMs);
  CHECK(BackoffDelayMs(Exponential(1, kInt64Max), 64, 0) == kBackoffMaxMs);
  CHECK(BackoffDelayMs(Exponential(std::numeric_limits<int64_t>::min()), 5, 0) == 0);
  CHECK(BackoffDelayMs(Exponential(1'000, -5), 3, 0) == 4'000);
  CHECK(BackoffDelayMs(Exponential(1'000, 0, std::nan("")), 1, 0.5) == 1'000);
  CHECK(BackoffDelayMs(Exponential(1'000, 0, 7.0), 1, 2.0) == 0);
  CHECK(BackoffDelayMs(Exponential(1'000, 0, -7.0), 1, 0.5) == 1'000);
  for (int i = 0; i < 20'000; ++i) {
    Backoff backoff;
    backoff.kind = static_cast<Backoff::Kind>(RandomBits64() % 4);
    backoff.delay_ms = static_cast<int64_t>(RandomBits64() >> (RandomBits64() % 64));
    backoff.max_ms = static_cast<int64_t>(RandomBits64() >> (RandomBits64() % 64));
    backoff.jitter = Random01();
    const auto attempt = static_cast<int32_t>(RandomBits64() >> (32 + RandomBits64() % 32));
    const int64_t wait_ms = BackoffDelayMs(backoff, attempt, Random01());
    REQUIRE((wait_ms >= 0 && wait_ms <= kBackoffMaxMs));
  }
}

TEST_CASE("an exponential wait never shrinks with the attempts", "[base][backoff]") {
  for (const int64_t delay_ms : {1, 3, 999, 86'400'000}) {
    int64_t before_ms = 0;
    for (int32_t attempt = 1; attempt < 100; ++attempt) {
      const int64_t wait_ms = BackoffDelayMs(Exponential(delay_ms), attempt, 0);
      REQUIRE(wait_ms >= before_ms);
      before_ms = wait_ms;
    }
    CHECK(before_ms == kBackoffMaxMs);
  }
}

}  // namespace
}  // namespace millrace
