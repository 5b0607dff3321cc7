// The slots of a Timing: the instants at which it wants a job.
#ifndef MILLRACE_SCHEDULE_SLOTS_H_
#define MILLRACE_SCHEDULE_SLOTS_H_

#include <cstdint>
#include <optional>
#include <vector>

#include "base/cron.h"
#include "base/solar.h"
#include "base/time_zone.h"
#include "millrace/schedule.h"
#include "millrace/status.h"

namespace millrace::schedule {

inline constexpr int64_t kEveryMaxMs = 315'576'000'000;  // 10 years

// A Timing that was understood. Thread-safe; reads nothing.
class Slots {
 public:
  // kInvalidArgument for a timing that names no slots, or that is not understood. One whose end has
  // passed is accepted: it has no next slot.
  static Result<Slots> Create(const Timing& timing);

  // The first slot after after_ms, within start and end.
  std::optional<int64_t> Next(int64_t after_ms) const;

  // The newest `most` slots in [first_ms, until_ms], in order; first_ms is a slot. *passed counts
  // all slots there, up to kCountMax of them (exactly for intervals). Its cost is bounded, however
  // long ago first_ms is.
  std::vector<int64_t> Newest(int64_t first_ms, int64_t until_ms, int64_t most,
                              int64_t* passed) const;
  static constexpr int64_t kCountMax = 20'000;

 private:
  Slots(const Timing& timing, const TimeZone& zone) : timing_(timing), zone_(zone) {}
  std::optional<int64_t> NextUnbounded(int64_t after_ms) const;
  std::vector<int64_t> NewestOfInterval(int64_t first_ms, int64_t until_ms, int64_t most,
                                        int64_t* passed) const;

  Timing timing_;
  TimeZone zone_;
  std::optional<Cron> cron_;
  std::optional<SolarEvent> solar_;
};

// Whether two timings have the same slots because they say the same.
bool SameTiming(const Timing& a, const Timing& b);

}  // namespace millrace::schedule

#endif  // MILLRACE_SCHEDULE_SLOTS_H_
