// EngineObject on flows, deduplication, limits, groups and counters. The last argument of what
// writes is the durability (negative: the store's).
#include <utility>

#include "engine.h"
#include "wire.h"

namespace millrace::node {
namespace {

Limit LimitArgument(const Napi::CallbackInfo& info) {
  NumberReader numbers(info.Env(), info[0]);
  FieldReader fields(info.Env(), info[1]);
  return ReadLimit(&numbers, &fields);
}

}  // namespace

// dependencies(id, queue, states, offset, limit)
Napi::Value EngineObject::Dependencies(Info info) {
  DependencyQuery query;
  query.job = JobArgument(info, 0);
  query.states = static_cast<uint32_t>(IntegerArgument(info, 2));
  query.offset = IntegerArgument(info, 3);
  query.limit = IntegerArgument(info, 4);
  return Run(info, "millrace.dependencies", [query](EngineShare& engine) {
    return Map(engine->Dependencies(query), [](const DependencyPage& page) {
      Packed packed;
      PackDependencies(page, &packed);
      return PackedAnswer(std::move(packed));
    });
  });
}

// flowJson(id, queue, depth, children)
Napi::Value EngineObject::FlowJson(Info info) {
  return Run(info, "millrace.flow",
             [job = JobArgument(info, 0), depth = static_cast<int32_t>(IntegerArgument(info, 2)),
              children = static_cast<int32_t>(IntegerArgument(info, 3))](EngineShare& engine) {
               return Map(engine->FlowJson(job, depth, children), TextAnswer);
             });
}

// dependents(id, queue, offset, limit): id and queue of each
Napi::Value EngineObject::Dependents(Info info) {
  return Run(info, "millrace.dependents",
             [job = JobArgument(info, 0), offset = IntegerArgument(info, 2),
              limit = IntegerArgument(info, 3)](EngineShare& engine) {
               return Map(engine->Dependents(job, offset, limit),
                          [](const std::vector<JobRef>& dependents) {
                            return PackAll<JobRef>(dependents, [](const JobRef& ref, Packed* out) {
                              out->Text(ref.id);
                              out->Text(ref.queue);
                            });
                          });
             });
}

// readMetrics(queue, state, start, end)
Napi::Value EngineObject::ReadMetrics(Info info) {
  MetricsQuery query;
  query.queue = TextArgument(info, 0);
  query.state = static_cast<JobState>(IntegerArgument(info, 1));
  query.start = IntegerArgument(info, 2);
  query.end = IntegerArgument(info, 3);
  return Run(info, "millrace.readMetrics", [query](EngineShare& engine) {
    return Map(engine->ReadMetrics(query), [](const Metrics& metrics) {
      Packed packed;
      packed.Number(static_cast<double>(metrics.total));
      packed.Number(static_cast<double>(metrics.minutes));
      packed.Number(static_cast<double>(metrics.minute_at_ms));
      packed.Number(static_cast<double>(metrics.data.size()));
      for (const int64_t count : metrics.data) packed.Number(static_cast<double>(count));
      return PackedAnswer(std::move(packed));
    });
  });
}

// counters(queue)
Napi::Value EngineObject::Counters(Info info) {
  return Run(info, "millrace.counters", [queue = TextArgument(info, 0)](EngineShare& engine) {
    return Map(engine->ReadCounters(queue), [](const std::vector<TaskCounters>& counters) {
      return PackAll(counters, PackCounters);
    });
  });
}

// dedupHolder(queue, key)
Napi::Value EngineObject::DedupHolder(Info info) {
  return Run(info, "millrace.dedupHolder",
             [queue = TextArgument(info, 0), key = TextArgument(info, 1)](EngineShare& engine) {
               return Map(engine->DedupHolder(queue, key), TextAnswer);
             });
}

// releaseDedup(queue, key, durability)
Napi::Value EngineObject::ReleaseDedup(Info info) {
  return Call(info, "millrace.releaseDedup", &Engine::ReleaseDedup, TextArgument(info, 0),
              TextArgument(info, 1), WriteArgument(info, 2));
}

// setLimit(numbers, text, durability)
Napi::Value EngineObject::SetLimit(Info info) {
  return Call(info, "millrace.setLimit", &Engine::SetLimit, LimitArgument(info),
              WriteArgument(info, 2));
}

Napi::Value EngineObject::ListLimits(Info info) {
  return Run(info, "millrace.listLimits", [](EngineShare& engine) {
    return Map(engine->ListLimits(),
               [](const std::vector<LimitInfo>& limits) { return PackAll(limits, PackLimit); });
  });
}

// throttle(numbers, text, durability, ms)
Napi::Value EngineObject::Throttle(Info info) {
  return Call(info, "millrace.throttle", &Engine::Throttle, LimitArgument(info),
              IntegerArgument(info, 3), WriteArgument(info, 2));
}

// pauseGroup(queue, group, paused, durability)
Napi::Value EngineObject::PauseGroup(Info info) {
  return Call(info, "millrace.pauseGroup", &Engine::PauseGroup, TextArgument(info, 0),
              TextArgument(info, 1), FlagArgument(info, 2), WriteArgument(info, 3));
}

// listGroups(queue, after, limit)
Napi::Value EngineObject::ListGroups(Info info) {
  return Run(info, "millrace.listGroups",
             [queue = TextArgument(info, 0), after = TextArgument(info, 1),
              limit = IntegerArgument(info, 2)](EngineShare& engine) {
               return Map(
                   engine->ListGroups(queue, after, limit),
                   [](const std::vector<GroupInfo>& groups) { return PackAll(groups, PackGroup); });
             });
}

}  // namespace millrace::node
