// What to do with the slots of a schedule that have come: which get a job, which are passed by.
#ifndef MILLRACE_SCHEDULE_PLAN_H_
#define MILLRACE_SCHEDULE_PLAN_H_

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "millrace/schedule.h"
#include "schedule/slots.h"

namespace millrace::schedule {

// A slot that is fired at most this late was not missed: some process was there, or has just come.
inline constexpr int64_t kOnTimeMs = 1'000;
// The same for the newest slot of a schedule that passes missed ones by (CatchUp::kNone): a busy
// machine must not cost a daily job its day.
inline constexpr int64_t kLateMs = 10'000;

struct Plan {
  std::vector<int64_t> slots;   // to be fired, in order
  int64_t passed_by = 0;        // not to be fired
  int64_t newest_ms = 0;        // of all these slots
  std::optional<int64_t> next;  // the first slot after now
};

// `due_ms` is the slot that the schedule has been waiting for, at most now_ms.
Plan PlanSlots(const Slots& slots, int64_t due_ms, int64_t now_ms, CatchUp catch_up,
               int64_t catch_up_max);

// How much later than its slot a job is due: uniform in 0 .. jitter_ms, always the same for a slot.
int64_t JitterOf(std::string_view id, int64_t slot_ms, int64_t jitter_ms);

}  // namespace millrace::schedule

#endif  // MILLRACE_SCHEDULE_PLAN_H_
