#include "schedule/slots.h"

#include "base/utc.h"
#include "catch.h"
#include "store/store_test_util.h"

namespace millrace::schedule {
namespace {

using store::RequireOk;

std::string Refusal(const Timing& timing) {
  const auto slots = Slots::Create(timing);
  if (slots.ok()) return "";
  CHECK(slots.status().code() == Code::kInvalidArgument);
  return slots.status().message();
}

bool Says(const std::string& message, const std::string& part) {
  return message.find(part) != std::string::npos;
}

Slots Of(const Timing& timing) {
  return RequireOk(Slots::Create(timing));
}

TEST_CASE("an interval's slots are counted from the epoch and its offset", "[schedule][slots]") {
  const Slots slots = Of({.every_ms = 60'000, .offset_ms = 5'000});
  CHECK(slots.Next(Utc("2024-05-01T10:00:05")) == Utc("2024-05-01T10:01:05"));
  CHECK(slots.Next(Utc("2024-05-01T10:00:05") - 1) == Utc("2024-05-01T10:00:05"));
  CHECK(slots.Next(0) == 5'000);
  CHECK(slots.Next(INT64_MIN) == 5'000);
  CHECK_FALSE(slots.Next(INT64_MAX).has_value());
}

TEST_CASE("start and end bound the slots", "[schedule][slots]") {
  const Slots slots = Of({.cron = "0 * * * *",
                          .time_zone = "Europe/London",
                          .start_at_ms = Utc("2024-05-01T10:00"),
                          .end_at_ms = Utc("2024-05-01T11:00")});
  CHECK(slots.Next(0) == Utc("2024-05-01T10:00"));
  CHECK(slots.Next(Utc("2024-05-01T10:00")) == Utc("2024-05-01T11:00"));
  CHECK_FALSE(slots.Next(Utc("2024-05-01T11:00")).has_value());
}

TEST_CASE("a solar timing's slots are the event's", "[schedule][slots]") {
  const Slots slots = Of({.solar = "sunset", .latitude = 51.5, .longitude = -0.12});
  const auto next = slots.Next(Utc("2024-06-21T12:00"));
  REQUIRE(next.has_value());
  CHECK(Iso(*next).substr(0, 15) == "2024-06-21T20:2");
}

TEST_CASE("a timing that is not understood is refused", "[schedule][slots]") {
  CHECK(Refusal({}) == "timing has none of cron, every_ms and solar; exactly one is accepted");
  CHECK(Says(Refusal({.cron = "@daily", .every_ms = 5}), "timing has several of"));
  CHECK(Says(Refusal({.time_zone = "UTC", .every_ms = 5}), "time_zone was given without cron"));
  CHECK(Says(Refusal({.cron = "@daily", .offset_ms = 1}), "offset_ms was given without every_ms"));
  CHECK(Says(Refusal({.cron = "@daily", .latitude = 1}), "was given without solar"));
  CHECK(Says(Refusal({.cron = "0 0 30 2 *"}), "cron can never fire"));
  CHECK(Says(Refusal({.cron = "@daily", .time_zone = "Mars/Base"}),
             "time_zone is not a known time zone: got \"Mars/Base\""));
  CHECK(Says(Refusal({.every_ms = -1}), "every_ms is -1; 1 to 315576000000 is accepted"));
  CHECK(Says(Refusal({.every_ms = kEveryMaxMs + 1}), "every_ms is"));
  CHECK(Says(Refusal({.every_ms = 10, .offset_ms = 10}), "offset_ms is 10; 0 to 9 is accepted"));
  CHECK(Says(Refusal({.solar = "moonrise"}), "solar event is unknown"));
  CHECK(Says(Refusal({.solar = "sunset", .latitude = 91}), "latitude is out of range"));
  CHECK(Says(Refusal({.every_ms = 1, .start_at_ms = -1}), "start_at_ms is -1"));
  CHECK(Says(Refusal({.every_ms = 1, .start_at_ms = 5, .end_at_ms = 4}),
             "end_at_ms is 4; at least start_at_ms (5) is accepted"));
}

TEST_CASE("the newest slots of a long absence are found without walking through it",
          "[schedule][slots]") {
  int64_t passed = 0;
  const int64_t first = Utc("2014-01-01T00:00");
  const int64_t until = Utc("2024-01-01T00:00:03") + 500;
  SECTION("of an interval, counted exactly") {
    const auto newest = Of({.every_ms = 1'000}).Newest(first, until, 2, &passed);
    CHECK(newest == std::vector<int64_t>{until - 1'500, until - 500});
    CHECK(passed == (until - 500 - first) / 1'000 + 1);
  }
  SECTION("of cron text, counted up to a bound") {
    const auto newest = Of({.cron = "* * * * * *"}).Newest(first, until, 3, &passed);
    CHECK(newest == std::vector<int64_t>{until - 2'500, until - 1'500, until - 500});
    CHECK(passed == Slots::kCountMax);
  }
  SECTION("fewer than were asked for") {
    const auto newest = Of({.cron = "0 0 1 1 *"}).Newest(first, until, 100, &passed);
    CHECK(newest.size() == 11);
    CHECK(passed == 11);
    CHECK(newest.front() == first);
  }
  SECTION("none") {
    CHECK(Of({.every_ms = 1'000}).Newest(first, first - 1, 3, &passed).empty());
    CHECK(passed == 0);
    CHECK(Of({.cron = "@daily"}).Newest(first, first - 1, 3, &passed).empty());
    CHECK(passed == 0);
  }
  SECTION("up to the end of the schedule") {
    const Timing timing{.every_ms = 1'000, .end_at_ms = first + 1'000};
    CHECK(Of(timing).Newest(first, until, 5, &passed).size() == 2);
    CHECK(passed == 2);
  }
}

TEST_CASE("timings are the same when they say the same", "[schedule][slots]") {
  const Timing timing{.cron = "@daily", .time_zone = "Europe/London", .start_at_ms = 5};
  CHECK(SameTiming(timing, timing));
  Timing other = timing;
  other.time_zone = "Europe/Paris";
  CHECK_FALSE(SameTiming(timing, other));
  other = timing;
  other.start_at_ms = 6;
  CHECK_FALSE(SameTiming(timing, other));
}

TEST_CASE("slots can be had without a store", "[schedule]") {
  const Timing timing{.every_ms = 1'000, .end_at_ms = 3'000};
  CHECK(RequireOk(NextSlots(timing, 500, 2)) == std::vector<int64_t>{1'000, 2'000});
  CHECK(RequireOk(NextSlots(timing, 1'000, 9)) == std::vector<int64_t>{2'000, 3'000});
  CHECK(NextSlots({}, 0, 1).status().code() == Code::kInvalidArgument);
  CHECK(NextSlots(timing, -1, 1).status().code() == Code::kInvalidArgument);
  CHECK(NextSlots(timing, 0, 0).status().code() == Code::kInvalidArgument);
}

}  // namespace
}  // namespace millrace::schedule
