// Setting, ending and listing limits, and what callers do to groups.
#ifndef MILLRACE_JOBS_LIMIT_RULES_H_
#define MILLRACE_JOBS_LIMIT_RULES_H_

#include <cstdint>
#include <string>
#include <vector>

#include "jobs/claim.h"
#include "jobs/ledger.h"
#include "millrace/limits.h"
#include "millrace/session.h"
#include "millrace/status.h"
#include "store/connection.h"

namespace millrace::jobs {

inline constexpr int64_t kConcurrencyMax = 1'000'000'000;
inline constexpr int64_t kThrottleMaxMs = limits::kRatePeriodMaxMs;

// Pure checks: kInvalidArgument. A limit without any bound removes the one there is.
Status CheckLimit(const Limit& limit);
Status CheckGroupName(const std::string& group);

Status SetLimit(Ledger& ledger, const Limit& limit);
// Nothing of the scope starts for ms; 0 ends that.
Status ThrottleScope(Ledger& ledger, const Limit& scope, int64_t ms);
// The same for the likes of a job that runs; never shortens what others have asked for.
Status ThrottleLike(Ledger& ledger, const Lease& lease, const Throttle& throttle);
// A group may be paused before anything was put into it.
Status PauseGroup(Ledger& ledger, const std::string& queue, const std::string& group, bool paused);
// The queue is empty and to be forgotten: its limits and its groups' settings go.
Status ForgetLimits(Ledger& ledger, int64_t queue_id);

Result<std::vector<LimitInfo>> ListLimits(store::Connection& connection, int64_t now_ms);
Result<std::vector<GroupInfo>> ListGroups(store::Connection& connection, const std::string& queue,
                                          const std::string& after, int64_t limit, int64_t now_ms);

}  // namespace millrace::jobs

#endif  // MILLRACE_JOBS_LIMIT_RULES_H_
