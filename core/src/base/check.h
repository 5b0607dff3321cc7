// Assertions that stay in release builds. For invariants of ours only: whatever comes from a
// caller, the disk or another process is answered with a Status.
#ifndef MILLRACE_BASE_CHECK_H_
#define MILLRACE_BASE_CHECK_H_

namespace millrace {

// Prints one line to standard error and aborts.
[[noreturn]] void CheckFailed(const char* file, int line, const char* condition);

}  // namespace millrace

#define MILLRACE_CHECK(condition)                              \
  do {                                                         \
    if (!(condition)) [[unlikely]]                             \
      ::millrace::CheckFailed(__FILE__, __LINE__, #condition); \
  } while (false)

#endif  // MILLRACE_BASE_CHECK_H_
