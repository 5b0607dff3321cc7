// The changing half of EngineObject. The last argument of each is the durability (negative: the
// store's).
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
