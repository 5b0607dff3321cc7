// What a child of fork() must not inherit. An open-file-description lock belongs to the open file,
// not to the process: a child that keeps a copy of the descriptor (or a mapping of the file) would
// keep a dead parent's locks. So every descriptor of ours is registered here, and the child closes
// them all, raw, before fork() returns in it.
#ifndef MILLRACE_STORE_FORK_GUARD_H_
#define MILLRACE_STORE_FORK_GUARD_H_

#include <sys/types.h>

#include <mutex>

namespace millrace::store {

// Installs the fork handlers, once per process. Call after sqlite3_initialize(). Thread-safe.
void InstallForkGuard();

// open(2) with O_CLOEXEC, and the descriptor registered; -1 with errno. The descriptor is never
// registered late: a fork cannot come between.
int OpenTracked(const char* path, int flags, mode_t mode);
// Forgets and closes it; what close(2) answers. Descriptors that were not registered are only
// closed.
int CloseTracked(int descriptor);

// Held while something is done that a fork must not cut in two (mmap and its madvise).
std::unique_lock<std::mutex> HoldForks();

}  // namespace millrace::store

#endif  // MILLRACE_STORE_FORK_GUARD_H_
