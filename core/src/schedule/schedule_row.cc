#include "schedule/schedule_row.h"

#include "base/macros.h"
#include "schedule/job_template.h"
#include "sql_statements.h"

namespace millrace::schedule {

using store::Query;

ScheduleRow ReadRow(const Query& q) {
  ScheduleRow row;
  row.number = q.Int(0);
  ScheduleSpec& spec = row.spec;
  spec.id = q.Text(1);
  spec.timing.cron = q.Text(2);
  spec.timing.time_zone = q.Text(3);
  spec.timing.every_ms = q.Int(4);
  spec.timing.offset_ms = q.Int(5);
  spec.timing.solar = q.Text(6);
  spec.timing.latitude = q.Real(7);
  spec.timing.longitude = q.Real(8);
  spec.timing.start_at_ms = q.Int(9);
  spec.timing.end_at_ms = q.Int(10);
  spec.limit = q.Int(11);
  spec.jitter_ms = q.Int(12);
  spec.overlap = static_cast<Overlap>(q.Int(13));
  spec.catch_up = static_cast<CatchUp>(q.Int(14));
  spec.catch_up_max = q.Int(15);
  spec.paused = q.Int(16) != 0;
  if (!q.IsNull(17)) row.next_at_ms = q.Int(17);
  row.last_at_ms = q.Int(18);
  row.fired = q.Int(19);
  row.skipped = q.Int(20);
  row.last_job = q.Int(21);
  row.queued_job = q.Int(22);
  row.last_job_id = q.Text(23);
  return row;
}

Status LoadSchedule(store::Connection& connection, const std::string& id, ScheduleRow* row,
                    bool* found) {
  Query q(connection, sql::schedule::kSelect);
  q.Bind(id);
  RETURN_IF_ERROR(q.Step(found));
  if (*found) *row = ReadRow(q);
  return Status::Ok();
}

Status LoadJob(store::Connection& connection, ScheduleRow* row) {
  Query q(connection, sql::schedule::kSelectJob);
  q.Bind(row->number);
  bool found = false;
  RETURN_IF_ERROR(q.Step(&found));
  if (!found) return Status(Code::kCorrupt, "a schedule has no job");
  ASSIGN_OR_RETURN(row->spec.job, UnpackJob(q.BlobBytes(0)));
  return Status::Ok();
}

Status WriteSchedule(store::Connection& connection, const ScheduleRow& row) {
  const ScheduleSpec& spec = row.spec;
  const Timing& timing = spec.timing;
  {
    Query q(connection, sql::schedule::kWrite);
    q.Bind(row.number, spec.id, timing.cron, timing.time_zone, timing.every_ms, timing.offset_ms,
           timing.solar, timing.latitude, timing.longitude, timing.start_at_ms, timing.end_at_ms,
           spec.limit, spec.jitter_ms, static_cast<int>(spec.overlap),
           static_cast<int>(spec.catch_up), spec.catch_up_max, spec.paused, row.next_at_ms,
           row.last_at_ms, row.fired, row.skipped);
    RETURN_IF_ERROR(q.Run());
  }
  const std::string job = PackJob(spec.job);
  Query q(connection, sql::schedule::kWriteJob);
  q.Bind(row.number, store::Blob{job});
  return q.Run();
}

Status WriteProgress(store::Connection& connection, const ScheduleRow& row) {
  Query q(connection, sql::schedule::kWriteProgress);
  q.Bind(row.number, row.next_at_ms, row.last_at_ms, row.fired, row.skipped, row.last_job,
         row.queued_job, row.last_job_id);
  return q.Run();
}

ScheduleInfo InfoOf(const ScheduleRow& row) {
  return {.spec = row.spec,
          .next_at_ms = row.next_at_ms.value_or(0),
          .last_at_ms = row.last_at_ms,
          .fired = row.fired,
          .skipped = row.skipped,
          .last_job_id = row.last_job_id};
}

Result<std::optional<int64_t>> EarliestSlot(store::Connection& connection) {
  Query q(connection, sql::schedule::kEarliest);
  bool row = false;
  RETURN_IF_ERROR(q.Step(&row));
  return row ? std::optional(q.Int(0)) : std::nullopt;
}

}  // namespace millrace::schedule
