// Whether new jobs would close a circle among jobs that exist.
#ifndef MILLRACE_FLOWS_CIRCLE_H_
#define MILLRACE_FLOWS_CIRCLE_H_

#include <cstdint>
#include <functional>
#include <unordered_map>
#include <utility>
#include <vector>

#include "flows/forecast.h"
#include "jobs/ledger.h"
#include "millrace/status.h"
#include "millrace/types.h"

namespace millrace::flows {

// A walk over the jobs of a call, which is without circles itself, and over what waits in the
// store: depth first, from a job to what it waits for. Used once.
class Circle {
 public:
  // `fates`: what becomes of the jobs; empty if all are simply added. `row_of` answers for the jobs
  // that `after` names.
  Circle(jobs::Ledger& ledger, const std::vector<JobSpec>& specs, const std::vector<Fate>& fates,
         std::function<int64_t(const JobRef&)> row_of)
      : ledger_(ledger), specs_(specs), fates_(fates), row_of_(std::move(row_of)) {}

  // The job of this row comes to wait for one of the call.
  void AddLink(int64_t parent, size_t child) {
    children_[parent].push_back(NewJob(child));
    linked_.push_back(NewJob(child));
  }

  // kInvalidArgument names a job that would come to wait for itself. Goes over what the new jobs
  // would wait for, as far as it is unfinished.
  Status Check();

 private:
  enum class Mark : uint8_t { kOnPath, kLeft };
  struct Step {
    int64_t at;
    std::vector<int64_t> waits_for;
    size_t next = 0;
  };

  Status From(int64_t start);
  Status Enter(int64_t at);
  void EnterNew(size_t index, std::vector<int64_t>* waits_for) const;
  Status Refuse() const;

  jobs::Ledger& ledger_;
  const std::vector<JobSpec>& specs_;
  const std::vector<Fate>& fates_;
  const std::function<int64_t(const JobRef&)> row_of_;
  std::unordered_map<int64_t, std::vector<int64_t>> children_;  // by the row of their parent
  std::vector<int64_t> linked_;                                 // all of them
  std::unordered_map<int64_t, Mark> marks_;
  std::vector<Step> path_;
};

}  // namespace millrace::flows

#endif  // MILLRACE_FLOWS_CIRCLE_H_
