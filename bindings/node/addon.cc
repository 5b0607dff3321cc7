// The addon's entry: one Environment for each JavaScript environment that loads it.
#include "engine.h"
#include "environment.h"
#include "hub.h"
#include "millrace/engine.h"
#include "session.h"
#include "subscription.h"
#include "transaction.h"

namespace millrace::node {

Environment& Environment::Of(Napi::Env env) {
  return *env.GetInstanceData<Environment>();
}

void Environment::Install(Napi::Env env, Napi::Object exports) {
  auto* environment = new Environment;
  env.SetInstanceData<Environment>(
      environment);  // deletes it after the cleanup hook and the finalizers
  napi_add_env_cleanup_hook(env, OnCleanup, environment);
  environment->engine_class = Napi::Persistent(EngineObject::Define(env));
  environment->session_class = Napi::Persistent(SessionObject::Define(env));
  environment->subscription_class = Napi::Persistent(SubscriptionObject::Define(env));
  environment->transaction_class = Napi::Persistent(TransactionObject::Define(env));
  exports.Set("Hub", HubObject::Define(env));
  exports.Set("version", Napi::String::New(env, Version()));
  exports.Set("sqliteVersion", Napi::String::New(env, SqliteVersion()));
}

void Environment::OnCleanup(void* data) {
  const std::set<Ending*> endings = *static_cast<Environment*>(data)->endings_;
  for (Ending* ending : endings) ending->EndWithEnvironment();
}

Ending::Ending(Napi::Env env) : all_(Environment::Of(env).endings_) {
  all_->insert(this);
}

Ending::~Ending() {
  all_->erase(this);
}

}  // namespace millrace::node

static Napi::Object Init(Napi::Env env, Napi::Object exports) {
  millrace::node::Environment::Install(env, exports);
  return exports;
}

NODE_API_MODULE(millrace, Init)
