#include "jobs/group.h"

#include "base/macros.h"
#include "jobs/bulk.h"
#include "jobs/change.h"
#include "jobs/enqueue.h"
#include "jobs/finish.h"
#include "jobs/jobs_test_util.h"
#include "jobs/limit_rules.h"
#include "jobs/read.h"

namespace millrace::jobs {
namespace {

using Kind = Outcome::Kind;
using Names = std::vector<std::string>;

JobSpec InGroup(const std::string& group, const std::string& id = "") {
  JobSpec spec = Spec(id);
  spec.group = group;
  return spec;
}

Names Ids(const std::vector<Claimed>& claimed) {
  Names ids;
  for (const Claimed& job : claimed) ids.push_back(job.job.spec.id);
  return ids;
}

Limit GroupLimit(const std::string& group) {
  return {.scope = LimitScope::kGroup, .queue = "q", .task = {}, .group = group, .rate = {}};
}

void Set(JobsFixture& f, const Limit& limit) {
  f.MustDo([&](Ledger& ledger) { return SetLimit(ledger, limit); });
}

void SetConcurrency(JobsFixture& f, const std::string& group, int64_t concurrency) {
  Limit limit = GroupLimit(group);
  limit.concurrency = concurrency;
  Set(f, limit);
}

std::vector<GroupInfo> List(JobsFixture& f, const std::string& after = "", int64_t limit = 100) {
  return RequireOk(ListGroups(f.connection(), "q", after, limit, f.clock.WallMs()));
}

bool Claimable(JobsFixture& f) {
  const int64_t queue_id = RequireOk(QueueIdOf(f.connection(), "q"));
  return RequireOk(HasClaimable(f.connection(), queue_id, f.clock.WallMs()));
}

int64_t NextDue(JobsFixture& f) {
  const int64_t queue_id = RequireOk(QueueIdOf(f.connection(), "q"));
  return RequireOk(EarliestDue(f.connection(), queue_id, f.clock.WallMs()));
}

TEST_CASE("groups take turns", "[jobs][group]") {
  JobsFixture f;
  for (int i = 1; i <= 4; ++i) f.Add(InGroup("big", "big" + std::to_string(i)));
  for (int i = 1; i <= 2; ++i) f.Add(InGroup("small", "small" + std::to_string(i)));
  f.AddId("plain");
  f.CheckInvariants();
  CHECK(f.Counts().ready == 7);
  CHECK(Ids(f.Claim(3)) == Names{"big1", "small1", "plain"});
  f.CheckInvariants();
  CHECK(Ids(f.Claim(1)) == Names{"big2"});
  CHECK(Ids(f.Claim(10)) == Names{"small2", "big3", "big4"});
  CHECK(f.Counts().ready == 0);
  CHECK(f.Counts().active == 7);
  f.CheckInvariants();
}

TEST_CASE("a group of a hundred thousand does not hold up one of three", "[jobs][group]") {
  JobsFixture f;
  f.MustDo([&](Ledger& ledger) -> Status {
    for (int i = 0; i < 100'000; ++i) {
      EnqueueAck ack;
      const Status status = EnqueueJob(ledger, InGroup("big"), &ack);
      if (!status.ok()) return status;
    }
    return Status::Ok();
  });
  for (int i = 0; i < 3; ++i) f.Add(InGroup("small"));
  int big = 0;
  int small = 0;
  while (small < 3) {
    for (const Claimed& job : f.Claim(2)) (job.job.spec.group == "big" ? big : small) += 1;
  }
  CHECK(big <= 4);  // one before each of them, and one beside the last
  CHECK(List(f)[0].ready == 100'000 - big);
}

TEST_CASE("within a group the order is that of a queue", "[jobs][group]") {
  JobsFixture f;
  const auto add = [&](const std::string& id, int32_t priority, bool lifo = false) {
    JobSpec spec = InGroup("g", id);
    spec.priority = priority;
    spec.lifo = lifo;
    f.Add(spec);
  };
  add("a", 0);
  add("low", 5);
  add("high", -5);
  add("last", 0, true);
  CHECK(f.Counts().prioritized == 2);
  CHECK(Ids(f.Claim(9)) == Names{"high", "last", "a", "low"});
  f.CheckInvariants();
}

TEST_CASE("jobs of other priorities go before or after all groups", "[jobs][group]") {
  JobsFixture f;
  f.Add(InGroup("g", "g1"));
  f.Add(InGroup("g", "g2"));
  JobSpec urgent = Spec("urgent");
  urgent.priority = -1;
  f.Add(urgent);
  JobSpec later = Spec("later");
  later.priority = 1;
  f.Add(later);
  CHECK(Ids(f.Claim(9)) == Names{"urgent", "g1", "g2", "later"});
}

TEST_CASE("a group of concurrency 1 is a FIFO", "[jobs][group]") {
  JobsFixture f;
  SetConcurrency(f, "g", 1);
  JobSpec first = InGroup("g", "a");
  first.retry.max_attempts = 3;
  f.Add(first);
  f.Add(InGroup("g", "b"));
  f.Add(InGroup("h", "c"));
  std::vector<Claimed> claimed = f.Claim(9);
  CHECK(Ids(claimed) == Names{"a", "c"});
  CHECK_FALSE(Claimable(f));
  f.CheckInvariants();
  // Retried at once it is still the first.
  CHECK(f.Settle(claimed[0].lease, Kind::kFailed, "{}").state == JobState::kReady);
  claimed = f.Claim(9);
  CHECK(Ids(claimed) == Names{"a"});
  // Put off, it lets the next one go.
  Outcome retry = MakeOutcome(Kind::kRetry, "{}");
  retry.delay_ms = 50;
  CHECK(f.Settle(claimed[0].lease, retry).state == JobState::kScheduled);
  const Lease b = f.ClaimOne();
  CHECK(b.key.custom_id == "b");
  f.clock.Advance(50);
  CHECK(f.Claim(9).empty());
  f.CheckInvariants();
  f.Settle(b, Kind::kCompleted);
  CHECK(Ids(f.Claim(9)) == Names{"a"});
  f.CheckInvariants();
}

TEST_CASE("a group at its concurrency gives again when a job ends in any way", "[jobs][group]") {
  JobsFixture f;
  SetConcurrency(f, "", 1);  // of each group
  for (int i = 0; i < 6; ++i) f.Add(InGroup("g"));
  const auto next = [&] {
    const std::vector<Claimed> claimed = f.Claim(9);
    REQUIRE(claimed.size() == 1);
    f.CheckInvariants();
    return claimed[0].lease;
  };
  f.Settle(next(), Kind::kCompleted);
  f.Settle(next(), Kind::kFailed, "{}");
  f.Settle(next(), Kind::kCancelled, "{}");
  f.Settle(next(), Kind::kReleased);
  {
    bool lost = false;
    const Lease lease = next();
    f.MustDo([&](Ledger& ledger) { return RescueJob(ledger, lease, "it died", &lost); });
  }
  f.new_jobs.clear();
  const Lease lease = next();
  SliceResult result;
  BulkCursor cursor;
  f.MustDo([&](Ledger& ledger) {
    return ObliterateSlice(ledger, "q", true, kSliceMax, &cursor, &result);
  });
  CHECK(f.Int("SELECT active FROM groups") == 0);
  CHECK(lease.token != 0);
}

TEST_CASE("a paused group gives nothing, and no other waits for it", "[jobs][group]") {
  JobsFixture f;
  f.Add(InGroup("g", "a"));
  f.Add(InGroup("h", "b"));
  const auto pause = [&](bool paused) {
    f.MustDo([&](Ledger& ledger) { return PauseGroup(ledger, "q", "g", paused); });
  };
  pause(true);
  pause(true);
  CHECK(Ids(f.Claim(9)) == Names{"b"});
  CHECK_FALSE(Claimable(f));
  f.new_jobs.clear();
  f.Add(InGroup("g", "c"));
  CHECK(f.new_jobs.empty());  // nobody is woken in vain
  f.CheckInvariants();
  const std::vector<GroupInfo> listed = List(f);
  REQUIRE(listed.size() == 2);
  CHECK(listed[0].paused);
  CHECK(listed[0].ready == 2);
  CHECK(listed[1].active == 1);
  pause(false);
  CHECK(f.new_jobs.size() == 1);
  CHECK(Ids(f.Claim(9)) == Names{"a", "c"});
  f.CheckInvariants();
}

TEST_CASE("a group that is full refuses, and nothing is written", "[jobs][group]") {
  JobsFixture f;
  Limit limit = GroupLimit("");
  limit.max_size = 2;
  Set(f, limit);
  f.Add(InGroup("g"));
  f.Add(InGroup("g"));
  f.Add(InGroup("h"));
  const int64_t jobs = f.Int("SELECT count(*) FROM jobs");
  const Status full = f.Do([&](Ledger& ledger) {
    EnqueueAck ack;
    return EnqueueJob(ledger, InGroup("g"), &ack);
  });
  RequireError(full, Code::kGroupFull, "group \"g\" of queue \"q\" has 2 jobs waiting");
  CHECK(f.Int("SELECT count(*) FROM jobs") == jobs);
  f.ClaimOne();
  f.Add(InGroup("g"));
  // Nobody has seen this group before.
  RequireError(f.Do([&](Ledger& ledger) {
    RETURN_IF_ERROR(ledger.groups().CheckRoom(1, "q", "new", 1));
    return ledger.groups().CheckRoom(1, "q", "new", 2);
  }),
               Code::kGroupFull,
               "group \"new\" of queue \"q\" has 0 jobs waiting, and 2 more are to be added with "
               "this one; at most 2 are accepted");
  // A limit of its own replaces the default.
  Limit own = GroupLimit("g");
  own.concurrency = 9;
  Set(f, own);
  f.Add(InGroup("g"));
  f.CheckInvariants();
}

TEST_CASE("a group's rate is its own", "[jobs][group]") {
  JobsFixture f;
  Limit limit = GroupLimit("");
  limit.rate = {.count = 2, .period_ms = 100};
  Set(f, limit);
  for (int i = 0; i < 4; ++i) f.Add(InGroup("g"));
  for (int i = 0; i < 2; ++i) f.Add(InGroup("h"));
  CHECK(f.Claim(9).size() == 4);
  CHECK_FALSE(Claimable(f));
  CHECK(NextDue(f) == f.clock.WallMs() + 50);
  CHECK(List(f)[0].limited_until_ms == f.clock.WallMs() + 50);
  f.CheckInvariants();
  f.clock.Advance(49);
  CHECK(f.Claim(9).empty());
  f.clock.Advance(1);
  CHECK(Claimable(f));
  CHECK(f.Claim(9).size() == 1);
  f.clock.Advance(50);
  CHECK(f.Claim(9).size() == 1);
  f.CheckInvariants();
}

TEST_CASE("a group is kept for its rate, then forgotten", "[jobs][group]") {
  JobsFixture f;
  Limit limit = GroupLimit("");
  limit.rate = {.count = 1, .period_ms = 100};
  Set(f, limit);
  f.Add(InGroup("g"));
  f.Settle(f.ClaimOne(), Kind::kCompleted);
  CHECK(f.Int("SELECT count(*) FROM groups") == 1);
  CHECK_FALSE(Claimable(f));
  CHECK(NextDue(f) == 0);  // nobody is woken for that
  f.CheckInvariants();
  f.Add(InGroup("g"));
  CHECK(f.Claim(9).empty());
  f.clock.Advance(100);
  f.Settle(f.ClaimOne(), Kind::kCompleted);
  f.clock.Advance(100);
  f.AddId();
  f.Settle(f.ClaimOne(), Kind::kCompleted);
  CHECK(f.Int("SELECT count(*) FROM groups") == 0);
  CHECK(f.Int("SELECT count(*) FROM group_timers") == 0);
}

TEST_CASE("a group without jobs and settings leaves no row", "[jobs][group]") {
  JobsFixture f;
  const std::string id = f.Add(InGroup("g", "a")).id;
  f.Settle(f.ClaimOne(), Kind::kCompleted);
  CHECK(f.Int("SELECT count(*) FROM groups") == 0);
  CHECK(List(f).empty());
  CHECK(f.Read(id).spec.group == "g");
  // Its jobs know their group all the same.
  f.MustDo([&](Ledger& ledger) { return RedriveJob(ledger, {id, ""}); });
  CHECK(List(f)[0].ready == 1);
  f.CheckInvariants();
  f.MustDo([&](Ledger& ledger) { return RemoveJob(ledger, {id, ""}); });
  CHECK(f.Int("SELECT count(*) FROM groups") == 0);
  f.Add(Delayed(InGroup("g", "later"), 10));
  CHECK(f.Int("SELECT count(*) FROM groups") == 0);
  f.clock.Advance(10);
  CHECK(f.ClaimOne().place.group == "g");
  f.CheckInvariants();
}

TEST_CASE("grouped jobs are listed, marked, cancelled and removed as others", "[jobs][group]") {
  JobsFixture f;
  for (int i = 0; i < 5; ++i) f.Add(InGroup(i % 2 == 0 ? "g" : "h", "j" + std::to_string(i)));
  f.AddId("plain");
  const auto list = [&](bool descending) {
    Names ids;
    for (const JobInfo& job : RequireOk(
             ListJobs(f.connection(), {.queue = "q", .name = {}, .descending = descending}))) {
      ids.push_back(job.spec.id);
    }
    return ids;
  };
  CHECK(list(false) == Names{"j0", "j1", "j2", "j3", "j4", "plain"});
  CHECK(list(true) == Names{"plain", "j4", "j3", "j2", "j1", "j0"});
  CHECK(f.Read("j3").spec.group == "h");
  f.MustDo([&](Ledger& ledger) { return SetProgress(ledger, {"j3", ""}, "5", 1'000); });
  f.CheckInvariants();
  CHECK(f.Read("j3").progress == "5");
  CancelResult result = CancelResult::kFinished;
  f.MustDo([&](Ledger& ledger) { return CancelJob(ledger, {"j0", ""}, "", &result); });
  CHECK(result == CancelResult::kCancelled);
  f.CheckInvariants();
  BulkCursor cursor;
  SliceResult slice{.changed = 0, .more = true};
  int64_t removed = 0;
  while (slice.more) {
    f.MustDo([&](Ledger& ledger) { return DrainSlice(ledger, "q", false, 2, &cursor, &slice); });
    removed += slice.changed;
  }
  CHECK(removed == 5);
  CHECK(f.Counts().ready == 0);
  CHECK(f.Int("SELECT count(*) FROM groups") == 0);
  f.CheckInvariants();
}

TEST_CASE("groups are listed by name, a page at a time", "[jobs][group]") {
  JobsFixture f;
  for (const char* group : {"c", "a", "d", "b"}) f.Add(InGroup(group));
  const std::vector<GroupInfo> first = List(f, "", 2);
  REQUIRE(first.size() == 2);
  CHECK(first[0].group == "a");
  CHECK(first[1].group == "b");
  CHECK(List(f, "b", 2)[1].group == "d");
  CHECK(List(f, "d").empty());
  CHECK(ListGroups(f.connection(), "q", "", 0, 0).status().code() == Code::kInvalidArgument);
  CHECK(RequireOk(ListGroups(f.connection(), "unknown", "", 9, 0)).empty());
}

TEST_CASE("a group that has run empty gets in line anew", "[jobs][group]") {
  JobsFixture f;
  SetConcurrency(f, "g", 1);
  f.AddAll({InGroup("g", "a"), InGroup("h", "b")});
  const Lease a = f.ClaimOne();
  CHECK(a.key.PublicId() == "a");
  f.CheckInvariants();
  f.AddAll({InGroup("g", "c"), InGroup("i", "d")});  // at its concurrency: not in line
  CHECK(f.Int("SELECT turn FROM groups WHERE name = 'g'") == 0);
  f.CheckInvariants();
  f.Settle(a, Kind::kCompleted);
  for (const char* next : {"b", "d", "c"}) CHECK(f.ClaimOne().key.PublicId() == next);
  f.CheckInvariants();
}

TEST_CASE("a group's own limit goes with its last bound", "[jobs][group]") {
  JobsFixture f;
  f.AddAll({InGroup("g", "a"), InGroup("g", "b"), InGroup("g", "c")});
  SetConcurrency(f, "g", 1);
  CHECK(f.Claim(9).size() == 1);
  SetConcurrency(f, "g", 2);
  CHECK(f.Int("SELECT concurrency FROM group_limits") == 2);
  CHECK(f.Claim(9).size() == 1);
  SetConcurrency(f, "g", 0);
  CHECK(f.Int("SELECT count(*) FROM group_limits") == 0);
  CHECK(f.Claim(9).size() == 1);
  f.CheckInvariants();
}

TEST_CASE("a claim costs the same with a hundred thousand groups", "[jobs][group]") {
  // Counted in rows that it changes: not timed.
  const auto rows_of_claim = [](int groups) {
    JobsFixture f;
    SetConcurrency(f, "", 2);
    f.MustDo([&](Ledger& ledger) -> Status {
      for (int i = 0; i < 2 * groups; ++i) {
        EnqueueAck ack;
        const Status status =
            EnqueueJob(ledger, InGroup("group " + std::to_string(i % groups)), &ack);
        if (!status.ok()) return status;
      }
      return Status::Ok();
    });
    f.Claim(50);
    const int64_t before = f.connection().total_changes();
    const std::vector<Claimed> claimed = f.Claim(10);
    REQUIRE(claimed.size() == 10);
    for (const Claimed& job : claimed) f.Settle(job.lease, Kind::kCompleted);
    return f.connection().total_changes() - before;
  };
  CHECK(rows_of_claim(100'000) == rows_of_claim(100));
}

}  // namespace
}  // namespace millrace::jobs
