// Status to JavaScript: Error objects whose `code` is the stable name of the core's code, such as
// "lease_lost".
#ifndef MILLRACE_BINDINGS_NODE_ERRORS_H_
#define MILLRACE_BINDINGS_NODE_ERRORS_H_

#include <string>

#include "millrace/status.h"
#include "napi_env.h"

namespace millrace::node {

// Throws the status as a C++ exception, which node-addon-api turns into a JavaScript one.
[[noreturn]] void Throw(Napi::Env env, const Status& status);
// The same for an argument of the addon itself.
[[noreturn]] void ThrowInvalid(Napi::Env env, const std::string& message);

// The error object; nullptr if the environment can make none (it is being torn down).
napi_value ErrorValue(napi_env env, const Status& status);

}  // namespace millrace::node

#endif  // MILLRACE_BINDINGS_NODE_ERRORS_H_
