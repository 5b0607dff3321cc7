// Finding a job by its public id, and where it stands.
#ifndef MILLRACE_JOBS_LOCATE_H_
#define MILLRACE_JOBS_LOCATE_H_

#include <cstdint>
#include <string>

#include "jobs/job_id.h"
#include "jobs/place.h"
#include "millrace/status.h"
#include "millrace/types.h"
#include "store/connection.h"

namespace millrace::jobs {

// What job_runs holds of a job; zeros without a row.
struct RunRecord {
  int32_t attempts_started = 0;
  int32_t attempts_made = 0;
  int32_t crashes = 0;
  int64_t due_at_ms = 0;  // of a later schedule than the first; 0: none
  int64_t started_at_ms = 0;
  int64_t process_id = 0;
  int64_t log_lines = 0;
  std::string progress;
  std::string checkpoint;
  bool exists = false;
};
Status LoadRun(store::Connection& connection, int64_t row, RunRecord* run);

// Where a job stands now. place.due_at_ms is set for scheduled jobs only.
struct Location {
  JobKey key;
  int64_t queue_id = 0;
  JobState state = JobState::kReady;
  Place place;
  bool lifo = false;
  bool keyed = false;  // it was added under a deduplication key
  // active only
  int64_t token = 0;
  int64_t process_id = 0;
  int64_t started_at_ms = 0;
  bool cancel_requested = false;
  std::string cancel_reason = {};
};

// Looks an id up in one queue (queue_id 0: in all, the newest wins). *found is false if there is
// none.
Status Locate(store::Connection& connection, const std::string& id, int64_t queue_id,
              Location* location, bool* found);
// The same by row number.
Status LocateRow(store::Connection& connection, int64_t row, Location* location, bool* found);
// The same for whoever a damaged job must not hold up: it counts as gone.
Status LocateSound(store::Connection& connection, int64_t row, Location* location, bool* found);

// Adds flags to where a job stands.
Status MarkPlace(Ledger& ledger, const Location& at, uint8_t flags);

}  // namespace millrace::jobs

#endif  // MILLRACE_JOBS_LOCATE_H_
