// node-addon-api as this addon uses it.
//
// An environment (the main thread or a worker_thread) may be terminated while a call is under way.
// Then Node refuses to run JavaScript, and an error that cannot be thrown must be dropped: it must
// not abort the process.
#ifndef MILLRACE_BINDINGS_NODE_NAPI_ENV_H_
#define MILLRACE_BINDINGS_NODE_NAPI_ENV_H_

#define NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS
#include <napi.h>

#endif  // MILLRACE_BINDINGS_NODE_NAPI_ENV_H_
