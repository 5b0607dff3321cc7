// The changing half of EngineObject. The last argument of each is the durability (negative: the
// store's).
#include <cmath>
#include <utility>

#include "engine.h"
#include "wire.h"

namespace millrace::node {
namespace {

Answer Count(int64_t count) {
  return NumberAnswer(static_cast<double>(count));
}

}  // namespace

// cancel(id, queue, reason, durability)
Napi::Value EngineObject::Cancel(Info info) {
  return Run(info, "millrace.cancel",
             [job = JobArgument(info, 0), reason = TextArgument(info, 2),
              options = WriteArgument(info, 3)](EngineShare& engine) {
               return Map(engine->Cancel(job, reason, options), [](CancelResult result) {
                 return NumberAnswer(static_cast<double>(result));
               });
             });
}

// changeJob(action, id, queue, durability)
Napi::Value EngineObject::ChangeJob(Info info) {
  return Run(info, "millrace.changeJob",
             [action = TextArgument(info, 0), job = JobArgument(info, 1),
              options = WriteArgument(info, 3)](EngineShare& engine) -> Result<Answer> {
               if (action == "redrive") return Map(engine->Redrive(job, options));
               if (action == "promote") return Map(engine->Promote(job, options));
               if (action == "remove") return Map(engine->Remove(job, options));
               return Status(Code::kInvalidArgument, "no such change of a job: " + action);
             });
}

// updateJob(id, queue, data, numbers, durability): data is JSON text or undefined; numbers are
// priority, lifo, due time, delay (NaN: as it is) and the state that it must be in (0: any).
Napi::Value EngineObject::UpdateJob(Info info) {
  JobChange change;
  if (info[2].IsString()) change.data = TextArgument(info, 2);
  NumberReader numbers(info.Env(), info[3]);
  const double priority = numbers.Next();
  const double lifo = numbers.Next();
  const double due_at_ms = numbers.Next();
  const double delay_ms = numbers.Next();
  if (!std::isnan(priority)) change.priority = static_cast<int32_t>(priority);
  if (!std::isnan(lifo)) change.lifo = lifo != 0;
  if (!std::isnan(due_at_ms)) change.due_at_ms = static_cast<int64_t>(due_at_ms);
  if (!std::isnan(delay_ms)) change.delay_ms = static_cast<int64_t>(delay_ms);
  const int64_t state = numbers.Integer();
  if (state != 0) change.in_state = static_cast<JobState>(state);
  return Run(
      info, "millrace.updateJob",
      [job = JobArgument(info, 0), change = std::move(change), options = WriteArgument(info, 4)](
          EngineShare& engine) { return Map(engine->UpdateJob(job, change, options)); });
}

// setProgress(id, queue, json, durability)
Napi::Value EngineObject::SetProgress(Info info) {
  return Run(
      info, "millrace.setProgress",
      [job = JobArgument(info, 0), json = TextArgument(info, 2), options = WriteArgument(info, 3)](
          EngineShare& engine) { return Map(engine->SetProgress(job, json, options)); });
}

// addLog(id, queue, line, durability)
Napi::Value EngineObject::AddLog(Info info) {
  return Run(
      info, "millrace.addLog",
      [job = JobArgument(info, 0), line = TextArgument(info, 2), options = WriteArgument(info, 3)](
          EngineShare& engine) { return Map(engine->AddLog(job, line, options)); });
}

// publishEvent(queue, name, data, jobId, durability)
Napi::Value EngineObject::PublishEvent(Info info) {
  CustomEvent event;
  event.queue = TextArgument(info, 0);
  event.name = TextArgument(info, 1);
  event.data = TextArgument(info, 2);
  event.job_id = TextArgument(info, 3);
  return Run(info, "millrace.publishEvent",
             [event = std::move(event), options = WriteArgument(info, 4)](EngineShare& engine) {
               return Map(engine->PublishEvent(event, options));
             });
}

// changeMany(action, queue, state, name, beforeMs, limit, durability)
Napi::Value EngineObject::ChangeMany(Info info) {
  BulkQuery query;
  query.queue = TextArgument(info, 1);
  query.state = static_cast<JobState>(IntegerArgument(info, 2));
  query.name = TextArgument(info, 3);
  query.before_at_ms = IntegerArgument(info, 4);
  query.limit = IntegerArgument(info, 5);
  return Run(info, "millrace.changeMany",
             [action = TextArgument(info, 0), query,
              options = WriteArgument(info, 6)](EngineShare& engine) -> Result<Answer> {
               if (action == "redrive") return Map(engine->RedriveMany(query, options), Count);
               if (action == "promote") return Map(engine->PromoteMany(query, options), Count);
               if (action == "remove") return Map(engine->RemoveMany(query, options), Count);
               return Status(Code::kInvalidArgument, "no such change of many jobs: " + action);
             });
}

// drain(queue, scheduledToo, durability)
Napi::Value EngineObject::Drain(Info info) {
  return Run(info, "millrace.drain",
             [queue = TextArgument(info, 0), scheduled = FlagArgument(info, 1),
              options = WriteArgument(info, 2)](EngineShare& engine) {
               return Map(engine->Drain(queue, scheduled, options), Count);
             });
}

// obliterate(queue, force, durability)
Napi::Value EngineObject::Obliterate(Info info) {
  return Run(info, "millrace.obliterate",
             [queue = TextArgument(info, 0), force = FlagArgument(info, 1),
              options = WriteArgument(info, 2)](EngineShare& engine) {
               return Map(engine->Obliterate(queue, force, options), Count);
             });
}

// setPaused(queue, paused, durability)
Napi::Value EngineObject::SetPaused(Info info) {
  return Run(info, "millrace.setPaused",
             [queue = TextArgument(info, 0), paused = FlagArgument(info, 1),
              options = WriteArgument(info, 2)](EngineShare& engine) {
               return Map(paused ? engine->Pause(queue, options) : engine->Resume(queue, options));
             });
}

// setRetention(queue, completedAgeMs, completedCount, failedAgeMs, failedCount, durability)
Napi::Value EngineObject::SetRetention(Info info) {
  const Keep completed{.age_ms = IntegerArgument(info, 1), .count = IntegerArgument(info, 2)};
  const Keep failed{.age_ms = IntegerArgument(info, 3), .count = IntegerArgument(info, 4)};
  return Run(info, "millrace.setRetention",
             [queue = TextArgument(info, 0), completed, failed,
              options = WriteArgument(info, 5)](EngineShare& engine) {
               return Map(engine->SetRetention(queue, completed, failed, options));
             });
}

}  // namespace millrace::node
