// Damaged records are taken out of the way, so that the rest keeps working; `doctor` tells of them.
#ifndef MILLRACE_JOBS_QUARANTINE_H_
#define MILLRACE_JOBS_QUARANTINE_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "jobs/claim.h"
#include "jobs/ledger.h"
#include "millrace/status.h"

namespace millrace::jobs {

// Whether an operation fails with this whenever it is tried: what it touches is damaged.
bool IsDamage(const Status& status);

// Leaves a record. `what` is for humans.
Status Quarantine(Ledger& ledger, int64_t queue_id, int64_t row, std::string_view what);

// Ends a lease without moving its job anywhere: only the lease's row is touched. *held is false if
// the lease was gone already (nothing changed then). `why` says what had failed.
Status TakeAwayLease(Ledger& ledger, const Lease& lease, const std::string& why, bool* held);
// The same by the job's row alone, whoever holds it: what it says of the job may be wrong.
Status TakeAwayActive(Ledger& ledger, int64_t row, const std::string& why);

}  // namespace millrace::jobs

#endif  // MILLRACE_JOBS_QUARANTINE_H_
