#include "store/ofd_locks.h"

#include <sqlite3.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdarg>
#include <cstdint>

#include "base/check.h"
#include "base/fork.h"
#include "store/fork_guard.h"

namespace millrace::store {
namespace {

#ifdef F_OFD_SETLK
constexpr int kSetLock = F_OFD_SETLK;
constexpr int kSetLockWait = F_OFD_SETLKW;
constexpr int kGetLock = F_OFD_GETLK;
#else
constexpr int kSetLock = F_SETLK;
constexpr int kSetLockWait = F_SETLKW;
constexpr int kGetLock = F_GETLK;
#endif

static_assert(sizeof(off_t) == 8, "lock ranges lie beyond 4 GiB");

int LockCommand(int descriptor, int command, struct flock* lock) {
  lock->l_pid =
      0;  // the kernel refuses anything else for these commands, and SQLite leaves it unset
  int result = 0;
  do {
    result = fcntl(descriptor, command, lock);
  } while (result == -1 && errno == EINTR);
  return result;
}

#if !defined(MILLRACE_SQLITE_SYSTEM) && defined(__linux__)

int ShimOpen(const char* path, int flags, int mode) {
  return OpenTracked(path, flags, static_cast<mode_t>(mode));
}

int ShimFcntl(int descriptor, int command, ...) {
  va_list arguments;
  va_start(arguments, command);
  int result = 0;
  switch (command) {
    case F_SETLK:
      result = LockNoWait(descriptor, va_arg(arguments, struct flock*));
      break;
    case F_SETLKW:
      result = LockWait(descriptor, va_arg(arguments, struct flock*));
      break;
    case F_GETLK:
      result = LockQuery(descriptor, va_arg(arguments, struct flock*));
      break;
    // SQLite's other calls (F_GETFD, F_SETFD) take an int or nothing.
    default:
      result = fcntl(descriptor, command, va_arg(arguments, int));
      break;
  }
  va_end(arguments);
  return result;
}

void* ShimMmap(void* address, size_t length, int protection, int flags, int descriptor,
               off_t offset) {
  const auto no_fork_between = HoldForks();
  void* const memory = mmap(address, length, protection, flags, descriptor, offset);
  if (memory == MAP_FAILED) return memory;
  if (madvise(memory, length, MADV_DONTFORK) != 0) {
    const int error = errno;
    munmap(memory, length);
    errno = error;
    return MAP_FAILED;
  }
  return memory;
}

// SQLite finds what it knows of a file by device and inode, and never looks at the device for
// anything else.
void MarkGeneration(struct stat* buffer) {
  buffer->st_dev ^= static_cast<dev_t>(uint64_t{ForkGeneration()} << 40);
}

int ShimStat(const char* path, struct stat* buffer) {
  const int result = stat(path, buffer);
  if (result == 0) MarkGeneration(buffer);
  return result;
}

int ShimFstat(int descriptor, struct stat* buffer) {
  const int result = fstat(descriptor, buffer);
  if (result == 0) MarkGeneration(buffer);
  return result;
}

template <typename Function>
void Replace(sqlite3_vfs* vfs, const char* name, Function* function) {
  const int result =
      vfs->xSetSystemCall(vfs, name, reinterpret_cast<sqlite3_syscall_ptr>(function));
  MILLRACE_CHECK(result == SQLITE_OK);
}

void ReplaceSystemCalls() {
  // All VFSes of the family "unix" share one table of system calls.
  sqlite3_vfs* const vfs = sqlite3_vfs_find("unix");
  MILLRACE_CHECK(vfs != nullptr);
  Replace(vfs, "open", ShimOpen);
  Replace(vfs, "close", CloseTracked);
  Replace(vfs, "fcntl", ShimFcntl);
  Replace(vfs, "mmap", ShimMmap);
  Replace(vfs, "stat", ShimStat);
  Replace(vfs, "fstat", ShimFstat);
}

#else

void ReplaceSystemCalls() {}

#endif

}  // namespace

void InstallSystemCalls() {
  static const bool installed = [] {
    const bool initialised = sqlite3_initialize() == SQLITE_OK;
    MILLRACE_CHECK(initialised);
    ReplaceSystemCalls();
    InstallForkGuard();
    return true;
  }();
  static_cast<void>(installed);
}

int LockNoWait(int descriptor, struct flock* lock) {
  return LockCommand(descriptor, kSetLock, lock);
}

int LockWait(int descriptor, struct flock* lock) {
  return LockCommand(descriptor, kSetLockWait, lock);
}

int LockQuery(int descriptor, struct flock* lock) {
  return LockCommand(descriptor, kGetLock, lock);
}

}  // namespace millrace::store
