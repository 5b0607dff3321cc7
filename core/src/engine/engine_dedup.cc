// Deduplication keys and counters.
#include "engine/engine_impl.h"
#include "jobs/dedup.h"

namespace millrace::engine {

Result<std::string> EngineImpl::DedupHolder(const std::string& queue, const std::string& key) {
  return WithReader([&](store::Connection& c) { return jobs::ReadHolder(c, queue, key, NowMs()); });
}

Result<bool> EngineImpl::ReleaseDedup(const std::string& queue, const std::string& key,
                                      const WriteOptions& options) {
  bool released = false;
  RETURN_IF_ERROR(Change(options, [&](jobs::Ledger& ledger) -> Status {
    ASSIGN_OR_RETURN(released, jobs::ReleaseKey(ledger, queue, key));
    return Status::Ok();
  }));
  return released;
}

Result<std::vector<TaskCounters>> EngineImpl::ReadCounters(const std::string&) {
  return Status(Code::kInvalidArgument, "not built yet");
}

}  // namespace millrace::engine
