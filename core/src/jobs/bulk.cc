#include "jobs/bulk.h"

#include <algorithm>
#include <array>
#include <functional>
#include <limits>
#include <span>
#include <string>
#include <vector>

#include "base/macros.h"
#include "base/text.h"
#include "jobs/change.h"
#include "jobs/read.h"
#include "jobs/retention.h"
#include "jobs/validate.h"
#include "sql_statements.h"

namespace millrace::jobs {
namespace {

using store::Query;

constexpr int64_t kFirst = std::numeric_limits<int64_t>::min();
// A slice that a filter keeps from changing anything looks at this many times its limit.
constexpr int64_t kScanFactor = 8;
// Rows of an event log that one slice deletes.
constexpr int64_t kEventRows = 1'000;
// Who sleeps beside a paused queue is woken when it goes on; more processes cannot be registered.
constexpr int64_t kWakesMax = 1'024;

// One job of a scan.
struct Scanned {
  int64_t major = 0;
  int64_t minor = 0;
  std::string name;
  int64_t at_ms = 0;
  Place place;
  int64_t process_id = 0;
  int64_t token = 0;
};

struct Filter {
  std::string name;
  int64_t before_at_ms = 0;

  bool Matches(const Scanned& job) const {
    if (before_at_ms != 0 && job.at_ms >= before_at_ms) return false;
    return name.empty() || name == job.name;
  }
};

const char* ScanStatement(JobState state) {
  switch (state) {
    case JobState::kReady:
      return sql::bulk::kScanReady;
    case JobState::kScheduled:
      return sql::bulk::kScanScheduled;
    case JobState::kActive:
      return sql::bulk::kScanActive;
    default:
      return sql::bulk::kScanFinished;
  }
}

Scanned ReadScanned(const Query& q, int64_t queue_id) {
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
               .run = q.Int(8) != 0};
  job.process_id = q.Int(9);
  job.token = q.Int(10);
  return job;
}

Status Scan(Ledger& ledger, int64_t queue_id, JobState state, const BulkCursor& cursor,
            int64_t limit, std::vector<Scanned>* jobs) {
  Query q(ledger.connection(), ScanStatement(state));
  q.Bind(queue_id, cursor.at_begin ? kFirst : cursor.major, cursor.at_begin ? kFirst : cursor.minor,
         limit);
  if (state >= JobState::kCompleted) q.BindOne(5, static_cast<int>(state));
  for (;;) {
    bool row = false;
    RETURN_IF_ERROR(q.Step(&row));
    if (!row) return Status::Ok();
    jobs->push_back(ReadScanned(q, queue_id));
  }
}

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

// `comes_back`: what the change does may bring a job into the same state again, behind the cursor's
// reach. Then no more are looked at than there were at the start.
Status Start(Ledger& ledger, int64_t queue_id, JobState state, bool comes_back,
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

using Change = std::function<Status(const Scanned& job, bool* changed)>;

// Changes up to `limit` jobs of a state that match.
Status Slice(Ledger& ledger, int64_t queue_id, JobState state, const Filter& filter, int64_t limit,
             const Change& change, BulkCursor* cursor, SliceResult* result) {
  const int64_t scan_limit = limit * kScanFactor;
  std::vector<Scanned> jobs;
  RETURN_IF_ERROR(Scan(ledger, queue_id, state, *cursor, scan_limit, &jobs));
  result->more = std::ssize(jobs) == scan_limit;
  for (const Scanned& job : jobs) {
    if (cursor->remaining == 0 || result->changed == limit) {
      result->more = cursor->remaining != 0;
      return Status::Ok();
    }
    cursor->at_begin = false;
    cursor->major = job.major;
    cursor->minor = job.minor;
    if (job.place.row >= cursor->end_row) continue;
    --cursor->remaining;
    if (!filter.Matches(job)) continue;
    bool changed = true;
    RETURN_IF_ERROR(change(job, &changed));
    if (changed) ++result->changed;
  }
  return Status::Ok();
}

// A change of change.h; a job without a body is passed by (`doctor` reports it).
Change Located(Ledger& ledger, Status (*change)(Ledger&, const Location&)) {
  return [&ledger, change](const Scanned& job, bool* changed) -> Status {
    Location at;
    RETURN_IF_ERROR(LocateRow(ledger.connection(), job.place.row, &at, changed));
    return *changed ? change(ledger, at) : Status::Ok();
  };
}

Status RemoveActive(Ledger& ledger, const Scanned& job) {
  {
    Query q(ledger.connection(), sql::jobs::kDeleteActive);
    q.Bind(job.place.row, job.token);
    RETURN_IF_ERROR(q.Run());
  }
  ledger.WakeOwner(job.process_id);
  return Status::Ok();
}

// Removes what a scan found, damaged or not.
Status RemoveScanned(Ledger& ledger, JobState state, const Scanned& job) {
  if (state >= JobState::kCompleted) return RemoveFinished(ledger, job.place, state);
  if (state == JobState::kReady) RETURN_IF_ERROR(TakeReady(ledger, job.place));
  if (state == JobState::kScheduled) RETURN_IF_ERROR(TakeScheduled(ledger, job.place));
  if (state == JobState::kActive) RETURN_IF_ERROR(RemoveActive(ledger, job));
  ledger.Moved(job.place.queue_id, state, kNowhere, Cause::kRemove, job.place.priority);
  return DeleteBody(ledger, job.place.queue_id, job.place.row, job.place.run);
}

Status RemoveSome(Ledger& ledger, int64_t queue_id, JobState state, const Filter& filter,
                  int64_t limit, BulkCursor* cursor, SliceResult* result) {
  const auto remove = [&](const Scanned& job, bool*) { return RemoveScanned(ledger, state, job); };
  RETURN_IF_ERROR(Slice(ledger, queue_id, state, filter, limit, remove, cursor, result));
  if (result->changed == 0) return Status::Ok();
  ledger.Log(
      queue_id,
      {.type = EventType::kCleaned, .state = state, .prev = state, .count = result->changed});
  return Status::Ok();
}

// Goes through the states in order, one slice a call; `more` stays true until the last is done.
Status RemovePhases(Ledger& ledger, int64_t queue_id, std::span<const JobState> states,
                    int64_t limit, BulkCursor* cursor, SliceResult* result) {
  const JobState state = states[static_cast<size_t>(cursor->phase)];
  RETURN_IF_ERROR(RemoveSome(ledger, queue_id, state, {}, limit, cursor, result));
  if (result->more) return Status::Ok();
  cursor->at_begin = true;
  ++cursor->phase;
  result->more = cursor->phase < std::ssize(states);
  return Status::Ok();
}

Status CheckLimit(int64_t limit) {
  return CheckRange(limit, 1, kSliceMax, "limit");
}

Status SetPaused(Ledger& ledger, int64_t queue_id, bool paused, bool* changed) {
  Query q(ledger.connection(), sql::change::kSetPaused);
  q.Bind(queue_id, paused);
  RETURN_IF_ERROR(q.Run());
  *changed = ledger.connection().changes() == 1;
  ledger.ForgetRules(queue_id);
  return Status::Ok();
}

// --- Obliteration
// ------------------------------------------------------------------------------------------------------

// Leases first: without them, and paused, nothing moves from one state to another behind the
// cursor.
constexpr std::array kObliterated{JobState::kActive,    JobState::kReady,  JobState::kScheduled,
                                  JobState::kCompleted, JobState::kFailed, JobState::kCancelled};

Status CheckNoneActive(Ledger& ledger, int64_t queue_id, const std::string& queue) {
  Query q(ledger.connection(), sql::bulk::kCountActive);
  q.Bind(queue_id);
  bool row = false;
  RETURN_IF_ERROR(q.Step(&row));
  if (q.Int(0) == 0) return Status::Ok();
  return Status(Code::kWrongState,
                "queue " + Quoted(queue) + " has " + std::to_string(q.Int(0)) +
                    " active jobs; let them finish, or force it and they are lost");
}

Status IsEmpty(Ledger& ledger, int64_t queue_id, bool* empty) {
  Query q(ledger.connection(), sql::bulk::kIsEmpty);
  q.Bind(queue_id);
  bool row = false;
  RETURN_IF_ERROR(q.Step(&row));
  *empty = q.Int(0) != 0;
  return Status::Ok();
}

// Deletes the oldest rows of the log. *more is true if there may be others.
Status DeleteEvents(Ledger& ledger, int64_t queue_id, bool* more) {
  int64_t rows = 0;
  int64_t events = 0;
  int64_t last_seq = 0;
  {
    Query q(ledger.connection(), sql::ledger::kOldestEvents);
    q.Bind(queue_id, kEventRows);
    for (bool row = true;; ++rows) {
      RETURN_IF_ERROR(q.Step(&row));
      if (!row) break;
      last_seq = q.Int(0);
      events += q.Int(1);
    }
  }
  *more = rows == kEventRows;
  if (rows == 0) return Status::Ok();
  {
    Query q(ledger.connection(), sql::ledger::kDeleteEventsUpTo);
    q.Bind(queue_id, last_seq);
    RETURN_IF_ERROR(q.Run());
  }
  Query q(ledger.connection(), sql::bulk::kSubtractEvents);
  q.Bind(queue_id, events);
  return q.Run();
}

// The queue is empty: its log goes, then its rules and counts, and it is no longer listed. If
// somebody has added jobs meanwhile it lives on with them.
Status Unlist(Ledger& ledger, int64_t queue_id, const std::string& queue, SliceResult* result) {
  bool empty = false;
  RETURN_IF_ERROR(IsEmpty(ledger, queue_id, &empty));
  if (!empty) return ResumeQueue(ledger, queue);
  RETURN_IF_ERROR(DeleteEvents(ledger, queue_id, &result->more));
  if (result->more) return Status::Ok();
  {
    Query q(ledger.connection(), sql::change::kSetRetention);
    q.Bind(queue_id, nullptr, nullptr, nullptr, nullptr);
    RETURN_IF_ERROR(q.Run());
  }
  bool changed = false;
  RETURN_IF_ERROR(SetPaused(ledger, queue_id, false, &changed));
  return ledger.ResetCounts(queue_id);
}

}  // namespace

Status CheckBulkQuery(const BulkQuery& query) {
  RETURN_IF_ERROR(CheckName(query.queue, "queue"));
  if (!query.name.empty()) RETURN_IF_ERROR(CheckName(query.name, "name"));
  RETURN_IF_ERROR(CheckRange(static_cast<int>(query.state), static_cast<int>(JobState::kScheduled),
                             static_cast<int>(JobState::kCancelled), "state"));
  RETURN_IF_ERROR(CheckRange(query.before_at_ms, 0, kTimeMaxMs, "before_at_ms"));
  return CheckRange(query.limit, 0, std::numeric_limits<int64_t>::max(), "limit");
}

Status RedriveSlice(Ledger& ledger, const BulkQuery& query, int64_t limit, BulkCursor* cursor,
                    SliceResult* result) {
  *result = {};
  RETURN_IF_ERROR(CheckBulkQuery(query));
  RETURN_IF_ERROR(CheckLimit(limit));
  if (query.state < JobState::kCompleted) {
    return Status(Code::kInvalidArgument,
                  std::string("state is \"") + JobStateName(query.state) +
                      "\"; \"completed\", \"failed\" or \"cancelled\" is accepted");
  }
  ASSIGN_OR_RETURN(const int64_t queue_id, ledger.FindQueueId(query.queue));
  if (queue_id == 0) return Status::Ok();
  RETURN_IF_ERROR(Start(ledger, queue_id, query.state, true, cursor));
  return Slice(ledger, queue_id, query.state, {query.name, query.before_at_ms}, limit,
               Located(ledger, RedriveAt), cursor, result);
}

Status PromoteSlice(Ledger& ledger, const BulkQuery& query, int64_t limit, BulkCursor* cursor,
                    SliceResult* result) {
  *result = {};
  RETURN_IF_ERROR(CheckBulkQuery(query));
  RETURN_IF_ERROR(CheckLimit(limit));
  ASSIGN_OR_RETURN(const int64_t queue_id, ledger.FindQueueId(query.queue));
  if (queue_id == 0) return Status::Ok();
  RETURN_IF_ERROR(Start(ledger, queue_id, JobState::kScheduled, true, cursor));
  return Slice(ledger, queue_id, JobState::kScheduled, {query.name, query.before_at_ms}, limit,
               Located(ledger, PromoteAt), cursor, result);
}

Status RemoveSlice(Ledger& ledger, const BulkQuery& query, int64_t limit, BulkCursor* cursor,
                   SliceResult* result) {
  *result = {};
  RETURN_IF_ERROR(CheckBulkQuery(query));
  RETURN_IF_ERROR(CheckLimit(limit));
  if (query.state == JobState::kActive || query.state == JobState::kBlocked) {
    return Status(
        Code::kInvalidArgument,
        std::string("state is \"") + JobStateName(query.state) +
            "\"; \"scheduled\", \"ready\", \"completed\", \"failed\" or \"cancelled\" is accepted");
  }
  ASSIGN_OR_RETURN(const int64_t queue_id, ledger.FindQueueId(query.queue));
  if (queue_id == 0) return Status::Ok();
  RETURN_IF_ERROR(Start(ledger, queue_id, query.state, false, cursor));
  return RemoveSome(ledger, queue_id, query.state, {query.name, query.before_at_ms}, limit, cursor,
                    result);
}

Status DrainSlice(Ledger& ledger, const std::string& queue, bool scheduled, int64_t limit,
                  BulkCursor* cursor, SliceResult* result) {
  static constexpr std::array kWaiting{JobState::kReady, JobState::kScheduled};
  *result = {};
  RETURN_IF_ERROR(CheckName(queue, "queue"));
  RETURN_IF_ERROR(CheckLimit(limit));
  ASSIGN_OR_RETURN(const int64_t queue_id, ledger.FindQueueId(queue));
  if (queue_id == 0) return Status::Ok();
  RETURN_IF_ERROR(Start(ledger, queue_id, JobState::kReady, false, cursor));
  return RemovePhases(ledger, queue_id, std::span(kWaiting).first(scheduled ? 2 : 1), limit, cursor,
                      result);
}

Status ObliterateSlice(Ledger& ledger, const std::string& queue, bool force, int64_t limit,
                       BulkCursor* cursor, SliceResult* result) {
  *result = {};
  RETURN_IF_ERROR(CheckName(queue, "queue"));
  RETURN_IF_ERROR(CheckLimit(limit));
  ASSIGN_OR_RETURN(const int64_t queue_id, ledger.FindQueueId(queue));
  if (queue_id == 0) return Status::Ok();
  if (!cursor->started) {
    if (!force) RETURN_IF_ERROR(CheckNoneActive(ledger, queue_id, queue));
    RETURN_IF_ERROR(Start(ledger, queue_id, JobState::kActive, false, cursor));
    RETURN_IF_ERROR(PauseQueue(ledger, queue));
  }
  if (cursor->phase == std::ssize(kObliterated)) return Unlist(ledger, queue_id, queue, result);
  RETURN_IF_ERROR(RemovePhases(ledger, queue_id, kObliterated, limit, cursor, result));
  result->more = true;  // the log is left
  return Status::Ok();
}

Status PauseQueue(Ledger& ledger, const std::string& queue) {
  RETURN_IF_ERROR(CheckName(queue, "queue"));
  ASSIGN_OR_RETURN(const int64_t queue_id, ledger.QueueId(queue));
  bool changed = false;
  RETURN_IF_ERROR(SetPaused(ledger, queue_id, true, &changed));
  if (changed) ledger.Log(queue_id, {.type = EventType::kPaused});
  return Status::Ok();
}

Status ResumeQueue(Ledger& ledger, const std::string& queue) {
  RETURN_IF_ERROR(CheckName(queue, "queue"));
  ASSIGN_OR_RETURN(const int64_t queue_id, ledger.FindQueueId(queue));
  if (queue_id == 0) return Status::Ok();
  bool changed = false;
  RETURN_IF_ERROR(SetPaused(ledger, queue_id, false, &changed));
  if (!changed) return Status::Ok();
  ledger.Log(queue_id, {.type = EventType::kResumed});
  // Nobody was told of what came in meanwhile: one slot is woken for each job that waits, for the
  // scheduled ones too, since who sleeps beside a paused queue has set no timer.
  ASSIGN_OR_RETURN(const int64_t ready, CountNow(ledger, queue_id, JobState::kReady));
  ASSIGN_OR_RETURN(const int64_t scheduled, CountNow(ledger, queue_id, JobState::kScheduled));
  for (int64_t i = std::min(ready + scheduled, kWakesMax); i > 0; --i) ledger.WakeFor(queue_id);
  return Status::Ok();
}

Status SetQueueRetention(Ledger& ledger, const std::string& queue, const Keep& completed,
                         const Keep& failed) {
  RETURN_IF_ERROR(CheckName(queue, "queue"));
  RETURN_IF_ERROR(CheckKeep(completed, "completed"));
  RETURN_IF_ERROR(CheckKeep(failed, "failed"));
  ASSIGN_OR_RETURN(const int64_t queue_id, ledger.QueueId(queue));
  Query q(ledger.connection(), sql::change::kSetRetention);
  q.Bind(queue_id, completed.age_ms, completed.count, failed.age_ms, failed.count);
  RETURN_IF_ERROR(q.Run());
  ledger.ForgetRules(queue_id);
  return Status::Ok();
}

}  // namespace millrace::jobs
