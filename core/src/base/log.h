// One line about something that a human should know, for OpenOptions::on_log.
#ifndef MILLRACE_BASE_LOG_H_
#define MILLRACE_BASE_LOG_H_

#include <functional>
#include <string>
#include <utility>

namespace millrace {

// Copyable; thread-safe if the sink is. Without a sink the lines are dropped. A sink that throws is
// ignored: it is user code, and no exception crosses the core.
class Log {
 public:
  using Sink = std::function<void(const std::string& line)>;

  Log() = default;
  explicit Log(Sink sink) : sink_(std::move(sink)) {}
  void Line(const std::string& line) const noexcept;

 private:
  Sink sink_;
};

}  // namespace millrace

#endif  // MILLRACE_BASE_LOG_H_
