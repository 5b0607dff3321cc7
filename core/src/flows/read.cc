#include "flows/read.h"

#include <limits>

#include "base/macros.h"
#include "flows/dependency_row.h"
#include "jobs/read.h"
#include "jobs/snapshot.h"
#include "jobs/validate.h"
#include "sql_statements.h"

namespace millrace::flows {
namespace {

using store::Connection;
using store::Query;

constexpr int64_t kPageMax = 10'000;
// What a leased job brings along.
constexpr int64_t kLeasedMax = 100;
constexpr size_t kLeasedMaxBytes = 256 << 10;

Status CheckQuery(const DependencyQuery& query) {
  RETURN_IF_ERROR(jobs::CheckRange(query.offset, 0, std::numeric_limits<int64_t>::max(), "offset"));
  RETURN_IF_ERROR(jobs::CheckRange(query.limit, 1, kPageMax, "limit"));
  return jobs::CheckRange(query.states, 0, (2 << static_cast<int>(JobState::kCancelled)) - 1,
                          "states");
}

bool Wanted(const DependencyQuery& query, JobState state) {
  return query.states == 0 || (query.states & (1U << static_cast<int>(state))) != 0;
}

}  // namespace

Result<DependencyPage> ReadDependencies(Connection& connection, const DependencyQuery& query) {
  RETURN_IF_ERROR(CheckQuery(query));
  const jobs::Snapshot snapshot(connection);
  RETURN_IF_ERROR(snapshot.status());
  ASSIGN_OR_RETURN(const jobs::Location at, jobs::FindJob(connection, query.job));
  DependencyPage page;
  RETURN_IF_ERROR(CountDependencies(connection, at.key.row, &page.total, &page.pending));
  // Only the states of what has ended are in the row, so a choice of states is made here.
  int64_t skip = query.states == 0 ? 0 : query.offset;
  for (int64_t offset = query.states == 0 ? query.offset : 0;;) {
    const int64_t want = query.limit - std::ssize(page.dependencies);
    const int64_t slice = query.states == 0 ? want : kPageMax;
    std::vector<DependencyRow> rows;
    RETURN_IF_ERROR(LoadDependencies(connection, at.key.row, offset, slice, &rows));
    offset += std::ssize(rows);
    for (DependencyRow& row : rows) {
      RETURN_IF_ERROR(SetStanding(connection, &row));
      if (!Wanted(query, row.info.state) || skip-- > 0) continue;
      page.dependencies.push_back(std::move(row.info));
      if (std::ssize(page.dependencies) == query.limit) return page;
    }
    if (std::ssize(rows) < slice) return page;
  }
}

Result<std::vector<JobRef>> ReadDependents(Connection& connection, const JobRef& job,
                                           int64_t offset, int64_t limit) {
  RETURN_IF_ERROR(jobs::CheckRange(offset, 0, std::numeric_limits<int64_t>::max(), "offset"));
  RETURN_IF_ERROR(jobs::CheckRange(limit, 1, kPageMax, "limit"));
  const jobs::Snapshot snapshot(connection);
  RETURN_IF_ERROR(snapshot.status());
  ASSIGN_OR_RETURN(const jobs::Location at, jobs::FindJob(connection, job));
  std::vector<JobRef> dependents;
  Query q(connection, sql::flows::kListDependents);
  q.Bind(at.key.row, limit, offset);
  for (;;) {
    bool found = false;
    RETURN_IF_ERROR(q.Step(&found));
    if (!found) return dependents;
    const jobs::JobKey key{.row = q.Int(0),
                           .created_at_ms = q.Int(1),
                           .salt = static_cast<uint64_t>(q.Int(2)),
                           .custom_id = std::string(q.IsNull(3) ? std::string_view() : q.Text(3))};
    dependents.push_back({.id = key.PublicId(), .queue = std::string(q.Text(4))});
  }
}

Status AddRelations(Connection& connection, jobs::Claimed* claimed) {
  LeasedJob& job = claimed->job;
  const int64_t row = claimed->lease.key.row;
  const jobs::Place& place = claimed->lease.place;
  if (place.has(jobs::kAwaited)) RETURN_IF_ERROR(jobs::ReadParent(connection, row, &job.parent));
  if (!place.has(jobs::kDependent)) return Status::Ok();
  std::vector<DependencyRow> rows;
  RETURN_IF_ERROR(LoadDependencies(connection, row, 0, kLeasedMax, &rows));
  job.dependency_count = std::ssize(rows);
  if (job.dependency_count == kLeasedMax) {
    int64_t pending = 0;
    RETURN_IF_ERROR(CountDependencies(connection, row, &job.dependency_count, &pending));
  }
  size_t bytes = 0;
  for (DependencyRow& dependency : rows) {
    DependencyInfo& info = dependency.info;
    bytes += (info.result ? info.result->size() : 0) + info.error.size();
    if (bytes > kLeasedMaxBytes) break;
    RETURN_IF_ERROR(SetStanding(connection, &dependency));
    job.dependencies.push_back(std::move(info));
  }
  return Status::Ok();
}

}  // namespace millrace::flows
