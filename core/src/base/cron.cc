#include "base/cron.h"

#include <algorithm>
#include <bit>
#include <chrono>

namespace millrace {
namespace {

using std::chrono::day;
using std::chrono::days;
using std::chrono::month;
using std::chrono::sys_days;
using std::chrono::weekday;
using std::chrono::year;
using std::chrono::year_month_day;

constexpr uint64_t kEveryHour = (uint64_t{1} << 24) - 1;
constexpr uint64_t kEveryDay = ((uint64_t{1} << 31) - 1) << 1;
constexpr uint64_t kEveryWeekday = (uint64_t{1} << 7) - 1;
constexpr int64_t kSecondsPerDay = 86'400;
// The longest wait between two slots is 40 years: a fifth Monday in February, around 2100.
constexpr int kHorizonMonths = 12 * 41;
constexpr int kLastYear = 9999;

// The lowest set bit at or above `from`; -1 if there is none.
int NextBit(uint64_t bits, int from) {
  if (from > 63) return -1;
  const uint64_t rest = bits >> from << from;
  return rest == 0 ? -1 : std::countr_zero(rest);
}

bool HasBit(uint64_t bits, unsigned bit) {
  return (bits >> bit & 1) != 0;
}

int64_t FloorDiv(int64_t a, int64_t b) {
  return a / b - (a % b < 0 ? 1 : 0);
}

unsigned LengthOf(int y, unsigned m) {
  const auto last = year(y) / month(m) / std::chrono::last;
  return static_cast<unsigned>(last.day());
}

}  // namespace

uint32_t Cron::DaysOf(int y, unsigned m) const {
  const unsigned length = LengthOf(y, m);
  const uint64_t valid = ((uint64_t{1} << length) - 1) << 1;
  uint64_t by_day = days_;
  if (last_day_) by_day |= uint64_t{1} << length;
  uint64_t by_weekday = 0;
  const unsigned first = weekday(sys_days(year(y) / month(m) / day(1))).c_encoding();
  for (unsigned d = 1; d <= length; ++d) {
    const unsigned w = (first + d - 1) % 7;
    if (HasBit(weekdays_, w) || HasBit(nth_weekdays_[w], (d - 1) / 7 + 1) ||
        (HasBit(last_weekdays_, w) && d + 7 > length)) {
      by_weekday |= uint64_t{1} << d;
    }
  }
  const bool any_day = days_ == kEveryDay;
  const bool any_weekday = weekdays_ == kEveryWeekday;
  const bool both = both_days_ || any_day || any_weekday;
  const uint64_t matching = both ? by_day & by_weekday : by_day | by_weekday;
  return static_cast<uint32_t>(matching & valid);
}

bool Cron::CanFire() const {
  // Days of the week and lengths of months repeat after 28 years, without 1900 or 2100 between.
  for (int y = 2000; y < 2028; ++y) {
    for (unsigned m = 1; m <= 12; ++m) {
      if (HasBit(months_, m) && DaysOf(y, m) != 0) return true;
    }
  }
  return false;
}

std::optional<int64_t> Cron::NextDay(int64_t from) const {
  const year_month_day date{sys_days(days(from))};
  int y = static_cast<int>(date.year());
  auto m = static_cast<unsigned>(date.month());
  auto d = static_cast<int>(static_cast<unsigned>(date.day()));
  for (int i = 0; i <= kHorizonMonths && y <= kLastYear; ++i) {
    if (HasBit(months_, m)) {
      const int found = NextBit(DaysOf(y, m), d);
      if (found > 0) {
        const auto match = year(y) / month(m) / day(static_cast<unsigned>(found));
        return sys_days(match).time_since_epoch().count();
      }
    }
    d = 1;
    if (++m > 12) {
      m = 1;
      ++y;
    }
  }
  return std::nullopt;
}

std::optional<int32_t> Cron::NextSecondOfDay(int32_t from) const {
  const int hour = from / 3'600;
  const int minute = from / 60 % 60;
  const int second = from % 60;
  const int first_minute = NextBit(minutes_, 0);
  const int first_second = NextBit(seconds_, 0);
  if (HasBit(hours_, static_cast<unsigned>(hour))) {
    if (HasBit(minutes_, static_cast<unsigned>(minute))) {
      const int s = NextBit(seconds_, second);
      if (s >= 0) return hour * 3'600 + minute * 60 + s;
    }
    const int m = NextBit(minutes_, minute + 1);
    if (m >= 0) return hour * 3'600 + m * 60 + first_second;
  }
  const int h = NextBit(hours_, hour + 1);
  if (h < 0) return std::nullopt;
  return h * 3'600 + first_minute * 60 + first_second;
}

std::optional<LocalSeconds> Cron::NextReading(LocalSeconds local_s) const {
  const int64_t today = FloorDiv(local_s, kSecondsPerDay);
  auto found = NextDay(today);
  if (found == today) {
    const auto time = NextSecondOfDay(static_cast<int32_t>(local_s - today * kSecondsPerDay));
    if (time) return today * kSecondsPerDay + *time;
    found = NextDay(today + 1);
  }
  if (!found) return std::nullopt;
  return *found * kSecondsPerDay + *NextSecondOfDay(0);
}

std::optional<int64_t> Cron::NextMs(int64_t after_ms, const TimeZone& zone) const {
  const int64_t after_s = std::max(FloorDiv(after_ms, 1'000), TimeZone::kMinSeconds);
  if (after_s >= TimeZone::kMaxSeconds) return std::nullopt;
  const auto slot_s = hours_ == kEveryHour ? NextElapsed(after_s, zone) : NextFixed(after_s, zone);
  if (!slot_s || *slot_s > TimeZone::kMaxSeconds) return std::nullopt;
  return *slot_s * 1'000;
}

std::optional<int64_t> Cron::NextFixed(int64_t after_s, const TimeZone& zone) const {
  // What the clock shows now, it has shown by now for the first time, and all before it too.
  LocalSeconds from = zone.ToLocal(after_s) + 1;
  for (;;) {
    const auto reading = NextReading(from);
    if (!reading) return std::nullopt;
    const int64_t slot_s = zone.FirstInstant(*reading);
    if (slot_s > after_s) return slot_s;
    from = *reading + 1;  // within a repeated hour: its slots have been
  }
}

std::optional<int64_t> Cron::NextElapsed(int64_t after_s, const TimeZone& zone) const {
  int64_t from_s = after_s + 1;
  for (;;) {
    const LocalSeconds local_s = zone.ToLocal(from_s);
    const auto reading = NextReading(local_s);
    if (!reading) return std::nullopt;
    const int64_t slot_s = from_s + (*reading - local_s);
    const auto jump_s = zone.NextJump(from_s);
    if (!jump_s || slot_s < *jump_s || *jump_s <= from_s) return slot_s;
    from_s = *jump_s;  // the clock shows something else by then
  }
}

}  // namespace millrace
