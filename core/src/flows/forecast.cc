#include "flows/forecast.h"

#include <string>
#include <unordered_map>
#include <unordered_set>

#include "base/macros.h"
#include "jobs/dedup.h"
#include "jobs/enqueue.h"
#include "jobs/locate.h"

namespace millrace::flows {
namespace {

using jobs::DedupVerdict;
using jobs::Location;

class Forecast {
 public:
  Forecast(jobs::Ledger& ledger, const std::vector<JobSpec>& specs)
      : ledger_(ledger), specs_(specs), keys_(ledger) {}

  Status Next(size_t index, Fate* fate) {
    const JobSpec& spec = specs_[index];
    if (!spec.id.empty()) {
      RETURN_IF_ERROR(FindId(spec, fate));
      fate->added = fate->other == 0;
    }
    if (fate->added && !spec.dedup.key.empty()) RETURN_IF_ERROR(Judge(index, fate));
    if (fate->removes != 0) removed_.insert(fate->removes);
    if (fate->added && !spec.id.empty()) ids_[NameOf(spec, spec.id)] = NewJob(index);
    return Status::Ok();
  }

 private:
  // Neither part holds control characters.
  static std::string NameOf(const JobSpec& spec, const std::string& name) {
    return spec.queue + '\n' + name;
  }

  // Who has the id: not one that is removed before.
  Status FindId(const JobSpec& spec, Fate* fate) {
    if (const auto it = ids_.find(NameOf(spec, spec.id)); it != ids_.end()) {
      const int64_t job = it->second;
      if (perhaps_removed_.contains(job)) fate->perhaps = job;
      if (!removed_.contains(job)) fate->other = job;
      return Status::Ok();
    }
    ASSIGN_OR_RETURN(const int64_t queue_id, ledger_.FindQueueId(spec.queue));
    if (queue_id == 0) return Status::Ok();
    Location at;
    bool found = false;
    RETURN_IF_ERROR(jobs::Locate(ledger_.connection(), spec.id, queue_id, &at, &found));
    if (found && !removed_.contains(at.key.row)) fate->other = at.key.row;
    return Status::Ok();
  }

  // Where it would stand: one that waits for others may also be ready, if all of them have ended.
  JobState StateOf(const JobSpec& spec) const {
    if (!spec.after.empty()) return JobState::kBlocked;
    return jobs::DueAt(spec, ledger_.now_ms()) != 0 ? JobState::kScheduled : JobState::kReady;
  }

  Status Judge(size_t index, Fate* fate) {
    const JobSpec& spec = specs_[index];
    const Location job{.key = {.row = NewJob(index), .created_at_ms = ledger_.now_ms()},
                       .state = StateOf(spec)};
    DedupVerdict verdict;
    RETURN_IF_ERROR(keys_.Next(spec.queue, spec.dedup, job, &verdict));
    fate->added = verdict.kind != DedupVerdict::Kind::kDrop;
    if (!fate->added) fate->other = verdict.at.key.row;
    if (verdict.kind == DedupVerdict::Kind::kReplace) fate->removes = verdict.at.key.row;
    if (verdict.kind == DedupVerdict::Kind::kFollow) fate->follows = verdict.holder.row;
    if (verdict.replaces) fate->removes = verdict.replaced.key.row;
    auto [newest, first] = newest_.try_emplace(NameOf(spec, spec.dedup.key), index);
    if (!first && !specs_[newest->second].after.empty()) {
      fate->perhaps = NewJob(newest->second);
      perhaps_removed_.insert(fate->perhaps);
    }
    if (fate->added) newest->second = index;
    return Status::Ok();
  }

  jobs::Ledger& ledger_;
  const std::vector<JobSpec>& specs_;
  jobs::KeyForecast keys_;
  std::unordered_map<std::string, int64_t> ids_;    // of the call
  std::unordered_map<std::string, size_t> newest_;  // by key: the newest job of the call
  std::unordered_set<int64_t> removed_;             // others have taken their places
  std::unordered_set<int64_t> perhaps_removed_;
};

}  // namespace

Status Foresee(jobs::Ledger& ledger, const std::vector<JobSpec>& specs,
               const std::vector<int32_t>& order, std::vector<Fate>* fates) {
  fates->assign(specs.size(), {});
  Forecast forecast(ledger, specs);
  for (const int32_t index : order) {
    const auto at = static_cast<size_t>(index);
    RETURN_IF_ERROR(forecast.Next(at, &(*fates)[at]));
  }
  return Status::Ok();
}

}  // namespace millrace::flows
