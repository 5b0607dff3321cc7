#include "jobs/bulk_slice.h"

#include <array>
#include <limits>
#include <vector>

#include "base/macros.h"
#include "jobs/retention.h"
#include "jobs/validate.h"
#include "sql_statements.h"

namespace millrace::jobs {
namespace {

using store::Query;

constexpr int64_t kFirst = std::numeric_limits<int64_t>::min();
// A slice that a filter keeps from changing anything looks at this many times its limit.
constexpr int64_t kScanFactor = 8;

// Parts of the ready jobs, as in BulkCursor.
constexpr int64_t kPlain = 0;
constexpr int64_t kParked = 1;
constexpr int64_t kGrouped = 2;

const char* ScanStatement(JobState state, int64_t part) {
  switch (state) {
    case JobState::kReady:
      return part == kPlain    ? sql::bulk::kScanReady
             : part == kParked ? sql::bulk::kScanParked
                               : sql::bulk::kScanGroupReady;
    case JobState::kScheduled:
      return sql::bulk::kScanScheduled;
    case JobState::kBlocked:
      return sql::bulk::kScanBlocked;
    case JobState::kActive:
      return sql::bulk::kScanActive;
    default:
      return sql::bulk::kScanFinished;
  }
}

Scanned ReadScanned(const Query& q, int64_t queue_id, int64_t part) {
  Scanned job;
  job.major = q.Int(1);
  job.minor = q.Int(2);
  if (!q.IsNull(3)) job.name = q.Text(3);
  job.at_ms = q.Int(4);
  job.place = {.queue_id = queue_id,
               .row = q.Int(0),
               .due_at_ms = q.Int(6),
               .seq = q.Int(7),
               .priority = static_cast<int32_t>(q.Int(5)),
               .flags = static_cast<uint8_t>(q.Int(8))};
  job.process_id = q.Int(9);
  job.token = q.Int(10);
  job.part = part;
  if (!q.IsNull(11)) job.place.group = q.Text(11);
  if (part == kParked) job.lane = job.place.parked_by = q.Int(12);
  return job;
}

Status ScanPart(Ledger& ledger, int64_t queue_id, JobState state, const BulkCursor& cursor,
                int64_t limit, std::vector<Scanned>* jobs) {
  Query q(ledger.connection(), ScanStatement(state, cursor.part));
  q.Bind(queue_id, cursor.at_begin ? kFirst : cursor.major, cursor.at_begin ? kFirst : cursor.minor,
         limit);
  if (state >= JobState::kCompleted) q.BindOne(5, static_cast<int>(state));
  if (cursor.part == kParked) q.BindOne(5, cursor.lane);
  if (cursor.part == kGrouped) q.BindOne(5, cursor.group);
  for (;;) {
    bool row = false;
    RETURN_IF_ERROR(q.Step(&row));
    if (!row) return Status::Ok();
    jobs->push_back(ReadScanned(q, queue_id, cursor.part));
  }
}

// The next jobs behind the cursor, part after part. *more is true if there may be others.
Status Scan(Ledger& ledger, int64_t queue_id, JobState state, BulkCursor cursor, int64_t limit,
            std::vector<Scanned>* jobs, bool* more) {
  for (;;) {
    RETURN_IF_ERROR(ScanPart(ledger, queue_id, state, cursor, limit - std::ssize(*jobs), jobs));
    *more = std::ssize(*jobs) == limit;
    if (*more || state != JobState::kReady || cursor.part == kGrouped) return Status::Ok();
    ++cursor.part;
    cursor.at_begin = true;
  }
}

Status RemoveActive(Ledger& ledger, const Scanned& job) {
  {
    Query q(ledger.connection(), sql::jobs::kDeleteActive);
    q.Bind(job.place.row, job.token);
    RETURN_IF_ERROR(q.Run());
  }
  ledger.WakeOwner(job.process_id);
  return LeaveActive(ledger, job.place, job.name);
}

// Removes what a scan found, damaged or not.
Status RemoveScanned(Ledger& ledger, JobState state, const Scanned& job) {
  if (state >= JobState::kCompleted) return RemoveFinished(ledger, job.place, state);
  if (state == JobState::kReady) RETURN_IF_ERROR(TakeReady(ledger, job.place));
  if (state == JobState::kScheduled) RETURN_IF_ERROR(TakeScheduled(ledger, job.place));
  if (state == JobState::kBlocked) RETURN_IF_ERROR(TakeBlocked(ledger, job.place));
  if (state == JobState::kActive) RETURN_IF_ERROR(RemoveActive(ledger, job));
  ledger.Moved(job.place.queue_id, state, kNowhere, Cause::kRemove, job.place.priority);
  return DeleteBody(ledger, job.place.queue_id, job.place.row, job.place.flags);
}

}  // namespace

Result<int64_t> CountNow(Ledger& ledger, int64_t queue_id, JobState state) {
  int64_t count = ledger.Delta(queue_id, state);
  Query q(ledger.connection(), sql::ledger::kReadCounts);
  q.Bind(queue_id);
  bool row = false;
  RETURN_IF_ERROR(q.Step(&row));
  static constexpr std::array kColumns{-1, 2, 0, 3, 4, 5, 6, 7};  // by JobState's value
  if (row) count += q.Int(kColumns[static_cast<size_t>(state)]);
  return count;
}

Status StartCursor(Ledger& ledger, int64_t queue_id, JobState state, bool comes_back,
                   BulkCursor* cursor) {
  if (cursor->started) return Status::Ok();
  cursor->remaining = std::numeric_limits<int64_t>::max();
  if (comes_back) {
    ASSIGN_OR_RETURN(cursor->remaining, CountNow(ledger, queue_id, state));
  }
  cursor->end_row = ledger.NextNumber();
  cursor->started = true;
  return Status::Ok();
}

Status ChangeSlice(Ledger& ledger, int64_t queue_id, JobState state, const JobFilter& filter,
                   int64_t limit, const ChangeJob& change, BulkCursor* cursor,
                   SliceResult* result) {
  const int64_t scan_limit = limit * kScanFactor;
  std::vector<Scanned> jobs;
  RETURN_IF_ERROR(Scan(ledger, queue_id, state, *cursor, scan_limit, &jobs, &result->more));
  int64_t done = 0;
  for (const Scanned& job : jobs) {
    if (cursor->remaining == 0 || done >= limit) {
      result->more = cursor->remaining != 0;
      return Status::Ok();
    }
    cursor->at_begin = false;
    cursor->major = job.major;
    cursor->minor = job.minor;
    cursor->part = job.part;
    cursor->lane = job.lane;
    cursor->group = job.place.group;
    if (job.place.row >= cursor->end_row) continue;
    --cursor->remaining;
    if (!filter.Matches(job)) continue;
    int64_t work = 1;
    RETURN_IF_ERROR(change(job, &work));
    done += work;
    if (work != 0) ++result->changed;
  }
  return Status::Ok();
}

Status RemoveFiltered(Ledger& ledger, int64_t queue_id, JobState state, const JobFilter& filter,
                      int64_t limit, Companions* companions, BulkCursor* cursor,
                      SliceResult* result) {
  const auto remove = [&](const Scanned& job, int64_t* work) -> Status {
    if (companions && job.place.has(kDependent)) {
      int64_t with_it = 0;
      RETURN_IF_ERROR(companions->Note(ledger, job.place.row, state, &with_it));
      *work += with_it;
    }
    return RemoveScanned(ledger, state, job);
  };
  RETURN_IF_ERROR(ChangeSlice(ledger, queue_id, state, filter, limit, remove, cursor, result));
  if (result->changed == 0) return Status::Ok();
  ledger.Log(
      queue_id,
      {.type = EventType::kCleaned, .state = state, .prev = state, .count = result->changed});
  return companions ? companions->Remove(ledger, &result->companions) : Status::Ok();
}

Status RemoveStates(Ledger& ledger, int64_t queue_id, std::span<const JobState> states,
                    int64_t limit, Companions* companions, BulkCursor* cursor,
                    SliceResult* result) {
  const JobState state = states[static_cast<size_t>(cursor->phase)];
  RETURN_IF_ERROR(RemoveFiltered(ledger, queue_id, state, {}, limit, companions, cursor, result));
  if (result->more) return Status::Ok();
  cursor->at_begin = true;
  cursor->part = cursor->lane = 0;
  cursor->group.clear();
  ++cursor->phase;
  result->more = cursor->phase < std::ssize(states);
  return Status::Ok();
}

Status CheckSliceLimit(int64_t limit) {
  return CheckRange(limit, 1, kSliceMax, "limit");
}

}  // namespace millrace::jobs
