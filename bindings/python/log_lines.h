// What the core has to say to a human, on its way to Python's logging.
#ifndef MILLRACE_BINDINGS_PYTHON_LOG_LINES_H_
#define MILLRACE_BINDINGS_PYTHON_LOG_LINES_H_

#include <pybind11/pybind11.h>

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace millrace::python {

namespace py = pybind11;

// A bounded queue from the core's threads, which never take the GIL, to one thread of Python's.
// Thread-safe.
class LogLines {
 public:
  LogLines() = default;
  LogLines(const LogLines&) = delete;
  LogLines& operator=(const LogLines&) = delete;

  // For OpenOptions::on_log; empty if `lines` is. Beyond the bound a line is counted, not kept.
  static std::function<void(const std::string&)> Callback(const std::shared_ptr<LogLines>& lines);

  // Blocks until there is a line; empty once Close() was called and all were taken.
  std::optional<std::vector<std::string>> Take();
  void Close();

 private:
  void Add(const std::string& line);

  std::mutex mutex_;
  std::condition_variable news_;
  std::vector<std::string> lines_;
  int64_t left_out_ = 0;
  bool closed_ = false;
};

void RegisterLogLines(py::module_& module);

}  // namespace millrace::python

#endif  // MILLRACE_BINDINGS_PYTHON_LOG_LINES_H_
