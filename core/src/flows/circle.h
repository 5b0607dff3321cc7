// Whether new jobs would close a circle among jobs that exist.
#ifndef MILLRACE_FLOWS_CIRCLE_H_
#define MILLRACE_FLOWS_CIRCLE_H_

#include <cstdint>
#include <functional>
#include <vector>

#include "jobs/ledger.h"
#include "millrace/status.h"
#include "millrace/types.h"

namespace millrace::flows {

// For jobs of a call that is without circles itself. `parents`: by position, the row of the job
// that comes to wait for it, 0 if none. `row_of` answers for the jobs that `after` names.
// kInvalidArgument names a job that would come to wait for itself. Goes over what the named jobs
// wait for, as far as it is unfinished.
Status CheckNoCircle(jobs::Ledger& ledger, const std::vector<JobSpec>& specs,
                     const std::vector<int64_t>& parents,
                     const std::function<int64_t(const JobRef&)>& row_of);

}  // namespace millrace::flows

#endif  // MILLRACE_FLOWS_CIRCLE_H_
