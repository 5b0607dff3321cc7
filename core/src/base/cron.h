// Cron text, and when it fires.
//
// Five fields, or six with the seconds first: [second] minute hour day-of-month month day-of-week.
//
//   *  ?          every value                          mon, jan      names, in any case
//   1,15          a list                               9-17, fri-mon a range; it may wrap
//   */5, 10-40/5  every fifth of all, of a range       10/5          from 10 on, every fifth
//   L             day-of-month: the month's last       5L, friL, L5  the month's last Friday
//   fri#2, 5#2    the month's second Friday            0 and 7       Sunday
//   @yearly @annually @monthly @weekly @daily @midnight @hourly
//
// If both day fields are restricted (neither allows every value), a day that matches one of them is
// enough, as in Vixie cron; with an & before the day-of-week both must match: 0 0 13 * &fri is
// every Friday the 13th.
//
// Daylight saving:
// * If the hour field restricts the hours, a slot is a reading of the clock. A reading that the
//   clock skips runs once, at the first instant after the gap; one that it shows twice runs the
//   first time only. Slots that fall on one instant are one slot.
// * If it allows every hour, the schedule is an interval: it runs whenever the clock shows a
//   matching reading, so it goes on through a repeated hour, and owes nothing for a skipped one.
#ifndef MILLRACE_BASE_CRON_H_
#define MILLRACE_BASE_CRON_H_

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

#include "base/time_zone.h"
#include "millrace/status.h"

namespace millrace {

inline constexpr size_t kCronMaxBytes = 1'000;

// Parsed cron text. Thread-safe; cheap to copy.
class Cron {
 public:
  // kInvalidArgument, naming the field, for text that is not cron or that can never fire.
  static Result<Cron> Parse(std::string_view text);

  // The first slot after after_ms (milliseconds UTC), none if it would lie beyond the year 9999.
  // Jumps from field to field: its cost does not grow with the distance.
  std::optional<int64_t> NextMs(int64_t after_ms, const TimeZone& zone) const;

  // The first matching clock reading at or after local_s, none if it would lie beyond the year
  // 9999.
  std::optional<LocalSeconds> NextReading(LocalSeconds local_s) const;

 private:
  friend class CronParser;

  // Whether some date of the calendar matches.
  bool CanFire() const;
  // The days of a month that match, bit 1 to bit 31.
  uint32_t DaysOf(int year, unsigned month) const;
  std::optional<int32_t> NextSecondOfDay(int32_t second_of_day) const;
  // The first matching day at or after a day (days since 1970-01-01).
  std::optional<int64_t> NextDay(int64_t day) const;
  std::optional<int64_t> NextFixed(int64_t after_s, const TimeZone& zone) const;
  std::optional<int64_t> NextElapsed(int64_t after_s, const TimeZone& zone) const;

  // Bit v is set if the value v matches.
  uint64_t seconds_ = 0;
  uint64_t minutes_ = 0;
  uint64_t hours_ = 0;
  uint64_t days_ = 0;
  uint64_t months_ = 0;
  uint64_t weekdays_ = 0;                  // Sunday is 0
  std::array<uint8_t, 7> nth_weekdays_{};  // per weekday: bit n is set for its n-th in the month
  uint64_t last_weekdays_ = 0;
  bool last_day_ = false;
  bool both_days_ = false;
};

}  // namespace millrace

#endif  // MILLRACE_BASE_CRON_H_
