// Notices fork() without a system call.
#ifndef MILLRACE_BASE_FORK_H_
#define MILLRACE_BASE_FORK_H_

#include <cstdint>

namespace millrace {

// A number, never 0, that is another one in a child of fork() than in its parent. What was made
// under another number belongs to the parent. One relaxed load. (vfork and a bare clone do not run
// fork handlers: there it stays the same.)
uint32_t ForkGeneration();

}  // namespace millrace

#endif  // MILLRACE_BASE_FORK_H_
