// What has happened in a store, in figures: of each task, and of each minute. Plain data.
#ifndef MILLRACE_COUNTERS_H_
#define MILLRACE_COUNTERS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "millrace/types.h"

namespace millrace {

// What happened to the jobs of one task in one queue since the store was made. Kept by each process
// in memory and added with its commits, four times a second at most. With a session or subscription
// they are a second late at most; a process that only enqueues keeps the last until its next commit
// or its end. A crash loses what is not written. (QueueCounts are exact.)
struct TaskCounters {
  std::string queue = {};
  std::string task = {};
  int64_t enqueued = 0;
  int64_t started = 0;
  int64_t completed = 0;
  int64_t failed = 0;
  int64_t cancelled = 0;
  int64_t retried = 0;
  int64_t crashed = 0;  // attempts whose worker died
  // Counts by power of two: element i holds times t with 2^(i-1) <= t < 2^i ms; 0: below 1 ms. From
  // when a job could have started (due or enqueued) to its start, and of an attempt's run.
  std::vector<int64_t> wait_ms = {};
  std::vector<int64_t> run_ms = {};
};

// Jobs of a queue that ended in each minute, of all processes; kept for two weeks of minutes. As
// TaskCounters, a second late at most.
struct MetricsQuery {
  std::string queue = {};                 // required
  JobState state = JobState::kCompleted;  // or kFailed: for good
  int64_t start = 0;                      // minutes before the present one, which is 0
  int64_t end = -1;                       // the last one wanted; negative: the oldest kept
};
struct Metrics {
  int64_t total = 0;               // since the store was made
  int64_t minutes = 0;             // how many there are, from the present one to the oldest kept
  int64_t minute_at_ms = 0;        // when the present minute began
  std::vector<int64_t> data = {};  // start, start + 1, ...: the newest first
};

}  // namespace millrace

#endif  // MILLRACE_COUNTERS_H_
