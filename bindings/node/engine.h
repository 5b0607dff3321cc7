// Engine: one share in an open store, as JavaScript sees it. Method for method the core's Engine;
// node/src/native.cts has the types. Everything but enqueue() answers with a promise and runs on
// libuv's pool.
#ifndef MILLRACE_BINDINGS_NODE_ENGINE_H_
#define MILLRACE_BINDINGS_NODE_ENGINE_H_

#include <functional>
#include <memory>
#include <tuple>
#include <utility>
#include <vector>

#include "async_call.h"
#include "environment.h"
#include "napi_env.h"
#include "notify.h"
#include "registry.h"

namespace millrace::node {

class EngineObject : public Napi::ObjectWrap<EngineObject>, private Ending {
 public:
  static Napi::Function Define(Napi::Env env);
  static Napi::Value Create(Napi::Env env, std::shared_ptr<EngineShare> share,
                            std::shared_ptr<Notifier> notifier);
  explicit EngineObject(const Napi::CallbackInfo& info);

 private:
  using Info = const Napi::CallbackInfo&;
  using Share = std::shared_ptr<EngineShare>;

  // The share, or a thrown "closed".
  const Share& Open(Napi::Env env) const;
  // CallAsync() of a call on the open engine.
  Napi::Value Run(Info info, const char* name, std::function<Result<Answer>(EngineShare&)> call);
  // The same for one method of the core that answers a number or nothing.
  template <typename Method, typename... Args>
  Napi::Value Call(Info info, const char* name, Method method, Args... args) {
    return Run(info, name,
               [method, all = std::make_tuple(std::move(args)...)](EngineShare& engine) {
                 return std::apply(
                     [&](const Args&... each) {
                       return MapNumber(std::invoke(method, engine.operator->(), each...));
                     },
                     all);
               });
  }

  // engine.cc: what is special
  Napi::Value Close(Info info);
  Napi::Value Path(Info info);
  Napi::Value Now(Info info);
  void Advance(Info info);
  void Enqueue(Info info);
  Napi::Value OpenSession(Info info);
  Napi::Value Subscribe(Info info);
  // engine_reads.cc
  Napi::Value GetJob(Info info);
  Napi::Value GetOutcome(Info info);
  Napi::Value ListJobs(Info info);
  Napi::Value Counts(Info info);
  Napi::Value ListQueues(Info info);
  Napi::Value ListWorkers(Info info);
  Napi::Value GetLogs(Info info);
  Napi::Value ReadEvents(Info info);
  Napi::Value AdminJson(Info info);
  Napi::Value Backup(Info info);
  // engine_changes.cc
  Napi::Value Cancel(Info info);
  Napi::Value CancelJobs(Info info);
  Napi::Value Redrive(Info info);
  Napi::Value RedriveMany(Info info);
  Napi::Value ClearLogs(Info info);
  Napi::Value TrimEvents(Info info);
  Napi::Value RemoveDependency(Info info);
  Napi::Value RemoveUnprocessed(Info info);
  Napi::Value ChangeJob(Info info);
  Napi::Value UpdateJob(Info info);
  Napi::Value SetProgress(Info info);
  Napi::Value AddLog(Info info);
  Napi::Value PublishEvent(Info info);
  Napi::Value ChangeMany(Info info);
  Napi::Value Drain(Info info);
  Napi::Value Obliterate(Info info);
  Napi::Value SetPaused(Info info);
  Napi::Value SetRetention(Info info);

  // engine_model.cc
  Napi::Value Dependencies(Info info);
  Napi::Value FlowJson(Info info);
  Napi::Value Dependents(Info info);
  Napi::Value ReadMetrics(Info info);
  Napi::Value Counters(Info info);
  Napi::Value DedupHolder(Info info);
  Napi::Value ReleaseDedup(Info info);
  Napi::Value SetLimit(Info info);
  Napi::Value ListLimits(Info info);
  Napi::Value Throttle(Info info);
  Napi::Value PauseGroup(Info info);
  Napi::Value ListGroups(Info info);
  // engine_schedules.cc
  Napi::Value PutSchedule(Info info);
  Napi::Value ContinueSchedule(Info info);
  Napi::Value ChangeSchedule(Info info);
  Napi::Value GetSchedule(Info info);
  Napi::Value ListSchedules(Info info);
  Napi::Value PreviewTiming(Info info);
  // transaction.cc
  Napi::Value Begin(Info info);
  Napi::Value NewId(Info info);

  void EndWithEnvironment() override { share_.reset(); }

  Share share_;  // empty: closed
  std::shared_ptr<Notifier> notifier_;
};

// Arguments by position. They throw a JavaScript TypeError for another type.
std::string TextArgument(const Napi::CallbackInfo& info, size_t index);
int64_t IntegerArgument(const Napi::CallbackInfo& info, size_t index);
bool FlagArgument(const Napi::CallbackInfo& info, size_t index);
// A durability as its number; negative: the store's.
std::optional<Durability> DurabilityArgument(const Napi::CallbackInfo& info, size_t index);
WriteOptions WriteArgument(const Napi::CallbackInfo& info, size_t index);
// One queue's name ("": all), or an array of names.
void QueuesArgument(const Napi::CallbackInfo& info, size_t index, EventQuery* query);
// Two arguments: id and queue.
JobRef JobArgument(const Napi::CallbackInfo& info, size_t index);

// A list as one answer: its length, then each of its values.
template <typename T>
Answer PackAll(const std::vector<T>& values, void (*pack)(const T&, Packed*)) {
  Packed packed;
  packed.Number(static_cast<double>(values.size()));
  for (const T& value : values) pack(value, &packed);
  return PackedAnswer(std::move(packed));
}

}  // namespace millrace::node

#endif  // MILLRACE_BINDINGS_NODE_ENGINE_H_
