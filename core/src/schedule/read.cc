#include "schedule/read.h"

#include "base/macros.h"
#include "base/text.h"
#include "jobs/snapshot.h"
#include "schedule/schedule_row.h"
#include "sql_statements.h"

namespace millrace::schedule {

Result<ScheduleInfo> GetSchedule(store::Connection& connection, const std::string& id) {
  const jobs::Snapshot snapshot(connection);
  RETURN_IF_ERROR(snapshot.status());
  ScheduleRow row;
  bool found = false;
  RETURN_IF_ERROR(LoadSchedule(connection, id, &row, &found));
  if (!found) return Status(Code::kNotFound, "there is no schedule " + Quoted(id));
  RETURN_IF_ERROR(LoadJob(connection, &row));
  return InfoOf(row);
}

Result<std::vector<ScheduleInfo>> ListSchedules(store::Connection& connection,
                                                const std::string& after, int64_t limit) {
  const jobs::Snapshot snapshot(connection);
  RETURN_IF_ERROR(snapshot.status());
  std::vector<ScheduleRow> rows;
  store::Query q(connection, sql::schedule::kSelectPage);
  q.Bind(after, limit);
  for (;;) {
    bool row = false;
    RETURN_IF_ERROR(q.Step(&row));
    if (!row) break;
    rows.push_back(ReadRow(q));
  }
  std::vector<ScheduleInfo> infos;
  for (ScheduleRow& row : rows) {
    const Status status = LoadJob(connection, &row);
    if (status.code() == Code::kCorrupt) continue;
    RETURN_IF_ERROR(status);
    infos.push_back(InfoOf(row));
  }
  return infos;
}

}  // namespace millrace::schedule
