#include "subscription.h"

#include <utility>

#include "async_call.h"
#include "errors.h"
#include "wire.h"

namespace millrace::node {

Napi::Function SubscriptionObject::Define(Napi::Env env) {
  return DefineClass(env, "Subscription",
                     {InstanceMethod<&SubscriptionObject::Next>("next"),
                      InstanceMethod<&SubscriptionObject::Close>("close")});
}

Napi::Value SubscriptionObject::Create(Napi::Env env, std::shared_ptr<OwnedSubscription> owned) {
  const Napi::Object object = Environment::Of(env).subscription_class.New({});
  Unwrap(object)->owned_ = std::move(owned);
  return object;
}

SubscriptionObject::SubscriptionObject(const Napi::CallbackInfo& info)
    : Napi::ObjectWrap<SubscriptionObject>(info), Ending(info.Env()) {}

void SubscriptionObject::EndWithEnvironment() {
  if (const auto owned = std::exchange(owned_, nullptr)) owned->subscription->Close();
}

Napi::Value SubscriptionObject::Next(const Napi::CallbackInfo& info) {
  if (owned_ == nullptr) Throw(info.Env(), Status(Code::kClosed, "the subscription was closed"));
  return CallAsync(info.Env(), "millrace.subscription.next", [owned = owned_] {
    return Map(owned->subscription->Next(0), [](const EventPage& page) {
      Packed packed;
      PackPage(page, &packed);
      return PackedAnswer(std::move(packed));
    });
  });
}

Napi::Value SubscriptionObject::Close(const Napi::CallbackInfo& info) {
  return CallAsync(info.Env(), "millrace.subscription.close",
                   [owned = std::move(owned_)]() mutable -> Result<Answer> {
                     if (owned != nullptr) owned->subscription->Close();
                     owned.reset();
                     return Undefined();
                   });
}

}  // namespace millrace::node
