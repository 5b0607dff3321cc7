// Ending an attempt that adds jobs, waits for others or is replaced by them.
#ifndef MILLRACE_FLOWS_SETTLE_H_
#define MILLRACE_FLOWS_SETTLE_H_

#include "jobs/claim.h"
#include "jobs/ledger.h"
#include "millrace/session.h"
#include "millrace/status.h"

namespace millrace::flows {

// kInvalidArgument: what an outcome's jobs have to do with each other. The jobs themselves were
// checked before.
Status CheckOutcomeJobs(const Outcome& outcome);

// jobs::FinishJob for every kind of outcome. Under a lost lease nothing is added. Jobs that cannot
// be added as the store is (they name one that does not exist, say) fail the attempt for good with
// error type FlowRefused, and settled->status says why: trying again would not help.
Status FinishJob(jobs::Ledger& ledger, const jobs::Lease& lease, const Outcome& outcome,
                 Settled* settled);

}  // namespace millrace::flows

#endif  // MILLRACE_FLOWS_SETTLE_H_
