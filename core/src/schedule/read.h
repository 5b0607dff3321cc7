// Schedules as callers see them.
#ifndef MILLRACE_SCHEDULE_READ_H_
#define MILLRACE_SCHEDULE_READ_H_

#include <cstdint>
#include <string>
#include <vector>

#include "millrace/schedule.h"
#include "millrace/status.h"
#include "store/connection.h"

namespace millrace::schedule {

// kNotFound; kCorrupt if it cannot be read.
Result<ScheduleInfo> GetSchedule(store::Connection& connection, const std::string& id);
// By id, from after `after`, at most `limit`. Those that cannot be read are left out.
Result<std::vector<ScheduleInfo>> ListSchedules(store::Connection& connection,
                                                const std::string& after, int64_t limit);

}  // namespace millrace::schedule

#endif  // MILLRACE_SCHEDULE_READ_H_
