// From the core's Status to Python's exceptions.
#ifndef MILLRACE_BINDINGS_PYTHON_ERRORS_H_
#define MILLRACE_BINDINGS_PYTHON_ERRORS_H_

#include <pybind11/pybind11.h>

#include <string>
#include <utility>

#include "millrace/status.h"

namespace millrace::python {

namespace py = pybind11;

// Creates one exception class per Code and adds them to the module.
void RegisterErrors(py::module_& module);

// The exception instance that stands for a failed status. The GIL must be held.
py::object MakeError(const Status& status);

// Raises it. The GIL must be held.
[[noreturn]] void Raise(const Status& status);

// InvalidArgument with this message.
[[noreturn]] void RaiseInvalid(const std::string& message);

inline void Check(const Status& status) {
  if (!status.ok()) Raise(status);
}

template <typename T>
T Unwrap(Result<T> result) {
  if (!result.ok()) Raise(result.status());
  return std::move(*result);
}

}  // namespace millrace::python

#endif  // MILLRACE_BINDINGS_PYTHON_ERRORS_H_
