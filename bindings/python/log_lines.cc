#include "log_lines.h"

#include <utility>

#include "convert.h"

namespace millrace::python {
namespace {

constexpr size_t kMaxLines = 1'000;

}  // namespace

std::function<void(const std::string&)> LogLines::Callback(const std::shared_ptr<LogLines>& lines) {
  if (lines == nullptr) return {};
  return [lines](const std::string& line) { lines->Add(line); };
}

void LogLines::Add(const std::string& line) {
  {
    const std::lock_guard lock(mutex_);
    if (lines_.size() < kMaxLines) {
      lines_.push_back(line);
    } else {
      ++left_out_;
    }
  }
  news_.notify_one();
}

std::optional<std::vector<std::string>> LogLines::Take() {
  std::unique_lock lock(mutex_);
  news_.wait(lock, [this] { return closed_ || !lines_.empty(); });
  if (lines_.empty()) return std::nullopt;
  if (left_out_ > 0) {
    lines_.push_back(std::to_string(left_out_) + " more lines were left out");
    left_out_ = 0;
  }
  return std::exchange(lines_, {});
}

void LogLines::Close() {
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
  }
  news_.notify_one();
}

void RegisterLogLines(py::module_& module) {
  py::class_<LogLines, std::shared_ptr<LogLines>>(module, "LogLines")
      .def(py::init<>())
      .def("take",
           [](LogLines& self) -> py::object {
             const auto lines = Unlocked([&] { return self.Take(); });
             if (!lines) return py::none();
             py::list texts;
             for (const std::string& line : *lines) texts.append(Text(line));
             return texts;
           })
      .def("close", &LogLines::Close);
}

}  // namespace millrace::python
