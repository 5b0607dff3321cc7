// Making, replacing, pausing and removing schedules, in the open write transaction.
#ifndef MILLRACE_SCHEDULE_CHANGE_H_
#define MILLRACE_SCHEDULE_CHANGE_H_

#include <string>

#include "jobs/ledger.h"
#include "millrace/schedule.h"
#include "millrace/status.h"
#include "schedule/fire.h"

namespace millrace::schedule {

inline constexpr int64_t kCatchUpMax = 10'000;

// Pure: kInvalidArgument or kTooLarge, naming the argument.
Status CheckSchedule(const ScheduleSpec& spec, int64_t max_payload_bytes);

// Creates a schedule or replaces the one of the same id. With an unchanged timing the slot that it
// waits for and its counters stay, also if that slot has come meanwhile; otherwise both begin anew.
// The spec was checked before.
Status PutSchedule(jobs::Ledger& ledger, const ScheduleSpec& spec, const EnqueueJobFn& enqueue,
                   ScheduleInfo* info);
// Its jobs stay. kNotFound.
// The schedule has come to its end with this slot (0: without one) and goes on with the first slot
// of another timing after it, also one that has passed; its counters stay. kNotFound; kWrongState
// if it is paused or does not stand still there: of several that continue it one is in time.
Status ContinueSchedule(jobs::Ledger& ledger, const std::string& id, int64_t after_ms,
                        const Timing& timing);
Status RemoveSchedule(jobs::Ledger& ledger, const std::string& id);
// Removes the schedules whose jobs are for a queue, among the next 1,000 of all by number after
// *after, which moves on; *done at the end. Their jobs stay.
Status RemoveOfQueue(jobs::Ledger& ledger, const std::string& queue, int64_t* after, bool* done);
// A paused schedule has no slots; when it goes on, those meanwhile are forgotten. kNotFound.
Status PauseSchedule(jobs::Ledger& ledger, const std::string& id, bool paused);

}  // namespace millrace::schedule

#endif  // MILLRACE_SCHEDULE_CHANGE_H_
