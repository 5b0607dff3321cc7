// Changes to what was enqueued: a job's data, and its place among those that wait.
#ifndef MILLRACE_JOBS_UPDATE_H_
#define MILLRACE_JOBS_UPDATE_H_

#include <cstdint>

#include "jobs/ledger.h"
#include "millrace/changes.h"
#include "millrace/status.h"
#include "millrace/types.h"

namespace millrace::jobs {

// kInvalidArgument, kTooLarge.
Status CheckChange(const JobChange& change, int64_t max_payload_bytes);
// A checked change. kNotFound, kWrongState.
Status UpdateJob(Ledger& ledger, const JobRef& job, const JobChange& change);

}  // namespace millrace::jobs

#endif  // MILLRACE_JOBS_UPDATE_H_
