// Jobs that are enqueued again and again: by cron text, by an interval, or by the sun. A schedule
// is a row of the store; any process that waits or works fires it, in a commit that also moves it
// to its next slot: one job a slot, whatever the number of processes, none lost by a restart.
#ifndef MILLRACE_SCHEDULE_H_
#define MILLRACE_SCHEDULE_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "millrace/status.h"
#include "millrace/types.h"

namespace millrace {

// What to do when a slot comes while the job of an earlier one is not finished. Reaches the disk.
enum class Overlap : uint8_t {
  kAllow = 0,
  kSkip = 1,      // the slot is passed by
  kQueueOne = 2,  // one more job waits until the running one has ended; further slots are passed by
};

// What to do with slots that passed while no process was there. Reaches the disk.
enum class CatchUp : uint8_t {
  kNone = 0,  // nothing: the next slot is in the future
  kLast = 1,  // one job for the newest of them
  kAll = 2,   // a job for each, at most catch_up_max, the newest ones
};

// When. Exactly one of cron, every_ms and solar is given.
struct Timing {
  // Five fields (minute hour day month weekday) or six (second first), or @daily and the like. See
  // docs/explanation/schedules.md for the grammar and for daylight saving.
  std::string cron = {};
  std::string time_zone = {};  // IANA name for cron; empty: UTC
  int64_t every_ms = 0;        // 1 .. 10 years
  int64_t offset_ms = 0;       // of the slots of every_ms from the epoch; 0 .. every_ms - 1
  // "sunrise", "sunset", "solar_noon", "dawn_civil", "dusk_nautical", ... at a place.
  std::string solar = {};
  double latitude = 0;      // -90 .. 90
  double longitude = 0;     // -180 .. 180, east is positive
  int64_t start_at_ms = 0;  // no slot before; 0: none
  int64_t end_at_ms = 0;    // no slot after; 0: none
};

struct ScheduleSpec {
  std::string id = {};  // 1..255 bytes, unique in the store
  Timing timing = {};
  // The job of each slot. Its id, due time and `after` must be empty. A job's header
  // "millrace-schedule" is the schedule's id and "millrace-slot" the slot in ms.
  JobSpec job = {};
  int64_t limit = 0;      // jobs that it makes in all; 0: no bound
  int64_t jitter_ms = 0;  // each job is delayed by up to this much, the same for all processes
  Overlap overlap = Overlap::kAllow;
  CatchUp catch_up = CatchUp::kLast;
  int64_t catch_up_max = 100;  // 1 .. 10,000
  bool paused = false;
  bool immediately = false;  // one job now besides, when the schedule is new
  // With every_ms: its slots count from the start (start_at_ms, or the time of the call), not from
  // the epoch, and offset_ms is not read. Put again with the same interval it keeps its slots.
  bool from_start = false;
};

struct ScheduleInfo {
  ScheduleSpec spec = {};
  int64_t next_at_ms = 0;  // 0: ended
  int64_t last_at_ms = 0;  // newest slot that was fired or passed by; 0: none
  int64_t fired = 0;       // jobs made
  int64_t skipped = 0;     // slots passed by (overlap, catch-up)
  std::string last_job_id = {};
  std::string added_job_id = {};  // from PutSchedule: the job that it made at once; else empty
};

// The next `count` slots after a time; fewer if it ends. 1 .. 10,000. Needs no store.
Result<std::vector<int64_t>> NextSlots(const Timing& timing, int64_t after_ms, int32_t count);

}  // namespace millrace

#endif  // MILLRACE_SCHEDULE_H_
