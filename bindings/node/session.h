// Session: a worker's session, as JavaScript sees it. take(), settle(), drain(), progress(),
// log() and checkpoint() only touch memory; everything that may wait runs on the pool.
#ifndef MILLRACE_BINDINGS_NODE_SESSION_H_
#define MILLRACE_BINDINGS_NODE_SESSION_H_

#include <memory>

#include "environment.h"
#include "millrace/engine.h"
#include "napi_env.h"
#include "registry.h"

namespace millrace::node {

// A session with the share in its engine, which must outlive it.
struct OwnedSession {
  OwnedSession(std::shared_ptr<EngineShare> owner, std::unique_ptr<Session> owned)
      : share(std::move(owner)), session(std::move(owned)) {}

  std::shared_ptr<EngineShare> share;
  std::unique_ptr<Session> session;  // destroyed first
};

class SessionObject : public Napi::ObjectWrap<SessionObject>, private Ending {
 public:
  static Napi::Function Define(Napi::Env env);
  static Napi::Value Create(Napi::Env env, std::shared_ptr<OwnedSession> owned);
  explicit SessionObject(const Napi::CallbackInfo& info);

 private:
  using Info = const Napi::CallbackInfo&;

  Session& Open(Napi::Env env) const;  // or a thrown "closed"
  Napi::Value Run(Info info, const char* name, std::function<Status(Session&)> call);

  Napi::Value Take(Info info);
  Napi::Value Settle(Info info);
  Napi::Value Drain(Info info);
  void Progress(Info info);
  void Log(Info info);
  void Checkpoint(Info info);
  void SetSlots(Info info);
  Napi::Value Pause(Info info);
  Napi::Value Resume(Info info);
  void Stop(Info info);
  Napi::Value Close(Info info);

  void EndWithEnvironment() override;

  std::shared_ptr<OwnedSession> owned_;  // empty: closed
};

}  // namespace millrace::node

#endif  // MILLRACE_BINDINGS_NODE_SESSION_H_
