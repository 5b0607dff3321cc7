// What can be seen of jobs that wait for others. Only reads; each answer is of one moment.
#ifndef MILLRACE_FLOWS_READ_H_
#define MILLRACE_FLOWS_READ_H_

#include <cstdint>
#include <string>
#include <vector>

#include "jobs/claim.h"
#include "millrace/engine.h"
#include "millrace/flows.h"
#include "millrace/status.h"
#include "store/connection.h"

namespace millrace::flows {

// kNotFound, kInvalidArgument.
Result<DependencyPage> ReadDependencies(store::Connection& connection,
                                        const DependencyQuery& query);

// The jobs that wait or have waited for one, in the order in which they were added. kNotFound,
// kInvalidArgument.
Result<std::vector<JobRef>> ReadDependents(store::Connection& connection, const JobRef& job,
                                           int64_t offset, int64_t limit);

// See Engine::FlowJson.
Result<std::string> FlowJson(store::Connection& connection, const JobRef& job, int32_t depth,
                             int32_t children);

// Fills in LeasedJob::dependencies and LeasedJob::parent of a claimed job that has waited for
// others, or for which others wait.
Status AddRelations(store::Connection& connection, jobs::Claimed* claimed);

}  // namespace millrace::flows

#endif  // MILLRACE_FLOWS_READ_H_
