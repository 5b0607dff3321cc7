// Ending an attempt: the lease goes, and the job is finished, scheduled for another attempt, or
// given back.
#ifndef MILLRACE_JOBS_FINISH_H_
#define MILLRACE_JOBS_FINISH_H_

#include <string>

#include "jobs/claim.h"
#include "jobs/ledger.h"
#include "millrace/session.h"
#include "millrace/status.h"

namespace millrace::jobs {

// Applies an outcome (checked before: CheckOutcome) to a lease. Under a lost lease nothing changes
// and settled->status is kLeaseLost; that is no error of the call.
Status FinishJob(Ledger& ledger, const Lease& lease, const Outcome& outcome, Settled* settled);

// The lease's holder died: its job is ready again, or fails with WorkerLost after max_crashes, or
// at once with JobLost if it is delivered at most once. `why` goes into the error's message. *lost
// is true if the lease was gone already (nothing changed then).
Status RescueJob(Ledger& ledger, const Lease& lease, const char* why, bool* lost);

// The attempt went over its hard limit: it counts as failed with TimeLimitExceeded (and is retried
// by the job's policy, unless it is delivered at most once). `hung`: its holder did not act.
Status TimeOutJob(Ledger& ledger, const Lease& lease, bool hung, Settled* settled);

// The error of a job that was cancelled: a caller's reason, sealed as the job's other errors are,
// or a sentence of ours. The job's row must still be there.
Result<std::string> CancelError(Ledger& ledger, int64_t row, const std::string& reason);

// The error of a job that is delivered at most once and whose lease was lost.
std::string JobLost(const char* why);

// The lease ends without an outcome, and the attempt is not counted; nothing but the lease's row is
// gone, the caller puts the job somewhere else. *place is for that. *held is false if the lease was
// gone already (nothing changed then).
Status LeaveLease(Ledger& ledger, const Lease& lease, Place* place, bool* held);

// Those that were made for a job which is cancelled, or replaced, end with it if nobody else waits
// for them. A cancel request finds those that there are; this, the ones that came later.
Status NoteUnwanted(Ledger& ledger, const Place& place);

// How a job ends without a worker: the caller has taken it from its place. `own` is the job's own
// rule for the state.
struct PlainEnd {
  JobState state = JobState::kCompleted;
  Cause cause = Cause::kJoin;
  ContentType content_type = ContentType::kJson;
  std::string_view body = {};
  std::optional<Keep> own = {};
};
Status EndUnworked(Ledger& ledger, const JobKey& key, const Place& place, JobState from,
                   const PlainEnd& end);

// A job that was not started ends as cancelled: the caller has taken it from its place.
// `keep_failed` is the job's own rule. Of an operation that calls this, the end is CleanNoted
// (retention.h).
Status EndWaiting(Ledger& ledger, const JobKey& key, const Place& place, JobState from, Cause cause,
                  std::string_view error, const std::optional<Keep>& keep_failed);

}  // namespace millrace::jobs

#endif  // MILLRACE_JOBS_FINISH_H_
