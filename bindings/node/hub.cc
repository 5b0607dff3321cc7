#include "hub.h"

#include <utility>

#include "async_call.h"
#include "engine.h"
#include "registry.h"

namespace millrace::node {
namespace {

std::optional<int64_t> OptionalInteger(const Napi::Object& options, const char* name) {
  const Napi::Value value = options.Get(name);
  if (value.IsUndefined()) return std::nullopt;
  return value.As<Napi::Number>().Int64Value();
}

std::optional<Keep> OptionalKeep(const Napi::Object& options, const char* name) {
  const Napi::Value value = options.Get(name);
  if (value.IsUndefined()) return std::nullopt;
  const auto keep = value.As<Napi::Object>();
  return Keep{.age_ms = keep.Get("ageMs").As<Napi::Number>().Int64Value(),
              .count = keep.Get("count").As<Napi::Number>().Int64Value()};
}

std::string BytesOf(const Napi::Value& value) {
  const auto buffer = value.As<Napi::Uint8Array>();
  return {reinterpret_cast<const char*>(buffer.Data()), buffer.ByteLength()};
}

std::optional<Security> OptionalSecurity(const Napi::Object& options, const char* name) {
  const Napi::Value value = options.Get(name);
  if (value.IsUndefined()) return std::nullopt;
  const auto given = value.As<Napi::Object>();
  Security security;
  security.mode = static_cast<Sealing>(given.Get("mode").As<Napi::Number>().Int32Value());
  security.require = given.Get("require").As<Napi::Boolean>().Value();
  const auto keys = given.Get("keys").As<Napi::Array>();
  for (uint32_t i = 0; i < keys.Length(); ++i) {
    const auto key = keys.Get(i).As<Napi::Object>();
    security.keys.push_back(
        {.id = key.Get("id").As<Napi::String>().Utf8Value(), .secret = BytesOf(key.Get("secret"))});
  }
  return security;
}

StoreOptions ReadStoreOptions(const std::string& path, const Napi::Object& options) {
  StoreOptions out;
  out.open.path = path;
  if (const Napi::Value create = options.Get("create"); create.IsBoolean()) {
    out.open.create = create.As<Napi::Boolean>().Value();
  }
  out.max_payload_bytes = OptionalInteger(options, "maxPayloadBytes");
  out.busy_timeout_ms = OptionalInteger(options, "busyTimeout");
  out.wal_limit_bytes = OptionalInteger(options, "walLimitBytes");
  out.keep_events = OptionalInteger(options, "keepEvents");
  out.keep_completed = OptionalKeep(options, "keepCompleted");
  out.keep_failed = OptionalKeep(options, "keepFailed");
  out.security = OptionalSecurity(options, "encryption");
  out.manual_clock_ms = OptionalInteger(options, "manualClock");
  return out;
}

}  // namespace

Napi::Function HubObject::Define(Napi::Env env) {
  return DefineClass(env, "Hub",
                     {InstanceMethod<&HubObject::SetReferenced>("setReferenced"),
                      InstanceMethod<&HubObject::Open>("open")});
}

HubObject::HubObject(const Napi::CallbackInfo& info)
    : Napi::ObjectWrap<HubObject>(info),
      Ending(info.Env()),
      notifier_(Notifier::Create(info.Env(), info[0].As<Napi::Function>())) {}

void HubObject::SetReferenced(const Napi::CallbackInfo& info) {
  notifier_->SetReferenced(info.Env(), info[0].As<Napi::Boolean>().Value());
}

Napi::Value HubObject::Open(const Napi::CallbackInfo& info) {
  StoreOptions options =
      ReadStoreOptions(info[0].As<Napi::String>().Utf8Value(), info[1].As<Napi::Object>());
  options.open.on_log = [weak = std::weak_ptr<Notifier>(notifier_)](const std::string& line) {
    if (const auto notifier = weak.lock()) notifier->Log(line);
  };
  return CallAsync(
      info.Env(), "millrace.open", [options = std::move(options), notifier = notifier_] {
        return Map(OpenShared(options), [&](std::shared_ptr<EngineShare> share) -> Answer {
          return [share = std::move(share), notifier](Napi::Env env) mutable {
            return EngineObject::Create(env, std::move(share), notifier);
          };
        });
      });
}

}  // namespace millrace::node
