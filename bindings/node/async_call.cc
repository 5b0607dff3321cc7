#include "async_call.h"

#include <memory>
#include <optional>
#include <utility>

#include "errors.h"

namespace millrace::node {
namespace {

struct Call {
  BlockingWork work;
  std::optional<Result<Answer>> result;
  napi_deferred deferred = nullptr;
  napi_async_work handle = nullptr;
};

void Execute(napi_env, void* data) {
  auto* call = static_cast<Call*>(data);
  call->result.emplace(call->work());
  call->work = nullptr;
}

// Node runs this also while it tears an environment down, when no JavaScript can run: every status
// is then an error, and all of them are ignored on purpose.
void Complete(napi_env env, napi_status, void* data) {
  std::unique_ptr<Call> call(static_cast<Call*>(data));
  napi_delete_async_work(env, call->handle);
  if (!call->result) return;  // cancelled before it ran
  napi_value error = nullptr;
  if (call->result->ok()) {
    try {
      Napi::Value value = call->result->value()(env);
      napi_resolve_deferred(env, call->deferred, value);
      return;
    } catch (const Napi::Error& thrown) {
      if (!thrown.IsEmpty()) error = thrown.Value();
    }
  } else {
    error = ErrorValue(env, call->result->status());
  }
  if (error != nullptr) napi_reject_deferred(env, call->deferred, error);
}

}  // namespace

Napi::Value CallAsync(Napi::Env env, const char* name, BlockingWork work) {
  auto call = std::make_unique<Call>();
  call->work = std::move(work);
  napi_value promise = nullptr;
  NAPI_THROW_IF_FAILED(env, napi_create_promise(env, &call->deferred, &promise), env.Undefined());
  napi_value resource = Napi::String::New(env, name);
  NAPI_THROW_IF_FAILED(
      env,
      napi_create_async_work(env, nullptr, resource, Execute, Complete, call.get(), &call->handle),
      env.Undefined());
  NAPI_THROW_IF_FAILED(env, napi_queue_async_work(env, call->handle), env.Undefined());
  call.release();  // Complete() owns it now
  return {env, promise};
}

Answer Undefined() {
  return [](Napi::Env env) { return env.Undefined(); };
}

Answer NumberAnswer(double value) {
  return [value](Napi::Env env) { return Napi::Number::New(env, value); };
}

Answer TextAnswer(std::string text) {
  return [text = std::move(text)](Napi::Env env) { return Napi::String::New(env, text); };
}

Answer PackedAnswer(Packed packed) {
  auto shared = std::make_shared<Packed>(std::move(packed));
  return [shared](Napi::Env env) { return shared->ToValue(env); };
}

}  // namespace millrace::node
