#include "jobs/locate.h"

#include "base/macros.h"
#include "jobs/job_row.h"
#include "sql_statements.h"

namespace millrace::jobs {
namespace {

using store::Query;

// The row that an id names, 0 if none: a generated id carries it, a user's id is in job_keys.
Status RowOf(store::Connection& connection, const std::string& id, int64_t queue_id, int64_t* row) {
  *row = 0;
  bool found = false;
  if (const std::optional<IdParts> parts = ParseId(id)) {
    Query q(connection, sql::locate::kSelectKey);
    q.Bind(parts->row);
    RETURN_IF_ERROR(q.Step(&found));
    if (found && q.Int(1) == parts->at_ms && static_cast<uint64_t>(q.Int(2)) == parts->salt &&
        q.IsNull(3) && (queue_id == 0 || q.Int(0) == queue_id)) {
      *row = parts->row;
      return Status::Ok();
    }
  }
  Query q(connection, queue_id != 0 ? sql::jobs::kFindKey : sql::jobs::kFindKeyNewest);
  q.BindOne(1, id);
  if (queue_id != 0) q.BindOne(2, queue_id);
  RETURN_IF_ERROR(q.Step(&found));
  if (found) *row = q.Int(0);
  return Status::Ok();
}

Status FindActive(store::Connection& connection, Location* location, bool* found) {
  Query q(connection, sql::jobs::kSelectActive);
  q.Bind(location->key.row);
  RETURN_IF_ERROR(q.Step(found));
  if (!*found) return Status::Ok();
  location->state = JobState::kActive;
  location->token = q.Int(2);
  location->process_id = q.Int(3);
  location->place.priority = static_cast<int32_t>(q.Int(4));
  location->place.seq = q.Int(5);
  location->place.flags = static_cast<uint8_t>(q.Int(6));
  location->started_at_ms = q.Int(7);
  location->cancel_requested = q.Int(8) != 0;
  if (!q.IsNull(9)) location->cancel_reason = q.BlobBytes(9);
  return Status::Ok();
}

Status FindFinished(store::Connection& connection, Location* location, bool* found) {
  Query q(connection, sql::locate::kSelectFinishedState);
  q.Bind(location->key.row);
  RETURN_IF_ERROR(q.Step(found));
  if (!*found) return Status::Ok();
  location->state = static_cast<JobState>(q.Int(0));
  location->place.flags = static_cast<uint8_t>(q.Int(1));
  return Status::Ok();
}

Status FindBlocked(store::Connection& connection, Location* location, bool* found) {
  Query q(connection, sql::locate::kSelectBlockedFlags);
  q.Bind(location->key.row);
  RETURN_IF_ERROR(q.Step(found));
  if (!*found) return Status::Ok();
  location->state = JobState::kBlocked;
  location->place.flags = static_cast<uint8_t>(q.Int(0));
  return Status::Ok();
}

Status FindReady(store::Connection& connection, Location* location, bool* found) {
  const Place& place = location->place;
  const bool grouped = !place.group.empty();
  Query q(connection, grouped ? sql::limits::kFindGroupReady : sql::locate::kSelectReadyFlags);
  if (grouped) q.Bind(location->queue_id, place.group, place.priority, place.seq);
  if (!grouped) q.Bind(location->queue_id, place.priority, place.seq);
  RETURN_IF_ERROR(q.Step(found));
  if (!*found) return Status::Ok();
  location->state = JobState::kReady;
  location->place.flags = static_cast<uint8_t>(q.Int(0));
  return Status::Ok();
}

// A ready job that a limit of its task holds back.
Status FindParked(store::Connection& connection, Location* location, bool* found) {
  Query q(connection, sql::limits::kFindParked);
  q.Bind(location->queue_id, location->key.row, location->place.priority, location->place.seq);
  RETURN_IF_ERROR(q.Step(found));
  if (!*found) return Status::Ok();
  location->state = JobState::kReady;
  location->place.parked_by = q.Int(0);
  location->place.flags = static_cast<uint8_t>(q.Int(1));
  return Status::Ok();
}

Status FindScheduled(store::Connection& connection, int64_t due_at_ms, Location* location,
                     bool* found) {
  if (due_at_ms == 0) return Status::Ok();
  Query q(connection, sql::locate::kSelectScheduledFlags);
  q.Bind(location->queue_id, due_at_ms, location->place.seq);
  RETURN_IF_ERROR(q.Step(found));
  if (!*found) return Status::Ok();
  location->state = JobState::kScheduled;
  location->place.due_at_ms = due_at_ms;
  location->place.flags = static_cast<uint8_t>(q.Int(0));
  return Status::Ok();
}

}  // namespace

Status LoadRun(store::Connection& connection, int64_t row, RunRecord* run) {
  *run = RunRecord{};
  Query q(connection, sql::jobs::kSelectRun);
  q.Bind(row);
  RETURN_IF_ERROR(q.Step(&run->exists));
  if (!run->exists) return Status::Ok();
  run->attempts_started = static_cast<int32_t>(q.Int(0));
  run->attempts_made = static_cast<int32_t>(q.Int(1));
  run->crashes = static_cast<int32_t>(q.Int(2));
  run->due_at_ms = q.Int(3);
  run->started_at_ms = q.Int(4);
  run->process_id = q.Int(5);
  run->progress = q.BlobBytes(6);
  run->log_lines = q.Int(7);
  run->checkpoint = q.BlobBytes(8);
  return Status::Ok();
}

Status Locate(store::Connection& connection, const std::string& id, int64_t queue_id,
              Location* location, bool* found) {
  *found = false;
  int64_t row = 0;
  RETURN_IF_ERROR(RowOf(connection, id, queue_id, &row));
  if (row == 0) return Status::Ok();
  return LocateRow(connection, row, location, found);
}

Status LocateRow(store::Connection& connection, int64_t row, Location* location, bool* found) {
  *location = Location{};
  int64_t first_due_at_ms = 0;
  {
    Query q(connection, sql::locate::kSelectPlace);
    q.Bind(row);
    RETURN_IF_ERROR(q.Step(found));
    if (!*found) return Status::Ok();
    location->queue_id = location->place.queue_id = q.Int(0);
    location->key.created_at_ms = q.Int(1);
    location->key.salt = static_cast<uint64_t>(q.Int(2));
    if (!q.IsNull(3)) location->key.custom_id = q.Text(3);
    location->place.priority = static_cast<int32_t>(q.Int(4));
    location->lifo = q.Int(5) != 0;
    first_due_at_ms = q.Int(6);
    location->keyed = q.Int(7) != 0;
    if (!q.IsNull(8)) location->place.group = q.Text(8);
  }
  location->key.row = location->place.row = row;
  location->place.seq = SequenceOf(row, location->lifo);
  bool here = false;
  RETURN_IF_ERROR(FindReady(connection, location, &here));
  if (!here) RETURN_IF_ERROR(FindActive(connection, location, &here));
  if (!here) RETURN_IF_ERROR(FindFinished(connection, location, &here));
  if (!here) RETURN_IF_ERROR(FindBlocked(connection, location, &here));
  if (!here) RETURN_IF_ERROR(FindScheduled(connection, first_due_at_ms, location, &here));
  if (!here) {
    RunRecord run;
    RETURN_IF_ERROR(LoadRun(connection, row, &run));
    RETURN_IF_ERROR(FindScheduled(connection, run.due_at_ms, location, &here));
  }
  if (!here) RETURN_IF_ERROR(FindParked(connection, location, &here));
  if (here) return Status::Ok();
  return Status(Code::kCorrupt, "job " + location->key.PublicId() +
                                    " has a body and no place in its queue; run `millrace doctor`");
}

Status LocateSound(store::Connection& connection, int64_t row, Location* location, bool* found) {
  const Status status = LocateRow(connection, row, location, found);
  if (status.code() != Code::kCorrupt) return status;
  *found = false;
  return Status::Ok();
}

Status MarkPlace(Ledger& ledger, const Location& at, uint8_t flags) {
  if (at.place.has(flags)) return Status::Ok();
  const Place& place = at.place;
  store::Connection& connection = ledger.connection();
  switch (at.state) {
    case JobState::kReady: {
      if (!place.group.empty()) {
        Query q(connection, sql::limits::kMarkGroupReady);
        q.Bind(place.queue_id, place.group, place.priority, place.seq, flags);
        return q.Run();
      }
      if (place.parked_by != 0) {
        Query q(connection, sql::limits::kMarkParked);
        q.Bind(place.queue_id, place.parked_by, place.priority, place.seq, flags);
        return q.Run();
      }
      Query q(connection, sql::change::kMarkReady);
      q.Bind(place.queue_id, place.priority, place.seq, flags);
      return q.Run();
    }
    case JobState::kScheduled: {
      Query q(connection, sql::change::kMarkScheduled);
      q.Bind(place.queue_id, place.due_at_ms, place.seq, flags);
      return q.Run();
    }
    case JobState::kActive: {
      Query q(connection, sql::change::kMarkActive);
      q.Bind(at.key.row, at.token, flags);
      return q.Run();
    }
    case JobState::kBlocked: {
      Query q(connection, sql::change::kMarkBlocked);
      q.Bind(at.key.row, flags);
      return q.Run();
    }
    default: {
      Query q(connection, sql::change::kMarkFinished);
      q.Bind(at.key.row, flags);
      return q.Run();
    }
  }
}

}  // namespace millrace::jobs
