// Enqueueing: a body row, and a place among the ready or the scheduled.
#ifndef MILLRACE_JOBS_ENQUEUE_H_
#define MILLRACE_JOBS_ENQUEUE_H_

#include <vector>

#include "jobs/ledger.h"
#include "millrace/status.h"
#include "millrace/types.h"

namespace millrace::jobs {

// Adds one job in the open transaction. The spec was checked before (CheckJobSpec). An id that its
// queue has already changes nothing but the event log, and the ack says so. The ack's durability is
// left to the caller.
Status EnqueueJob(Ledger& ledger, const JobSpec& spec, EnqueueAck* ack);

}  // namespace millrace::jobs

#endif  // MILLRACE_JOBS_ENQUEUE_H_
