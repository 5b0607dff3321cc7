// Deduplication keys and counters.
#include "base/text.h"
#include "engine/engine_impl.h"
#include "jobs/dedup.h"
#include "jobs/minutes.h"
#include "jobs/read.h"

namespace millrace::engine {

Result<std::string> EngineImpl::DedupHolder(const std::string& queue, const std::string& key) {
  return WithReader([&](store::Connection& c) { return jobs::ReadHolder(c, queue, key, NowMs()); });
}

Result<bool> EngineImpl::ReleaseDedup(const std::string& queue, const std::string& key,
                                      const WriteOptions& options) {
  bool released = false;
  RETURN_IF_ERROR(Change(options, [&](jobs::Ledger& ledger) -> Status {
    ASSIGN_OR_RETURN(released, jobs::ReleaseKey(ledger, queue, key));
    return Status::Ok();
  }));
  return released;
}

Result<std::vector<TaskCounters>> EngineImpl::ReadCounters(const std::string& queue) {
  if (!queue.empty()) RETURN_IF_ERROR(CheckName(queue, "queue"));
  return WithReader([&](store::Connection& c) -> Result<std::vector<TaskCounters>> {
    int64_t queue_id = 0;
    if (!queue.empty()) {
      ASSIGN_OR_RETURN(queue_id, jobs::QueueIdOf(c, queue));
      if (queue_id == 0) return std::vector<TaskCounters>();
    }
    std::vector<int64_t> queue_ids;
    ASSIGN_OR_RETURN(std::vector<TaskCounters> counters,
                     ledger_->counters().Read(c, queue_id, &queue_ids));
    for (size_t i = 0; i < counters.size(); ++i) {
      ASSIGN_OR_RETURN(counters[i].queue, jobs::QueueName(c, queue_ids[i]));
    }
    return counters;
  });
}

Result<Metrics> EngineImpl::ReadMetrics(const MetricsQuery& query) {
  RETURN_IF_ERROR(jobs::CheckMetricsQuery(query));
  return WithReader([&](store::Connection& c) -> Result<Metrics> {
    ASSIGN_OR_RETURN(const int64_t queue_id, jobs::QueueIdOf(c, query.queue));
    return ledger_->counters().ReadMetrics(c, queue_id, query, NowMs());
  });
}

}  // namespace millrace::engine
