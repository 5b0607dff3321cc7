// Jobs of a task that is at its limit: out of the claims' way until there is room again. A job
// without a group is parked; a group of which it is the first is stalled (group.h).
#ifndef MILLRACE_JOBS_PARKING_H_
#define MILLRACE_JOBS_PARKING_H_

#include <cstdint>

#include "jobs/ledger.h"
#include "jobs/place.h"
#include "limits/book.h"
#include "millrace/status.h"

namespace millrace::jobs {

// A ready job without a group; the caller has taken it from `ready`.
Status Park(Ledger& ledger, const Place& place, limits::Entry& limit);
Status TakeParked(Ledger& ledger, const Place& place);

// As many parked jobs and stalled groups of a queue as their limits have room for, `want` for each
// limit at most, come back to where they stood.
Status BringBack(Ledger& ledger, int64_t queue_id, int64_t want);

// Wakes workers for the limits that opened in this transaction. After Book::Write().
Status WakeForOpened(Ledger& ledger);
// Wakes workers that may find something under a limit now.
Status WakeFor(Ledger& ledger, const limits::Key& limit);

}  // namespace millrace::jobs

#endif  // MILLRACE_JOBS_PARKING_H_
