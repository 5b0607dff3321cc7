#include "engine/engine_impl.h"

namespace millrace::engine {

Result<DependencyPage> EngineImpl::Dependencies(const DependencyQuery&) {
  return Status(Code::kInvalidArgument, "not built yet");
}

Result<std::string> EngineImpl::FlowJson(const JobRef&, int32_t, int32_t) {
  return Status(Code::kInvalidArgument, "not built yet");
}

}  // namespace millrace::engine
