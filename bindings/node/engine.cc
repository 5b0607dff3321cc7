#include "engine.h"

#include <utility>

#include "errors.h"
#include "session.h"
#include "subscription.h"
#include "wire.h"

namespace millrace::node {

std::string TextArgument(const Napi::CallbackInfo& info, size_t index) {
  return info[index].As<Napi::String>().Utf8Value();
}

int64_t IntegerArgument(const Napi::CallbackInfo& info, size_t index) {
  return info[index].As<Napi::Number>().Int64Value();
}

bool FlagArgument(const Napi::CallbackInfo& info, size_t index) {
  return info[index].As<Napi::Boolean>().Value();
}

std::optional<Durability> DurabilityArgument(const Napi::CallbackInfo& info, size_t index) {
  const int64_t value = IntegerArgument(info, index);
  if (value < 0) return std::nullopt;
  return static_cast<Durability>(value);
}

WriteOptions WriteArgument(const Napi::CallbackInfo& info, size_t index) {
  WriteOptions options;
  options.durability = DurabilityArgument(info, index);
  return options;
}

void QueuesArgument(const Napi::CallbackInfo& info, size_t index, EventQuery* query) {
  if (!info[index].IsArray()) {
    query->queue = TextArgument(info, index);
    return;
  }
  const auto names = info[index].As<Napi::Array>();
  for (uint32_t i = 0; i < names.Length(); ++i) {
    query->queues.push_back(names.Get(i).As<Napi::String>().Utf8Value());
  }
}

JobRef JobArgument(const Napi::CallbackInfo& info, size_t index) {
  return {TextArgument(info, index), TextArgument(info, index + 1)};
}

Napi::Function EngineObject::Define(Napi::Env env) {
  using E = EngineObject;
  return DefineClass(env, "Engine",
                     {InstanceMethod<&E::Close>("close"),
                      InstanceAccessor<&E::Path>("path"),
                      InstanceMethod<&E::Now>("now"),
                      InstanceMethod<&E::Advance>("advance"),
                      InstanceMethod<&E::Enqueue>("enqueue"),
                      InstanceMethod<&E::OpenSession>("openSession"),
                      InstanceMethod<&E::Subscribe>("subscribe"),
                      InstanceMethod<&E::GetJob>("getJob"),
                      InstanceMethod<&E::GetOutcome>("getOutcome"),
                      InstanceMethod<&E::ListJobs>("listJobs"),
                      InstanceMethod<&E::Counts>("counts"),
                      InstanceMethod<&E::ListQueues>("listQueues"),
                      InstanceMethod<&E::ListWorkers>("listWorkers"),
                      InstanceMethod<&E::GetLogs>("getLogs"),
                      InstanceMethod<&E::ReadEvents>("readEvents"),
                      InstanceMethod<&E::AdminJson>("adminJson"),
                      InstanceMethod<&E::Backup>("backup"),
                      InstanceMethod<&E::Cancel>("cancel"),
                      InstanceMethod<&E::CancelJobs>("cancelJobs"),
                      InstanceMethod<&E::Redrive>("redrive"),
                      InstanceMethod<&E::RedriveMany>("redriveMany"),
                      InstanceMethod<&E::ClearLogs>("clearLogs"),
                      InstanceMethod<&E::TrimEvents>("trimEvents"),
                      InstanceMethod<&E::RemoveDependency>("removeDependency"),
                      InstanceMethod<&E::RemoveUnprocessed>("removeUnprocessed"),
                      InstanceMethod<&E::ChangeJob>("changeJob"),
                      InstanceMethod<&E::UpdateJob>("updateJob"),
                      InstanceMethod<&E::SetProgress>("setProgress"),
                      InstanceMethod<&E::AddLog>("addLog"),
                      InstanceMethod<&E::PublishEvent>("publishEvent"),
                      InstanceMethod<&E::ChangeMany>("changeMany"),
                      InstanceMethod<&E::Drain>("drain"),
                      InstanceMethod<&E::Obliterate>("obliterate"),
                      InstanceMethod<&E::SetPaused>("setPaused"),
                      InstanceMethod<&E::SetRetention>("setRetention"),
                      InstanceMethod<&E::Dependencies>("dependencies"),
                      InstanceMethod<&E::FlowJson>("flowJson"),
                      InstanceMethod<&E::Dependents>("dependents"),
                      InstanceMethod<&E::ReadMetrics>("readMetrics"),
                      InstanceMethod<&E::Counters>("counters"),
                      InstanceMethod<&E::DedupHolder>("dedupHolder"),
                      InstanceMethod<&E::ReleaseDedup>("releaseDedup"),
                      InstanceMethod<&E::SetLimit>("setLimit"),
                      InstanceMethod<&E::ListLimits>("listLimits"),
                      InstanceMethod<&E::Throttle>("throttle"),
                      InstanceMethod<&E::PauseGroup>("pauseGroup"),
                      InstanceMethod<&E::ListGroups>("listGroups"),
                      InstanceMethod<&E::PutSchedule>("putSchedule"),
                      InstanceMethod<&E::ContinueSchedule>("continueSchedule"),
                      InstanceMethod<&E::ChangeSchedule>("changeSchedule"),
                      InstanceMethod<&E::GetSchedule>("getSchedule"),
                      InstanceMethod<&E::ListSchedules>("listSchedules"),
                      InstanceMethod<&E::PreviewTiming>("previewTiming"),
                      InstanceMethod<&E::Begin>("begin"),
                      InstanceMethod<&E::NewId>("newId")});
}

Napi::Value EngineObject::Create(Napi::Env env, std::shared_ptr<EngineShare> share,
                                 std::shared_ptr<Notifier> notifier) {
  const Napi::Object object = Environment::Of(env).engine_class.New({});
  EngineObject* self = Unwrap(object);
  self->share_ = std::move(share);
  self->notifier_ = std::move(notifier);
  return object;
}

EngineObject::EngineObject(const Napi::CallbackInfo& info)
    : Napi::ObjectWrap<EngineObject>(info), Ending(info.Env()) {}

const EngineObject::Share& EngineObject::Open(Napi::Env env) const {
  if (share_ == nullptr) Throw(env, Status(Code::kClosed, "the store was closed"));
  return share_;
}

Napi::Value EngineObject::Run(Info info, const char* name,
                              std::function<Result<Answer>(EngineShare&)> call) {
  return CallAsync(info.Env(), name,
                   [share = Open(info.Env()), call = std::move(call)] { return call(*share); });
}

Napi::Value EngineObject::Close(Info info) {
  return CallAsync(info.Env(), "millrace.close",
                   [share = std::move(share_)]() mutable -> Result<Answer> {
                     share.reset();  // the last share closes the engine here, on the pool
                     return Undefined();
                   });
}

Napi::Value EngineObject::Path(Info info) {
  return Napi::String::New(info.Env(), (*Open(info.Env()))->path());
}

Napi::Value EngineObject::Now(Info info) {
  return Napi::Number::New(info.Env(), static_cast<double>((*Open(info.Env()))->NowMs()));
}

// advance(ms): of a store that was opened with a manual clock
void EngineObject::Advance(Info info) {
  ManualClock* clock = Open(info.Env())->manual_clock();
  if (clock == nullptr) Throw(info.Env(), Status(Code::kWrongState, "the store has a real clock"));
  clock->Advance(IntegerArgument(info, 0));
}

// enqueue(request, numbers, text, durability): the answer comes through the hub's dispatch.
void EngineObject::Enqueue(Info info) {
  const Share& share = Open(info.Env());
  const auto request = info[0].As<Napi::Number>().Uint32Value();
  WriteOptions options;
  options.durability = DurabilityArgument(info, 3);
  options.wait_if_full =
      false;  // the event loop must not block: JavaScript sends a refused batch again
  NumberReader numbers(info.Env(), info[1]);
  FieldReader fields(info.Env(), info[2]);
  (*share)->EnqueueManyAsync(ReadBatches(&numbers, &fields), options,
                             [notifier = notifier_, request](EnqueueAnswers answers) {
                               notifier->Answered(request, std::move(answers));
                             });
}

// openSession(source, queue, slots, workerName, durability, paused) -> Promise<Session>
Napi::Value EngineObject::OpenSession(Info info) {
  const auto source = info[0].As<Napi::Number>().Uint32Value();
  SessionOptions options;
  options.queues = {TextArgument(info, 1)};
  options.slots = static_cast<int32_t>(IntegerArgument(info, 2));
  options.worker_name = TextArgument(info, 3);
  options.language = "node";
  options.durability = DurabilityArgument(info, 4);
  options.paused = FlagArgument(info, 5);
  options.on_ready = [notifier = notifier_, source] { notifier->Ready(source); };
  return CallAsync(info.Env(), "millrace.openSession", [share = Open(info.Env()), options] {
    return Map((*share)->OpenSession(options), [&](std::unique_ptr<Session> session) -> Answer {
      auto owned = std::make_shared<OwnedSession>(share, std::move(session));
      return
          [owned = std::move(owned)](Napi::Env env) { return SessionObject::Create(env, owned); };
    });
  });
}

// subscribe(source, queues, after, jobId, limit) -> Promise<Subscription>
Napi::Value EngineObject::Subscribe(Info info) {
  const auto source = info[0].As<Napi::Number>().Uint32Value();
  SubscribeOptions options;
  QueuesArgument(info, 1, &options.query);
  options.query.after = TextArgument(info, 2);
  options.query.job_id = TextArgument(info, 3);
  options.query.limit = static_cast<int32_t>(IntegerArgument(info, 4));
  options.on_ready = [notifier = notifier_, source] { notifier->Ready(source); };
  return CallAsync(info.Env(), "millrace.subscribe", [share = Open(info.Env()), options] {
    return Map((*share)->Subscribe(options),
               [&](std::unique_ptr<Subscription> subscription) -> Answer {
                 auto owned = std::make_shared<OwnedSubscription>(share, std::move(subscription));
                 return [owned = std::move(owned)](Napi::Env env) {
                   return SubscriptionObject::Create(env, owned);
                 };
               });
  });
}

}  // namespace millrace::node
