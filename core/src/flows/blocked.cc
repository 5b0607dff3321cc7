#include "flows/blocked.h"

#include <algorithm>

#include "base/macros.h"
#include "flows/join.h"
#include "jobs/finish.h"
#include "jobs/locate.h"
#include "jobs/payloads.h"
#include "jobs/retention.h"
#include "sql_statements.h"

namespace millrace::flows {
namespace {

using store::Query;

std::optional<Keep> ReadKeep(const Query& q, int column) {
  if (q.IsNull(column)) return std::nullopt;
  return Keep{.age_ms = q.Int(column), .count = q.Int(column + 1)};
}

Status Complete(jobs::Ledger& ledger, const Blocked& blocked) {
  Joined joined;
  RETURN_IF_ERROR(Join(ledger, blocked, &joined));
  return jobs::EndUnworked(
      ledger, blocked.key, blocked.place, JobState::kBlocked,
      {.state = joined.state,
       .cause = joined.state == JobState::kCompleted ? jobs::Cause::kJoin
                                                     : jobs::Cause::kDependencyFailed,
       .content_type = joined.content_type,
       .body = joined.body,
       .own = joined.state == JobState::kCompleted ? blocked.keep_completed : blocked.keep_failed});
}

}  // namespace

Status LoadBlocked(jobs::Ledger& ledger, int64_t row, Blocked* blocked, bool* found) {
  Query q(ledger.connection(), sql::flows::kSelectBlocked);
  q.Bind(row);
  RETURN_IF_ERROR(q.Step(found));
  if (!*found) return Status::Ok();
  const int64_t due_at_ms = q.Int(8);
  blocked->place = {.queue_id = q.Int(0),
                    .row = row,
                    .due_at_ms = due_at_ms > ledger.now_ms() ? due_at_ms : 0,
                    .seq = q.Int(2),
                    .priority = static_cast<int32_t>(q.Int(1)),
                    .flags = static_cast<uint8_t>(q.Int(3)),
                    .group = std::string(q.IsNull(14) ? std::string_view() : q.Text(14))};
  blocked->pending = q.Int(4);
  blocked->key = {.row = row,
                  .created_at_ms = q.Int(5),
                  .salt = static_cast<uint64_t>(q.Int(6)),
                  .custom_id = std::string(q.IsNull(7) ? std::string_view() : q.Text(7))};
  if (blocked->place.has(jobs::kHasRun)) {  // an attempt may have been put off
    jobs::RunRecord run;
    RETURN_IF_ERROR(jobs::LoadRun(ledger.connection(), row, &run));
    const int64_t later_ms = std::max(due_at_ms, run.due_at_ms);
    blocked->place.due_at_ms = later_ms > ledger.now_ms() ? later_ms : 0;
  }
  blocked->join = static_cast<JoinKind>(q.Int(9));
  blocked->keep_completed = ReadKeep(q, 10);
  blocked->keep_failed = ReadKeep(q, 12);
  return Status::Ok();
}

Status Release(jobs::Ledger& ledger, const Blocked& blocked) {
  RETURN_IF_ERROR(jobs::TakeBlocked(ledger, blocked.place));
  if (blocked.join != JoinKind::kRun) return Complete(ledger, blocked);
  const bool later = blocked.place.due_at_ms != 0;
  const JobState to = later ? JobState::kScheduled : JobState::kReady;
  if (later) {
    RETURN_IF_ERROR(PutScheduled(ledger, blocked.place, JobState::kBlocked, jobs::Cause::kUnblock));
  } else {
    RETURN_IF_ERROR(PutReady(ledger, blocked.place, JobState::kBlocked, jobs::Cause::kUnblock));
  }
  ledger.Log(blocked.place.queue_id, {.type = later ? EventType::kScheduled : EventType::kReady,
                                      .state = to,
                                      .prev = JobState::kBlocked,
                                      .job = &blocked.key,
                                      .due_at_ms = blocked.place.due_at_ms});
  return Status::Ok();
}

Status EndBlocked(jobs::Ledger& ledger, const Blocked& blocked, JobState state,
                  std::string_view error) {
  RETURN_IF_ERROR(jobs::TakeBlocked(ledger, blocked.place));
  ASSIGN_OR_RETURN(const std::string body,
                   jobs::SealFor(ledger, blocked.key.row, SealField::kError, std::string(error)));
  return jobs::EndUnworked(ledger, blocked.key, blocked.place, JobState::kBlocked,
                           {.state = state,
                            .cause = jobs::Cause::kDependencyFailed,
                            .body = body,
                            .own = blocked.keep_failed});
}

Status RemoveBlocked(jobs::Ledger& ledger, const Blocked& blocked) {
  const jobs::Place& place = blocked.place;
  RETURN_IF_ERROR(jobs::TakeBlocked(ledger, place));
  ledger.Moved(place.queue_id, JobState::kBlocked, jobs::kNowhere, jobs::Cause::kRemove,
               place.priority);
  ledger.Log(place.queue_id, {.type = EventType::kRemoved,
                              .state = JobState::kBlocked,
                              .prev = JobState::kBlocked,
                              .job = &blocked.key});
  return jobs::DeleteBody(ledger, place.queue_id, place.row, place.flags);
}

}  // namespace millrace::flows
