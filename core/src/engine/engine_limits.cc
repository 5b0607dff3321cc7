// Limits and groups: each call is a domain's function.
#include "engine/engine_impl.h"
#include "jobs/limit_rules.h"

namespace millrace::engine {

Status EngineImpl::SetLimit(const Limit& limit, const WriteOptions& options) {
  RETURN_IF_ERROR(jobs::CheckLimit(limit));
  return Change(options, [&](jobs::Ledger& ledger) { return jobs::SetLimit(ledger, limit); });
}

Result<std::vector<LimitInfo>> EngineImpl::ListLimits() {
  return WithReader([&](store::Connection& connection) {
    return jobs::ListLimits(connection, options_.clock->WallMs());
  });
}

Status EngineImpl::Throttle(const Limit& scope, int64_t ms, const WriteOptions& options) {
  return Change(options,
                [&](jobs::Ledger& ledger) { return jobs::ThrottleScope(ledger, scope, ms); });
}

Status EngineImpl::PauseGroup(const std::string& queue, const std::string& group, bool paused,
                              const WriteOptions& options) {
  return Change(options, [&](jobs::Ledger& ledger) {
    return jobs::PauseGroup(ledger, queue, group, paused);
  });
}

Result<std::vector<GroupInfo>> EngineImpl::ListGroups(const std::string& queue,
                                                      const std::string& after, int64_t limit) {
  return WithReader([&](store::Connection& connection) {
    return jobs::ListGroups(connection, queue, after, limit, options_.clock->WallMs());
  });
}

}  // namespace millrace::engine
