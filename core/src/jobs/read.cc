#include "jobs/read.h"

#include <algorithm>
#include <limits>
#include <optional>

#include "base/macros.h"
#include "base/text.h"
#include "jobs/job_row.h"
#include "jobs/snapshot.h"
#include "jobs/validate.h"
#include "sql_statements.h"

namespace millrace::jobs {
namespace {

using store::Connection;
using store::Query;

Status NoSuchJob(const JobRef& job) {
  const std::string where = job.queue.empty() ? "in any queue" : "in queue " + Quoted(job.queue);
  return Status(Code::kNotFound, "there is no job " + Quoted(job.id) + " " + where);
}

// A row of `finished`. The body is a copy.
struct EndRecord {
  JobState state = JobState::kCompleted;
  int64_t finished_at_ms = 0;
  int64_t started_at_ms = 0;
  int32_t attempts = 0;
  int64_t process_id = 0;
  ContentType content_type = ContentType::kJson;
  std::string body;
};

Status LoadEnd(Connection& connection, int64_t row, EndRecord* end, bool* found) {
  Query q(connection, sql::read::kSelectEnding);
  q.Bind(row);
  RETURN_IF_ERROR(q.Step(found));
  if (!*found) return Status::Ok();
  *end = {.state = static_cast<JobState>(q.Int(0)),
          .finished_at_ms = q.Int(1),
          .started_at_ms = q.Int(2),
          .attempts = static_cast<int32_t>(q.Int(3)),
          .process_id = q.Int(4),
          .content_type = static_cast<ContentType>(q.Int(5)),
          .body = std::string(q.BlobBytes(6))};
  return Status::Ok();
}

// The result of a completed job, the error of another.
template <typename Answer>
void SetEnd(EndRecord end, Answer* answer) {
  answer->finished_at_ms = end.finished_at_ms;
  answer->attempts_made = end.attempts;
  answer->result_type = end.content_type;
  if (end.state == JobState::kCompleted) {
    answer->result = std::move(end.body);
  } else {
    answer->error = std::move(end.body);
  }
}

// How often an ended job was started. The row of earlier attempts lacks the one that has ended it,
// if one has.
int32_t AttemptsStarted(const RunRecord& run, const EndRecord& end) {
  const bool by_attempt = end.attempts > run.attempts_made;
  return std::max(run.attempts_started + (by_attempt ? 1 : 0), end.attempts);
}

Status SetWorker(Connection& connection, int64_t process_id, JobInfo* info) {
  if (process_id == 0) return Status::Ok();
  Query q(connection, sql::read::kSelectWorker);
  q.Bind(process_id);
  bool row = false;
  RETURN_IF_ERROR(q.Step(&row));
  if (row) info->worker = q.Text(0);
  return Status::Ok();
}

Status SetAttemptErrors(Connection& connection, int64_t row, JobInfo* info) {
  Query q(connection, sql::read::kSelectAttemptErrors);
  q.Bind(row);
  for (;;) {
    bool found = false;
    RETURN_IF_ERROR(q.Step(&found));
    if (!found) return Status::Ok();
    info->attempt_errors.emplace_back(q.BlobBytes(0));
  }
}

Status SetDependencies(Connection& connection, const Location& at, JobInfo* info) {
  Query q(connection, sql::flows::kCountDependencies);
  q.Bind(at.key.row);
  bool found = false;
  RETURN_IF_ERROR(q.Step(&found));
  info->dependencies = q.Int(0);
  if (at.state == JobState::kBlocked) info->pending = q.Int(1);
  return Status::Ok();
}

// What is told of a job beside its body; *process_id is who runs or last ran it.
Status SetStanding(Connection& connection, const Location& at, JobInfo* info, int64_t* process_id) {
  RunRecord run;
  RETURN_IF_ERROR(LoadRun(connection, at.key.row, &run));
  info->state = at.state;
  info->due_at_ms = at.place.due_at_ms;
  info->started_at_ms = run.started_at_ms;
  info->attempts_started = run.attempts_started;
  info->attempts_made = run.attempts_made;
  info->crashes = run.crashes;
  info->progress = std::move(run.progress);
  info->checkpoint = std::move(run.checkpoint);
  *process_id = run.process_id;
  if (at.state == JobState::kActive) {
    info->started_at_ms = at.started_at_ms;
    ++info->attempts_started;
    info->cancel_requested = at.cancel_requested;
    *process_id = at.process_id;
  }
  EndRecord end;
  bool ended = false;
  RETURN_IF_ERROR(LoadEnd(connection, at.key.row, &end, &ended));
  if (!ended) return Status::Ok();
  info->attempts_started = AttemptsStarted(run, end);
  if (end.started_at_ms != 0) info->started_at_ms = end.started_at_ms;
  if (end.process_id != 0) *process_id = end.process_id;
  SetEnd(std::move(end), info);
  return Status::Ok();
}

}  // namespace

Status ReadParent(Connection& connection, int64_t row, std::optional<ParentLink>* parent) {
  Query q(connection, sql::flows::kFirstDependent);
  q.Bind(row);
  bool found = false;
  RETURN_IF_ERROR(q.Step(&found));
  if (!found) return Status::Ok();
  const JobKey key{.row = q.Int(1),
                   .created_at_ms = q.Int(2),
                   .salt = static_cast<uint64_t>(q.Int(3)),
                   .custom_id = std::string(q.IsNull(4) ? std::string_view() : q.Text(4))};
  *parent = {.job = {.id = key.PublicId(), .queue = std::string(q.Text(5))},
             .policy = static_cast<DependencyPolicy>(q.Int(0))};
  return Status::Ok();
}

namespace {

Result<JobInfo> ReadAt(Connection& connection, const Location& at) {
  JobInfo info;
  Body body;
  bool found = false;
  RETURN_IF_ERROR(LoadBody(connection, at.key.row, &body, &found));
  if (!found)
    return Status(Code::kCorrupt,
                  "job " + at.key.PublicId() + " has no body; run `millrace doctor`");
  info.spec = std::move(body.spec);
  info.spec.id = at.key.PublicId();
  info.created_at_ms = at.key.created_at_ms;
  ASSIGN_OR_RETURN(info.spec.queue, QueueNameOf(connection, at.queue_id));
  int64_t process_id = 0;
  RETURN_IF_ERROR(SetStanding(connection, at, &info, &process_id));
  RETURN_IF_ERROR(SetWorker(connection, process_id, &info));
  RETURN_IF_ERROR(SetAttemptErrors(connection, at.key.row, &info));
  if (at.place.has(kDependent)) RETURN_IF_ERROR(SetDependencies(connection, at, &info));
  if (at.place.has(kAwaited)) RETURN_IF_ERROR(ReadParent(connection, at.key.row, &info.parent));
  return info;
}

}  // namespace

Result<Attempts> ReadAttempts(Connection& connection, int64_t row) {
  RunRecord run;
  RETURN_IF_ERROR(LoadRun(connection, row, &run));
  EndRecord end;
  bool ended = false;
  RETURN_IF_ERROR(LoadEnd(connection, row, &end, &ended));
  if (!ended) return Attempts{.started = run.attempts_started, .made = run.attempts_made};
  return Attempts{.started = AttemptsStarted(run, end), .made = end.attempts};
}

namespace {

const char* ListStatement(JobState state, bool descending) {
  switch (state) {
    case JobState::kReady:
      return descending ? sql::read::kListReadyDescending : sql::read::kListReady;
    case JobState::kScheduled:
      return descending ? sql::read::kListScheduledDescending : sql::read::kListScheduled;
    case JobState::kBlocked:
      return descending ? sql::read::kListBlockedDescending : sql::read::kListBlocked;
    case JobState::kActive:
      return descending ? sql::read::kListActiveDescending : sql::read::kListActive;
    default:
      return descending ? sql::read::kListFinishedDescending : sql::read::kListFinished;
  }
}

Status CheckListQuery(const ListQuery& query) {
  RETURN_IF_ERROR(CheckName(query.queue, "queue"));
  RETURN_IF_ERROR(CheckRange(static_cast<int>(query.state), static_cast<int>(JobState::kScheduled),
                             static_cast<int>(JobState::kCancelled), "state"));
  if (!query.name.empty()) RETURN_IF_ERROR(CheckName(query.name, "name"));
  RETURN_IF_ERROR(CheckRange(query.offset, 0, std::numeric_limits<int64_t>::max(), "offset"));
  return CheckRange(query.limit, 1, kListLimitMax, "limit");
}

Result<std::vector<int64_t>> ListRows(Connection& connection, int64_t queue_id,
                                      const ListQuery& query) {
  std::vector<int64_t> rows;
  Query q(connection, ListStatement(query.state, query.descending));
  std::optional<std::string_view> name;
  if (!query.name.empty()) name = query.name;
  q.Bind(queue_id, query.limit, query.offset, name);
  if (query.state >= JobState::kCompleted) q.BindOne(5, static_cast<int>(query.state));
  for (;;) {
    bool row = false;
    RETURN_IF_ERROR(q.Step(&row));
    if (!row) return rows;
    rows.push_back(q.Int(0));
  }
}

QueueCounts CountsRow(const Query& q) {
  return QueueCounts{.queue = std::string(q.Text(0)),
                     .paused = q.Int(1) != 0,
                     .ready = q.Int(2),
                     .prioritized = q.Int(3),
                     .scheduled = q.Int(4),
                     .blocked = q.Int(5),
                     .active = q.Int(6),
                     .completed = q.Int(7),
                     .failed = q.Int(8),
                     .cancelled = q.Int(9)};
}

}  // namespace

Result<int64_t> QueueIdOf(Connection& connection, const std::string& name) {
  Query q(connection, sql::ledger::kFindQueue);
  q.Bind(name);
  bool row = false;
  RETURN_IF_ERROR(q.Step(&row));
  return row ? q.Int(0) : int64_t{0};
}

Result<std::string> QueueNameOf(Connection& connection, int64_t queue_id) {
  Query q(connection, sql::ledger::kReadQueue);
  q.Bind(queue_id);
  bool row = false;
  RETURN_IF_ERROR(q.Step(&row));
  return std::string(row ? q.Text(0) : std::string_view());
}

Result<int64_t> QueueOfJob(Connection& connection, int64_t row) {
  Query q(connection, sql::read::kSelectQueueOf);
  q.Bind(row);
  bool found = false;
  RETURN_IF_ERROR(q.Step(&found));
  return found ? q.Int(0) : int64_t{0};
}

Result<std::string> QueueName(Connection& connection, int64_t queue_id) {
  Query q(connection, sql::ledger::kReadQueue);
  q.Bind(queue_id);
  bool row = false;
  RETURN_IF_ERROR(q.Step(&row));
  return std::string(row ? q.Text(0) : std::string_view());
}

Result<Location> FindJob(Connection& connection, const JobRef& job) {
  RETURN_IF_ERROR(CheckName(job.id, "id"));
  int64_t queue_id = 0;
  if (!job.queue.empty()) {
    RETURN_IF_ERROR(CheckName(job.queue, "queue"));
    ASSIGN_OR_RETURN(queue_id, QueueIdOf(connection, job.queue));
    if (queue_id == 0) return NoSuchJob(job);
  }
  Location location;
  bool found = false;
  RETURN_IF_ERROR(Locate(connection, job.id, queue_id, &location, &found));
  if (!found) return NoSuchJob(job);
  return location;
}

Result<JobInfo> ReadJob(Connection& connection, const JobRef& job) {
  const Snapshot snapshot(connection);
  RETURN_IF_ERROR(snapshot.status());
  ASSIGN_OR_RETURN(const Location at, FindJob(connection, job));
  return ReadAt(connection, at);
}

Result<JobOutcome> ReadOutcome(Connection& connection, const JobRef& job) {
  const Snapshot snapshot(connection);
  RETURN_IF_ERROR(snapshot.status());
  ASSIGN_OR_RETURN(const Location at, FindJob(connection, job));
  JobOutcome outcome;
  outcome.state = at.state;
  if (at.place.has(kHasRun)) {
    RunRecord run;
    RETURN_IF_ERROR(LoadRun(connection, at.key.row, &run));
    outcome.attempts_made = run.attempts_made;
    outcome.progress = std::move(run.progress);
  }
  if (at.state < JobState::kCompleted) return outcome;
  EndRecord end;
  bool found = false;
  RETURN_IF_ERROR(LoadEnd(connection, at.key.row, &end, &found));
  if (found) SetEnd(std::move(end), &outcome);
  return outcome;
}

Result<std::vector<LogLine>> ReadLogs(Connection& connection, const JobRef& job, int64_t offset,
                                      int64_t limit) {
  RETURN_IF_ERROR(CheckRange(offset, 0, std::numeric_limits<int64_t>::max(), "offset"));
  RETURN_IF_ERROR(CheckRange(limit, 1, kListLimitMax, "limit"));
  const Snapshot snapshot(connection);
  RETURN_IF_ERROR(snapshot.status());
  ASSIGN_OR_RETURN(const Location at, FindJob(connection, job));
  std::vector<LogLine> lines;
  Query q(connection, sql::read::kSelectLogs);
  q.Bind(at.key.row, limit, offset);
  for (;;) {
    bool row = false;
    RETURN_IF_ERROR(q.Step(&row));
    if (!row) return lines;
    lines.push_back({.at_ms = q.Int(0), .text = std::string(q.BlobBytes(1))});
  }
}

Result<std::vector<JobInfo>> ListJobs(Connection& connection, const ListQuery& query) {
  RETURN_IF_ERROR(CheckListQuery(query));
  std::vector<JobInfo> jobs;
  const Snapshot snapshot(connection);
  RETURN_IF_ERROR(snapshot.status());
  ASSIGN_OR_RETURN(const int64_t queue_id, QueueIdOf(connection, query.queue));
  if (queue_id == 0) return jobs;
  ASSIGN_OR_RETURN(const std::vector<int64_t> rows, ListRows(connection, queue_id, query));
  for (const int64_t row : rows) {
    Location at;
    bool found = false;
    RETURN_IF_ERROR(LocateRow(connection, row, &at, &found));
    if (!found) continue;  // a place without a body: `doctor` reports it, the others are shown
    ASSIGN_OR_RETURN(JobInfo info, ReadAt(connection, at));
    jobs.push_back(std::move(info));
  }
  return jobs;
}

Result<QueueCounts> ReadCounts(Connection& connection, const std::string& queue) {
  RETURN_IF_ERROR(CheckName(queue, "queue"));
  Query q(connection, sql::read::kSelectQueueCounts);
  q.Bind(queue);
  bool row = false;
  RETURN_IF_ERROR(q.Step(&row));
  if (row) return CountsRow(q);
  return QueueCounts{.queue = queue};
}

Result<std::vector<QueueCounts>> ListQueues(Connection& connection) {
  std::vector<QueueCounts> queues;
  Query q(connection, sql::read::kListQueueCounts);
  for (;;) {
    bool row = false;
    RETURN_IF_ERROR(q.Step(&row));
    if (!row) return queues;
    queues.push_back(CountsRow(q));
  }
}

}  // namespace millrace::jobs
