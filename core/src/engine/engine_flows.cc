// Jobs that wait for others, as callers see them.
#include "engine/engine_impl.h"
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

}  // namespace millrace::engine
