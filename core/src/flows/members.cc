#include "flows/members.h"

#include <unordered_map>
#include <utility>
#include <vector>

#include "base/macros.h"
#include "jobs/change.h"
#include "jobs/locate.h"
#include "jobs/read.h"
#include "sql_statements.h"

namespace millrace::flows {
namespace {

using jobs::Location;
using store::Query;

Status LoadMembers(jobs::Ledger& ledger, int64_t row, std::vector<int64_t>* rows) {
  Query q(ledger.connection(), sql::flows::kSelectMembers);
  q.Bind(row);
  for (;;) {
    bool found = false;
    RETURN_IF_ERROR(q.Step(&found));
    if (!found) return Status::Ok();
    rows->push_back(q.Int(0));
  }
}

// How many unfinished jobs wait for this one.
Status CountWaiting(jobs::Ledger& ledger, int64_t row, int64_t* count) {
  Query q(ledger.connection(), sql::flows::kCountWaiting);
  q.Bind(row);
  bool found = false;
  RETURN_IF_ERROR(q.Step(&found));
  *count = q.Int(0);
  return Status::Ok();
}

// In the order of the walk from `top`, which is not among them. A job is taken when the last one
// that waits for it is.
Status FindMembers(jobs::Ledger& ledger, int64_t top, bool top_waits, std::vector<int64_t>* taken) {
  std::unordered_map<int64_t, int64_t> left;  // of those that wait for it, not taken
  std::vector<int64_t> rows;
  for (size_t next = 0;; ++next) {
    rows.clear();
    RETURN_IF_ERROR(LoadMembers(ledger, next == 0 ? top : (*taken)[next - 1], &rows));
    for (const int64_t row : rows) {
      auto [it, first] = left.try_emplace(row, 0);
      if (first) {
        RETURN_IF_ERROR(CountWaiting(ledger, row, &it->second));
        // One that has ended itself is not counted among those that wait.
        if (next == 0 && !top_waits) ++it->second;
      }
      if (--it->second == 0) taken->push_back(row);
    }
    if (next == taken->size()) return Status::Ok();
  }
}

template <typename F>
Status ForEach(jobs::Ledger& ledger, const std::vector<int64_t>& rows, F change) {
  for (const int64_t row : rows) {
    Location at;
    bool found = false;
    RETURN_IF_ERROR(jobs::LocateRow(ledger.connection(), row, &at, &found));
    if (found) RETURN_IF_ERROR(change(at));
  }
  return Status::Ok();
}

Status CancelEach(jobs::Ledger& ledger, const std::vector<int64_t>& rows,
                  const std::string& reason) {
  return ForEach(ledger, rows, [&](const Location& at) {
    CancelResult result{};
    return jobs::CancelAt(ledger, at, reason, &result);
  });
}

// *count grows by those that are gone; running ones are asked to stop.
Status RemoveEach(jobs::Ledger& ledger, const std::vector<int64_t>& rows, int64_t* count) {
  return ForEach(ledger, rows, [&](const Location& member) {
    if (member.state != JobState::kActive) {
      ++*count;
      return jobs::RemoveLogged(ledger, member);
    }
    CancelResult result{};
    return jobs::CancelAt(ledger, member, "the job that it was made for was removed", &result);
  });
}

}  // namespace

Status CancelUnwanted(jobs::Ledger& ledger, int64_t row) {
  static const std::string kReason = "the job that it was made for was cancelled";
  Location at;
  bool found = false;
  RETURN_IF_ERROR(jobs::LocateRow(ledger.connection(), row, &at, &found));
  if (!found || at.state >= JobState::kCompleted) return Status::Ok();
  int64_t waiting = 0;
  RETURN_IF_ERROR(CountWaiting(ledger, row, &waiting));
  if (waiting != 0) return Status::Ok();
  std::vector<int64_t> members;
  RETURN_IF_ERROR(FindMembers(ledger, row, true, &members));
  members.insert(members.begin(), row);
  return CancelEach(ledger, members, kReason);
}

Status CancelJob(jobs::Ledger& ledger, const JobRef& job, const std::string& reason,
                 CancelResult* result) {
  RETURN_IF_ERROR(jobs::CheckReason(reason));
  ASSIGN_OR_RETURN(const Location at, jobs::FindJob(ledger.connection(), job));
  std::vector<int64_t> members;
  if (at.place.has(jobs::kDependent) && at.state < JobState::kCompleted) {
    RETURN_IF_ERROR(FindMembers(ledger, at.key.row, true, &members));
  }
  RETURN_IF_ERROR(jobs::CancelAt(ledger, at, reason, result));
  return CancelEach(ledger, members, reason);
}

Status CancelJobs(jobs::Ledger& ledger, const std::vector<JobRef>& jobs, const std::string& reason,
                  std::vector<CancelResult>* results) {
  results->assign(jobs.size(), CancelResult::kUnknown);
  for (size_t i = 0; i < jobs.size(); ++i) {
    const Status status = flows::CancelJob(ledger, jobs[i], reason, &(*results)[i]);
    if (status.ok()) continue;
    if (status.code() == Code::kNotFound) continue;
    if (status.code() != Code::kInvalidArgument) return status;
    return Status(status.code(), "jobs[" + std::to_string(i) + "]: " + status.message());
  }
  return Status::Ok();
}

Status RemoveJob(jobs::Ledger& ledger, const JobRef& job) {
  ASSIGN_OR_RETURN(const Location at, jobs::FindJob(ledger.connection(), job));
  int64_t removed = 0;
  return RemoveLocated(ledger, at, &removed);
}

Status RemoveLocated(jobs::Ledger& ledger, const Location& at, int64_t* removed) {
  std::vector<int64_t> members;
  if (at.place.has(jobs::kDependent) && at.state != JobState::kActive) {
    RETURN_IF_ERROR(FindMembers(ledger, at.key.row, at.state < JobState::kCompleted, &members));
  }
  RETURN_IF_ERROR(jobs::RemoveLogged(ledger, at));
  *removed = 1;
  return RemoveEach(ledger, members, removed);
}

Status BulkMembers::Note(jobs::Ledger& ledger, int64_t row, JobState state, int64_t* count) {
  std::vector<int64_t> members;
  RETURN_IF_ERROR(FindMembers(ledger, row, state < JobState::kCompleted, &members));
  rows_.insert(rows_.end(), members.begin(), members.end());
  *count = std::ssize(members);
  return Status::Ok();
}

Status BulkMembers::Remove(jobs::Ledger& ledger, int64_t* count) {
  *count = 0;
  return RemoveEach(ledger, std::exchange(rows_, {}), count);
}

}  // namespace millrace::flows
