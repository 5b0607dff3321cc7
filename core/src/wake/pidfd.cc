#include "wake/pidfd.h"

#ifdef __linux__
#include <sys/syscall.h>
#include <sys/types.h>
#endif

#include <limits>

namespace millrace::wake {

UniqueFd OpenPidfd(int64_t pid) {
  if (pid <= 0 || pid > std::numeric_limits<int32_t>::max()) return UniqueFd();
#if defined(__linux__) && defined(SYS_pidfd_open)
  // The descriptor is close-on-exec by itself.
  return UniqueFd(static_cast<int>(syscall(SYS_pidfd_open, static_cast<pid_t>(pid), 0)));
#else
  return UniqueFd();
#endif
}

}  // namespace millrace::wake
