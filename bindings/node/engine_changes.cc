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

// cancelJobs(refs, reason, durability): refs are ids and queues in turn. A digit for each, as of
// cancel().
Napi::Value EngineObject::CancelJobs(Info info) {
  std::vector<JobRef> jobs;
  const auto refs = info[0].As<Napi::Array>();
  for (uint32_t i = 0; i + 1 < refs.Length(); i += 2) {
    jobs.push_back({.id = refs.Get(i).As<Napi::String>().Utf8Value(),
                    .queue = refs.Get(i + 1).As<Napi::String>().Utf8Value()});
  }
  return Run(info, "millrace.cancelJobs",
             [jobs = std::move(jobs), reason = TextArgument(info, 1),
              options = WriteArgument(info, 2)](EngineShare& engine) {
               return Map(engine->CancelJobs(jobs, reason, options),
                          [](const std::vector<CancelResult>& results) {
                            std::string digits;
                            for (const CancelResult result : results) {
                              digits += static_cast<char>('0' + static_cast<int>(result));
                            }
                            return TextAnswer(std::move(digits));
                          });
             });
}

// redrive(id, queue, keepStarted, keepMade, durability)
Napi::Value EngineObject::Redrive(Info info) {
  const RedriveOptions redrive{FlagArgument(info, 2), FlagArgument(info, 3)};
  return Run(info, "millrace.redrive",
             [job = JobArgument(info, 0), redrive, options = WriteArgument(info, 4)](
                 EngineShare& engine) { return Map(engine->Redrive(job, redrive, options)); });
}

// redriveMany(queue, state, name, beforeMs, limit, keepStarted, keepMade, durability)
Napi::Value EngineObject::RedriveMany(Info info) {
  BulkQuery query;
  query.queue = TextArgument(info, 0);
  query.state = static_cast<JobState>(IntegerArgument(info, 1));
  query.name = TextArgument(info, 2);
  query.before_at_ms = IntegerArgument(info, 3);
  query.limit = IntegerArgument(info, 4);
  const RedriveOptions redrive{FlagArgument(info, 5), FlagArgument(info, 6)};
  return Run(info, "millrace.redriveMany",
             [query, redrive, options = WriteArgument(info, 7)](EngineShare& engine) {
               return Map(engine->RedriveMany(query, redrive, options), Count);
             });
}

// clearLogs(id, queue, keep, durability)
Napi::Value EngineObject::ClearLogs(Info info) {
  return Run(info, "millrace.clearLogs",
             [job = JobArgument(info, 0), keep = IntegerArgument(info, 2),
              options = WriteArgument(info, 3)](EngineShare& engine) {
               return Map(engine->ClearLogs(job, keep, options), Count);
             });
}

// trimEvents(queue, keep, durability)
Napi::Value EngineObject::TrimEvents(Info info) {
  return Run(info, "millrace.trimEvents",
             [queue = TextArgument(info, 0), keep = IntegerArgument(info, 1),
              options = WriteArgument(info, 2)](EngineShare& engine) {
               return Map(engine->TrimEvents(queue, keep, options), Count);
             });
}

// removeDependency(id, queue, dependsOn, dependsOnQueue, durability)
Napi::Value EngineObject::RemoveDependency(Info info) {
  return Run(info, "millrace.removeDependency",
             [job = JobArgument(info, 0), other = JobArgument(info, 2),
              options = WriteArgument(info, 4)](EngineShare& engine) {
               return Map(engine->RemoveDependency(job, other, options), Count);
             });
}

// removeUnprocessed(id, queue, durability)
Napi::Value EngineObject::RemoveUnprocessed(Info info) {
  return Run(info, "millrace.removeUnprocessed",
             [job = JobArgument(info, 0), options = WriteArgument(info, 2)](EngineShare& engine) {
               return Map(engine->RemoveUnprocessed(job, options), Count);
             });
}

// changeJob(action, id, queue, durability)
Napi::Value EngineObject::ChangeJob(Info info) {
  return Run(info, "millrace.changeJob",
             [action = TextArgument(info, 0), job = JobArgument(info, 1),
              options = WriteArgument(info, 3)](EngineShare& engine) -> Result<Answer> {
               if (action == "redrive") return Map(engine->Redrive(job, {}, options));
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
          EngineShare& engine) { return Map(engine->AddLog(job, line, options), Count); });
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
               if (action == "redrive") return Map(engine->RedriveMany(query, {}, options), Count);
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

// setRetention(queue, completedAgeMs, completedCount, failedAgeMs, failedCount, durability); a
// count of NaN: the rule stays
Napi::Value EngineObject::SetRetention(Info info) {
  const auto keep = [&](size_t index) -> std::optional<Keep> {
    if (std::isnan(info[index + 1].As<Napi::Number>().DoubleValue())) return std::nullopt;
    return Keep{.age_ms = IntegerArgument(info, index), .count = IntegerArgument(info, index + 1)};
  };
  const std::optional<Keep> completed = keep(1);
  const std::optional<Keep> failed = keep(3);
  return Run(info, "millrace.setRetention",
             [queue = TextArgument(info, 0), completed, failed,
              options = WriteArgument(info, 5)](EngineShare& engine) {
               return Map(engine->SetRetention(queue, completed, failed, options));
             });
}

}  // namespace millrace::node
