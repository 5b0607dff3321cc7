// News of a process's end as a file descriptor.
#ifndef MILLRACE_WAKE_PIDFD_H_
#define MILLRACE_WAKE_PIDFD_H_

#include <cstdint>

#include "base/unique_fd.h"

namespace millrace::wake {

// Becomes readable (for poll) when the process has ended, its files and locks being released by
// then. Not valid where the system, a sandbox or the pid namespace does not allow it, and for a pid
// that does not exist.
UniqueFd OpenPidfd(int64_t pid);

}  // namespace millrace::wake

#endif  // MILLRACE_WAKE_PIDFD_H_
