// Changes to jobs and queues: each is a domain's function in a write operation.
#include "engine/engine_impl.h"
#include "flows/members.h"
#include "jobs/change.h"
#include "jobs/publish.h"
#include "jobs/trim.h"
#include "jobs/update.h"
#include "jobs/validate.h"
#include "schedule/change.h"

namespace millrace::engine {
namespace {

// They are one commit, which others wait for.
constexpr int64_t kCancelJobsMax = 10'000;

}  // namespace

Result<CancelResult> EngineImpl::Cancel(const JobRef& job, const std::string& reason,
                                        const WriteOptions& options) {
  CancelResult result = CancelResult::kFinished;
  RETURN_IF_ERROR(Change(options, [&](jobs::Ledger& ledger) {
    return flows::CancelJob(ledger, job, reason, &result);
  }));
  return result;
}

Result<std::vector<CancelResult>> EngineImpl::CancelJobs(const std::vector<JobRef>& jobs,
                                                         const std::string& reason,
                                                         const WriteOptions& options) {
  RETURN_IF_ERROR(jobs::CheckReason(reason));
  RETURN_IF_ERROR(jobs::CheckRange(std::ssize(jobs), 0, kCancelJobsMax, "the number of jobs"));
  std::vector<CancelResult> results;
  if (jobs.empty()) return results;
  RETURN_IF_ERROR(Change(options, [&](jobs::Ledger& ledger) {
    return flows::CancelJobs(ledger, jobs, reason, &results);
  }));
  return results;
}

Status EngineImpl::Redrive(const JobRef& job, const RedriveOptions& redrive,
                           const WriteOptions& options) {
  return Change(options,
                [&](jobs::Ledger& ledger) { return jobs::RedriveJob(ledger, job, redrive); });
}

Status EngineImpl::Promote(const JobRef& job, const WriteOptions& options) {
  return Change(options, [&](jobs::Ledger& ledger) { return jobs::PromoteJob(ledger, job); });
}

Status EngineImpl::Remove(const JobRef& job, const WriteOptions& options) {
  return Change(options, [&](jobs::Ledger& ledger) { return flows::RemoveJob(ledger, job); });
}

Status EngineImpl::RemoveAlone(const JobRef& job, const WriteOptions& options) {
  return Change(options, [&](jobs::Ledger& ledger) { return jobs::RemoveJob(ledger, job); });
}

Status EngineImpl::UpdateJob(const JobRef& job, const JobChange& change,
                             const WriteOptions& options) {
  RETURN_IF_ERROR(jobs::CheckChange(change, options_.max_payload_bytes));
  return Change(options,
                [&](jobs::Ledger& ledger) { return jobs::UpdateJob(ledger, job, change); });
}

Status EngineImpl::SetProgress(const JobRef& job, const std::string& json,
                               const WriteOptions& options) {
  RETURN_IF_ERROR(jobs::CheckProgress(json, options_.max_payload_bytes));
  return Change(options, [&](jobs::Ledger& ledger) {
    return jobs::SetProgress(ledger, job, json, options_.max_payload_bytes);
  });
}

Result<int64_t> EngineImpl::AddLog(const JobRef& job, const std::string& line,
                                   const WriteOptions& options) {
  RETURN_IF_ERROR(jobs::CheckLogLine(line));
  int64_t lines = 0;
  RETURN_IF_ERROR(Change(
      options, [&](jobs::Ledger& ledger) { return jobs::AppendLog(ledger, job, line, &lines); }));
  return lines;
}

Result<int64_t> EngineImpl::ClearLogs(const JobRef& job, int64_t keep,
                                      const WriteOptions& options) {
  int64_t dropped = 0;
  RETURN_IF_ERROR(Change(
      options, [&](jobs::Ledger& ledger) { return jobs::ClearLogs(ledger, job, keep, &dropped); }));
  return dropped;
}

Result<int64_t> EngineImpl::TrimEvents(const std::string& queue, int64_t keep,
                                       const WriteOptions& options) {
  return ChangeMany(0, options, [&](auto& ledger, int64_t, auto*, auto* result) {
    return jobs::TrimEventsSlice(ledger, queue, keep, result);
  });
}

Status EngineImpl::PublishEvent(const CustomEvent& event, const WriteOptions& options) {
  RETURN_IF_ERROR(jobs::CheckEvent(event, options_.max_payload_bytes));
  return Change(options, [&](jobs::Ledger& ledger) { return jobs::PublishEvent(ledger, event); });
}

Result<int64_t> EngineImpl::RedriveMany(const BulkQuery& query, const RedriveOptions& redrive,
                                        const WriteOptions& options) {
  RETURN_IF_ERROR(jobs::CheckBulkQuery(query));
  return ChangeMany(query.limit, options,
                    [&](auto& ledger, int64_t most, auto* cursor, auto* result) {
                      return jobs::RedriveKeeping(ledger, query, redrive, most, cursor, result);
                    });
}

Result<int64_t> EngineImpl::PromoteMany(const BulkQuery& query, const WriteOptions& options) {
  RETURN_IF_ERROR(jobs::CheckBulkQuery(query));
  if (query.state != JobState::kScheduled) {
    return Status(Code::kInvalidArgument, std::string("state is \"") + JobStateName(query.state) +
                                              "\"; \"scheduled\" is accepted");
  }
  return ChangeMany(query.limit, options,
                    [&](auto& ledger, int64_t most, auto* cursor, auto* result) {
                      return jobs::PromoteSlice(ledger, query, most, cursor, result);
                    });
}

Result<int64_t> EngineImpl::RemoveMany(const BulkQuery& query, const WriteOptions& options) {
  RETURN_IF_ERROR(jobs::CheckBulkQuery(query));
  return ChangeMany(query.limit, options,
                    [&](auto& ledger, int64_t most, auto* cursor, auto* result) {
                      flows::BulkMembers members;
                      return jobs::RemoveSlice(ledger, query, most, cursor, result, &members);
                    });
}

Result<int64_t> EngineImpl::Drain(const std::string& queue, bool scheduled,
                                  const WriteOptions& options) {
  return ChangeMany(0, options, [&](auto& ledger, int64_t most, auto* cursor, auto* result) {
    flows::BulkMembers members;
    return jobs::DrainSlice(ledger, queue, scheduled, most, cursor, result, &members);
  });
}

Result<int64_t> EngineImpl::Obliterate(const std::string& queue, bool force,
                                       const WriteOptions& options) {
  const auto slice = [&](jobs::Ledger& ledger, int64_t most, jobs::BulkCursor* cursor,
                         jobs::SliceResult* result) -> Status {
    flows::BulkMembers members;
    if (!cursor->started || cursor->schedules_done) {
      RETURN_IF_ERROR(jobs::ObliterateSlice(ledger, queue, force, most, cursor, result, &members));
    }
    if (cursor->schedules_done) return Status::Ok();
    // Before the jobs are gone: what fills the queue must not fill it again.
    result->more = true;
    return schedule::RemoveOfQueue(ledger, queue, &cursor->schedule, &cursor->schedules_done);
  };
  return ChangeMany(0, options, slice);
}

Status EngineImpl::Pause(const std::string& queue, const WriteOptions& options) {
  return Change(options, [&](jobs::Ledger& ledger) { return jobs::PauseQueue(ledger, queue); });
}

Status EngineImpl::Resume(const std::string& queue, const WriteOptions& options) {
  return Change(options, [&](jobs::Ledger& ledger) { return jobs::ResumeQueue(ledger, queue); });
}

Status EngineImpl::SetRetention(const std::string& queue, const std::optional<Keep>& completed,
                                const std::optional<Keep>& failed, const WriteOptions& options) {
  return Change(options, [&](jobs::Ledger& ledger) {
    return jobs::SetQueueRetention(ledger, queue, completed, failed);
  });
}

}  // namespace millrace::engine
