// Changes to single jobs from outside their workers, and what handlers report while they run. Each
// works in the open write transaction and changes nothing when it answers an error.
#ifndef MILLRACE_JOBS_CHANGE_H_
#define MILLRACE_JOBS_CHANGE_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "jobs/claim.h"
#include "jobs/ledger.h"
#include "jobs/locate.h"
#include "millrace/engine.h"
#include "millrace/status.h"
#include "millrace/types.h"

namespace millrace::jobs {

// The store's own bounds on logs: older lines of a job go when it has more, a longer line is
// refused.
inline constexpr int64_t kLogLinesMax = 10'000;
inline constexpr int64_t kLogLineMaxBytes = 64 << 10;
inline constexpr int64_t kReasonMaxBytes = 16 << 10;

// --- By a caller; kNotFound, kInvalidArgument
// ----------------------------------------------------------------------- A waiting job ends as
// cancelled; the holder of an active one is told. `reason` may be empty.
Status CancelJob(Ledger& ledger, const JobRef& job, const std::string& reason,
                 CancelResult* result);
// An ended job is ready again (blocked, if it waits for others that are not done), from its first
// attempt: counters, errors, progress and result are
// forgotten, its log is kept, and it no longer expires. kWrongState for others.
Status RedriveJob(Ledger& ledger, const JobRef& job, const RedriveOptions& options = {});
// A scheduled job is ready now. kWrongState for others.
Status PromoteJob(Ledger& ledger, const JobRef& job);
// kWrongState for an active one.
Status RemoveJob(Ledger& ledger, const JobRef& job);
// Of a job in any state. The job's own keep_logs bounds its log.
Status SetProgress(Ledger& ledger, const JobRef& job, const std::string& json,
                   int64_t max_payload_bytes);
// *lines, if given: how many there are now.
Status AppendLog(Ledger& ledger, const JobRef& job, const std::string& text,
                 int64_t* lines = nullptr);

// --- By the holder of a lease; kLeaseLost if it is gone
// ---------------------------------------------------------------- `json` and `text` were checked
// before (CheckProgress, CheckCheckpoint, CheckLogLine). Afterwards the job has a row in job_runs:
// the holder sets the flags in lease.place, kHasRun and for a checkpoint kHasCheckpoint (before or
// after; set without a row they do no harm).
Status SetLeaseProgress(Ledger& ledger, const Lease& lease, std::string_view json);
Status SetLeaseCheckpoint(Ledger& ledger, const Lease& lease, std::string_view json);
// keep_logs as in JobSpec.
Status AppendLeaseLog(Ledger& ledger, const Lease& lease, std::string_view text, int32_t keep_logs);

// --- The same for a job that was located (bulk.h, flows/members.h) ---
// `reason` was checked before.
Status CancelAt(Ledger& ledger, const Location& at, const std::string& reason,
                CancelResult* result);
Status RedriveAt(Ledger& ledger, const Location& at, const RedriveOptions& options);
Status PromoteAt(Ledger& ledger, const Location& at);
// Any state but active; logs no event.
Status RemoveAt(Ledger& ledger, const Location& at);
// The same with its event.
Status RemoveLogged(Ledger& ledger, const Location& at);

// Pure checks: kInvalidArgument, kTooLarge.
// JSON text.
Status CheckJson(std::string_view json, const char* argument, int64_t max_bytes);
Status CheckProgress(std::string_view json, int64_t max_payload_bytes);
Status CheckCheckpoint(std::string_view json, int64_t max_payload_bytes);
Status CheckLogLine(std::string_view text);
Status CheckReason(std::string_view reason);

}  // namespace millrace::jobs

#endif  // MILLRACE_JOBS_CHANGE_H_
