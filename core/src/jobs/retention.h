// What is kept of finished jobs, and how the rest goes: in small slices, in the transactions that
// finish others.
#ifndef MILLRACE_JOBS_RETENTION_H_
#define MILLRACE_JOBS_RETENTION_H_

#include <cstdint>

#include "jobs/ledger.h"
#include "jobs/place.h"
#include "millrace/status.h"
#include "millrace/types.h"

namespace millrace::jobs {

// Deletes every row about a job but its place, which the caller takes away and counts. Jobs that
// wait for it keep a copy of its ending, so its row in `finished` goes last.
Status DeleteBody(Ledger& ledger, int64_t queue_id, int64_t row, uint8_t flags);

// Removes one finished job with all its rows.
Status RemoveFinished(Ledger& ledger, const Place& place, JobState state);

// Removes the oldest finished jobs of a queue and state beyond a rule, at most `limit`.
Status CleanFinished(Ledger& ledger, int64_t queue_id, JobState state, const Keep& keep,
                     int64_t limit);

// Applies the queues' rules where jobs ended in this operation (Ledger::NoteEnded), in slices
// somewhat larger than what was added, so that a backlog shrinks. Call once at the end of an
// operation that finishes jobs.
Status CleanNoted(Ledger& ledger);

// The same for queues where nothing finishes any more; at most `limit` jobs. Answers how many went.
Result<int64_t> CleanExpired(Ledger& ledger, int64_t queue_id, int64_t limit);

}  // namespace millrace::jobs

#endif  // MILLRACE_JOBS_RETENTION_H_
