// Hub: where a JavaScript layer receives news, and opens stores. A layer makes one; ESM and
// CommonJS copies of the package in one environment have one each.
#ifndef MILLRACE_BINDINGS_NODE_HUB_H_
#define MILLRACE_BINDINGS_NODE_HUB_H_

#include <memory>

#include "environment.h"
#include "napi_env.h"
#include "notify.h"

namespace millrace::node {

class HubObject : public Napi::ObjectWrap<HubObject>, private Ending {
 public:
  static Napi::Function Define(Napi::Env env);
  // new Hub(dispatch)
  explicit HubObject(const Napi::CallbackInfo& info);
  ~HubObject() override { notifier_->Close(); }

 private:
  // setReferenced(boolean): whether the event loop stays alive for us.
  void SetReferenced(const Napi::CallbackInfo& info);
  // open(path, options) -> Promise<Engine>
  Napi::Value Open(const Napi::CallbackInfo& info);
  void EndWithEnvironment() override { notifier_->Close(); }

  std::shared_ptr<Notifier> notifier_;
};

}  // namespace millrace::node

#endif  // MILLRACE_BINDINGS_NODE_HUB_H_
