#include "engine/engine_impl.h"

namespace millrace::engine {

Status EngineImpl::SetLimit(const Limit&, const WriteOptions&) {
  return Status(Code::kInvalidArgument, "not built yet");
}

Result<std::vector<LimitInfo>> EngineImpl::ListLimits() {
  return Status(Code::kInvalidArgument, "not built yet");
}

Status EngineImpl::Throttle(const Limit&, int64_t, const WriteOptions&) {
  return Status(Code::kInvalidArgument, "not built yet");
}

Status EngineImpl::PauseGroup(const std::string&, const std::string&, bool, const WriteOptions&) {
  return Status(Code::kInvalidArgument, "not built yet");
}

Result<std::vector<GroupInfo>> EngineImpl::ListGroups(const std::string&, const std::string&,
                                                      int64_t) {
  return Status(Code::kInvalidArgument, "not built yet");
}

}  // namespace millrace::engine
