#include "base/cron.h"

#include <set>
#include <string>
#include <vector>

#include "base/id.h"
#include "base/utc.h"
#include "catch.h"

namespace millrace {
namespace {

constexpr LocalSeconds kDay = 86'400;

// The next `count` slots after a time, as text.
std::vector<std::string> Slots(const std::string& text, const std::string& zone_name,
                               const std::string& after, size_t count) {
  const auto cron = Cron::Parse(text);
  INFO(text << ": " << cron.status().ToString());
  REQUIRE(cron.ok());
  const auto zone = TimeZone::Load(zone_name, "timezone");
  REQUIRE(zone.ok());
  std::vector<std::string> slots;
  int64_t ms = Utc(after);
  while (slots.size() < count) {
    const auto next = cron->NextMs(ms, *zone);
    if (!next) break;
    REQUIRE(*next > ms);
    ms = *next;
    slots.push_back(Iso(ms));
  }
  return slots;
}

using List = std::vector<std::string>;

TEST_CASE("a slot is strictly after the time asked for", "[base][cron]") {
  const auto cron = Cron::Parse("*/5 * * * *");
  const auto utc = TimeZone::Load("", "timezone");
  CHECK(cron->NextMs(Utc("2024-05-01T10:00") - 1, *utc) == Utc("2024-05-01T10:00"));
  CHECK(cron->NextMs(Utc("2024-05-01T10:00"), *utc) == Utc("2024-05-01T10:05"));
  CHECK(cron->NextMs(Utc("2024-05-01T10:00") + 1, *utc) == Utc("2024-05-01T10:05"));
  CHECK(cron->NextMs(-1, *utc) == 0);
  CHECK(cron->NextMs(-300'001, *utc) == -300'000);
}

TEST_CASE("each form of cron text names its days and times", "[base][cron]") {
  const auto utc = [](const char* text, size_t count) {
    return Slots(text, "UTC", "2024-01-30T12:00", count);
  };
  CHECK(utc("30 8 * * *", 2) == List{"2024-01-31T08:30:00Z", "2024-02-01T08:30:00Z"});
  CHECK(utc("15 30 8 * * *", 1) == List{"2024-01-31T08:30:15Z"});
  CHECK(utc("*/20 * * * * *", 2) == List{"2024-01-30T12:00:20Z", "2024-01-30T12:00:40Z"});
  CHECK(utc("0 0 L * *", 3) ==
        List{"2024-01-31T00:00:00Z", "2024-02-29T00:00:00Z", "2024-03-31T00:00:00Z"});
  CHECK(utc("0 0 15,L * *", 2) == List{"2024-01-31T00:00:00Z", "2024-02-15T00:00:00Z"});
  for (const char* text : {"0 9 * * 5L", "0 9 * * friL", "0 9 * * L5", "0 9 ? * FRIl"}) {
    CHECK(utc(text, 2) == List{"2024-02-23T09:00:00Z", "2024-03-29T09:00:00Z"});
  }
  CHECK(utc("0 0 13 * &fri", 2) == List{"2024-09-13T00:00:00Z", "2024-12-13T00:00:00Z"});
  CHECK(utc("0 0 0 13 * &FRI", 1) == List{"2024-09-13T00:00:00Z"});
  CHECK(utc("0 0 31 * &*", 2) == List{"2024-01-31T00:00:00Z", "2024-03-31T00:00:00Z"});
  CHECK(utc("0 9 * * fri#2", 2) == List{"2024-02-09T09:00:00Z", "2024-03-08T09:00:00Z"});
  CHECK(utc("0 9 * * 4#5", 2) == List{"2024-02-29T09:00:00Z", "2024-05-30T09:00:00Z"});
  CHECK(utc("0 9 * * mon#1,wed", 2) == List{"2024-01-31T09:00:00Z", "2024-02-05T09:00:00Z"});
  CHECK(utc("0 0 * * 0", 1) == utc("0 0 * * 7", 1));
  CHECK(utc("0 0 * * 5-7", 3) ==
        List{"2024-02-02T00:00:00Z", "2024-02-03T00:00:00Z", "2024-02-04T00:00:00Z"});
  CHECK(utc("0 0 * * sat-mon", 3) ==
        List{"2024-02-03T00:00:00Z", "2024-02-04T00:00:00Z", "2024-02-05T00:00:00Z"});
  CHECK(utc("0 0 1 nov-feb *", 2) == List{"2024-02-01T00:00:00Z", "2024-11-01T00:00:00Z"});
  CHECK(utc("0 22-2/2 * * *", 3) ==
        List{"2024-01-30T22:00:00Z", "2024-01-31T00:00:00Z", "2024-01-31T02:00:00Z"});
  CHECK(utc("50/5 12 * * *", 3) ==
        List{"2024-01-30T12:50:00Z", "2024-01-30T12:55:00Z", "2024-01-31T12:50:00Z"});
  CHECK(utc("@hourly", 1) == List{"2024-01-30T13:00:00Z"});
  CHECK(utc("@daily", 1) == List{"2024-01-31T00:00:00Z"});
  CHECK(utc("@midnight", 1) == List{"2024-01-31T00:00:00Z"});
  CHECK(utc("@weekly", 1) == List{"2024-02-04T00:00:00Z"});
  CHECK(utc("@monthly", 1) == List{"2024-02-01T00:00:00Z"});
  CHECK(utc("@Yearly", 1) == List{"2025-01-01T00:00:00Z"});
  CHECK(utc("@annually", 1) == List{"2025-01-01T00:00:00Z"});
}

TEST_CASE("two restricted day fields widen each other, as in Vixie cron", "[base][cron]") {
  CHECK(Slots("0 0 13 * fri", "UTC", "2024-09-05T00:00", 4) ==
        List{"2024-09-06T00:00:00Z", "2024-09-13T00:00:00Z", "2024-09-20T00:00:00Z",
             "2024-09-27T00:00:00Z"});
  // A field that allows every value restricts nothing, however it is written.
  CHECK(Slots("0 0 1-31 * fri", "UTC", "2024-09-05T00:00", 2) ==
        List{"2024-09-06T00:00:00Z", "2024-09-13T00:00:00Z"});
  CHECK(Slots("0 0 13 * 0-6", "UTC", "2024-09-05T00:00", 2) ==
        List{"2024-09-13T00:00:00Z", "2024-10-13T00:00:00Z"});
}

TEST_CASE("rare slots are found at once, and none beyond the year 9999", "[base][cron]") {
  CHECK(Slots("0 0 29 2 *", "UTC", "2096-03-01T00:00", 1) == List{"2104-02-29T00:00:00Z"});
  CHECK(Slots("0 0 * 2 mon#5", "UTC", "2072-03-01T00:00", 1) == List{"2112-02-29T00:00:00Z"});
  CHECK(Slots("59 59 23 31 12 *", "UTC", "9999-12-31T00:00", 2) == List{"9999-12-31T23:59:59Z"});
  CHECK(Slots("0 0 * 2 mon#5", "America/New_York", "9990-01-01T00:00", 1).empty());
  const auto cron = Cron::Parse("* * * * *");
  const auto zone = TimeZone::Load("Europe/London", "timezone");
  CHECK_FALSE(cron->NextMs(std::numeric_limits<int64_t>::max(), *zone).has_value());
  CHECK(cron->NextMs(std::numeric_limits<int64_t>::min(), *zone).has_value());
}

struct Case {
  const char* zone;
  const char* cron;
  const char* after;
  List slots;
};
const Case kCases[] = {
    // 2024-03-10 02:00 EST -> 03:00 EDT; 2024-11-03 02:00 EDT -> 01:00 EST.
    {"America/New_York",
     "30 2 * * *",
     "2024-03-09T12:00",
     {"2024-03-10T07:00:00Z", "2024-03-11T06:30:00Z"}},
    {"America/New_York",
     "*/15 2 * * *",
     "2024-03-09T12:00",
     {"2024-03-10T07:00:00Z", "2024-03-11T06:00:00Z", "2024-03-11T06:15:00Z"}},
    {"America/New_York",
     "*/30 1-3 * * *",
     "2024-03-10T06:00",
     {"2024-03-10T06:30:00Z", "2024-03-10T07:00:00Z", "2024-03-10T07:30:00Z"}},
    {"America/New_York",
     "30 1 * * *",
     "2024-11-02T12:00",
     {"2024-11-03T05:30:00Z", "2024-11-04T06:30:00Z"}},
    {"America/New_York", "30 1 * * *", "2024-11-03T06:10", {"2024-11-04T06:30:00Z"}},
    {"America/New_York",
     "* 1 * * *",
     "2024-11-03T05:58",
     {"2024-11-03T05:59:00Z", "2024-11-04T06:00:00Z"}},
    {"America/New_York", "0 2 * * sun", "2024-11-03T00:00", {"2024-11-03T07:00:00Z"}},
    // 2024-03-31 01:00 GMT -> 02:00 BST; 2024-10-27 02:00 BST -> 01:00 GMT.
    {"Europe/London",
     "30 1 * * *",
     "2024-03-30T12:00",
     {"2024-03-31T01:00:00Z", "2024-04-01T00:30:00Z"}},
    {"Europe/London",
     "30 1 * * *",
     "2024-10-26T12:00",
     {"2024-10-27T00:30:00Z", "2024-10-28T01:30:00Z"}},
    {"Europe/London",
     "0 */2 * * *",
     "2024-03-30T23:30",
     {"2024-03-31T00:00:00Z", "2024-03-31T01:00:00Z", "2024-03-31T03:00:00Z"}},
    // 2024-04-07 03:00 AEDT -> 02:00 AEST; 2024-10-06 02:00 AEST -> 03:00 AEDT.
    {"Australia/Sydney",
     "30 2 * * *",
     "2024-04-06T00:00",
     {"2024-04-06T15:30:00Z", "2024-04-07T16:30:00Z"}},
    {"Australia/Sydney",
     "30 2 * * *",
     "2024-10-05T00:00",
     {"2024-10-05T16:00:00Z", "2024-10-06T15:30:00Z"}},
    // 2018-11-04 00:00 -> 01:00, so that the day has no midnight; 2018-02-18 00:00 -> 23:00 the
    // day before; no daylight saving since 2019.
    {"America/Sao_Paulo",
     "0 0 * * *",
     "2018-11-03T12:00",
     {"2018-11-04T03:00:00Z", "2018-11-05T02:00:00Z"}},
    {"America/Sao_Paulo",
     "30 23 * * *",
     "2018-02-17T12:00",
     {"2018-02-18T01:30:00Z", "2018-02-19T02:30:00Z"}},
    {"America/Sao_Paulo",
     "0 0 * * *",
     "2019-11-02T12:00",
     {"2019-11-03T03:00:00Z", "2019-11-04T03:00:00Z"}},
    // +05:45; 1986-01-01 00:00 +05:30 -> 00:15.
    {"Asia/Kathmandu", "0 0 * * *", "2024-05-01T00:00", {"2024-05-01T18:15:00Z"}},
    {"Asia/Kathmandu",
     "5 0 * * *",
     "1985-12-31T12:00",
     {"1985-12-31T18:30:00Z", "1986-01-01T18:20:00Z"}},
    // Half an hour: 2024-04-07 02:00 +11 -> 01:30 +10:30; 2024-10-06 02:00 +10:30 -> 02:30 +11.
    {"Australia/Lord_Howe",
     "45 1 * * *",
     "2024-04-06T00:00",
     {"2024-04-06T14:45:00Z", "2024-04-07T15:15:00Z"}},
    {"Australia/Lord_Howe",
     "15 2 * * *",
     "2024-10-05T00:00",
     {"2024-10-05T15:30:00Z", "2024-10-06T15:15:00Z"}},
    // 2011-12-30 does not exist at all.
    {"Pacific/Apia",
     "0 12 * * *",
     "2011-12-29T23:00",
     {"2011-12-30T10:00:00Z", "2011-12-30T22:00:00Z"}},
};

TEST_CASE("a fixed time in a gap runs at its end, a repeated one the first time only",
          "[base][cron][dst]") {
  for (const Case& c : kCases) {
    INFO(c.zone << " " << c.cron << " after " << c.after);
    CHECK(Slots(c.cron, c.zone, c.after, c.slots.size()) == c.slots);
  }
}

TEST_CASE("a schedule of every hour goes on through gaps and repeated hours", "[base][cron][dst]") {
  CHECK(Slots("0 * * * *", "America/New_York", "2024-11-03T04:30", 4) ==
        List{"2024-11-03T05:00:00Z", "2024-11-03T06:00:00Z", "2024-11-03T07:00:00Z",
             "2024-11-03T08:00:00Z"});
  CHECK(Slots("30 0-23 * * *", "America/New_York", "2024-03-10T06:00", 2) ==
        List{"2024-03-10T06:30:00Z", "2024-03-10T07:30:00Z"});
  CHECK(Slots("*/10 * * * *", "Australia/Lord_Howe", "2024-04-06T14:35", 4) ==
        List{"2024-04-06T14:40:00Z", "2024-04-06T14:50:00Z", "2024-04-06T15:00:00Z",
             "2024-04-06T15:10:00Z"});
  CHECK(Slots("*/5 * 29 2 *", "Europe/London", "2024-03-01T00:00", 1) ==
        List{"2028-02-29T00:00:00Z"});
}

// A random set of values of a field as a list, and the set.
std::string RandomField(int min, int max, std::set<int>* values) {
  if (RandomBits64() % 3 == 0) {
    for (int v = min; v <= max; ++v) values->insert(v);
    return "*";
  }
  const auto span = static_cast<uint64_t>(max - min + 1);
  const auto count = 1 + RandomBits64() % 5;
  for (uint64_t i = 0; i < count; ++i) {
    values->insert(min + static_cast<int>(RandomBits64() % span));
  }
  std::string text;
  for (const int v : *values) text += (text.empty() ? "" : ",") + std::to_string(v);
  return text;
}

TEST_CASE("jumping from field to field finds what looking at every minute finds", "[base][cron]") {
  for (int round = 0; round < 200; ++round) {
    std::set<int> minutes, hours, days, months, weekdays;
    std::string text = RandomField(0, 59, &minutes) + " " + RandomField(0, 23, &hours) + " " +
                       RandomField(1, 28, &days) + " " + RandomField(1, 12, &months) + " " +
                       RandomField(0, 6, &weekdays);
    if (days.size() == 28) {
      for (int d : {29, 30, 31}) days.insert(d);
    }
    INFO(text);
    const auto cron = Cron::Parse(text);
    REQUIRE(cron.ok());
    const bool both = days.size() < 31 && weekdays.size() < 7;
    const auto matches = [&](LocalSeconds s) {
      const std::chrono::sys_days day{std::chrono::days(s / kDay)};
      const std::chrono::year_month_day date(day);
      const bool by_day = days.count(static_cast<int>(static_cast<unsigned>(date.day()))) > 0;
      const bool by_weekday =
          weekdays.count(static_cast<int>(std::chrono::weekday(day).c_encoding())) > 0;
      return months.count(static_cast<int>(static_cast<unsigned>(date.month()))) > 0 &&
             (both ? by_day || by_weekday : by_day && by_weekday) &&
             hours.count(static_cast<int>(s % kDay / 3'600)) > 0 &&
             minutes.count(static_cast<int>(s % 3'600 / 60)) > 0;
    };
    LocalSeconds from = static_cast<LocalSeconds>(RandomBits64() % 4'000'000'000);
    for (int i = 0; i < 3; ++i) {
      LocalSeconds slow = (from + 59) / 60 * 60;
      const LocalSeconds limit = slow + 40 * kDay;
      while (slow < limit && !matches(slow)) slow += 60;
      const auto fast = cron->NextReading(from);
      REQUIRE(fast.has_value());
      if (slow < limit) {
        REQUIRE(*fast == slow);
      } else {
        REQUIRE((*fast >= limit && matches(*fast)));
      }
      from = *fast + 1;
    }
  }
}

TEST_CASE("an & asks for both days, and only before the day of the week", "[base][cron]") {
  CHECK(Cron::Parse("0 0 30 2 &fri").status().code() == Code::kInvalidArgument);
  CHECK(Cron::Parse("0 0 30 2 fri").ok());
  CHECK(Cron::Parse("0 0 13 * &").status().code() == Code::kInvalidArgument);
  CHECK(Cron::Parse("0 0 &13 * fri").status().code() == Code::kInvalidArgument);
}

}  // namespace
}  // namespace millrace
