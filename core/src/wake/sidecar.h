// The memory that doorbells share: the sidecar file, mapped; or private memory for a store inside
// one process.
#ifndef MILLRACE_WAKE_SIDECAR_H_
#define MILLRACE_WAKE_SIDECAR_H_

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <string>

#include "millrace/status.h"
#include "wake/layout.h"

namespace millrace::wake {

// One mapping, unmapped on destruction (in a child of fork() there is none: it is left out there,
// and must not be touched).
//
// A file that somebody truncates raises SIGBUS in whoever touches its mapping. There is no lock or
// seal against that on a file, and a SIGBUS handler belongs to the host program (Python's
// faulthandler, Node, the user's own), not to a library. So we never truncate a sidecar ourselves
// (a new one replaces it by name), allocate its blocks when it is made, so that a full disk cannot
// raise the signal either, and ask Intact() (one fstat, about 0.1 us) right before each pass over
// the mapping: what remains is a truncation that hits the fraction of a microsecond between the
// two. A process that can do that may as well truncate SQLite's own NAME-shm, with the same effect,
// or kill us.
class Sidecar {
 public:
  // Maps the file at `path`; makes it (0600) if it is missing; replaces it by a fresh one if it is
  // anything but a sidecar of this version. Replacing is safe at any time: processes that use the
  // old one notice within a second.
  static Result<std::shared_ptr<Sidecar>> OpenFile(const std::string& path);
  // Private zeroed memory.
  static Result<std::shared_ptr<Sidecar>> MakePrivate();

  Sidecar(const Sidecar&) = delete;
  Sidecar& operator=(const Sidecar&) = delete;
  ~Sidecar();

  Layout* layout() const { return layout_; }
  bool is_file() const { return fd_ >= 0; }
  // Whether all of the mapping is backed by the file at this moment.
  bool Intact() const;
  // Whether `path` still names this file.
  bool IsAt(const std::string& path) const;

 private:
  Sidecar(Layout* layout, int fd, dev_t device, ino_t inode);
  static Result<std::shared_ptr<Sidecar>> Map(int fd);

  Layout* const layout_;
  const int fd_;  // owned; -1: private memory
  const dev_t device_;
  const ino_t inode_;
  const uint32_t fork_generation_;
};

}  // namespace millrace::wake

#endif  // MILLRACE_WAKE_SIDECAR_H_
