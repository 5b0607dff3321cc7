// The one way from core threads into an environment's JavaScript.
//
// Core threads push news and wake the environment once per change from "no news" to "news"; the
// environment's thread then takes all of it in one call of the dispatch function. The thread-safe
// function behind it is unreferenced, so it does not keep the process alive; Ref() and Unref()
// change that while somebody waits.
#ifndef MILLRACE_BINDINGS_NODE_NOTIFY_H_
#define MILLRACE_BINDINGS_NODE_NOTIFY_H_

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "millrace/engine.h"
#include "napi_env.h"

namespace millrace::node {

using EnqueueAnswers = std::vector<Result<std::vector<EnqueueAck>>>;

// Thread-safe, but for the methods that take an environment: those belong to its thread.
class Notifier : public std::enable_shared_from_this<Notifier> {
 public:
  // `dispatch(ready, requests, ids, flags, errors, lines)`, see node/src/native.cts. Must not
  // throw.
  static std::shared_ptr<Notifier> Create(Napi::Env env, Napi::Function dispatch);

  // From any thread: a session or subscription has something new; enqueue `request` was answered; a
  // line to log.
  void Ready(uint32_t source);
  void Answered(uint32_t request, EnqueueAnswers answers);
  void Log(const std::string& line);

  // Whether the environment's event loop waits for us.
  void SetReferenced(Napi::Env env, bool referenced);
  // Afterwards nothing reaches the environment any more. Idempotent. On the environment's thread.
  void Close();

 private:
  struct News {
    std::vector<uint32_t> ready;
    std::vector<uint32_t> requests;
    std::vector<EnqueueAnswers> answers;
    std::vector<std::string> lines;
  };
  static void OnWake(napi_env env, napi_value dispatch, void* context, void* data);
  static void Dispatch(napi_env env, napi_value dispatch, const News& news);
  void Wake();  // holds mutex_

  std::mutex mutex_;
  napi_threadsafe_function function_ = nullptr;  // nullptr: closed
  bool woken_ = false;
  News news_;
};

}  // namespace millrace::node

#endif  // MILLRACE_BINDINGS_NODE_NOTIFY_H_
