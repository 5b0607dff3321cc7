// Less of what jobs and queues have left behind: log lines, events.
#ifndef MILLRACE_JOBS_TRIM_H_
#define MILLRACE_JOBS_TRIM_H_

#include <cstdint>
#include <string>

#include "jobs/bulk.h"
#include "jobs/ledger.h"
#include "millrace/status.h"
#include "millrace/types.h"

namespace millrace::jobs {

// Deletes a job's log lines but the newest `keep`; of a job in any state. *dropped: how many went.
Status ClearLogs(Ledger& ledger, const JobRef& job, int64_t keep, int64_t* dropped);

// Deletes the oldest events of a queue while at least `keep` are left, a slice a call as in bulk.h;
// result->changed counts them. Events of one commit go together, so somewhat more may be left.
Status TrimEventsSlice(Ledger& ledger, const std::string& queue, int64_t keep, SliceResult* result);

}  // namespace millrace::jobs

#endif  // MILLRACE_JOBS_TRIM_H_
