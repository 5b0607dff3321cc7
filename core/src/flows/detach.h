// Taking back that a job waits for another.
#ifndef MILLRACE_FLOWS_DETACH_H_
#define MILLRACE_FLOWS_DETACH_H_

#include <cstdint>

#include "jobs/bulk.h"
#include "jobs/ledger.h"
#include "millrace/flows.h"
#include "millrace/status.h"
#include "millrace/types.h"

namespace millrace::flows {

// The job waits for the other no more, whose own way goes on. *removed is false if it did not wait
// for it (any more). kNotFound if one of them does not exist.
Status RemoveDependency(jobs::Ledger& ledger, const JobRef& job, const JobRef& depends_on,
                        bool* removed);

// Removes those jobs that a job waits for and that are scheduled, ready or blocked, with what they
// wait for themselves as RemoveJob() does; a slice a call as in jobs/bulk.h.
Status RemoveUnprocessedSlice(jobs::Ledger& ledger, const JobRef& job, int64_t limit,
                              jobs::BulkCursor* cursor, jobs::SliceResult* result);

}  // namespace millrace::flows

#endif  // MILLRACE_FLOWS_DETACH_H_
