// Changes to jobs and queues: each is a domain's function in a write operation.
#include "engine/engine_impl.h"
#include "flows/members.h"
#include "jobs/change.h"
#include "jobs/publish.h"
#include "jobs/update.h"
#include "jobs/validate.h"
#include "schedule/change.h"

namespace millrace::engine {

Result<CancelResult> EngineImpl::Cancel(const JobRef& job, const std::string& reason,
                                        const WriteOptions& options) {
  CancelResult result = CancelResult::kFinished;
  RETURN_IF_ERROR(Change(options, [&](jobs::Ledger& ledger) {
    return flows::CancelJob(ledger, job, reason, &result);
  }));
  return result;
}

Status EngineImpl::Redrive(const JobRef& job, const WriteOptions& options) {
  return Change(options, [&](jobs::Ledger& ledger) { return jobs::RedriveJob(ledger, job); });
}

Status EngineImpl::Promote(const JobRef& job, const WriteOptions& options) {
  return Change(options, [&](jobs::Ledger& ledger) { return jobs::PromoteJob(ledger, job); });
}

Status EngineImpl::Remove(const JobRef& job, const WriteOptions& options) {
  return Change(options, [&](jobs::Ledger& ledger) { return flows::RemoveJob(ledger, job); });
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

Status EngineImpl::AddLog(const JobRef& job, const std::string& line, const WriteOptions& options) {
  RETURN_IF_ERROR(jobs::CheckLogLine(line));
  return Change(options, [&](jobs::Ledger& ledger) { return jobs::AppendLog(ledger, job, line); });
}

Status EngineImpl::PublishEvent(const CustomEvent& event, const WriteOptions& options) {
  RETURN_IF_ERROR(jobs::CheckEvent(event, options_.max_payload_bytes));
  return Change(options, [&](jobs::Ledger& ledger) { return jobs::PublishEvent(ledger, event); });
}

Result<int64_t> EngineImpl::RedriveMany(const BulkQuery& query, const WriteOptions& options) {
  RETURN_IF_ERROR(jobs::CheckBulkQuery(query));
  return ChangeMany(query.limit, options,
                    [&](auto& ledger, int64_t most, auto* cursor, auto* result) {
                      return jobs::RedriveSlice(ledger, query, most, cursor, result);
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

Status EngineImpl::SetRetention(const std::string& queue, const Keep& completed, const Keep& failed,
                                const WriteOptions& options) {
  return Change(options, [&](jobs::Ledger& ledger) {
    return jobs::SetQueueRetention(ledger, queue, completed, failed);
  });
}

}  // namespace millrace::engine
