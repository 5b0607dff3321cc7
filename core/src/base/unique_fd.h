// A file descriptor with an owner.
#ifndef MILLRACE_BASE_UNIQUE_FD_H_
#define MILLRACE_BASE_UNIQUE_FD_H_

#include <unistd.h>

#include <utility>

namespace millrace {

// Closes on destruction. Not for files with POSIX record locks or unsynced writes: the error of
// close() is dropped.
class UniqueFd {
 public:
  UniqueFd() = default;
  explicit UniqueFd(int fd) : fd_(fd) {}
  UniqueFd(UniqueFd&& other) noexcept : fd_(other.Release()) {}
  UniqueFd& operator=(UniqueFd&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~UniqueFd() {
    if (fd_ >= 0) close(fd_);
  }

  int get() const { return fd_; }
  bool valid() const { return fd_ >= 0; }
  // The caller owns it from here on.
  int Release() { return std::exchange(fd_, -1); }

 private:
  int fd_ = -1;
};

}  // namespace millrace

#endif  // MILLRACE_BASE_UNIQUE_FD_H_
