#include "session.h"

#include <cmath>
#include <iterator>
#include <utility>

#include "async_call.h"
#include "engine.h"
#include "errors.h"
#include "wire.h"

namespace millrace::node {
namespace {

constexpr size_t kOutcomesMax = 1 << 20;  // in one crossing

// settle()'s arguments: a count, then token, kind, retryable, delay (NaN: none), what it throttles
// (scope and ms; scope 0: nothing) and what it brings along (bits: 1 jobs, as one batch; 2
// progress) of each; the bodies and progress as text.
std::vector<std::pair<int64_t, Outcome>> ReadOutcomes(Napi::Env env, Napi::Value array,
                                                      Napi::Value text) {
  NumberReader numbers(env, array);
  FieldReader fields(env, text);
  std::vector<std::pair<int64_t, Outcome>> outcomes(numbers.Count(kOutcomesMax));
  for (auto& [token, outcome] : outcomes) {
    token = numbers.Integer();
    outcome.kind = static_cast<Outcome::Kind>(numbers.Integer());
    outcome.retryable = numbers.Next() != 0;
    if (const double delay_ms = numbers.Next(); !std::isnan(delay_ms)) {
      outcome.delay_ms = static_cast<int64_t>(delay_ms);
    }
    const auto scope = static_cast<LimitScope>(numbers.Integer());
    const int64_t throttle_ms = numbers.Integer();
    if (scope != LimitScope{}) outcome.throttle = Throttle{.scope = scope, .ms = throttle_ms};
    outcome.body = fields.Next();
    const int64_t brings = numbers.Integer();
    if ((brings & 2) != 0) outcome.progress = fields.Next();
    if ((brings & 1) == 0) continue;
    for (std::vector<JobSpec>& batch : ReadBatches(&numbers, &fields)) {
      outcome.jobs.insert(outcome.jobs.end(), std::make_move_iterator(batch.begin()),
                          std::make_move_iterator(batch.end()));
    }
  }
  return outcomes;
}

}  // namespace

Napi::Function SessionObject::Define(Napi::Env env) {
  using S = SessionObject;
  return DefineClass(env, "Session",
                     {InstanceMethod<&S::Take>("take"), InstanceMethod<&S::Settle>("settle"),
                      InstanceMethod<&S::Drain>("drain"), InstanceMethod<&S::Progress>("progress"),
                      InstanceMethod<&S::Log>("log"), InstanceMethod<&S::Checkpoint>("checkpoint"),
                      InstanceMethod<&S::SetSlots>("setSlots"), InstanceMethod<&S::Pause>("pause"),
                      InstanceMethod<&S::Resume>("resume"), InstanceMethod<&S::Stop>("stop"),
                      InstanceMethod<&S::Close>("close")});
}

Napi::Value SessionObject::Create(Napi::Env env, std::shared_ptr<OwnedSession> owned) {
  const Napi::Object object = Environment::Of(env).session_class.New({});
  Unwrap(object)->owned_ = std::move(owned);
  return object;
}

SessionObject::SessionObject(const Napi::CallbackInfo& info)
    : Napi::ObjectWrap<SessionObject>(info), Ending(info.Env()) {}

// A terminated worker_thread gives its jobs back at once, without waiting for handlers that no
// longer exist.
void SessionObject::EndWithEnvironment() {
  if (const auto owned = std::exchange(owned_, nullptr)) (void)owned->session->Close(0);
}

Session& SessionObject::Open(Napi::Env env) const {
  if (owned_ == nullptr) Throw(env, Status(Code::kClosed, "the worker was closed"));
  return *owned_->session;
}

Napi::Value SessionObject::Run(Info info, const char* name, std::function<Status(Session&)> call) {
  Open(info.Env());
  return CallAsync(info.Env(), name,
                   [owned = owned_, call = std::move(call)] { return Map(call(*owned->session)); });
}

// take(max) -> packed jobs, or undefined if there are none
Napi::Value SessionObject::Take(Info info) {
  const auto jobs = Open(info.Env()).Take(static_cast<int32_t>(IntegerArgument(info, 0)), 0);
  if (!jobs.ok()) Throw(info.Env(), jobs.status());
  if (jobs->empty()) return info.Env().Undefined();
  Packed packed;
  packed.Number(static_cast<double>(jobs->size()));
  for (const LeasedJob& job : *jobs) PackLeased(job, &packed);
  return packed.ToValue(info.Env());
}

// settle(numbers, text) -> undefined, or [index, error] of the first outcome that was refused (none
// after it was tried)
Napi::Value SessionObject::Settle(Info info) {
  const Napi::Env env = info.Env();
  size_t failed_index = 0;
  const Status status = Open(env).SettleMany(ReadOutcomes(env, info[0], info[1]), &failed_index);
  if (status.ok()) return env.Undefined();
  Napi::Array out = Napi::Array::New(env, 2);
  out.Set(0U, Napi::Number::New(env, static_cast<double>(failed_index)));
  out.Set(1U, Napi::Value(env, ErrorValue(env, status)));
  return out;
}

// drain() -> packed notices, or undefined if there are none
Napi::Value SessionObject::Drain(Info info) {
  const auto notices = Open(info.Env()).Drain(0);
  if (!notices.ok()) Throw(info.Env(), notices.status());
  if (notices->settled.empty() && notices->signals.empty() && !notices->drained &&
      notices->rescued.empty() && notices->errors.empty()) {
    return info.Env().Undefined();
  }
  Packed packed;
  PackNotices(*notices, &packed);
  return packed.ToValue(info.Env());
}

void SessionObject::Progress(Info info) {
  const Status status = Open(info.Env()).Progress(IntegerArgument(info, 0), TextArgument(info, 1));
  if (!status.ok()) Throw(info.Env(), status);
}

void SessionObject::Log(Info info) {
  const Status status = Open(info.Env()).Log(IntegerArgument(info, 0), TextArgument(info, 1));
  if (!status.ok()) Throw(info.Env(), status);
}

void SessionObject::Checkpoint(Info info) {
  const Status status =
      Open(info.Env()).Checkpoint(IntegerArgument(info, 0), TextArgument(info, 1));
  if (!status.ok()) Throw(info.Env(), status);
}

void SessionObject::SetSlots(Info info) {
  Open(info.Env()).SetSlots(static_cast<int32_t>(IntegerArgument(info, 0)));
}

Napi::Value SessionObject::Pause(Info info) {
  return Run(info, "millrace.session.pause", [](Session& session) {
    session.Pause();
    return Status::Ok();
  });
}

Napi::Value SessionObject::Resume(Info info) {
  return Run(info, "millrace.session.resume", [](Session& session) {
    session.Resume();
    return Status::Ok();
  });
}

void SessionObject::Stop(Info info) {
  Open(info.Env()).Stop();
}

// close(timeoutMs): the session is gone for JavaScript at once, and for the core when the promise
// resolves
Napi::Value SessionObject::Close(Info info) {
  Open(info.Env());
  const int64_t timeout_ms = IntegerArgument(info, 0);
  return CallAsync(info.Env(), "millrace.session.close", [owned = std::move(owned_), timeout_ms] {
    return Map(owned->session->Close(timeout_ms));
  });
}

}  // namespace millrace::node
