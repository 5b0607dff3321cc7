// What must hold of schedules, for `doctor`.
#ifndef MILLRACE_SCHEDULE_EXAMINE_H_
#define MILLRACE_SCHEDULE_EXAMINE_H_

#include "jobs/admin.h"
#include "jobs/ledger.h"
#include "millrace/status.h"
#include "store/connection.h"

namespace millrace::schedule {

// Every schedule can be read, waits for one of its slots or has a reason not to, and no job
// template is left without its schedule. Only reads, in pages.
Result<jobs::DoctorCheck> Examine(store::Connection& connection);

// Mends what Examine finds, in one commit: a schedule that waits for no slot of its own, or for
// none without a reason, waits for its next one; one that cannot be read is stopped; job templates
// without a schedule go. At most `limit` of each. The answer tells what was done, empty if nothing.
Result<std::string> Repair(jobs::Ledger& ledger, int64_t limit);

}  // namespace millrace::schedule

#endif  // MILLRACE_SCHEDULE_EXAMINE_H_
