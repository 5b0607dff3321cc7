// Firing: the jobs of the slots that have come, in the commit that moves the schedules on. So a
// slot has one job, whoever fires it and however often somebody tries.
#ifndef MILLRACE_SCHEDULE_FIRE_H_
#define MILLRACE_SCHEDULE_FIRE_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "jobs/ledger.h"
#include "millrace/status.h"
#include "millrace/types.h"
#include "schedule/schedule_row.h"

namespace millrace::schedule {

// Adds one job in the open transaction, as Engine::Enqueue would, or refuses it and changes
// nothing. From the engine: what a job may wait for is not this domain's matter.
using EnqueueJobFn = std::function<Status(jobs::Ledger&, const JobSpec&, EnqueueAck*)>;

// One commit of firing holds at most so many schedules, and ends after so many jobs.
inline constexpr int64_t kFireSchedulesMax = 200;
inline constexpr int64_t kFireJobsMax = 1'000;

// How long the slots of a schedule are passed by after one of which the job could not be made
// because of damage: a fault that stays is met once a minute, not at every slot.
inline constexpr int64_t kFaultPauseMs = 60'000;

struct Fired {
  int64_t schedules = 0;  // that had a slot
  int64_t jobs = 0;
  // The earliest slot that is left, which may have come already; none if nothing is.
  std::optional<int64_t> next_at_ms = {};
  std::vector<std::string> faults = {};  // what a human should know, a line each
};

// Fires what is due at the ledger's time, within the bounds above and of at most `most` schedules,
// the oldest slots first. A schedule that cannot be read is stopped and put on record; the others
// go on. An error is one of the whole: with kCorrupt the caller tries fewer.
Status FireDue(jobs::Ledger& ledger, const EnqueueJobFn& enqueue, Fired* fired,
               int64_t most = kFireSchedulesMax);

// The first of what is due has failed alone: its slots are passed by for kFaultPauseMs, and it is
// put on record. `failed` is the answer if nothing is due any more.
Status PassByFirst(jobs::Ledger& ledger, const Status& failed, Fired* fired);

// Makes the job of one slot unless the overlap policy passes it by, and counts either in the row,
// which is not written yet. A job that is refused (a full group, a held deduplication key) counts
// as passed by.
Status FireSlot(jobs::Ledger& ledger, const EnqueueJobFn& enqueue, int64_t slot_ms,
                ScheduleRow* row);

}  // namespace millrace::schedule

#endif  // MILLRACE_SCHEDULE_FIRE_H_
