// The sun's place by Jean Meeus, "Astronomical Algorithms", 2nd edition, chapters 22, 25 (lower
// accuracy) and 28 (equation of time by Smart's series); the solar calculator of NOAA's Global
// Monitoring Laboratory uses the same terms. Crossings of the horizon are found by bisection
// between culminations instead of by the hour angle's formula: it holds at every latitude.
#include "base/solar.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <numbers>
#include <string>

#include "base/text.h"
#include "base/time_zone.h"

namespace millrace {
namespace {

constexpr double kRadians = std::numbers::pi / 180;
constexpr double kSecondsPerDay = 86'400;
constexpr double kHalfDay = kSecondsPerDay / 2;
constexpr double kJ2000 = 946'728'000;  // 2000-01-01 12:00:00 UTC
constexpr double kSecondsPerCentury = 36'525 * kSecondsPerDay;
// Some 400 days: at the poles each event comes once a year.
constexpr int kHalfDaysMax = 800;

struct EventRule {
  std::string_view name;
  double altitude;  // degrees of the sun's centre
  bool is_rising;
};
constexpr EventRule kRules[] = {
    {"dawn_astronomical", -18, true},  {"dawn_nautical", -12, true},
    {"dawn_civil", -6, true},          {"sunrise", -50.0 / 60, true},
    {"solar_noon", 0, false},          {"sunset", -50.0 / 60, false},
    {"dusk_civil", -6, false},         {"dusk_nautical", -12, false},
    {"dusk_astronomical", -18, false},
};

struct Sun {
  double declination;  // radians
  double equation_s;   // apparent less mean solar time, in seconds
};

Sun SunAt(double utc_s) {
  const double t = (utc_s - kJ2000) / kSecondsPerCentury;
  const double mean_longitude =
      std::fmod(280.46646 + t * (36'000.76983 + t * 0.0003032), 360) * kRadians;
  const double anomaly = std::fmod(357.52911 + t * (35'999.05029 - t * 0.0001537), 360) * kRadians;
  const double eccentricity = 0.016708634 - t * (0.000042037 + t * 0.0000001267);
  const double center = (1.914602 - t * (0.004817 + t * 0.000014)) * std::sin(anomaly) +
                        (0.019993 - t * 0.000101) * std::sin(2 * anomaly) +
                        0.000289 * std::sin(3 * anomaly);
  const double node = (125.04 - 1'934.136 * t) * kRadians;
  const double apparent_longitude =
      mean_longitude + (center - 0.00569 - 0.00478 * std::sin(node)) * kRadians;
  const double obliquity = (23.4392911 - t * (0.0130042 + t * (0.00000016 - t * 0.000000504)) +
                            0.00256 * std::cos(node)) *
                           kRadians;
  const double y = std::pow(std::tan(obliquity / 2), 2);
  const double equation = y * std::sin(2 * mean_longitude) - 2 * eccentricity * std::sin(anomaly) +
                          4 * eccentricity * y * std::sin(anomaly) * std::cos(2 * mean_longitude) -
                          0.5 * y * y * std::sin(4 * mean_longitude) -
                          1.25 * eccentricity * eccentricity * std::sin(2 * anomaly);
  return {std::asin(std::sin(obliquity) * std::sin(apparent_longitude)),
          equation / (2 * std::numbers::pi) * kSecondsPerDay};
}

// The sine of the altitude of the sun's centre.
double SineOfAltitude(double utc_s, double latitude, double longitude) {
  const Sun sun = SunAt(utc_s);
  const double from_midnight = utc_s + sun.equation_s + longitude / 360 * kSecondsPerDay;
  const double hour_angle = (from_midnight / kSecondsPerDay - 0.5) * 2 * std::numbers::pi;
  const double phi = latitude * kRadians;
  return std::sin(phi) * std::sin(sun.declination) +
         std::cos(phi) * std::cos(sun.declination) * std::cos(hour_angle);
}

// The sun's culmination number k over a longitude: lower for an even k, upper for an odd one.
double Culmination(int64_t k, double longitude) {
  const double mean = static_cast<double>(k) * kHalfDay - longitude / 360 * kSecondsPerDay;
  double utc_s = mean;
  for (int i = 0; i < 3; ++i) utc_s = mean - SunAt(utc_s).equation_s;
  return utc_s;
}

// The instant between two culminations at which the sun passes an altitude in a direction.
std::optional<double> Crossing(const EventRule& rule, double latitude, double longitude,
                               double begin_s, double end_s) {
  const double level = std::sin(rule.altitude * kRadians);
  const auto is_past = [&](double utc_s) {
    return (SineOfAltitude(utc_s, latitude, longitude) >= level) == rule.is_rising;
  };
  if (is_past(begin_s) || !is_past(end_s)) return std::nullopt;
  while (end_s - begin_s > 0.01) {
    const double middle = (begin_s + end_s) / 2;
    (is_past(middle) ? end_s : begin_s) = middle;
  }
  return end_s;
}

}  // namespace

Result<SolarEvent> ParseSolarEvent(std::string_view name) {
  std::string accepted;
  for (size_t i = 0; i < std::size(kRules); ++i) {
    if (kRules[i].name == name) return static_cast<SolarEvent>(i);
    accepted += (i == 0 ? "" : ", ") + std::string(kRules[i].name);
  }
  return Status(Code::kInvalidArgument,
                "solar event is unknown: got " + Quoted(name) + ", accepted are " + accepted);
}

Status CheckPlace(double latitude, double longitude) {
  // Written so that not-a-number fails too.
  if (!(latitude >= -90 && latitude <= 90)) {
    return Status(Code::kInvalidArgument, "latitude is out of range: got " +
                                              std::to_string(latitude) +
                                              ", accepted are -90 (south) to 90 (north) degrees");
  }
  if (!(longitude >= -180 && longitude <= 180)) {
    return Status(Code::kInvalidArgument, "longitude is out of range: got " +
                                              std::to_string(longitude) +
                                              ", accepted are -180 (west) to 180 (east) degrees");
  }
  return Status::Ok();
}

std::optional<int64_t> NextSolarMs(SolarEvent event, double latitude, double longitude,
                                   int64_t after_ms) {
  const EventRule& rule = kRules[static_cast<size_t>(event)];
  const double after_s =
      std::max(static_cast<double>(after_ms) / 1'000, static_cast<double>(TimeZone::kMinSeconds));
  if (after_s >= static_cast<double>(TimeZone::kMaxSeconds)) return std::nullopt;
  // Mean and apparent time differ by less than 17 minutes: one half day of margin is plenty.
  const double mean = after_s + longitude / 360 * kSecondsPerDay;
  int64_t k = static_cast<int64_t>(std::floor(mean / kHalfDay)) - 1;
  double begin_s = Culmination(k, longitude);
  for (int i = 0; i < kHalfDaysMax; ++i, ++k) {
    const double end_s = Culmination(k + 1, longitude);
    std::optional<double> found;
    if (event != SolarEvent::kSolarNoon) {
      found = Crossing(rule, latitude, longitude, begin_s, end_s);
    } else if (k % 2 != 0) {
      found = begin_s;
    }
    const int64_t found_ms = found ? std::llround(*found) * 1'000 : 0;
    if (found && found_ms > after_ms) return found_ms;
    begin_s = end_s;
  }
  return std::nullopt;
}

}  // namespace millrace
