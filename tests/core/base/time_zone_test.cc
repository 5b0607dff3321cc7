#include "base/time_zone.h"

#include <cstdlib>
#include <string>

#include "base/utc.h"
#include "base/zone_data.h"
#include "catch.h"

namespace millrace {
namespace {

TimeZone Zone(const std::string& name) {
  const auto zone = TimeZone::Load(name, "timezone");
  INFO(zone.status().ToString());
  REQUIRE(zone.ok());
  return *zone;
}

// Makes the system's zones unfindable while it lives.
class NoSystemZones {
 public:
  NoSystemZones() {
    const char* const before = std::getenv("TZDIR");
    if (before != nullptr) before_ = before;
    setenv("TZDIR", "/nonexistent", 1);
  }
  ~NoSystemZones() {
    if (before_.empty()) {
      unsetenv("TZDIR");
    } else {
      setenv("TZDIR", before_.c_str(), 1);
    }
  }
  NoSystemZones(const NoSystemZones&) = delete;
  NoSystemZones& operator=(const NoSystemZones&) = delete;

 private:
  std::string before_;
};

int64_t At(const std::string& text) {
  return Utc(text) / 1'000;
}

TEST_CASE("UTC is a zone, and the zone of an empty name", "[base][time_zone]") {
  for (const char* name : {"", "UTC", "Etc/UTC", "Etc/GMT"}) {
    const TimeZone zone = Zone(name);
    CHECK(zone.ToLocal(1'700'000'000) == 1'700'000'000);
    CHECK(zone.FirstInstant(1'700'000'000) == 1'700'000'000);
    CHECK_FALSE(zone.NextJump(0).has_value());
  }
}

TEST_CASE("a clock jumps where its zone says", "[base][time_zone]") {
  const TimeZone zone = Zone("America/New_York");
  CHECK(zone.ToLocal(At("2024-01-01T12:00")) == At("2024-01-01T07:00"));
  CHECK(zone.ToLocal(At("2024-07-01T12:00")) == At("2024-07-01T08:00"));
  CHECK(zone.NextJump(At("2024-01-01T00:00")) == At("2024-03-10T07:00"));
  CHECK(zone.NextJump(At("2024-03-10T06:59:59")) == At("2024-03-10T07:00"));
  CHECK(zone.NextJump(At("2024-03-10T07:00")) == At("2024-11-03T06:00"));
  CHECK(zone.FirstInstant(At("2024-03-10T01:59:59")) == At("2024-03-10T06:59:59"));
  CHECK(zone.FirstInstant(At("2024-03-10T02:30")) == At("2024-03-10T07:00"));
  CHECK(zone.FirstInstant(At("2024-03-10T03:00")) == At("2024-03-10T07:00"));
  CHECK(zone.FirstInstant(At("2024-11-03T01:30")) == At("2024-11-03T05:30"));
  CHECK(zone.FirstInstant(At("2024-11-03T02:00")) == At("2024-11-03T07:00"));
  // Far beyond the table of the file, by the zone's rule.
  CHECK(zone.FirstInstant(At("2400-07-01T08:00")) == At("2400-07-01T12:00"));
}

TEST_CASE("a name that is no zone is refused and read from nowhere", "[base][time_zone]") {
  for (const char* name :
       {"Nowhere", "america/new_york", "localtime", "../../etc/passwd", "/etc/localtime",
        "America/../../../../etc/passwd", "America", "libc:localtime", "file:/etc/localtime",
        "bundled:UTC", "Europe/London ", "tzdata.zi", "posixrules", "EST5EDT4,M3.2.0,M11.1.0",
        "\xff\xfe", "Europe\\London"}) {
    const auto zone = TimeZone::Load(name, "timezone");
    INFO(name);
    REQUIRE_FALSE(zone.ok());
    CHECK(zone.status().code() == Code::kInvalidArgument);
    CHECK(zone.status().message().find("timezone is not a known time zone: got ") == 0);
  }
  CHECK_FALSE(TimeZone::Load(std::string(100'000, 'A'), "timezone").ok());
}

TEST_CASE("zones that the system lacks are compiled in", "[base][time_zone]") {
  // Zones that no other test loads: a process reads each zone once.
  const NoSystemZones guard;
  const TimeZone troll = Zone("Antarctica/Troll");
  CHECK(troll.ToLocal(At("2024-07-01T12:00")) == At("2024-07-01T14:00"));
  CHECK(troll.NextJump(At("2024-01-01T00:00")) == At("2024-03-31T01:00"));
  CHECK(Zone("Pacific/Marquesas").ToLocal(At("2024-01-01T12:00")) == At("2024-01-01T02:30"));
  CHECK_FALSE(TimeZone::Load("Antarctica/Nowhere", "timezone").ok());
  CHECK(TimeZone::BundledVersion() >= "2025");
}

TEST_CASE("every zone that is compiled in can be read", "[base][time_zone]") {
  const NoSystemZones guard;
  REQUIRE(zone_data::kEntryCount > 500);
  for (size_t i = 0; i < zone_data::kEntryCount; ++i) {
    const std::string name = zone_data::kEntries[i].name;
    INFO(name);
    if (i > 0) REQUIRE(zone_data::kEntries[i - 1].name < name);
    const TimeZone zone = Zone(name);
    const int64_t local_s = zone.ToLocal(1'700'000'000);
    CHECK(zone.FirstInstant(local_s) == 1'700'000'000);
  }
}

}  // namespace
}  // namespace millrace
