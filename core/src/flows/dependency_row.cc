#include "flows/dependency_row.h"

#include "base/macros.h"
#include "jobs/job_id.h"
#include "jobs/locate.h"
#include "sql_statements.h"

namespace millrace::flows {
namespace {

using store::Query;

DependencyRow ReadRow(const Query& q) {
  DependencyRow row;
  DependencyInfo& info = row.info;
  row.row = q.Int(0);
  if (!q.IsNull(1)) info.name = q.Text(1);
  if (!q.IsNull(2)) info.queue = q.Text(2);
  info.policy = static_cast<DependencyPolicy>(q.Int(3));
  info.done = q.Int(4) != 0;
  if (!q.IsNull(5)) {
    info.id = q.Text(5);
  } else {
    const jobs::JobKey key{.row = row.row,
                           .created_at_ms = q.Int(6),
                           .salt = static_cast<uint64_t>(q.Int(7)),
                           .custom_id = std::string(q.IsNull(8) ? std::string_view() : q.Text(8))};
    info.id = key.PublicId();
  }
  row.ended = !q.IsNull(9);
  info.result_type = ContentType::kJson;
  if (!q.IsNull(12)) row.task = q.Text(12);
  if (!row.ended) return row;
  info.state = static_cast<JobState>(q.Int(9));
  if (q.IsNull(11)) return row;
  if (info.state == JobState::kCompleted) {
    info.result_type = static_cast<ContentType>(q.Int(10));
    info.result = q.BlobBytes(11);
  } else {
    info.error = q.BlobBytes(11);
  }
  return row;
}

}  // namespace

Status LoadDependencies(store::Connection& connection, int64_t job, int64_t offset, int64_t limit,
                        std::vector<DependencyRow>* rows) {
  Query q(connection, sql::flows::kSelectDependencies);
  q.Bind(job, limit, offset);
  for (;;) {
    bool found = false;
    RETURN_IF_ERROR(q.Step(&found));
    if (!found) return Status::Ok();
    rows->push_back(ReadRow(q));
  }
}

Status SetStanding(store::Connection& connection, DependencyRow* row) {
  if (row->ended) return Status::Ok();
  jobs::Location at;
  bool found = false;
  RETURN_IF_ERROR(jobs::LocateRow(connection, row->row, &at, &found));
  row->info.state = found ? at.state : JobState::kCancelled;
  return Status::Ok();
}

Status CountDependencies(store::Connection& connection, int64_t job, int64_t* total,
                         int64_t* pending) {
  Query q(connection, sql::flows::kCountDependencies);
  q.Bind(job);
  bool found = false;
  RETURN_IF_ERROR(q.Step(&found));
  *total = q.Int(0);
  *pending = q.Int(1);
  return Status::Ok();
}

}  // namespace millrace::flows
