// Plain values between Python and the core: names of states, texts, option values.
#ifndef MILLRACE_BINDINGS_PYTHON_CONVERT_H_
#define MILLRACE_BINDINGS_PYTHON_CONVERT_H_

#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <optional>
#include <string>
#include <vector>

#include "millrace/engine.h"

namespace millrace::python {

namespace py = pybind11;

// A str of UTF-8 text from the store. Damaged bytes become U+FFFD: a listing must not fail over one
// record.
py::str Text(const std::string& utf8);
// A str for JSON, bytes for the other content types. Strict: raises UnicodeDecodeError.
py::object Body(const std::string& data, ContentType type);
// None for an empty string.
py::object TextOrNone(const std::string& utf8);
// None for nothing.
py::object OptionalBody(const std::optional<std::string>& body, ContentType type);

// Each raises TypeError or InvalidArgument that names the argument and what is accepted.
int64_t ToInt(py::handle value, const char* name);
double ToDouble(py::handle value, const char* name);
bool ToBool(py::handle value, const char* name);
std::string ToText(py::handle value, const char* name);  // str only
std::string ToData(py::handle value, const char* name);  // str or bytes
JobState ToState(const std::string& name);
Durability ToDurability(const std::string& name);
ContentType ToContentType(const std::string& name);
const char* ContentTypeName(ContentType type);

inline WriteOptions ToWriteOptions(const std::optional<std::string>& durability,
                                   bool wait_if_full = true) {
  WriteOptions options;
  if (durability) options.durability = ToDurability(*durability);
  options.wait_if_full = wait_if_full;
  return options;
}

// A list of anything that has a converter to Python.
template <typename T>
py::list ToList(std::vector<T>&& values) {
  py::list list(values.size());
  for (size_t i = 0; i < values.size(); ++i) list[i] = py::cast(std::move(values[i]));
  return list;
}

// Runs a call of the core without the GIL and answers its value, or raises.
template <typename F>
auto Unlocked(F&& call) {
  py::gil_scoped_release release;
  return call();
}

// Waits in slices so that Ctrl-C is noticed: `wait(ms)` answers true when it is done. timeout_ms <
// 0: without end. Answers false when the time-out passed. slice_ms < 0: one slice. Called with the
// GIL, which is released in the waits.
template <typename F>
bool WaitInSlices(int64_t timeout_ms, int64_t slice_ms, F&& wait) {
  int64_t left = timeout_ms;
  while (true) {
    const bool last = slice_ms < 0 || (left >= 0 && left <= slice_ms);
    const int64_t now_ms = last ? left : slice_ms;
    bool done = false;
    {
      py::gil_scoped_release release;
      done = wait(now_ms);
    }
    if (PyErr_CheckSignals() != 0) throw py::error_already_set();
    if (done) return true;
    if (last) return false;
    if (left >= 0) left -= now_ms;
  }
}

}  // namespace millrace::python

#endif  // MILLRACE_BINDINGS_PYTHON_CONVERT_H_
