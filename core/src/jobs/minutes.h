// How many jobs of a queue ended in each minute: what one process has counted and not added to the
// store yet, and the reading of both together.
#ifndef MILLRACE_JOBS_MINUTES_H_
#define MILLRACE_JOBS_MINUTES_H_

#include <cstdint>
#include <vector>

#include "millrace/counters.h"
#include "millrace/status.h"
#include "store/connection.h"

namespace millrace::jobs {

// Part of Counters, under its lock.
class Minutes {
 public:
  static constexpr int64_t kMinuteMs = 60'000;
  static constexpr int64_t kKept = 14 * 24 * 60;  // two weeks

  void Add(int64_t queue_id, int64_t minute, int64_t completed, int64_t failed);
  // Adds what was counted to the store, and deletes some of what is too old where a minute is new.
  Status Write(store::Connection& connection);
  void Clear() { counts_.clear(); }

  // Metrics::total is that of the store.
  Result<Metrics> Read(store::Connection& connection, int64_t queue_id, const MetricsQuery& query,
                       int64_t now_ms) const;

 private:
  struct Count {
    int64_t queue_id = 0;
    int64_t minute = 0;
    int64_t completed = 0;
    int64_t failed = 0;
  };
  std::vector<Count> counts_;  // few: a flush comes several times a second
  int64_t cleaned_minute_ = 0;
};

// kInvalidArgument.
Status CheckMetricsQuery(const MetricsQuery& query);

}  // namespace millrace::jobs

#endif  // MILLRACE_JOBS_MINUTES_H_
