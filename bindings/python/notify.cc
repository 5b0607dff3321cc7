#include "notify.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>

#ifdef __linux__
#include <sys/eventfd.h>
#endif

#include "errors.h"

namespace millrace::python {

Notifier::Notifier() {
#ifdef __linux__
  read_fd_ = write_fd_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  const bool ok = read_fd_ >= 0;
#else
  int fds[2];
  const bool ok = pipe(fds) == 0;
  if (ok) {
    for (const int fd : fds) {
      fcntl(fd, F_SETFD, FD_CLOEXEC);
      fcntl(fd, F_SETFL, O_NONBLOCK);
    }
    read_fd_ = fds[0];
    write_fd_ = fds[1];
  }
#endif
  if (!ok) {
    PyErr_SetFromErrno(PyExc_OSError);
    throw py::error_already_set();
  }
}

Notifier::~Notifier() {
  close(read_fd_);
  if (write_fd_ != read_fd_) close(write_fd_);
}

void Notifier::Signal() noexcept {
  // Already readable: nothing to add. Clear() resets the flag before it empties the descriptor.
  if (signalled_.exchange(true)) return;
  const uint64_t one = 1;
  while (write(write_fd_, &one, sizeof one) < 0 && errno == EINTR) {
  }
}

void Notifier::Clear() noexcept {
  uint64_t buffer[8];
  while (read(read_fd_, buffer, sizeof buffer) > 0 && read_fd_ != write_fd_) {
  }
  // After the read: a Signal() between the two leaves the flag false and the descriptor empty only
  // if what it announced came before this call returned, and the caller looks for news after it.
  signalled_.store(false);
}

std::function<void()> Notifier::Callback(const std::shared_ptr<Notifier>& notifier) {
  if (notifier == nullptr) return {};
  return [notifier] { notifier->Signal(); };
}

void RegisterNotify(py::module_& module) {
  py::class_<Notifier, std::shared_ptr<Notifier>>(module, "Notifier")
      .def(py::init<>())
      .def("fileno", &Notifier::fd)
      .def("signal", &Notifier::Signal)
      .def("clear", &Notifier::Clear);
}

}  // namespace millrace::python
