// A file descriptor that core threads make readable, so that event loops can wait for the core
// without a thread.
#ifndef MILLRACE_BINDINGS_PYTHON_NOTIFY_H_
#define MILLRACE_BINDINGS_PYTHON_NOTIFY_H_

#include <pybind11/pybind11.h>

#include <atomic>
#include <functional>
#include <memory>

namespace millrace::python {

namespace py = pybind11;

// Thread-safe. Core threads hold it by shared_ptr, so the descriptor outlives every callback that
// may still come.
class Notifier : public std::enable_shared_from_this<Notifier> {
 public:
  Notifier();
  ~Notifier();
  Notifier(const Notifier&) = delete;
  Notifier& operator=(const Notifier&) = delete;

  int fd() const { return read_fd_; }
  // Makes fd() readable. Never blocks, never needs the GIL.
  void Signal() noexcept;
  // Makes fd() unreadable again; call before looking for what is new.
  void Clear() noexcept;
  // A core callback that signals this notifier; empty if `notifier` is.
  static std::function<void()> Callback(const std::shared_ptr<Notifier>& notifier);

 private:
  int read_fd_ = -1;
  int write_fd_ = -1;  // the same descriptor with eventfd
  std::atomic<bool> signalled_{false};
};

void RegisterNotify(py::module_& module);

}  // namespace millrace::python

#endif  // MILLRACE_BINDINGS_PYTHON_NOTIFY_H_
