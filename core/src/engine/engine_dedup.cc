#include "engine/engine_impl.h"

namespace millrace::engine {

Result<std::string> EngineImpl::DedupHolder(const std::string&, const std::string&) {
  return Status(Code::kInvalidArgument, "not built yet");
}

Result<bool> EngineImpl::ReleaseDedup(const std::string&, const std::string&, const WriteOptions&) {
  return Status(Code::kInvalidArgument, "not built yet");
}

Result<std::vector<TaskCounters>> EngineImpl::ReadCounters(const std::string&) {
  return Status(Code::kInvalidArgument, "not built yet");
}

}  // namespace millrace::engine
