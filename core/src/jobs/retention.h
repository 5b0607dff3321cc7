// What is kept of finished jobs, and how the rest goes: in small slices, in the transactions that finish others.
#ifndef MILLRACE_JOBS_RETENTION_H_
#define MILLRACE_JOBS_RETENTION_H_

#include <cstdint>

#include "jobs/ledger.h"
#include "jobs/place.h"
#include "millrace/status.h"
#include "millrace/types.h"

namespace millrace::jobs {

// Deletes every row about a job but its place; the caller has taken that away and counted it.
Status DeleteBody(Ledger& ledger, int64_t queue_id, int64_t row, bool run);

// Removes one finished job with all its rows.
Status RemoveFinished(Ledger& ledger, const Place& place, JobState state);

// Removes the oldest finished jobs of a queue and state beyond a rule: a few for each call, more than one finish adds.
Status CleanFinished(Ledger& ledger, int64_t queue_id, JobState state, const Keep& keep);

// The same for queues where nothing finishes any more; at most `limit` jobs. Answers how many went.
Result<int64_t> CleanExpired(Ledger& ledger, int64_t queue_id, int64_t limit);

}  // namespace millrace::jobs

#endif  // MILLRACE_JOBS_RETENTION_H_
