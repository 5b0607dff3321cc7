// Cancelling and removing a job with those that were made for it.
#ifndef MILLRACE_FLOWS_MEMBERS_H_
#define MILLRACE_FLOWS_MEMBERS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "jobs/bulk.h"
#include "jobs/ledger.h"
#include "jobs/locate.h"
#include "millrace/engine.h"
#include "millrace/status.h"

namespace millrace::flows {

// The members of a job: what it waits for and has come into the store in one flow with it, as far
// as it has not ended and nobody else unfinished waits for it; and the members of these.

// jobs::CancelJob, and of the job's members. Running ones are asked to stop.
Status CancelJob(jobs::Ledger& ledger, const JobRef& job, const std::string& reason,
                 CancelResult* result);
// jobs::RemoveJob, and of the job's members. Running ones are asked to stop.
Status RemoveJob(jobs::Ledger& ledger, const JobRef& job);
// *removed: how many have gone, itself among them.
Status RemoveLocated(jobs::Ledger& ledger, const jobs::Location& at, int64_t* removed);
// CancelJob of each, in order; unknown ones are answered with kUnknown.
Status CancelJobs(jobs::Ledger& ledger, const std::vector<JobRef>& jobs, const std::string& reason,
                  std::vector<CancelResult>* results);

// The same for many jobs in one transaction.
class BulkMembers : public jobs::Companions {
 public:
  Status Note(jobs::Ledger& ledger, int64_t row, JobState state, int64_t* count) override;
  Status Remove(jobs::Ledger& ledger, int64_t* count) override;

 private:
  std::vector<int64_t> rows_;
};

// A job was made for one that has ended as cancelled: it is cancelled with its members, unless it
// has ended or somebody else waits for it.
Status CancelUnwanted(jobs::Ledger& ledger, int64_t row);

}  // namespace millrace::flows

#endif  // MILLRACE_FLOWS_MEMBERS_H_
