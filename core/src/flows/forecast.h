// What the store is about to make of the jobs of a call: not each of them is added.
#ifndef MILLRACE_FLOWS_FORECAST_H_
#define MILLRACE_FLOWS_FORECAST_H_

#include <cstdint>
#include <vector>

#include "jobs/ledger.h"
#include "millrace/status.h"
#include "millrace/types.h"

namespace millrace::flows {

// Jobs that exist go by their row here; the one at a position of the call, whose row is not known
// yet, by a number below 0.
constexpr int64_t NewJob(size_t position) {
  return -1 - static_cast<int64_t>(position);
}
constexpr size_t PositionOf(int64_t new_job) {
  return static_cast<size_t>(-1 - new_job);
}

struct Fate {
  bool added = true;
  int64_t other = 0;  // the job that counts if it is not added; 0: nothing is known of it any more
  int64_t perhaps = 0;  // this one of the call may count in its place, or it is added; 0: none
  int64_t follows = 0;  // it starts after this one (deduplication); 0: none
  int64_t removes = 0;  // it takes the place of this one; 0: none
};

// By position, for jobs that are added in this order. Only reads.
Status Foresee(jobs::Ledger& ledger, const std::vector<JobSpec>& specs,
               const std::vector<int32_t>& order, std::vector<Fate>* fates);

}  // namespace millrace::flows

#endif  // MILLRACE_FLOWS_FORECAST_H_
