// Time zones: between instants and what clocks on the wall show.
#ifndef MILLRACE_BASE_TIME_ZONE_H_
#define MILLRACE_BASE_TIME_ZONE_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "millrace/status.h"

namespace millrace {

// A clock reading as the number of seconds from 1970-01-01 00:00:00 on that clock: what a Unix time
// would be if the zone were UTC.
using LocalSeconds = int64_t;

// An IANA time zone. Cheap to copy; the data live as long as the process. Thread-safe. Instants are
// Unix seconds within kZoneMinS and kZoneMaxS; beyond them the answers mean nothing.
class TimeZone {
 public:
  // Years 1700 and 9999: offsets of a day cannot carry them out of what CCTZ computes with.
  static constexpr int64_t kMinSeconds = -8'520'336'000;
  static constexpr int64_t kMaxSeconds = 253'402'300'799;

  // "UTC", "Europe/London", ...: the names of the IANA database, from the system's data ($TZDIR,
  // else /usr/share/zoneinfo) or, if it lacks the zone or there is none, from those compiled in. An
  // empty name is UTC. Reads a file the first time that a process asks for a zone. kInvalidArgument
  // for anything else; the message begins with `argument`.
  static Result<TimeZone> Load(std::string_view name, const char* argument);

  // The version of the zones compiled in, such as "2026c".
  static std::string BundledVersion();

  // What the clock shows at an instant.
  LocalSeconds ToLocal(int64_t utc_s) const;

  // When the clock shows a reading: the first time if it does so twice, the first instant after the
  // gap if it never does. Never runs backwards: a <= b implies FirstInstant(a) <= FirstInstant(b).
  int64_t FirstInstant(LocalSeconds local_s) const;

  // The first instant after utc_s at which the clock jumps, if there is one.
  std::optional<int64_t> NextJump(int64_t utc_s) const;

 private:
  explicit TimeZone(const void* impl) : impl_(impl) {}

  const void* impl_;  // a cctz::time_zone that is never freed; null is UTC
};

}  // namespace millrace

#endif  // MILLRACE_BASE_TIME_ZONE_H_
