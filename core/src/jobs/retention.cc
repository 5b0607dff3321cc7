#include "jobs/retention.h"

#include <algorithm>
#include <vector>

#include "base/macros.h"
#include "jobs/dedup.h"
#include "sql_statements.h"

namespace millrace::jobs {
namespace {

using store::Query;

struct Old {
  int64_t row;
  uint8_t flags;
};

Status RunOn(Ledger& ledger, const char* sql, int64_t row) {
  Query q(ledger.connection(), sql);
  q.Bind(row);
  return q.Run();
}

// Removes up to `limit` finished jobs older than before_ms, oldest first. Answers how many.
Result<int64_t> RemoveOldest(Ledger& ledger, int64_t queue_id, JobState state, int64_t before_ms,
                             int64_t limit) {
  std::vector<Old> old;
  {
    Query q(ledger.connection(), sql::jobs::kSelectExpiredFinished);
    q.Bind(queue_id, static_cast<int>(state), before_ms, limit);
    for (;;) {
      bool row = false;
      RETURN_IF_ERROR(q.Step(&row));
      if (!row) break;
      old.push_back({.row = q.Int(0), .flags = static_cast<uint8_t>(q.Int(1))});
    }
  }
  for (const Old& job : old) {
    RETURN_IF_ERROR(
        RemoveFinished(ledger, {.queue_id = queue_id, .row = job.row, .flags = job.flags}, state));
  }
  return static_cast<int64_t>(old.size());
}

// What those that wait for the job may still want to know of it stays with them.
Status LeaveDependents(Ledger& ledger, const JobKey& key, std::string name) {
  std::string id = key.PublicId();
  {
    Query q(ledger.connection(), sql::flows::kKeepEnding);
    q.Bind(key.row, id);
    RETURN_IF_ERROR(q.Run());
  }
  ledger.NoteFlow({.kind = Ledger::FlowNote::Kind::kGone,
                   .row = key.row,
                   .state = JobState::kCancelled,
                   .id = std::move(id),
                   .name = std::move(name)});
  return Status::Ok();
}

Result<int64_t> StoredCount(Ledger& ledger, int64_t queue_id, JobState state) {
  Query q(ledger.connection(), sql::ledger::kReadCounts);
  q.Bind(queue_id);
  bool row = false;
  RETURN_IF_ERROR(q.Step(&row));
  if (!row) return int64_t{0};
  return q.Int(state == JobState::kCompleted ? 5 : state == JobState::kFailed ? 6 : 7);
}

}  // namespace

Status DeleteBody(Ledger& ledger, int64_t queue_id, int64_t row, uint8_t flags) {
  JobKey key{.row = row};
  std::string dedup_key;
  std::string name;
  {
    Query q(ledger.connection(), sql::locate::kSelectKey);
    q.Bind(row);
    bool found = false;
    RETURN_IF_ERROR(q.Step(&found));
    if (found) {
      key.created_at_ms = q.Int(1);
      key.salt = static_cast<uint64_t>(q.Int(2));
      if (!q.IsNull(3)) key.custom_id = q.Text(3);
      if (!q.IsNull(4)) dedup_key = q.Text(4);
      if ((flags & kAwaited) != 0) name = q.Text(5);
    }
  }
  if (!key.custom_id.empty()) {
    Query q(ledger.connection(), sql::jobs::kDeleteKey);
    q.Bind(key.custom_id, queue_id);
    RETURN_IF_ERROR(q.Run());
  }
  if (!dedup_key.empty()) RETURN_IF_ERROR(ForgetHolder(ledger, queue_id, dedup_key, row));
  if ((flags & kAwaited) != 0) RETURN_IF_ERROR(LeaveDependents(ledger, key, std::move(name)));
  if ((flags & kDependent) != 0)
    RETURN_IF_ERROR(RunOn(ledger, sql::flows::kDeleteDependencies, row));
  if ((flags & kHasRun) != 0) {
    RETURN_IF_ERROR(RunOn(ledger, sql::jobs::kDeleteRun, row));
    RETURN_IF_ERROR(RunOn(ledger, sql::jobs::kDeleteAttemptErrors, row));
    RETURN_IF_ERROR(RunOn(ledger, sql::jobs::kDeleteLogs, row));
  }
  return RunOn(ledger, sql::jobs::kDeleteBody, row);
}

Status RemoveFinished(Ledger& ledger, const Place& place, JobState state) {
  RETURN_IF_ERROR(DeleteBody(ledger, place.queue_id, place.row, place.flags));
  RETURN_IF_ERROR(RunOn(ledger, sql::jobs::kDeleteFinished, place.row));
  ledger.Moved(place.queue_id, state, kNowhere, Cause::kRemove, place.priority);
  return Status::Ok();
}

Status CleanFinished(Ledger& ledger, int64_t queue_id, JobState state, const Keep& keep,
                     int64_t limit) {
  if (keep.age_ms >= 0) {
    RETURN_IF_ERROR(
        RemoveOldest(ledger, queue_id, state, ledger.now_ms() - keep.age_ms, limit).status());
  }
  if (keep.count < 0) return Status::Ok();
  ASSIGN_OR_RETURN(const int64_t stored, StoredCount(ledger, queue_id, state));
  const int64_t over = stored + ledger.Delta(queue_id, state) - keep.count;
  if (over <= 0) return Status::Ok();
  return RemoveOldest(ledger, queue_id, state, INT64_MAX, std::min(over, limit)).status();
}

Status CleanNoted(Ledger& ledger) {
  for (const Ledger::Ended& ended : ledger.TakeEnded()) {
    ASSIGN_OR_RETURN(const QueueRules rules, ledger.Rules(ended.queue_id));
    const Keep& keep =
        ended.state == JobState::kCompleted ? rules.keep_completed : rules.keep_failed;
    RETURN_IF_ERROR(CleanFinished(ledger, ended.queue_id, ended.state, keep, 2 * ended.count + 8));
  }
  return Status::Ok();
}

Result<int64_t> CleanExpired(Ledger& ledger, int64_t queue_id, int64_t limit) {
  ASSIGN_OR_RETURN(const QueueRules rules, ledger.Rules(queue_id));
  int64_t removed = 0;
  for (const JobState state : {JobState::kCompleted, JobState::kFailed, JobState::kCancelled}) {
    const Keep& keep = state == JobState::kCompleted ? rules.keep_completed : rules.keep_failed;
    if (keep.age_ms < 0 || removed >= limit) continue;
    ASSIGN_OR_RETURN(
        const int64_t some,
        RemoveOldest(ledger, queue_id, state, ledger.now_ms() - keep.age_ms, limit - removed));
    removed += some;
  }
  return removed;
}

}  // namespace millrace::jobs
