// When the sun rises, sets, culminates, and when twilight begins and ends.
//
// Good to a minute or so between 1900 and 2100 for latitudes to 65 degrees, at sea level; nearer to
// the poles the sun crosses the horizon at so flat an angle that refraction decides, and the answer
// may be off by several minutes.
#ifndef MILLRACE_BASE_SOLAR_H_
#define MILLRACE_BASE_SOLAR_H_

#include <cstdint>
#include <optional>
#include <string_view>

#include "millrace/status.h"

namespace millrace {

enum class SolarEvent : uint8_t {
  kDawnAstronomical,  // the centre of the rising sun is 18 degrees below the horizon
  kDawnNautical,      // 12 degrees
  kDawnCivil,         // 6 degrees
  kSunrise,           // its upper edge appears, with 34 minutes of arc of refraction
  kSolarNoon,         // it stands highest
  kSunset,            // its upper edge vanishes
  kDuskCivil,
  kDuskNautical,
  kDuskAstronomical,
};

// "dawn_astronomical", ..., "sunrise", "solar_noon", "sunset", ..., "dusk_astronomical".
// kInvalidArgument for anything else.
Result<SolarEvent> ParseSolarEvent(std::string_view name);

// kInvalidArgument unless latitude is within -90..90 (north is positive) and longitude within
// -180..180 (east is positive).
Status CheckPlace(double latitude, double longitude);

// The first such event after after_ms at a valid place, in whole seconds (milliseconds UTC): where
// there is none for months (polar day or night), the one that ends the wait. None beyond 9999.
std::optional<int64_t> NextSolarMs(SolarEvent event, double latitude, double longitude,
                                   int64_t after_ms);

}  // namespace millrace

#endif  // MILLRACE_BASE_SOLAR_H_
