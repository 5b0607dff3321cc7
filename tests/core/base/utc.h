// Times as people write them, for tests: "2024-03-10T07:00:00Z".
#ifndef MILLRACE_TESTS_BASE_UTC_H_
#define MILLRACE_TESTS_BASE_UTC_H_

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <string>

namespace millrace {

// Milliseconds UTC of "YYYY-MM-DDTHH:MM:SSZ"; the seconds may be left out.
inline int64_t Utc(const std::string& text) {
  int y = 0;
  unsigned m = 0;
  unsigned d = 0;
  int hour = 0;
  int minute = 0;
  int second = 0;
  std::sscanf(text.c_str(), "%d-%u-%uT%d:%d:%d", &y, &m, &d, &hour, &minute, &second);
  const auto date = std::chrono::year(y) / std::chrono::month(m) / std::chrono::day(d);
  const int64_t day = std::chrono::sys_days(date).time_since_epoch().count();
  return (((day * 24 + hour) * 60 + minute) * 60 + second) * 1'000;
}

inline std::string Iso(int64_t ms) {
  const std::chrono::sys_time<std::chrono::milliseconds> time{std::chrono::milliseconds(ms)};
  const auto day = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss clock(std::chrono::floor<std::chrono::seconds>(time) - day);
  char text[40];
  std::snprintf(text, sizeof text, "%04d-%02u-%02uT%02d:%02d:%02dZ", static_cast<int>(date.year()),
                static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                static_cast<int>(clock.hours().count()), static_cast<int>(clock.minutes().count()),
                static_cast<int>(clock.seconds().count()));
  return text;
}

}  // namespace millrace

#endif  // MILLRACE_TESTS_BASE_UTC_H_
