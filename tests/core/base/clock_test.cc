#include "catch.h"
#include "millrace/options.h"

namespace millrace {

TEST_CASE("a manual clock stands still until it is advanced", "[base]") {
  ManualClock clock(1'000);
  CHECK(clock.WallMs() == 1'000);
  const int64_t monotonic = clock.MonotonicMs();
  clock.Advance(500);
  CHECK(clock.WallMs() == 1'500);
  CHECK(clock.MonotonicMs() == monotonic + 500);
  clock.JumpWall(-1'200);
  CHECK(clock.WallMs() == 300);
  CHECK(clock.MonotonicMs() == monotonic + 500);
  CHECK(clock.RealWaitMs(3'600'000) <= 5);
  CHECK(clock.RealWaitMs(3'600'000) >= 1);
  CHECK(clock.RealWaitMs(0) == 0);
}

TEST_CASE("the real clock goes forward and is shared", "[base]") {
  const auto clock = RealClock();
  CHECK(clock.get() == RealClock().get());
  CHECK(clock->WallMs() > 1'700'000'000'000);
  const int64_t before = clock->MonotonicMs();
  CHECK(clock->MonotonicMs() >= before);
  CHECK(clock->RealWaitMs(1'234) == 1'234);
}

}  // namespace millrace
