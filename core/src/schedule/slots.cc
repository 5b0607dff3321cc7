#include "schedule/slots.h"

#include <algorithm>
#include <deque>
#include <string>
#include <vector>

#include "base/macros.h"
#include "jobs/validate.h"

namespace millrace::schedule {
namespace {

constexpr int64_t kFirstWindowMs = 1'000;

Status Invalid(std::string message) {
  return Status(Code::kInvalidArgument, std::move(message));
}

Status CheckKind(const Timing& timing) {
  const int kinds = (timing.cron.empty() ? 0 : 1) + (timing.every_ms == 0 ? 0 : 1) +
                    (timing.solar.empty() ? 0 : 1);
  if (kinds != 1) {
    return Invalid("timing has " + std::string(kinds == 0 ? "none" : "several") +
                   " of cron, every_ms and solar; exactly one is accepted");
  }
  if (timing.cron.empty() && !timing.time_zone.empty()) {
    return Invalid("time_zone was given without cron; only cron text is accepted with one");
  }
  if (timing.every_ms == 0 && timing.offset_ms != 0) {
    return Invalid("offset_ms was given without every_ms; only an interval is accepted with one");
  }
  if (timing.solar.empty() && (timing.latitude != 0 || timing.longitude != 0)) {
    return Invalid(
        "latitude or longitude was given without solar; only a solar event is accepted with them");
  }
  return Status::Ok();
}

int64_t FloorDiv(int64_t a, int64_t b) {
  return a / b - (a % b < 0 ? 1 : 0);
}

}  // namespace

Result<Slots> Slots::Create(const Timing& timing) {
  RETURN_IF_ERROR(CheckKind(timing));
  RETURN_IF_ERROR(jobs::CheckRange(timing.start_at_ms, 0, jobs::kTimeMaxMs, "start_at_ms"));
  RETURN_IF_ERROR(jobs::CheckRange(timing.end_at_ms, 0, jobs::kTimeMaxMs, "end_at_ms"));
  if (timing.end_at_ms != 0 && timing.end_at_ms < timing.start_at_ms) {
    return Invalid("end_at_ms is " + std::to_string(timing.end_at_ms) + "; at least start_at_ms (" +
                   std::to_string(timing.start_at_ms) + ") is accepted");
  }
  ASSIGN_OR_RETURN(const TimeZone zone, TimeZone::Load(timing.time_zone, "time_zone"));
  Slots slots(timing, zone);
  if (!timing.cron.empty()) {
    ASSIGN_OR_RETURN(slots.cron_, Cron::Parse(timing.cron));
  } else if (!timing.solar.empty()) {
    ASSIGN_OR_RETURN(slots.solar_, ParseSolarEvent(timing.solar));
    RETURN_IF_ERROR(CheckPlace(timing.latitude, timing.longitude));
  } else {
    RETURN_IF_ERROR(jobs::CheckRange(timing.every_ms, 1, kEveryMaxMs, "every_ms"));
    RETURN_IF_ERROR(jobs::CheckRange(timing.offset_ms, 0, timing.every_ms - 1, "offset_ms"));
  }
  return slots;
}

std::optional<int64_t> Slots::NextUnbounded(int64_t after_ms) const {
  if (cron_) return cron_->NextMs(after_ms, zone_);
  if (solar_) return NextSolarMs(*solar_, timing_.latitude, timing_.longitude, after_ms);
  const int64_t turn = FloorDiv(after_ms - timing_.offset_ms, timing_.every_ms) + 1;
  return turn * timing_.every_ms + timing_.offset_ms;
}

std::optional<int64_t> Slots::Next(int64_t after_ms) const {
  const int64_t from =
      std::clamp<int64_t>(std::max(after_ms, timing_.start_at_ms - 1), -1, jobs::kTimeMaxMs);
  const auto next = NextUnbounded(from);
  if (!next || *next > jobs::kTimeMaxMs) return std::nullopt;
  if (timing_.end_at_ms != 0 && *next > timing_.end_at_ms) return std::nullopt;
  return next;
}

std::vector<int64_t> Slots::NewestOfInterval(int64_t first_ms, int64_t until_ms, int64_t most,
                                             int64_t* passed) const {
  if (timing_.end_at_ms != 0) until_ms = std::min(until_ms, timing_.end_at_ms);
  *passed = until_ms < first_ms ? 0 : (until_ms - first_ms) / timing_.every_ms + 1;
  std::vector<int64_t> slots;
  for (int64_t i = std::max<int64_t>(*passed - most, 0); i < *passed; ++i) {
    slots.push_back(first_ms + i * timing_.every_ms);
  }
  return slots;
}

std::vector<int64_t> Slots::Newest(int64_t first_ms, int64_t until_ms, int64_t most,
                                   int64_t* passed) const {
  if (timing_.every_ms != 0) return NewestOfInterval(first_ms, until_ms, most, passed);
  const auto scan = [&](std::optional<int64_t> slot, int64_t bound, std::deque<int64_t>* newest) {
    int64_t count = 0;
    for (; slot && *slot <= until_ms && count < bound; slot = Next(*slot), ++count) {
      newest->push_back(*slot);
      if (std::ssize(*newest) > most) newest->pop_front();
    }
    return count;
  };
  std::deque<int64_t> newest;
  *passed = first_ms > until_ms ? 0 : scan(first_ms, kCountMax, &newest);
  if (*passed == kCountMax) {
    // Too many to walk through: look back from the end, farther until there are enough.
    for (int64_t window_ms = kFirstWindowMs;; window_ms *= 2) {
      newest.clear();
      const int64_t from_ms = std::max(until_ms - window_ms, first_ms);
      scan(Next(from_ms - 1), INT64_MAX, &newest);
      if (std::ssize(newest) >= most || from_ms == first_ms) break;
    }
  }
  return {newest.begin(), newest.end()};
}

bool SameTiming(const Timing& a, const Timing& b) {
  return a.cron == b.cron && a.time_zone == b.time_zone && a.every_ms == b.every_ms &&
         a.offset_ms == b.offset_ms && a.solar == b.solar && a.latitude == b.latitude &&
         a.longitude == b.longitude && a.start_at_ms == b.start_at_ms && a.end_at_ms == b.end_at_ms;
}

}  // namespace millrace::schedule

namespace millrace {

Result<std::vector<int64_t>> NextSlots(const Timing& timing, int64_t after_ms, int32_t count) {
  RETURN_IF_ERROR(jobs::CheckRange(after_ms, 0, jobs::kTimeMaxMs, "after_ms"));
  RETURN_IF_ERROR(jobs::CheckRange(count, 1, 10'000, "count"));
  ASSIGN_OR_RETURN(const schedule::Slots slots, schedule::Slots::Create(timing));
  std::vector<int64_t> found;
  while (std::ssize(found) < count) {
    const auto next = slots.Next(after_ms);
    if (!next) break;
    found.push_back(after_ms = *next);
  }
  return found;
}

}  // namespace millrace
