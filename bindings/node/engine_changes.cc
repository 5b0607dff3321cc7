// The changing half of EngineObject. The last argument of each is the durability (negative: the
// store's).
#include <cmath>
#include <utility>

#include "engine.h"
#include "wire.h"

namespace millrace::node {
namespace {

// Five arguments: queue, state, name, beforeMs, limit.
BulkQuery BulkArgument(const Napi::CallbackInfo& info, size_t index) {
  BulkQuery query;
  query.queue = TextArgument(info, index);
  query.state = static_cast<JobState>(IntegerArgument(info, index + 1));
  query.name = TextArgument(info, index + 2);
  query.before_at_ms = IntegerArgument(info, index + 3);
  query.limit = IntegerArgument(info, index + 4);
  return query;
}

// Two arguments: keepStarted, keepMade.
RedriveOptions RedriveArgument(const Napi::CallbackInfo& info, size_t index) {
  return {FlagArgument(info, index), FlagArgument(info, index + 1)};
}

}  // namespace

// cancel(id, queue, reason, durability)
Napi::Value EngineObject::Cancel(Info info) {
  return Call(info, "millrace.cancel", &Engine::Cancel, JobArgument(info, 0), TextArgument(info, 2),
              WriteArgument(info, 3));
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
  return Call(info, "millrace.redrive", &Engine::Redrive, JobArgument(info, 0),
              RedriveArgument(info, 2), WriteArgument(info, 4));
}

// redriveMany(queue, state, name, beforeMs, limit, keepStarted, keepMade, durability)
Napi::Value EngineObject::RedriveMany(Info info) {
  return Call(info, "millrace.redriveMany", &Engine::RedriveMany, BulkArgument(info, 0),
              RedriveArgument(info, 5), WriteArgument(info, 7));
}

// clearLogs(id, queue, keep, durability)
Napi::Value EngineObject::ClearLogs(Info info) {
  return Call(info, "millrace.clearLogs", &Engine::ClearLogs, JobArgument(info, 0),
              IntegerArgument(info, 2), WriteArgument(info, 3));
}

// trimEvents(queue, keep, durability)
Napi::Value EngineObject::TrimEvents(Info info) {
  return Call(info, "millrace.trimEvents", &Engine::TrimEvents, TextArgument(info, 0),
              IntegerArgument(info, 1), WriteArgument(info, 2));
}

// removeDependency(id, queue, dependsOn, dependsOnQueue, durability)
Napi::Value EngineObject::RemoveDependency(Info info) {
  return Call(info, "millrace.removeDependency", &Engine::RemoveDependency, JobArgument(info, 0),
              JobArgument(info, 2), WriteArgument(info, 4));
}

// removeUnprocessed(id, queue, durability)
Napi::Value EngineObject::RemoveUnprocessed(Info info) {
  return Call(info, "millrace.removeUnprocessed", &Engine::RemoveUnprocessed, JobArgument(info, 0),
              WriteArgument(info, 2));
}

// changeJob(action, id, queue, durability)
Napi::Value EngineObject::ChangeJob(Info info) {
  const std::string action = TextArgument(info, 0);
  if (action == "redrive") {
    return Call(info, "millrace.redrive", &Engine::Redrive, JobArgument(info, 1), RedriveOptions(),
                WriteArgument(info, 3));
  }
  const auto change = action == "promote"  ? &Engine::Promote
                      : action == "remove" ? &Engine::Remove
                                           : &Engine::RemoveAlone;
  return Call(info, "millrace.changeJob", change, JobArgument(info, 1), WriteArgument(info, 3));
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
  return Call(info, "millrace.updateJob", &Engine::UpdateJob, JobArgument(info, 0),
              std::move(change), WriteArgument(info, 4));
}

// setProgress(id, queue, json, durability)
Napi::Value EngineObject::SetProgress(Info info) {
  return Call(info, "millrace.setProgress", &Engine::SetProgress, JobArgument(info, 0),
              TextArgument(info, 2), WriteArgument(info, 3));
}

// addLog(id, queue, line, durability)
Napi::Value EngineObject::AddLog(Info info) {
  return Call(info, "millrace.addLog", &Engine::AddLog, JobArgument(info, 0), TextArgument(info, 2),
              WriteArgument(info, 3));
}

// publishEvent(queue, name, data, jobId, durability)
Napi::Value EngineObject::PublishEvent(Info info) {
  CustomEvent event;
  event.queue = TextArgument(info, 0);
  event.name = TextArgument(info, 1);
  event.data = TextArgument(info, 2);
  event.job_id = TextArgument(info, 3);
  return Call(info, "millrace.publishEvent", &Engine::PublishEvent, std::move(event),
              WriteArgument(info, 4));
}

// changeMany(action, queue, state, name, beforeMs, limit, durability)
Napi::Value EngineObject::ChangeMany(Info info) {
  const std::string action = TextArgument(info, 0);
  if (action == "redrive") {
    return Call(info, "millrace.redriveMany", &Engine::RedriveMany, BulkArgument(info, 1),
                RedriveOptions(), WriteArgument(info, 6));
  }
  const auto change = action == "promote" ? &Engine::PromoteMany : &Engine::RemoveMany;
  return Call(info, "millrace.changeMany", change, BulkArgument(info, 1), WriteArgument(info, 6));
}

// drain(queue, scheduledToo, durability)
Napi::Value EngineObject::Drain(Info info) {
  return Call(info, "millrace.drain", &Engine::Drain, TextArgument(info, 0), FlagArgument(info, 1),
              WriteArgument(info, 2));
}

// obliterate(queue, force, durability)
Napi::Value EngineObject::Obliterate(Info info) {
  return Call(info, "millrace.obliterate", &Engine::Obliterate, TextArgument(info, 0),
              FlagArgument(info, 1), WriteArgument(info, 2));
}

// setPaused(queue, paused, durability)
Napi::Value EngineObject::SetPaused(Info info) {
  const auto change = FlagArgument(info, 1) ? &Engine::Pause : &Engine::Resume;
  return Call(info, "millrace.setPaused", change, TextArgument(info, 0), WriteArgument(info, 2));
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
  return Call(info, "millrace.setRetention", &Engine::SetRetention, TextArgument(info, 0),
              completed, failed, WriteArgument(info, 5));
}

}  // namespace millrace::node
