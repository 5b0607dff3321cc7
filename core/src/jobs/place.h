// Putting a job among the ready, the scheduled, the blocked or the finished, and taking it away:
// the row, the counts, nothing else.
#ifndef MILLRACE_JOBS_PLACE_H_
#define MILLRACE_JOBS_PLACE_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "jobs/ledger.h"
#include "millrace/status.h"
#include "millrace/types.h"

namespace millrace::jobs {

// What a place says about its job, so that those who move it need not look elsewhere. On disk.
inline constexpr uint8_t kHasRun = 1;         // job_runs has a row for it
inline constexpr uint8_t kAwaited = 2;        // others wait for it, or have waited
inline constexpr uint8_t kDependent = 4;      // it waits for others, or has waited
inline constexpr uint8_t kHasCheckpoint = 8;  // with kHasRun: its row has a checkpoint

// A job's place in the order of its queue.
struct Place {
  int64_t queue_id = 0;
  int64_t row = 0;
  int64_t due_at_ms = 0;  // scheduled only
  int64_t seq = 0;        // SequenceOf(row, lifo)
  int32_t priority = 0;
  uint8_t flags = 0;       // kHasRun, ...
  std::string group = {};  // its lane within the queue; empty: none
  // A lease's, to save reads: the lane's number (0: look it up), and whether nothing else was in
  // the lane when the job was claimed.
  int64_t group_id = 0;
  bool alone_in_group = false;
  int64_t parked_by = 0;  // ready, but held back by this limit of its task (parking.h); 0: no

  bool has(uint8_t flag) const { return (flags & flag) != 0; }
};

Status PutReady(Ledger& ledger, const Place& place, std::optional<JobState> from, Cause cause);
// Wakes a waiting worker if the job is the first of its queue to be due, so that its timer is set
// anew.
Status PutScheduled(Ledger& ledger, const Place& place, std::optional<JobState> from, Cause cause);
// `pending`: how many things hold it back, at least one.
Status PutBlocked(Ledger& ledger, const Place& place, int64_t pending, std::optional<JobState> from,
                  Cause cause);
Status TakeReady(Ledger& ledger, const Place& place);
Status TakeScheduled(Ledger& ledger, const Place& place);
Status TakeBlocked(Ledger& ledger, const Place& place);

// A job's lease is gone, whatever becomes of the job: limits and its group count one less.
Status LeaveActive(Ledger& ledger, const Place& place, const std::string& task);

// An ended job's row.
struct Ending {
  JobState state = JobState::kCompleted;
  int64_t started_at_ms = 0;
  int32_t attempts = 0;
  int64_t process_id = 0;
  ContentType content_type = ContentType::kJson;
  std::string_view body = {};
};
Status PutFinished(Ledger& ledger, const Place& place, const Ending& ending, JobState from,
                   Cause cause);

}  // namespace millrace::jobs

#endif  // MILLRACE_JOBS_PLACE_H_
