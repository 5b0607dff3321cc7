#include "jobs/claim.h"

#include "base/macros.h"
#include "jobs/finish.h"
#include "jobs/job_row.h"
#include "jobs/locate.h"
#include "sql_statements.h"

namespace millrace::jobs {
namespace {

using store::Query;

// Scheduled jobs that one transaction makes ready, at most: a backlog that comes due at once is
// moved in slices.
constexpr int64_t kPromoteSlice = 1'000;
// Expired or damaged jobs that one transaction passes by, at most: nobody else can write meanwhile.
constexpr int64_t kPassSlice = 1'000;

Status Quarantine(Ledger& ledger, int64_t queue_id, int64_t row, const char* what) {
  Query q(ledger.connection(), sql::jobs::kQuarantine);
  q.Bind(ledger.now_ms(), queue_id, row, what);
  return q.Run();
}

struct Due {
  Place place;
  JobKey key;
};

Status SelectDue(Ledger& ledger, int64_t queue_id, std::vector<Due>* due) {
  Query q(ledger.connection(), sql::jobs::kSelectDue);
  q.Bind(queue_id, ledger.now_ms(), kPromoteSlice);
  for (;;) {
    bool row = false;
    RETURN_IF_ERROR(q.Step(&row));
    if (!row) return Status::Ok();
    Due job;
    job.place = {.queue_id = queue_id,
                 .row = std::abs(q.Int(1)),
                 .due_at_ms = q.Int(0),
                 .seq = q.Int(1),
                 .priority = static_cast<int32_t>(q.Int(2)),
                 .flags = static_cast<uint8_t>(q.Int(3))};
    job.key = {.row = job.place.row,
               .created_at_ms = q.Int(4),
               .salt = static_cast<uint64_t>(q.Int(5)),
               .custom_id = std::string(q.IsNull(6) ? std::string_view() : q.Text(6))};
    due->push_back(std::move(job));
  }
}

Status PromoteDue(Ledger& ledger, int64_t queue_id) {
  std::vector<Due> due;
  RETURN_IF_ERROR(SelectDue(ledger, queue_id, &due));
  for (const Due& job : due) {
    RETURN_IF_ERROR(TakeScheduled(ledger, job.place));
    RETURN_IF_ERROR(PutReady(ledger, job.place, JobState::kScheduled, Cause::kDue));
    ledger.Log(queue_id, {.type = EventType::kReady,
                          .state = JobState::kReady,
                          .prev = JobState::kScheduled,
                          .job = &job.key});
  }
  return Status::Ok();
}

// The lease and the job that a body becomes when it is claimed.
Claimed MakeClaimed(Ledger& ledger, const Place& place, Body body, const std::string& queue,
                    int64_t process_id) {
  Claimed claimed;
  Lease& lease = claimed.lease;
  LeasedJob& job = claimed.job;
  lease.place = place;
  lease.token = job.token = ledger.NextNumber();
  lease.process_id = process_id;
  lease.started_at_ms = job.started_at_ms = ledger.now_ms();
  lease.retry = body.spec.retry;
  lease.max_crashes = body.spec.max_crashes;
  lease.delivery = body.spec.delivery;
  lease.keep_completed = body.spec.keep_completed;
  lease.keep_failed = body.spec.keep_failed;
  if (body.spec.time_limit_ms != 0)
    lease.deadline_ms = ledger.monotonic_ms() + body.spec.time_limit_ms;
  if (body.spec.soft_time_limit_ms != 0) {
    lease.soft_deadline_ms = ledger.monotonic_ms() + body.spec.soft_time_limit_ms;
  }
  job.created_at_ms = body.key.created_at_ms;
  lease.key = std::move(body.key);
  job.spec = std::move(body.spec);
  job.spec.queue = queue;
  job.spec.id = lease.key.PublicId();
  lease.attempts_started = 1;
  return claimed;
}

Status AddRun(Ledger& ledger, Claimed* claimed) {
  RunRecord run;
  RETURN_IF_ERROR(LoadRun(ledger.connection(), claimed->lease.key.row, &run));
  Lease& lease = claimed->lease;
  lease.attempts_started = run.attempts_started + 1;
  lease.attempts_made = run.attempts_made;
  lease.crashes = claimed->job.crashes = run.crashes;
  claimed->job.attempt = run.attempts_made + 1;
  claimed->job.progress = std::move(run.progress);
  claimed->job.checkpoint = std::move(run.checkpoint);
  return Status::Ok();
}

Status InsertActive(Ledger& ledger, const Lease& lease) {
  Query q(ledger.connection(), sql::jobs::kInsertActive);
  std::optional<int64_t> deadline;
  if (lease.deadline_ms != 0) deadline = lease.deadline_ms;
  const Place& place = lease.place;
  q.Bind(lease.key.row, place.queue_id, lease.token, lease.process_id, place.priority, place.seq,
         place.flags, lease.started_at_ms, deadline);
  return q.Run();
}

Status ExpireReady(Ledger& ledger, const Place& place, const Body& body) {
  static constexpr std::string_view kError =
      R"({"type":"JobExpired","message":"the job was not started before its expiry","stack":""})";
  return EndWaiting(ledger, body.key, place, JobState::kReady, Cause::kExpire, kError,
                    body.spec.keep_failed);
}

// Leases what select_claim's current row is; nothing for an expired or damaged one.
Status ClaimRow(Ledger& ledger, const Query& q, const std::string& queue, int64_t queue_id,
                int64_t process_id, std::vector<Claimed>* claimed) {
  const Place place{.queue_id = queue_id,
                    .row = std::abs(q.Int(1)),
                    .seq = q.Int(1),
                    .priority = static_cast<int32_t>(q.Int(0)),
                    .flags = static_cast<uint8_t>(q.Int(2))};
  if (q.IsNull(3)) {
    ledger.Moved(queue_id, JobState::kReady, kNowhere, Cause::kRemove, place.priority);
    return Quarantine(ledger, queue_id, place.row, "a ready job has no body");
  }
  Body body = ReadBody(q, 3);
  if (body.spec.expires_at_ms != 0 && body.spec.expires_at_ms <= ledger.now_ms()) {
    return ExpireReady(ledger, place, body);
  }
  Claimed next = MakeClaimed(ledger, place, std::move(body), queue, process_id);
  if (place.has(kHasRun)) RETURN_IF_ERROR(AddRun(ledger, &next));
  RETURN_IF_ERROR(InsertActive(ledger, next.lease));
  ledger.Moved(queue_id, JobState::kReady, JobState::kActive, Cause::kClaim, place.priority);
  ledger.Log(queue_id, {.type = EventType::kActive,
                        .state = JobState::kActive,
                        .prev = JobState::kReady,
                        .job = &next.lease.key,
                        .attempt = next.job.attempt});
  claimed->push_back(std::move(next));
  return Status::Ok();
}

// One pass over the head of the queue. *seen is how many rows it went over.
Status ClaimHead(Ledger& ledger, int64_t queue_id, const std::string& queue, int64_t process_id,
                 int64_t max, std::vector<Claimed>* claimed, int64_t* seen) {
  *seen = 0;
  int64_t last_priority = 0;
  int64_t last_seq = 0;
  {
    Query q(ledger.connection(), sql::jobs::kSelectClaim);
    q.Bind(queue_id, max);
    for (;;) {
      bool row = false;
      RETURN_IF_ERROR(q.Step(&row));
      if (!row) break;
      ++*seen;
      last_priority = q.Int(0);
      last_seq = q.Int(1);
      RETURN_IF_ERROR(ClaimRow(ledger, q, queue, queue_id, process_id, claimed));
    }
  }
  if (*seen == 0) return Status::Ok();
  Query q(ledger.connection(), sql::jobs::kDeleteReadyUpTo);
  q.Bind(queue_id, last_priority, last_seq);
  return q.Run();
}

}  // namespace

Status ClaimJobs(Ledger& ledger, int64_t queue_id, const std::string& queue, int64_t process_id,
                 int32_t max, std::vector<Claimed>* claimed, bool* more) {
  if (more) *more = false;
  ASSIGN_OR_RETURN(const QueueRules rules, ledger.Rules(queue_id));
  if (rules.paused) return Status::Ok();
  RETURN_IF_ERROR(PromoteDue(ledger, queue_id));
  const size_t before = claimed->size();
  int64_t passed = 0;
  for (int64_t want = max; want > 0 && passed < kPassSlice;) {
    const size_t here = claimed->size();
    int64_t seen = 0;
    RETURN_IF_ERROR(ClaimHead(ledger, queue_id, queue, process_id, want, claimed, &seen));
    if (seen < want) break;
    // Expired ones on the way leave room for others.
    want -= static_cast<int64_t>(claimed->size() - here);
    passed += seen - static_cast<int64_t>(claimed->size() - here);
  }
  ASSIGN_OR_RETURN(const bool left, HasClaimable(ledger.connection(), queue_id, ledger.now_ms()));
  if (more) *more = left;
  if (left) {
    ledger.WakeFor(queue_id);  // a chain: should a ring have got lost with a process, the next
                               // claim makes up for it
  } else if (claimed->size() > before) {
    ledger.Log(queue_id, {.type = EventType::kDrained});
  }
  return Status::Ok();
}

Result<bool> HasClaimable(store::Connection& connection, int64_t queue_id, int64_t now_ms) {
  Query q(connection, sql::jobs::kHasReady);
  q.Bind(queue_id, now_ms);
  bool row = false;
  RETURN_IF_ERROR(q.Step(&row));
  return row && q.Int(0) != 0;
}

Result<int64_t> EarliestDue(store::Connection& connection, int64_t queue_id) {
  Query q(connection, sql::jobs::kEarliestDue);
  q.Bind(queue_id);
  bool row = false;
  RETURN_IF_ERROR(q.Step(&row));
  return row ? q.Int(0) : int64_t{0};
}

Status LoadLease(store::Connection& connection, int64_t row, Lease* lease, bool* found) {
  Location location;
  RETURN_IF_ERROR(LocateRow(connection, row, &location, found));
  if (!*found || location.state != JobState::kActive) {
    *found = false;
    return Status::Ok();
  }
  Body body;
  RETURN_IF_ERROR(LoadBody(connection, row, &body, found));
  RunRecord run;
  RETURN_IF_ERROR(LoadRun(connection, row, &run));
  *lease = Lease{.key = location.key,
                 .place = location.place,
                 .token = location.token,
                 .process_id = location.process_id,
                 .started_at_ms = location.started_at_ms,
                 .attempts_started = run.attempts_started + 1,
                 .attempts_made = run.attempts_made,
                 .crashes = run.crashes,
                 .max_crashes = body.spec.max_crashes,
                 .delivery = body.spec.delivery,
                 .retry = body.spec.retry,
                 .keep_completed = body.spec.keep_completed,
                 .keep_failed = body.spec.keep_failed};
  return Status::Ok();
}

}  // namespace millrace::jobs
