// What belongs to one JavaScript environment: the classes of the addon and everything that must end
// with it.
#ifndef MILLRACE_BINDINGS_NODE_ENVIRONMENT_H_
#define MILLRACE_BINDINGS_NODE_ENVIRONMENT_H_

#include <memory>
#include <set>

#include "napi_env.h"

namespace millrace::node {

// Something that holds threads or leases of the core. It registers while it is open, and is ended
// with the environment: a worker_thread may be terminated at any moment, and its jobs must go back
// to the queue.
class Ending {
 public:
  virtual ~Ending();
  // On the environment's thread, when no JavaScript can run any more. May block for the disk.
  virtual void EndWithEnvironment() = 0;

 protected:
  explicit Ending(Napi::Env env);

 private:
  // Shared with the Environment: finalizers may run after it is gone.
  std::shared_ptr<std::set<Ending*>> all_;
};

// Not thread-safe: used on the environment's thread only.
class Environment {
 public:
  static Environment& Of(Napi::Env env);
  static void Install(Napi::Env env, Napi::Object exports);

  Napi::FunctionReference engine_class;
  Napi::FunctionReference session_class;
  Napi::FunctionReference subscription_class;
  Napi::FunctionReference transaction_class;

 private:
  friend class Ending;
  static void OnCleanup(void* environment);
  std::shared_ptr<std::set<Ending*>> endings_ = std::make_shared<std::set<Ending*>>();
};

}  // namespace millrace::node

#endif  // MILLRACE_BINDINGS_NODE_ENVIRONMENT_H_
