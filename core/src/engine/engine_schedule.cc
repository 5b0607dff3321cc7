// Schedules: the engine's calls into the domain.
#include "engine/engine_impl.h"
#include "engine/schedule_timer.h"
#include "jobs/payloads.h"
#include "jobs/validate.h"
#include "schedule/change.h"
#include "schedule/read.h"
#include "schedule/slots.h"

namespace millrace::engine {
namespace {

constexpr int64_t kListMax = 10'000;

}  // namespace

Result<ScheduleInfo> EngineImpl::PutSchedule(const ScheduleSpec& schedule,
                                             const WriteOptions& options) {
  RETURN_IF_ERROR(schedule::CheckSchedule(schedule, options_.max_payload_bytes));
  RETURN_IF_ERROR(keyring_->CheckSealing(schedule.job.sealing));
  ScheduleSpec sealed = schedule;  // as each slot's job will be
  jobs::SealSpec(*keyring_, &sealed.job);
  ScheduleInfo info;
  RETURN_IF_ERROR(Change(options, [&](jobs::Ledger& ledger) {
    return schedule::PutSchedule(ledger, sealed, EnqueueScheduled, &info);
  }));
  info.spec.job.data = schedule.job.data;
  return info;
}

Status EngineImpl::ContinueSchedule(const std::string& id, int64_t after_ms, const Timing& timing,
                                    const WriteOptions& options) {
  return Change(options, [&](jobs::Ledger& ledger) {
    return schedule::ContinueSchedule(ledger, id, after_ms, timing);
  });
}

Status EngineImpl::RemoveSchedule(const std::string& id, const WriteOptions& options) {
  return Change(options,
                [&](jobs::Ledger& ledger) { return schedule::RemoveSchedule(ledger, id); });
}

Status EngineImpl::PauseSchedule(const std::string& id, bool paused, const WriteOptions& options) {
  return Change(options,
                [&](jobs::Ledger& ledger) { return schedule::PauseSchedule(ledger, id, paused); });
}

Result<ScheduleInfo> EngineImpl::GetSchedule(const std::string& id) {
  return WithReader([&](store::Connection& connection) -> Result<ScheduleInfo> {
    ASSIGN_OR_RETURN(ScheduleInfo info, schedule::GetSchedule(connection, id));
    RETURN_IF_ERROR(jobs::OpenSpec(*keyring_, &info.spec.job));
    return info;
  });
}

Result<std::vector<ScheduleInfo>> EngineImpl::ListSchedules(const std::string& after,
                                                            int64_t limit) {
  RETURN_IF_ERROR(jobs::CheckRange(limit, 1, kListMax, "limit"));
  ASSIGN_OR_RETURN(std::vector<ScheduleInfo> infos, WithReader([&](store::Connection& connection) {
                     return schedule::ListSchedules(connection, after, limit);
                   }));
  for (ScheduleInfo& info : infos) jobs::ShowSpec(*keyring_, &info.spec.job);
  return infos;
}

Result<std::vector<int64_t>> EngineImpl::PreviewTiming(const Timing& timing, int64_t after_ms,
                                                       int32_t count) {
  return NextSlots(timing, after_ms != 0 ? after_ms : NowMs(), count);
}

}  // namespace millrace::engine
