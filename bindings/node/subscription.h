// Subscription: one reader of a queue's events. next() reads the file and so runs on the pool.
#ifndef MILLRACE_BINDINGS_NODE_SUBSCRIPTION_H_
#define MILLRACE_BINDINGS_NODE_SUBSCRIPTION_H_

#include <memory>

#include "environment.h"
#include "millrace/engine.h"
#include "napi_env.h"
#include "registry.h"

namespace millrace::node {

// A subscription with the share in its engine, which must outlive it.
struct OwnedSubscription {
  OwnedSubscription(std::shared_ptr<EngineShare> owner, std::unique_ptr<Subscription> owned)
      : share(std::move(owner)), subscription(std::move(owned)) {}

  std::shared_ptr<EngineShare> share;
  std::unique_ptr<Subscription> subscription;  // destroyed first
};

class SubscriptionObject : public Napi::ObjectWrap<SubscriptionObject>, private Ending {
 public:
  static Napi::Function Define(Napi::Env env);
  static Napi::Value Create(Napi::Env env, std::shared_ptr<OwnedSubscription> owned);
  explicit SubscriptionObject(const Napi::CallbackInfo& info);

 private:
  // next() -> Promise of the packed events that are there now, perhaps none
  Napi::Value Next(const Napi::CallbackInfo& info);
  // close() -> Promise
  Napi::Value Close(const Napi::CallbackInfo& info);
  void EndWithEnvironment() override;

  std::shared_ptr<OwnedSubscription> owned_;  // empty: closed
};

}  // namespace millrace::node

#endif  // MILLRACE_BINDINGS_NODE_SUBSCRIPTION_H_
