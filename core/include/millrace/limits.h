// Limits on how fast and how many jobs run, and groups: lanes within a queue that take turns.
#ifndef MILLRACE_LIMITS_H_
#define MILLRACE_LIMITS_H_

#include <cstdint>
#include <string>

namespace millrace {

// What a limit is for. These values reach the disk: never change them.
enum class LimitScope : uint8_t {
  kStore = 1,  // all jobs
  kQueue = 2,  // the jobs of `queue`
  kTask = 3,   // the jobs with the name `task`, in all queues
  kGroup = 4,  // the jobs of group `group` in `queue`; an empty group: each group that has no limit
               // of its own
};

// At most `count` starts in any stretch of `period_ms`: a token bucket that holds `count` tokens
// and gains one every period_ms / count. After a pause up to `count` jobs may start at once, so any
// window of period_ms sees less than 2 * count starts, and the long-run rate is never exceeded.
struct Rate {
  int64_t count = 0;      // 0: no rate limit; else 1 .. 1,000,000,000
  int64_t period_ms = 0;  // 1 .. 366 days; count * period_ms at most 9 * 10^18
};

// Set at run time, for all processes at once. A limit that does not exist costs nothing.
struct Limit {
  LimitScope scope = LimitScope::kQueue;
  std::string queue = {};   // kQueue, kGroup
  std::string task = {};    // kTask
  std::string group = {};   // kGroup; empty: the default of the queue's groups
  int64_t concurrency = 0;  // jobs that run at once; 0: no bound
  Rate rate = {};
  int64_t max_size = 0;  // kGroup: jobs that may wait in it, more are refused (kGroupFull); 0: no
                         // bound
};

struct LimitInfo {
  Limit limit = {};
  int64_t active = 0;            // jobs that run under it now
  int64_t limited_until_ms = 0;  // nothing starts before (rate, or told by a worker); 0: no
};

struct GroupInfo {
  std::string queue = {};
  std::string group = {};
  bool paused = false;
  int64_t ready = 0;   // its jobs that wait for their turn
  int64_t active = 0;  // its jobs that run
  int64_t limited_until_ms = 0;
};

}  // namespace millrace

#endif  // MILLRACE_LIMITS_H_
