// Ids that were revoked before a job has them.
#ifndef MILLRACE_FLOWS_REVOKED_H_
#define MILLRACE_FLOWS_REVOKED_H_

#include <string_view>
#include <vector>

#include "jobs/ledger.h"
#include "millrace/status.h"
#include "millrace/types.h"

namespace millrace::flows {

// A job of this queue says that its id was revoked: jobs that come with that id into any other
// queue are cancelled in the commit that adds them. Never change it: Python puts such jobs there,
// and its retention is how long they are remembered.
inline constexpr std::string_view kRevokedQueue = "millrace.revoked";

// Cancels those of the jobs that were just added of which the ids were revoked, and what goes with
// them. *any: there were some; what the acks say may be out of date then.
Status CancelRevoked(jobs::Ledger& ledger, const std::vector<JobSpec>& specs,
                     const std::vector<EnqueueAck>& acks, bool* any);

}  // namespace millrace::flows

#endif  // MILLRACE_FLOWS_REVOKED_H_
