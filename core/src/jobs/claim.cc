#include "jobs/claim.h"

#include <algorithm>
#include <limits>

#include "base/macros.h"
#include "jobs/bulk_slice.h"
#include "jobs/finish.h"
#include "jobs/job_row.h"
#include "jobs/locate.h"
#include "jobs/parking.h"
#include "jobs/quarantine.h"
#include "jobs/turn_line.h"
#include "sql_statements.h"

namespace millrace::jobs {
namespace {

using store::Query;

// Scheduled jobs that one transaction makes ready, at most: a backlog that comes due at once is
// moved in slices.
constexpr int64_t kPromoteSlice = 1'000;
// Expired, damaged or parked jobs, and groups that may not give, that one transaction passes by, at
// most: nobody else can write meanwhile.
constexpr int64_t kPassSlice = 1'000;

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
    if (!q.IsNull(7)) job.place.group = q.Text(7);
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
  lease.name = body.spec.name;
  job.spec = std::move(body.spec);
  job.spec.queue = queue;
  job.spec.id = lease.key.PublicId();
  lease.attempts_started = 1;
  return claimed;
}

// *could_start_at_ms is when the job could have started if its last attempt was postponed; -1 if it
// came back at once, nobody knows when.
Status AddRun(Ledger& ledger, Claimed* claimed, int64_t* could_start_at_ms) {
  RunRecord run;
  RETURN_IF_ERROR(LoadRun(ledger.connection(), claimed->lease.key.row, &run));
  Lease& lease = claimed->lease;
  lease.attempts_started = run.attempts_started + 1;
  lease.attempts_made = run.attempts_made;
  lease.crashes = claimed->job.crashes = run.crashes;
  claimed->job.attempt = run.attempts_made + 1;
  if (run.attempts_started > 0) *could_start_at_ms = run.due_at_ms > 0 ? run.due_at_ms : -1;
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

// A job that was started in time does not expire when it comes back: after a retry, a wait, a
// crash.
Status HasStarted(Ledger& ledger, const Place& place, bool* started) {
  if (!place.has(kHasRun)) return Status::Ok();
  RunRecord run;
  RETURN_IF_ERROR(LoadRun(ledger.connection(), place.row, &run));
  *started = run.attempts_started > 0;
  return Status::Ok();
}

// One call of ClaimJobs.
struct Claim {
  Ledger& ledger;
  int64_t queue_id;
  const std::string& queue;
  int64_t process_id;
  std::vector<Claimed>* claimed;
};

// What became of a ready job that a claim came by.
enum class Met { kClaimed, kPassed, kNoRoom };

void CountStart(Ledger& ledger, const Lease& lease, int64_t could_start_at_ms) {
  Counters& counters = ledger.counters();
  counters.Add(lease.place.queue_id, lease.name, Counters::What::kStarted);
  if (could_start_at_ms < 0) return;
  counters.AddTime(lease.place.queue_id, lease.name, Counters::What::kWait,
                   ledger.now_ms() - could_start_at_ms);
}

Status StartJob(Claim& claim, const Place& place, Body body) {
  Ledger& ledger = claim.ledger;
  int64_t could_start_at_ms = std::max(body.key.created_at_ms, body.spec.due_at_ms);
  Claimed next = MakeClaimed(ledger, place, std::move(body), claim.queue, claim.process_id);
  if (place.has(kDependent)) could_start_at_ms = -1;  // when the others had ended
  if (place.has(kHasRun)) RETURN_IF_ERROR(AddRun(ledger, &next, &could_start_at_ms));
  RETURN_IF_ERROR(InsertActive(ledger, next.lease));
  ledger.Moved(claim.queue_id, JobState::kReady, JobState::kActive, Cause::kClaim, place.priority);
  ledger.Log(claim.queue_id, {.type = EventType::kActive,
                              .state = JobState::kActive,
                              .prev = JobState::kReady,
                              .job = &next.lease.key,
                              .attempt = next.job.attempt});
  CountStart(ledger, next.lease, could_start_at_ms);
  RETURN_IF_ERROR(ledger.limits().Start(claim.queue_id, next.lease.name));
  claim.claimed->push_back(std::move(next));
  return Status::Ok();
}

// Leases what the current row of select_claim or select_group_head is; not an expired or damaged
// one, nor one of a task that is at its limit: *full is that limit. The row stays for the caller.
Status ClaimRow(Claim& claim, const Query& q, const Group* group, Met* met, limits::Entry** full) {
  Ledger& ledger = claim.ledger;
  const Place place{.queue_id = claim.queue_id,
                    .row = std::abs(q.Int(1)),
                    .seq = q.Int(1),
                    .priority = static_cast<int32_t>(q.Int(0)),
                    .flags = static_cast<uint8_t>(q.Int(2)),
                    .group = group ? group->name : std::string(),
                    .group_id = group ? group->group_id : 0,
                    .alone_in_group = group && group->ready == 1 && group->active == 0};
  *met = Met::kPassed;
  if (q.IsNull(3)) {
    ledger.Moved(claim.queue_id, JobState::kReady, kNowhere, Cause::kRemove, place.priority);
    return Quarantine(ledger, claim.queue_id, place.row, "a ready job has no body");
  }
  if (!ledger.limits().empty()) {
    ASSIGN_OR_RETURN(*full, ledger.limits().OfTask(q.Text(5)));
    if (*full && ledger.limits().Room(**full) == 0) {
      *met = Met::kNoRoom;
      return Status::Ok();
    }
  }
  Body body = ReadBody(q, 3);
  if (body.spec.expires_at_ms != 0 && body.spec.expires_at_ms <= ledger.now_ms()) {
    bool started = false;
    RETURN_IF_ERROR(HasStarted(ledger, place, &started));
    if (!started) return ExpireReady(ledger, place, body);
  }
  *met = Met::kClaimed;
  return StartJob(claim, place, std::move(body));
}

// Where the ready jobs without a group stand that a pass may take: before this.
struct Before {
  int64_t priority = std::numeric_limits<int64_t>::max();
  int64_t seq = 0;
};

// One pass over the head of the queue. *seen is how many rows it went over.
Status ClaimHead(Claim& claim, const Before& before, int64_t max, int64_t* seen) {
  *seen = 0;
  int64_t last_priority = 0;
  int64_t last_seq = 0;
  {
    Query q(claim.ledger.connection(), sql::jobs::kSelectClaim);
    q.Bind(claim.queue_id, max, before.priority, before.seq);
    for (;;) {
      bool row = false;
      RETURN_IF_ERROR(q.Step(&row));
      if (!row) break;
      ++*seen;
      last_priority = q.Int(0);
      last_seq = q.Int(1);
      Met met = Met::kPassed;
      limits::Entry* full = nullptr;
      RETURN_IF_ERROR(ClaimRow(claim, q, nullptr, &met, &full));
      if (met != Met::kNoRoom) continue;
      RETURN_IF_ERROR(Park(claim.ledger,
                           {.queue_id = claim.queue_id,
                            .seq = last_seq,
                            .priority = static_cast<int32_t>(last_priority),
                            .flags = static_cast<uint8_t>(q.Int(2))},
                           *full));
    }
  }
  if (*seen == 0) return Status::Ok();
  Query q(claim.ledger.connection(), sql::jobs::kDeleteReadyUpTo);
  q.Bind(claim.queue_id, last_priority, last_seq);
  return q.Run();
}

// The first job of the group whose turn it is.
Status ClaimTurn(Claim& claim, Group& group, int64_t turn) {
  Groups& groups = claim.ledger.groups();
  ASSIGN_OR_RETURN(const bool gives, groups.MayGive(group));
  if (!gives) return Status::Ok();
  Met met = Met::kPassed;
  limits::Entry* full = nullptr;
  int32_t priority = 0;
  int64_t seq = 0;
  {
    Query q(claim.ledger.connection(), sql::limits::kSelectGroupHead);
    q.Bind(group.group_id);
    bool row = false;
    RETURN_IF_ERROR(q.Step(&row));
    if (!row) {  // damage: its count is wrong
      group.ready = 0;
      return Status::Ok();
    }
    priority = static_cast<int32_t>(q.Int(0));
    seq = q.Int(1);
    RETURN_IF_ERROR(ClaimRow(claim, q, &group, &met, &full));
  }
  if (met == Met::kNoRoom) return groups.Stall(group, full->limit_id, turn);
  RETURN_IF_ERROR(groups.Gone(group, priority, seq));
  return met == Met::kClaimed ? groups.Started(group) : Status::Ok();
}

// Where the first job without a group stands; behind everything if there is none.
Status ReadyHead(Claim& claim, std::pair<int64_t, int64_t>* head) {
  Query q(claim.ledger.connection(), sql::jobs::kReadyHead);
  q.Bind(claim.queue_id);
  bool row = false;
  RETURN_IF_ERROR(q.Step(&row));
  *head = {row ? q.Int(0) : std::numeric_limits<int64_t>::max(), row ? q.Int(1) : 0};
  return Status::Ok();
}

// Claims jobs without a group until `max` are claimed or too many are passed by.
Status ClaimUngrouped(Claim& claim, int64_t max) {
  const size_t had = claim.claimed->size();
  int64_t passed = 0;
  for (int64_t want = max; want > 0 && passed < kPassSlice;) {
    const size_t here = claim.claimed->size();
    int64_t seen = 0;
    RETURN_IF_ERROR(ClaimHead(claim, {}, want, &seen));
    if (seen < want) break;
    // Expired ones on the way leave room for others.
    passed += seen - static_cast<int64_t>(claim.claimed->size() - here);
    want = max - static_cast<int64_t>(claim.claimed->size() - had);
  }
  return Status::Ok();
}

// The same with those of groups, in one order: a group stands in it as a job of priority 0 that was
// enqueued when the group got in line.
Status ClaimInOrder(Claim& claim, int64_t max) {
  TurnLine line(claim.ledger, claim.queue_id, max);
  std::pair<int64_t, int64_t> head;
  RETURN_IF_ERROR(ReadyHead(claim, &head));
  const size_t had = claim.claimed->size();
  int64_t passed = 0;
  for (int64_t want = max; want > 0 && passed < kPassSlice;) {
    Group* group = nullptr;
    int64_t turn = TurnLine::kNoTurn;
    RETURN_IF_ERROR(line.Head(&group, &turn));
    const size_t here = claim.claimed->size();
    int64_t seen = 1;
    if (head < std::pair<int64_t, int64_t>{0, turn}) {
      RETURN_IF_ERROR(ClaimHead(claim, {.priority = 0, .seq = turn}, want, &seen));
      RETURN_IF_ERROR(ReadyHead(claim, &head));
    } else if (group) {
      RETURN_IF_ERROR(ClaimTurn(claim, *group, turn));
      RETURN_IF_ERROR(line.Pass());
    } else {
      RETURN_IF_ERROR(ClaimHead(claim, {}, want, &seen));  // those of higher numbers
      if (seen == 0) break;
    }
    passed += seen - static_cast<int64_t>(claim.claimed->size() - here);
    want = max - static_cast<int64_t>(claim.claimed->size() - had);
  }
  return line.Write();
}

Result<bool> HasWork(store::Connection& connection, int64_t queue_id, int64_t now_ms) {
  Query q(connection, sql::jobs::kHasWork);
  q.Bind(queue_id, now_ms);
  bool row = false;
  RETURN_IF_ERROR(q.Step(&row));
  return row;
}

// After a claim: wakes somebody else if there is more, or if somebody must set a timer for it.
Status LookBack(Claim& claim, bool any_claimed, bool* more) {
  Ledger& ledger = claim.ledger;
  if (ledger.limits().uses_groups()) RETURN_IF_ERROR(ledger.groups().Settle());
  RETURN_IF_ERROR(ledger.limits().Write());
  ASSIGN_OR_RETURN(const bool work, HasWork(ledger.connection(), claim.queue_id, ledger.now_ms()));
  ASSIGN_OR_RETURN(const int64_t room, ledger.limits().Room(claim.queue_id));
  *more = work && room > 0;
  if (*more) {
    ledger.WakeFor(claim.queue_id);  // a chain: should a ring have got lost with a process, the
                                     // next claim makes up for it
    return Status::Ok();
  }
  if (work) {
    ASSIGN_OR_RETURN(const bool by_time, ledger.limits().OpensByTime(claim.queue_id));
    if (by_time) ledger.WakeForTimer(claim.queue_id);
    return Status::Ok();
  }
  if (!any_claimed) return Status::Ok();
  if (ledger.limits().uses_groups() || !ledger.limits().empty()) {  // some may be held back
    ASSIGN_OR_RETURN(const int64_t ready, CountNow(ledger, claim.queue_id, JobState::kReady));
    if (ready > 0) return Status::Ok();
  }
  ledger.Log(claim.queue_id, {.type = EventType::kDrained});
  return Status::Ok();
}

}  // namespace

Status ClaimJobs(Ledger& ledger, int64_t queue_id, const std::string& queue, int64_t process_id,
                 int32_t max, std::vector<Claimed>* claimed, bool* more) {
  if (more) *more = false;
  ASSIGN_OR_RETURN(const QueueRules rules, ledger.Rules(queue_id));
  if (rules.paused) return Status::Ok();
  RETURN_IF_ERROR(PromoteDue(ledger, queue_id));
  ASSIGN_OR_RETURN(const int64_t room, ledger.limits().Room(queue_id));
  const int64_t want = std::min<int64_t>(max, room);
  const size_t before = claimed->size();
  Claim claim{ledger, queue_id, queue, process_id, claimed};
  if (want > 0) {
    if (!ledger.limits().empty()) RETURN_IF_ERROR(BringBack(ledger, queue_id, want));
    if (ledger.limits().uses_groups()) RETURN_IF_ERROR(ledger.groups().Ripen(queue_id));
    RETURN_IF_ERROR(ledger.limits().uses_groups() ? ClaimInOrder(claim, want)
                                                  : ClaimUngrouped(claim, want));
  }
  bool left = false;
  RETURN_IF_ERROR(LookBack(claim, claimed->size() > before, &left));
  if (more) *more = left;
  return Status::Ok();
}

Result<bool> HasClaimable(store::Connection& connection, int64_t queue_id, int64_t now_ms) {
  Query q(connection, sql::jobs::kHasReady);
  q.Bind(queue_id, now_ms);
  bool row = false;
  RETURN_IF_ERROR(q.Step(&row));
  return row;
}

Result<int64_t> EarliestDue(store::Connection& connection, int64_t queue_id, int64_t now_ms) {
  Query q(connection, sql::jobs::kNextDue);
  q.Bind(queue_id, now_ms);
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
                 .name = std::move(body.spec.name),
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
