// Runs a blocking call of the core on libuv's thread pool and answers with a promise.
#ifndef MILLRACE_BINDINGS_NODE_ASYNC_CALL_H_
#define MILLRACE_BINDINGS_NODE_ASYNC_CALL_H_

#include <functional>
#include <string>

#include "millrace/status.h"
#include "napi_env.h"
#include "wire.h"

namespace millrace::node {

// Makes the JavaScript value of an answer, on the environment's thread. It may throw Napi::Error.
using Answer = std::function<Napi::Value(Napi::Env)>;
// Runs on a pool thread. What it captures is destroyed there too, so that the last reference to an
// engine never closes it on the event loop.
using BlockingWork = std::function<Result<Answer>()>;

// `name` shows in async_hooks and traces.
Napi::Value CallAsync(Napi::Env env, const char* name, BlockingWork work);

Answer Undefined();
Answer NumberAnswer(double value);
Answer TextAnswer(std::string text);
Answer PackedAnswer(Packed packed);

// A Result<T> as the answer that `make` builds of its value.
template <typename T, typename Make>
Result<Answer> Map(Result<T> result, Make make) {
  if (!result.ok()) return result.status();
  return Answer(make(std::move(result.value())));
}
inline Result<Answer> Map(const Status& status) {
  if (!status.ok()) return status;
  return Undefined();
}

inline Result<Answer> MapNumber(const Status& status) {
  return Map(status);
}
// Of a count, a flag or an enumeration.
template <typename T>
Result<Answer> MapNumber(const Result<T>& result) {
  if (!result.ok()) return result.status();
  return NumberAnswer(static_cast<double>(*result));
}

}  // namespace millrace::node

#endif  // MILLRACE_BINDINGS_NODE_ASYNC_CALL_H_
