// Claiming: ready jobs become leases of one process.
#ifndef MILLRACE_JOBS_CLAIM_H_
#define MILLRACE_JOBS_CLAIM_H_

#include <cstdint>
#include <string>
#include <vector>

#include "jobs/job_id.h"
#include "jobs/ledger.h"
#include "jobs/place.h"
#include "millrace/session.h"
#include "millrace/status.h"

namespace millrace::jobs {

// A lease as its holder remembers it: all that finishing it needs, so that a finish reads nothing.
struct Lease {
  JobKey key;
  std::string name;  // of its task
  Place place;
  int64_t token = 0;
  int64_t process_id = 0;
  int64_t started_at_ms = 0;
  int64_t deadline_ms = 0;       // monotonic; 0: none
  int64_t soft_deadline_ms = 0;  // monotonic; 0: none
  int32_t attempts_started = 0;  // this one included
  int32_t attempts_made = 0;     // before this one
  int32_t crashes = 0;
  int32_t max_crashes = 3;
  Delivery delivery = Delivery::kAtLeastOnce;
  RetryPolicy retry;
  std::optional<Keep> keep_completed;
  std::optional<Keep> keep_failed;
};

struct Claimed {
  Lease lease;
  LeasedJob job;
};

// Moves what is due into ready, then claims up to `max` jobs of the queue for `process_id`, in
// order. Jobs past their expiry are cancelled on the way, damaged ones quarantined; a call that
// meets too many of these ends with fewer jobs than there are. *more (if asked for) is true if
// another call would find something. A paused queue gives none. Groups take turns; limits are never
// exceeded.
Status ClaimJobs(Ledger& ledger, int64_t queue_id, const std::string& queue, int64_t process_id,
                 int32_t max, std::vector<Claimed>* claimed, bool* more = nullptr);

// Whether ClaimJobs would find anything now; only reads.
Result<bool> HasClaimable(store::Connection& connection, int64_t queue_id, int64_t now_ms);
// The next time after now at which a claim may find what it would not find now: a job is due, a
// limit ends; 0: none.
Result<int64_t> EarliestDue(store::Connection& connection, int64_t queue_id, int64_t now_ms);

// A lease read back from the store, for those who do not hold it. *found is false if the job is not
// active.
Status LoadLease(store::Connection& connection, int64_t row, Lease* lease, bool* found);

}  // namespace millrace::jobs

#endif  // MILLRACE_JOBS_CLAIM_H_
