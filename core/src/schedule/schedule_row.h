// A schedule as its row in the store.
#ifndef MILLRACE_SCHEDULE_SCHEDULE_ROW_H_
#define MILLRACE_SCHEDULE_SCHEDULE_ROW_H_

#include <cstdint>
#include <optional>
#include <string>

#include "millrace/schedule.h"
#include "millrace/status.h"
#include "store/connection.h"

namespace millrace::schedule {

struct ScheduleRow {
  int64_t number = 0;      // of the store's sequence; 0: not there yet
  ScheduleSpec spec = {};  // without `job` until LoadJob
  std::optional<int64_t> next_at_ms = {};
  int64_t last_at_ms = 0;
  int64_t fired = 0;
  int64_t skipped = 0;
  int64_t last_job = 0;    // job number of the newest that it made; 0: none
  int64_t queued_job = 0;  // of the newest that was made to wait for the one before
  std::string last_job_id = {};
};

// The row under the cursor of a statement with the columns of a schedule.
ScheduleRow ReadRow(const store::Query& q);
// *found is false if there is none.
Status LoadSchedule(store::Connection& connection, const std::string& id, ScheduleRow* row,
                    bool* found);
// kCorrupt if the job cannot be read.
Status LoadJob(store::Connection& connection, ScheduleRow* row);
// Writes what a caller can set (the row's number is set), the job included.
Status WriteSchedule(store::Connection& connection, const ScheduleRow& row);
// Writes what firing changes.
Status WriteProgress(store::Connection& connection, const ScheduleRow& row);
// What callers see; the job must have been loaded.
ScheduleInfo InfoOf(const ScheduleRow& row);

// The earliest slot that any schedule waits for; none if there is nothing to fire ever. One index
// probe.
Result<std::optional<int64_t>> EarliestSlot(store::Connection& connection);

}  // namespace millrace::schedule

#endif  // MILLRACE_SCHEDULE_SCHEDULE_ROW_H_
