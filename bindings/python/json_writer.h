// Python values to JSON text, without a Python string in between.
#ifndef MILLRACE_BINDINGS_PYTHON_JSON_WRITER_H_
#define MILLRACE_BINDINGS_PYTHON_JSON_WRITER_H_

#include <pybind11/pybind11.h>

#include <string>

namespace millrace::python {

namespace py = pybind11;

// The JSON text of a value made of None, bool, int, float, str, list, tuple and dict with str keys.
// Any other type is given to the fallback, whose answer is written in its place. Raises TypeError
// (a type that cannot travel) or ValueError (NaN, infinity, a lone surrogate, nesting beyond 500
// levels); the message names where the value stands, as in "'items[3].when'". The GIL must be held.
std::string ToJson(py::handle value);

// Adds dumps() and set_json_fallback() to the module.
void RegisterJson(py::module_& module);

}  // namespace millrace::python

#endif  // MILLRACE_BINDINGS_PYTHON_JSON_WRITER_H_
