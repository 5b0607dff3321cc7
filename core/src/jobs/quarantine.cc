#include "jobs/quarantine.h"

#include "base/macros.h"
#include "jobs/job_row.h"
#include "sql_statements.h"

namespace millrace::jobs {

using store::Query;

bool IsDamage(const Status& status) {
  if (status.code() == Code::kCorrupt) return true;
  // A broken constraint is one of rows that contradict each other.
  return status.code() == Code::kInternal &&
         status.message().find("constraint failed") != std::string::npos;
}

Status Quarantine(Ledger& ledger, int64_t queue_id, int64_t row, std::string_view what) {
  Query q(ledger.connection(), sql::jobs::kQuarantine);
  q.Bind(ledger.now_ms(), queue_id, row, what);
  return q.Run();
}

Status TakeAwayLease(Ledger& ledger, const Lease& lease, const std::string& why, bool* held) {
  {
    Query q(ledger.connection(), sql::jobs::kDeleteActive);
    q.Bind(lease.key.row, lease.token);
    RETURN_IF_ERROR(q.Run());
  }
  *held = ledger.connection().changes() == 1;
  if (!*held) return Status::Ok();
  const Place& place = lease.place;
  RETURN_IF_ERROR(LeaveActive(ledger, place, lease.name));
  ledger.Moved(place.queue_id, JobState::kActive, kNowhere, Cause::kRemove, place.priority);
  ledger.Log(place.queue_id, {.type = EventType::kRemoved,
                              .state = JobState::kActive,
                              .prev = JobState::kActive,
                              .job = &lease.key});
  return Quarantine(ledger, place.queue_id, lease.key.row, why);
}

Status TakeAwayActive(Ledger& ledger, int64_t row, const std::string& why) {
  Lease lease{.key = {.row = row}};
  {
    Query q(ledger.connection(), sql::jobs::kSelectActive);
    q.Bind(row);
    bool found = false;
    RETURN_IF_ERROR(q.Step(&found));
    if (!found) return Status::Ok();
    lease.place = {.queue_id = q.Int(1),
                   .row = row,
                   .seq = q.Int(5),
                   .priority = static_cast<int32_t>(q.Int(4)),
                   .flags = static_cast<uint8_t>(q.Int(6))};
    lease.token = q.Int(2);
    lease.process_id = q.Int(3);
  }
  Body body;
  bool held = false;
  RETURN_IF_ERROR(LoadBody(ledger.connection(), row, &body, &held));
  lease.name = body.spec.name;
  lease.place.group = body.spec.group;
  RETURN_IF_ERROR(TakeAwayLease(ledger, lease, why, &held));
  ledger.WakeOwner(lease.process_id);
  return Status::Ok();
}

}  // namespace millrace::jobs
