// Blocked jobs that wait for each other in a circle, which nobody would ever run.
#ifndef MILLRACE_JOBS_CIRCLES_H_
#define MILLRACE_JOBS_CIRCLES_H_

#include <cstdint>
#include <vector>

#include "millrace/status.h"
#include "store/connection.h"

namespace millrace::jobs {

// At most `limit` circles, as rows of their jobs; no job is in two. As of one moment; holds what
// blocked jobs wait for of blocked jobs in memory.
Result<std::vector<std::vector<int64_t>>> FindCircles(store::Connection& connection, size_t limit);

}  // namespace millrace::jobs

#endif  // MILLRACE_JOBS_CIRCLES_H_
