#include "engine/engine_impl.h"

namespace millrace::engine {

Result<ScheduleInfo> EngineImpl::PutSchedule(const ScheduleSpec&, const WriteOptions&) {
  return Status(Code::kInvalidArgument, "not built yet");
}

Status EngineImpl::RemoveSchedule(const std::string&, const WriteOptions&) {
  return Status(Code::kInvalidArgument, "not built yet");
}

Status EngineImpl::PauseSchedule(const std::string&, bool, const WriteOptions&) {
  return Status(Code::kInvalidArgument, "not built yet");
}

Result<ScheduleInfo> EngineImpl::GetSchedule(const std::string&) {
  return Status(Code::kInvalidArgument, "not built yet");
}

Result<std::vector<ScheduleInfo>> EngineImpl::ListSchedules(const std::string&, int64_t) {
  return Status(Code::kInvalidArgument, "not built yet");
}

Result<std::vector<int64_t>> EngineImpl::PreviewTiming(const Timing&, int64_t, int32_t) {
  return Status(Code::kInvalidArgument, "not built yet");
}

}  // namespace millrace::engine
