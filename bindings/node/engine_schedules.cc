// EngineObject on schedules. The last argument of what writes is the durability (negative: the
// store's).
#include <utility>

#include "engine.h"
#include "wire.h"

namespace millrace::node {
namespace {

Answer OneSchedule(const ScheduleInfo& info) {
  Packed packed;
  PackSchedule(info, &packed);
  return PackedAnswer(std::move(packed));
}

}  // namespace

// putSchedule(numbers, text, durability): the schedule, and the job that was made at once, if any.
Napi::Value EngineObject::PutSchedule(Info info) {
  NumberReader numbers(info.Env(), info[0]);
  FieldReader fields(info.Env(), info[1]);
  return Run(info, "millrace.putSchedule",
             [schedule = ReadSchedule(&numbers, &fields),
              options = WriteArgument(info, 2)](EngineShare& engine) -> Result<Answer> {
               const Result<ScheduleInfo> put = engine->PutSchedule(schedule, options);
               if (!put.ok()) return put.status();
               Packed packed;
               PackSchedule(*put, &packed);
               packed.Text(put->added_job_id);
               if (put->added_job_id.empty()) return PackedAnswer(std::move(packed));
               // On the same trip. Gone already, or not to be read: the schedule is put all the
               // same.
               const Result<JobInfo> job = engine->GetJob({put->added_job_id, schedule.job.queue});
               packed.Number(job.ok() ? 1 : 0);
               if (job.ok()) PackInfo(*job, &packed);
               return PackedAnswer(std::move(packed));
             });
}

// continueSchedule(numbers, text, id, after, durability)
Napi::Value EngineObject::ContinueSchedule(Info info) {
  NumberReader numbers(info.Env(), info[0]);
  FieldReader fields(info.Env(), info[1]);
  return Call(info, "millrace.continueSchedule", &Engine::ContinueSchedule, TextArgument(info, 2),
              IntegerArgument(info, 3), ReadTiming(&numbers, &fields), WriteArgument(info, 4));
}

// changeSchedule(action, id, durability)
Napi::Value EngineObject::ChangeSchedule(Info info) {
  return Run(info, "millrace.changeSchedule",
             [action = TextArgument(info, 0), id = TextArgument(info, 1),
              options = WriteArgument(info, 2)](EngineShare& engine) -> Result<Answer> {
               if (action == "remove") return Map(engine->RemoveSchedule(id, options));
               if (action == "pause") return Map(engine->PauseSchedule(id, true, options));
               if (action == "resume") return Map(engine->PauseSchedule(id, false, options));
               return Status(Code::kInvalidArgument, "no such change of a schedule: " + action);
             });
}

// getSchedule(id)
Napi::Value EngineObject::GetSchedule(Info info) {
  return Run(info, "millrace.getSchedule", [id = TextArgument(info, 0)](EngineShare& engine) {
    return Map(engine->GetSchedule(id), OneSchedule);
  });
}

// listSchedules(after, limit)
Napi::Value EngineObject::ListSchedules(Info info) {
  return Run(
      info, "millrace.listSchedules",
      [after = TextArgument(info, 0), limit = IntegerArgument(info, 1)](EngineShare& engine) {
        return Map(engine->ListSchedules(after, limit),
                   [](const std::vector<ScheduleInfo>& schedules) {
                     return PackAll(schedules, PackSchedule);
                   });
      });
}

// previewTiming(numbers, text, after, count)
Napi::Value EngineObject::PreviewTiming(Info info) {
  NumberReader numbers(info.Env(), info[0]);
  FieldReader fields(info.Env(), info[1]);
  return Run(info, "millrace.previewTiming",
             [timing = ReadTiming(&numbers, &fields), after_ms = IntegerArgument(info, 2),
              count = static_cast<int32_t>(IntegerArgument(info, 3))](EngineShare& engine) {
               return Map(engine->PreviewTiming(timing, after_ms, count),
                          [](const std::vector<int64_t>& slots) {
                            Packed packed;
                            packed.Number(static_cast<double>(slots.size()));
                            for (const int64_t slot : slots) {
                              packed.Number(static_cast<double>(slot));
                            }
                            return PackedAnswer(std::move(packed));
                          });
             });
}

}  // namespace millrace::node
