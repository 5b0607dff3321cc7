#include "jobs/repair.h"

#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include "base/macros.h"
#include "jobs/circles.h"
#include "jobs/finish.h"
#include "jobs/job_row.h"
#include "jobs/locate.h"
#include "jobs/process.h"
#include "sql_statements.h"

namespace millrace::jobs {
namespace {

using store::Query;

constexpr int64_t kSliceJobs = 10'000;
constexpr int64_t kSliceLeases = 500;
constexpr int64_t kSliceGroups = 1'000;
constexpr int64_t kSliceQueues = 100;
constexpr size_t kSliceCircles = 100;

Status RunOn(Ledger& ledger, const char* sql, int64_t row) {
  Query q(ledger.connection(), sql);
  q.Bind(row);
  return q.Run();
}

// Statements without parameters that delete or set right what is wrong.
Status RunAll(Ledger& ledger, std::initializer_list<const char*> statements, RepairCursor* cursor) {
  for (const char* const sql : statements) {
    RETURN_IF_ERROR(Query(ledger.connection(), sql).Run());
    cursor->mended += ledger.connection().changes();
  }
  return Status::Ok();
}

Status RaiseSequence(Ledger& ledger, RepairCursor* cursor, bool*) {
  Query q(ledger.connection(), sql::doctor::kSequenceState);
  bool row = false;
  RETURN_IF_ERROR(q.Step(&row));
  if (q.Int(0) > q.Int(1)) return Status::Ok();
  ledger.SkipNumbers(q.Int(1));
  ++cursor->mended;
  return Status::Ok();
}

Status DeleteOrphanPlaces(Ledger& ledger, RepairCursor* cursor, bool*) {
  return RunAll(
      ledger,
      {sql::repair::kOrphanReady, sql::repair::kOrphanGroupReady, sql::repair::kOrphanParked,
       sql::repair::kOrphanScheduled, sql::repair::kOrphanActive, sql::repair::kOrphanBlocked,
       sql::repair::kOrphanFinished},
      cursor);
}

Status DeleteOrphanIds(Ledger& ledger, RepairCursor* cursor, bool*) {
  return RunAll(ledger, {sql::repair::kOrphanKeys}, cursor);
}

Status DeleteOrphanRows(Ledger& ledger, RepairCursor* cursor, bool*) {
  return RunAll(
      ledger,
      {sql::repair::kOrphanRuns, sql::repair::kOrphanAttemptErrors, sql::repair::kOrphanLogs,
       sql::repair::kOrphanDependencies, sql::repair::kOrphanGroupLimits},
      cursor);
}

Status DeleteOrphanDedupKeys(Ledger& ledger, RepairCursor* cursor, bool*) {
  return RunAll(ledger, {sql::repair::kOrphanDedupKeys}, cursor);
}

// The jobs of the next slice that a statement of `doctor` finds fault with.
Status FindFaults(Ledger& ledger, const char* sql, RepairCursor* cursor, std::vector<int64_t>* rows,
                  bool* more) {
  int64_t last = 0;
  {
    Query q(ledger.connection(), sql::doctor::kSliceEnd);
    q.Bind(cursor->after, kSliceJobs);
    bool row = false;
    RETURN_IF_ERROR(q.Step(&row));
    *more = !q.IsNull(0);
    if (!*more) return Status::Ok();
    last = q.Int(0);
  }
  Query q(ledger.connection(), sql);
  q.Bind(cursor->after, last, kSliceJobs);
  for (bool row = true;;) {
    RETURN_IF_ERROR(q.Step(&row));
    if (!row) break;
    rows->push_back(q.Int(0));
  }
  cursor->after = last;
  return Status::Ok();
}

Result<int64_t> ReadNumber(Ledger& ledger, const char* sql, int64_t row, size_t which = 0) {
  Query q(ledger.connection(), sql);
  q.Bind(row);
  if (which != 0 || sql == sql::repair::kStandsThere) q.BindOne(2, static_cast<int64_t>(which));
  bool found = false;
  RETURN_IF_ERROR(q.Step(&found));
  return found ? q.Int(0) : int64_t{0};
}

// Where a job may stand, the surest place first, and what deletes it from there.
constexpr std::array kPlaces = {
    sql::repair::kDeleteFinishedPlace,   sql::repair::kDeleteActivePlace,
    sql::repair::kDeleteBlockedPlace,    sql::repair::kDeleteReadyPlace,
    sql::repair::kDeleteGroupReadyPlace, sql::repair::kDeleteParkedPlace,
    sql::repair::kDeleteScheduledPlace,
};

// Of a job in several places only the surest is kept. Their counts follow later.
Status KeepOnePlace(Ledger& ledger, int64_t row) {
  bool found = false;
  for (size_t i = 0; i < kPlaces.size(); ++i) {
    if (!found) {
      ASSIGN_OR_RETURN(const int64_t there, ReadNumber(ledger, sql::repair::kStandsThere, row, i));
      found = there != 0;
      continue;
    }
    RETURN_IF_ERROR(RunOn(ledger, kPlaces[i], row));
  }
  return Status::Ok();
}

// One that was delivered may not be started again, and whether it was is not known.
Status FailLost(Ledger& ledger, const Body& body, int64_t flags) {
  const std::string error = JobLost("the job stood nowhere in its queue and was found by doctor");
  Query q(ledger.connection(), sql::jobs::kInsertFinished);
  q.Bind(body.key.row, body.queue_id, static_cast<int>(JobState::kFailed), ledger.now_ms(), 0, 0, 0,
         flags, static_cast<int>(ContentType::kJson), store::Blob{error});
  return q.Run();
}

// Ready, or blocked if it waits for others. Without the ledger's counts: they follow later.
Status PutBack(Ledger& ledger, int64_t row) {
  Body body;
  bool found = false;
  RETURN_IF_ERROR(LoadBody(ledger.connection(), row, &body, &found));
  if (!found) return Status::Ok();
  const JobSpec& spec = body.spec;
  ASSIGN_OR_RETURN(const int64_t flags, ReadNumber(ledger, sql::repair::kFlagsOf, row));
  ASSIGN_OR_RETURN(const int64_t pending, ReadNumber(ledger, sql::repair::kPendingOf, row));
  if (spec.delivery == Delivery::kAtMostOnce) return FailLost(ledger, body, flags);
  const Place place{.queue_id = body.queue_id,
                    .row = row,
                    .seq = SequenceOf(row, spec.lifo),
                    .priority = spec.priority,
                    .flags = static_cast<uint8_t>(flags),
                    .group = spec.group};
  if (pending > 0) {
    Query q(ledger.connection(), sql::repair::kInsertBlockedPlace);
    q.Bind(row, place.queue_id, place.priority, place.seq, flags, pending);
    return q.Run();
  }
  ledger.WakeFor(place.queue_id);
  if (!place.group.empty()) return ledger.groups().PutReady(place).status();
  Query q(ledger.connection(), sql::jobs::kInsertReady);
  q.Bind(place.queue_id, place.priority, place.seq, flags);
  return q.Run();
}

Status MendPlaces(Ledger& ledger, RepairCursor* cursor, bool* more) {
  std::vector<int64_t> rows;
  RETURN_IF_ERROR(FindFaults(ledger, sql::doctor::kMisplacedJobs, cursor, &rows, more));
  for (const int64_t row : rows) {
    int64_t places = 0;
    for (size_t i = 0; i < kPlaces.size(); ++i) {
      ASSIGN_OR_RETURN(const int64_t there, ReadNumber(ledger, sql::repair::kStandsThere, row, i));
      places += there;
    }
    RETURN_IF_ERROR(places == 0 ? PutBack(ledger, row) : KeepOnePlace(ledger, row));
    ++cursor->mended;
  }
  return Status::Ok();
}

Status MendFlagsOf(Ledger& ledger, const char* sql, RepairCursor* cursor, bool* more) {
  std::vector<int64_t> rows;
  RETURN_IF_ERROR(FindFaults(ledger, sql, cursor, &rows, more));
  for (const int64_t row : rows) {
    Location at;
    bool found = false;
    RETURN_IF_ERROR(LocateRow(ledger.connection(), row, &at, &found));
    ASSIGN_OR_RETURN(const int64_t flags, ReadNumber(ledger, sql::repair::kFlagsOf, row));
    if (found) RETURN_IF_ERROR(MarkPlace(ledger, at, static_cast<uint8_t>(flags)));
    ++cursor->mended;
  }
  return Status::Ok();
}

Status MendFlags(Ledger& ledger, RepairCursor* cursor, bool* more) {
  return MendFlagsOf(ledger, sql::doctor::kUnmarkedRuns, cursor, more);
}

Status MendMarks(Ledger& ledger, RepairCursor* cursor, bool* more) {
  return MendFlagsOf(ledger, sql::doctor::kUnmarkedDependencies, cursor, more);
}

using FlowNote = Ledger::FlowNote;

// Blocked jobs count what holds them back; one that nothing holds back moves on (flows::Resolve).
Status MendPending(Ledger& ledger, RepairCursor* cursor, bool* more) {
  std::vector<int64_t> rows;
  RETURN_IF_ERROR(FindFaults(ledger, sql::doctor::kWrongPending, cursor, &rows, more));
  for (const int64_t row : rows) {
    ASSIGN_OR_RETURN(const int64_t pending, ReadNumber(ledger, sql::repair::kPendingOf, row));
    Query q(ledger.connection(), sql::repair::kSetPending);
    q.Bind(row, std::max<int64_t>(pending, 1));
    RETURN_IF_ERROR(q.Run());
    if (pending == 0) ledger.NoteFlow({.kind = FlowNote::Kind::kCountDown, .row = row});
    ++cursor->mended;
  }
  return Status::Ok();
}

// What they wait for has ended, or is not there, and nobody has told them.
Status MendAwaited(Ledger& ledger, RepairCursor* cursor, bool* more) {
  std::vector<int64_t> rows;
  RETURN_IF_ERROR(FindFaults(ledger, sql::doctor::kForgottenDependencies, cursor, &rows, more));
  for (const int64_t row : rows) {
    Query q(ledger.connection(), sql::repair::kLostDependencies);
    q.Bind(row);
    for (bool found = true;;) {
      RETURN_IF_ERROR(q.Step(&found));
      if (!found) break;
      const bool gone = q.IsNull(1);
      ledger.NoteFlow({.kind = gone ? FlowNote::Kind::kGone : FlowNote::Kind::kEnded,
                       .row = q.Int(0),
                       .state = gone ? JobState::kCancelled : static_cast<JobState>(q.Int(1)),
                       .id = gone ? "number " + std::to_string(q.Int(0)) : std::string()});
    }
    ++cursor->mended;
  }
  return Status::Ok();
}

// One job of each circle fails, the newest: the policies of those that wait for it say what becomes
// of them.
Status MendCircles(Ledger& ledger, RepairCursor* cursor, bool* more) {
  static constexpr const char kError[] =
      R"({"type":"DependencyFailed","message":"the job waited for itself; it was ended by doctor",)"
      R"("stack":""})";
  ASSIGN_OR_RETURN(const auto circles, FindCircles(ledger.connection(), kSliceCircles));
  for (const std::vector<int64_t>& circle : circles) {
    Location at;
    bool found = false;
    RETURN_IF_ERROR(LocateRow(ledger.connection(), *std::max_element(circle.begin(), circle.end()),
                              &at, &found));
    if (!found || at.state != JobState::kBlocked) continue;
    RETURN_IF_ERROR(TakeBlocked(ledger, at.place));
    RETURN_IF_ERROR(EndUnworked(
        ledger, at.key, at.place, JobState::kBlocked,
        {.state = JobState::kFailed, .cause = Cause::kDependencyFailed, .body = kError}));
    ++cursor->mended;
  }
  *more = circles.size() == kSliceCircles;
  return Status::Ok();
}

Status MendIds(Ledger& ledger, RepairCursor* cursor, bool* more) {
  std::vector<int64_t> rows;
  RETURN_IF_ERROR(FindFaults(ledger, sql::doctor::kWrongKeys, cursor, &rows, more));
  for (const int64_t row : rows) {
    RETURN_IF_ERROR(RunOn(ledger, sql::repair::kInsertLostKey, row));
    cursor->mended += ledger.connection().changes();
  }
  return Status::Ok();
}

// Leases of processes that nobody knows go back as those of dead ones do.
Status RescueFromStrangers(Ledger& ledger, RepairCursor* cursor, bool* more) {
  ASSIGN_OR_RETURN(const int64_t process_id, ReadNumber(ledger, sql::repair::kStrangers, 1));
  if (process_id == 0) return Status::Ok();
  std::vector<std::string> ids;
  RETURN_IF_ERROR(RescueFrom(ledger, process_id, kSliceLeases, &ids, more));
  cursor->mended += std::ssize(ids);
  *more = true;  // others may be as strange
  return Status::Ok();
}

Result<bool> AnyFault(Ledger& ledger, const char* sql) {
  Query q(ledger.connection(), sql);
  q.Bind(int64_t{1});
  bool row = false;
  RETURN_IF_ERROR(q.Step(&row));
  return row;
}

// All groups leave the line and get in again, in slices.
Status MendGroups(Ledger& ledger, RepairCursor* cursor, bool* more) {
  if (cursor->after == 0) {
    ASSIGN_OR_RETURN(const bool wrong, AnyFault(ledger, sql::doctor::kWrongGroups));
    if (!wrong) return Status::Ok();
    RepairCursor rows;
    RETURN_IF_ERROR(RunAll(
        ledger,
        {sql::repair::kInsertRunningGroups, sql::repair::kClearTurns,
         sql::repair::kClearGroupTimers, sql::repair::kClearStalled, sql::repair::kRecountGroups},
        &rows));
  }
  std::vector<int64_t> groups;
  {
    Query q(ledger.connection(), sql::repair::kNextGroups);
    q.Bind(cursor->after, kSliceGroups);
    for (bool row = true;;) {
      RETURN_IF_ERROR(q.Step(&row));
      if (!row) break;
      groups.push_back(q.Int(0));
    }
  }
  for (const int64_t group_id : groups) {
    ASSIGN_OR_RETURN(Group* const group, ledger.groups().Load(group_id));
    if (group) ledger.groups().Touch(*group);
    cursor->after = group_id;
    ++cursor->mended;
  }
  *more = std::ssize(groups) == kSliceGroups;
  return Status::Ok();
}

Status RecountLimits(Ledger& ledger, RepairCursor* cursor, bool*) {
  ASSIGN_OR_RETURN(const bool wrong, AnyFault(ledger, sql::doctor::kWrongLimits));
  return wrong ? RunAll(ledger, {sql::repair::kRecountLimits}, cursor) : Status::Ok();
}

Status RecountQueues(Ledger& ledger, RepairCursor* cursor, bool* more) {
  std::vector<int64_t> queues;
  {
    Query q(ledger.connection(), sql::doctor::kWrongCounts);
    q.Bind(kSliceQueues);
    for (bool row = true;;) {
      RETURN_IF_ERROR(q.Step(&row));
      if (!row) break;
      queues.push_back(q.Int(4));
    }
  }
  *more = std::ssize(queues) == kSliceQueues;
  queues.erase(std::unique(queues.begin(), queues.end()), queues.end());
  for (const int64_t queue_id : queues) {
    RETURN_IF_ERROR(RunOn(ledger, sql::repair::kRecountQueue, queue_id));
  }
  cursor->mended += std::ssize(queues);
  return Status::Ok();
}

Status MendCounters(Ledger& ledger, RepairCursor* cursor, bool*) {
  return RunAll(ledger, {sql::repair::kMendCounters}, cursor);
}

Status ClearQuarantine(Ledger& ledger, RepairCursor* cursor, bool*) {
  return RunAll(ledger, {sql::repair::kClearQuarantine}, cursor);
}

constexpr RepairStep kSteps[] = {
    {"sequence", "the next number was raised", RaiseSequence},
    {"totals", "places without a job were deleted", DeleteOrphanPlaces},
    {"totals", "ids without a job were deleted", DeleteOrphanIds},
    {"references", "rows without their job or group were deleted", DeleteOrphanRows},
    {"one_place", "jobs were put in one place", MendPlaces},
    {"gathered", "jobs were marked", MendFlags},
    {"marked", "jobs of flows were marked", MendMarks},
    {"pending", "blocked jobs were counted again", MendPending},
    {"awaited", "blocked jobs were told what had ended", MendAwaited},
    {"circles", "jobs that waited for themselves were ended", MendCircles},
    {"ids", "jobs are found under their ids again", MendIds},
    {"leases", "jobs of unknown processes were taken back", RescueFromStrangers},
    {"groups", "groups were counted and put in line again", MendGroups},
    {"limits", "limits were counted again", RecountLimits},
    {"counts", "queues were counted again", RecountQueues},
    {"dedup_keys", "keys without their job were deleted", DeleteOrphanDedupKeys},
    {"counters", "counters below 0 were set to 0", MendCounters},
    {"quarantine", "records were told and deleted", ClearQuarantine},
};

}  // namespace

std::span<const RepairStep> RepairSteps() {
  return kSteps;
}

}  // namespace millrace::jobs
