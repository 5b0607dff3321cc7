// Jobs that wait for others, as callers see them.
#include "engine/engine_impl.h"
#include "flows/detach.h"
#include "flows/read.h"
#include "jobs/payloads.h"

namespace millrace::engine {

using store::Connection;

Result<DependencyPage> EngineImpl::Dependencies(const DependencyQuery& query) {
  ASSIGN_OR_RETURN(
      DependencyPage page, ReadOwn([&] {
        return WithReader([&](Connection& c) { return flows::ReadDependencies(c, query); });
      }));
  for (DependencyInfo& dependency : page.dependencies) {
    RETURN_IF_ERROR(jobs::OpenDependency(*keyring_, &dependency));
  }
  return page;
}

Result<std::string> EngineImpl::FlowJson(const JobRef& job, int32_t depth, int32_t children) {
  return ReadOwn([&] {
    return WithReader([&](Connection& c) { return flows::FlowJson(c, job, depth, children); });
  });
}

Result<std::vector<JobRef>> EngineImpl::Dependents(const JobRef& job, int64_t offset,
                                                   int64_t limit) {
  return ReadOwn([&] {
    return WithReader([&](Connection& c) { return flows::ReadDependents(c, job, offset, limit); });
  });
}

Result<bool> EngineImpl::RemoveDependency(const JobRef& job, const JobRef& depends_on,
                                          const WriteOptions& options) {
  bool removed = false;
  RETURN_IF_ERROR(Change(options, [&](jobs::Ledger& ledger) {
    return flows::RemoveDependency(ledger, job, depends_on, &removed);
  }));
  return removed;
}

Result<int64_t> EngineImpl::RemoveUnprocessed(const JobRef& job, const WriteOptions& options) {
  return ChangeMany(0, options, [&](auto& ledger, int64_t most, auto* cursor, auto* result) {
    return flows::RemoveUnprocessedSlice(ledger, job, most, cursor, result);
  });
}

}  // namespace millrace::engine
