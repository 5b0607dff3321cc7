#include "base/solar.h"

#include <cmath>
#include <limits>
#include <string>

#include "base/utc.h"
#include "catch.h"

namespace millrace {
namespace {

struct Sighting {
  const char* event;
  double latitude;
  double longitude;
  const char* after;
  const char* at;
};

// The first events after a time, computed with PyPI's ephem 4.2.1 (libastro): horizon -0:34 and the
// sun's upper edge for sunrise and sunset, its centre for the rest, no pressure, sea level.
constexpr Sighting kSightings[] = {
    {"dawn_nautical", 51.5, -0.12, "2024-03-20T00:00", "2024-03-20T04:49:42Z"},
    {"sunrise", 51.5, -0.12, "2024-03-20T00:00", "2024-03-20T06:02:16Z"},
    {"solar_noon", 51.5, -0.12, "2024-03-20T00:00", "2024-03-20T12:07:47Z"},
    {"sunset", 51.5, -0.12, "2024-03-20T00:00", "2024-03-20T18:14:19Z"},
    {"dusk_civil", 51.5, -0.12, "2024-03-20T00:00", "2024-03-20T18:47:40Z"},
    {"dawn_nautical", 51.5, -0.12, "2024-06-21T00:00", "2024-06-21T01:40:51Z"},
    {"sunrise", 51.5, -0.12, "2024-06-21T00:00", "2024-06-21T03:43:15Z"},
    {"solar_noon", 51.5, -0.12, "2024-06-21T00:00", "2024-06-21T12:02:24Z"},
    {"sunset", 51.5, -0.12, "2024-06-21T00:00", "2024-06-21T20:21:32Z"},
    {"dusk_civil", 51.5, -0.12, "2024-06-21T00:00", "2024-06-21T21:09:19Z"},
    {"dawn_nautical", 51.5, -0.12, "2024-12-21T00:00", "2024-12-21T06:40:23Z"},
    {"sunrise", 51.5, -0.12, "2024-12-21T00:00", "2024-12-21T08:03:53Z"},
    {"solar_noon", 51.5, -0.12, "2024-12-21T00:00", "2024-12-21T11:58:46Z"},
    {"sunset", 51.5, -0.12, "2024-12-21T00:00", "2024-12-21T15:53:39Z"},
    {"dusk_civil", 51.5, -0.12, "2024-12-21T00:00", "2024-12-21T16:33:57Z"},
    {"dawn_nautical", -0.2, -78.5, "2024-03-20T00:00", "2024-03-20T10:33:20Z"},
    {"sunrise", -0.2, -78.5, "2024-03-20T00:00", "2024-03-20T11:18:00Z"},
    {"solar_noon", -0.2, -78.5, "2024-03-20T00:00", "2024-03-20T17:21:15Z"},
    {"sunset", -0.2, -78.5, "2024-03-20T00:00", "2024-03-20T23:24:29Z"},
    {"dusk_civil", -0.2, -78.5, "2024-03-20T00:00", "2024-03-20T23:45:09Z"},
    {"dawn_astronomical", -0.2, -78.5, "2024-03-20T00:00", "2024-03-20T10:09:21Z"},
    {"dusk_astronomical", -0.2, -78.5, "2024-03-20T00:00", "2024-03-20T00:33:27Z"},
    {"dawn_nautical", -0.2, -78.5, "2024-06-21T00:00", "2024-06-21T10:23:53Z"},
    {"sunrise", -0.2, -78.5, "2024-06-21T00:00", "2024-06-21T11:12:39Z"},
    {"solar_noon", -0.2, -78.5, "2024-06-21T00:00", "2024-06-21T17:15:58Z"},
    {"sunset", -0.2, -78.5, "2024-06-21T00:00", "2024-06-21T23:19:17Z"},
    {"dusk_civil", -0.2, -78.5, "2024-06-21T00:00", "2024-06-21T23:41:50Z"},
    {"dawn_astronomical", -0.2, -78.5, "2024-06-21T00:00", "2024-06-21T09:57:33Z"},
    {"dusk_astronomical", -0.2, -78.5, "2024-06-21T00:00", "2024-06-21T00:34:10Z"},
    {"dawn_nautical", -0.2, -78.5, "2024-12-21T00:00", "2024-12-21T10:19:31Z"},
    {"sunrise", -0.2, -78.5, "2024-12-21T00:00", "2024-12-21T11:08:17Z"},
    {"solar_noon", -0.2, -78.5, "2024-12-21T00:00", "2024-12-21T17:12:24Z"},
    {"sunset", -0.2, -78.5, "2024-12-21T00:00", "2024-12-21T23:16:31Z"},
    {"dusk_civil", -0.2, -78.5, "2024-12-21T00:00", "2024-12-21T23:39:02Z"},
    {"dawn_astronomical", -0.2, -78.5, "2024-12-21T00:00", "2024-12-21T09:53:10Z"},
    {"dusk_astronomical", -0.2, -78.5, "2024-12-21T00:00", "2024-12-21T00:31:09Z"},
    {"dawn_nautical", -33.87, 151.2, "2024-03-20T00:00", "2024-03-20T19:05:09Z"},
    {"sunrise", -33.87, 151.2, "2024-03-20T00:00", "2024-03-20T19:59:09Z"},
    {"solar_noon", -33.87, 151.2, "2024-03-20T00:00", "2024-03-20T02:02:38Z"},
    {"sunset", -33.87, 151.2, "2024-03-20T00:00", "2024-03-20T08:06:21Z"},
    {"dusk_civil", -33.87, 151.2, "2024-03-20T00:00", "2024-03-20T08:31:14Z"},
    {"dawn_astronomical", -33.87, 151.2, "2024-03-20T00:00", "2024-03-20T18:35:47Z"},
    {"dusk_astronomical", -33.87, 151.2, "2024-03-20T00:00", "2024-03-20T09:29:37Z"},
    {"dawn_nautical", -33.87, 151.2, "2024-06-21T00:00", "2024-06-21T20:01:20Z"},
    {"sunrise", -33.87, 151.2, "2024-06-21T00:00", "2024-06-21T21:00:20Z"},
    {"solar_noon", -33.87, 151.2, "2024-06-21T00:00", "2024-06-21T01:57:02Z"},
    {"sunset", -33.87, 151.2, "2024-06-21T00:00", "2024-06-21T06:53:56Z"},
    {"dusk_civil", -33.87, 151.2, "2024-06-21T00:00", "2024-06-21T07:21:41Z"},
    {"dawn_astronomical", -33.87, 151.2, "2024-06-21T00:00", "2024-06-21T19:30:52Z"},
    {"dusk_astronomical", -33.87, 151.2, "2024-06-21T00:00", "2024-06-21T08:23:25Z"},
    {"dawn_nautical", -33.87, 151.2, "2024-12-21T00:00", "2024-12-21T17:36:19Z"},
    {"sunrise", -33.87, 151.2, "2024-12-21T00:00", "2024-12-21T18:41:22Z"},
    {"solar_noon", -33.87, 151.2, "2024-12-21T00:00", "2024-12-21T01:53:17Z"},
    {"sunset", -33.87, 151.2, "2024-12-21T00:00", "2024-12-21T09:05:42Z"},
    {"dusk_civil", -33.87, 151.2, "2024-12-21T00:00", "2024-12-21T09:34:51Z"},
    {"dawn_astronomical", -33.87, 151.2, "2024-12-21T00:00", "2024-12-21T16:56:59Z"},
    {"dusk_astronomical", -33.87, 151.2, "2024-12-21T00:00", "2024-12-21T10:50:05Z"},
    {"dawn_nautical", 61.2, -149.9, "2024-03-20T00:00", "2024-03-20T14:23:08Z"},
    {"sunrise", 61.2, -149.9, "2024-03-20T00:00", "2024-03-20T15:58:25Z"},
    {"solar_noon", 61.2, -149.9, "2024-03-20T00:00", "2024-03-20T22:06:47Z"},
    {"sunset", 61.2, -149.9, "2024-03-20T00:00", "2024-03-20T04:14:03Z"},
    {"dusk_civil", 61.2, -149.9, "2024-03-20T00:00", "2024-03-20T04:57:20Z"},
    {"sunrise", 61.2, -149.9, "2024-06-21T00:00", "2024-06-21T12:20:43Z"},
    {"solar_noon", 61.2, -149.9, "2024-06-21T00:00", "2024-06-21T22:01:37Z"},
    {"sunset", 61.2, -149.9, "2024-06-21T00:00", "2024-06-21T07:42:18Z"},
    {"dawn_nautical", 61.2, -149.9, "2024-12-21T00:00", "2024-12-21T17:12:14Z"},
    {"sunrise", 61.2, -149.9, "2024-12-21T00:00", "2024-12-21T19:14:21Z"},
    {"solar_noon", 61.2, -149.9, "2024-12-21T00:00", "2024-12-21T21:58:06Z"},
    {"sunset", 61.2, -149.9, "2024-12-21T00:00", "2024-12-21T00:41:21Z"},
    {"dusk_civil", 61.2, -149.9, "2024-12-21T00:00", "2024-12-21T01:43:37Z"},
};

std::string Next(const char* event, double latitude, double longitude, const char* after) {
  const auto parsed = ParseSolarEvent(event);
  REQUIRE(parsed.ok());
  const auto ms = NextSolarMs(*parsed, latitude, longitude, Utc(after));
  REQUIRE(ms.has_value());
  CHECK(*ms > Utc(after));
  return Iso(*ms);
}

TEST_CASE("events of the sun agree with an ephemeris", "[base][solar]") {
  for (const Sighting& sighting : kSightings) {
    INFO(sighting.event << " at " << sighting.latitude << ", " << sighting.longitude << " after "
                        << sighting.after);
    const std::string found =
        Next(sighting.event, sighting.latitude, sighting.longitude, sighting.after);
    const int64_t apart_s = std::abs(Utc(found) - Utc(sighting.at)) / 1'000;
    CHECK(apart_s <= 30);
  }
}

TEST_CASE("an event comes once a day, in its turn", "[base][solar]") {
  const char* const order[] = {"dawn_astronomical", "dawn_nautical", "dawn_civil",
                               "sunrise",           "solar_noon",    "sunset",
                               "dusk_civil",        "dusk_nautical", "dusk_astronomical"};
  int64_t ms = Utc("2024-01-01T00:00");
  for (int day = 0; day < 366; ++day) {
    const int64_t begin_ms = ms;
    for (const char* event : order) {
      const auto next = NextSolarMs(*ParseSolarEvent(event), 40.7, 0, ms);
      REQUIRE(next.has_value());
      REQUIRE(*next > ms);
      ms = *next;
    }
    REQUIRE(ms - begin_ms < 86'400'000 + 86'400'000 / 2);
  }
  CHECK(Iso(ms).substr(0, 10) == "2024-12-31");
}

TEST_CASE("polar day and polar night wait for the next event", "[base][solar]") {
  // Longyearbyen: no sunset from late April to late August, no sunrise from late October to
  // mid-February.
  CHECK(Next("sunset", 78.2, 15.6, "2024-05-01T00:00").substr(0, 8) == "2024-08-");
  CHECK(Next("sunrise", 78.2, 15.6, "2024-11-01T00:00").substr(0, 8) == "2025-02-");
  CHECK(Next("solar_noon", 78.2, 15.6, "2024-11-01T00:00").substr(0, 10) == "2024-11-01");
  // At the poles the sun rises once a year, near an equinox.
  CHECK(Next("sunrise", 90, 0, "2024-04-01T00:00").substr(0, 8) == "2025-03-");
  CHECK(Next("sunset", 90, 0, "2024-04-01T00:00").substr(0, 8) == "2024-09-");
  CHECK(Next("sunrise", -90, 0, "2024-04-01T00:00").substr(0, 8) == "2024-09-");
  CHECK(Next("dawn_astronomical", 90, 0, "2024-04-01T00:00").substr(0, 8) == "2025-01-");
}

TEST_CASE("places and events that do not exist are refused", "[base][solar]") {
  CHECK(CheckPlace(-90, 180).ok());
  CHECK(CheckPlace(90.5, 0).message() ==
        "latitude is out of range: got 90.500000, accepted are -90 (south) to 90 (north) degrees");
  CHECK_FALSE(CheckPlace(std::nan(""), 0).ok());
  CHECK_FALSE(CheckPlace(0, -180.01).ok());
  CHECK_FALSE(CheckPlace(0, std::numeric_limits<double>::infinity()).ok());
  const auto event = ParseSolarEvent("moonrise");
  REQUIRE_FALSE(event.ok());
  CHECK(event.status().message().find("solar event is unknown: got \"moonrise\", accepted are "
                                      "dawn_astronomical, ") == 0);
}

TEST_CASE("times at the ends of the range have an answer or none", "[base][solar]") {
  const int64_t max_ms = std::numeric_limits<int64_t>::max();
  CHECK_FALSE(NextSolarMs(SolarEvent::kSunrise, 0, 0, max_ms).has_value());
  CHECK(NextSolarMs(SolarEvent::kSunrise, 0, 0, std::numeric_limits<int64_t>::min()).has_value());
}

}  // namespace
}  // namespace millrace
