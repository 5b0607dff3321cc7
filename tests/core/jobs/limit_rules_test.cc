#include "jobs/limit_rules.h"

#include <functional>
#include <set>

#include "base/macros.h"
#include "jobs/bulk.h"
#include "jobs/change.h"
#include "jobs/enqueue.h"
#include "jobs/finish.h"
#include "jobs/jobs_test_util.h"
#include "jobs/read.h"
#include "jobs/validate.h"

namespace millrace::jobs {
namespace {

using Kind = Outcome::Kind;
using Names = std::vector<std::string>;

JobSpec Task(const std::string& name, const std::string& id = "", const std::string& queue = "q") {
  JobSpec spec = Spec(id, queue);
  spec.name = name;
  return spec;
}

Names Ids(const std::vector<Claimed>& claimed) {
  Names ids;
  for (const Claimed& job : claimed) ids.push_back(job.job.spec.id);
  return ids;
}

Limit Of(LimitScope scope, const std::string& name = "") {
  Limit limit;
  limit.scope = scope;
  if (scope == LimitScope::kQueue || scope == LimitScope::kGroup) limit.queue = name;
  if (scope == LimitScope::kTask) limit.task = name;
  return limit;
}

Limit Concurrency(LimitScope scope, const std::string& name, int64_t concurrency) {
  Limit limit = Of(scope, name);
  limit.concurrency = concurrency;
  return limit;
}

Limit PerMs(LimitScope scope, const std::string& name, int64_t count, int64_t period_ms) {
  Limit limit = Of(scope, name);
  limit.rate = {.count = count, .period_ms = period_ms};
  return limit;
}

void Set(JobsFixture& f, const Limit& limit) {
  f.MustDo([&](Ledger& ledger) { return SetLimit(ledger, limit); });
}

void ThrottleFor(JobsFixture& f, const Limit& scope, int64_t ms) {
  f.MustDo([&](Ledger& ledger) { return ThrottleScope(ledger, scope, ms); });
}

std::vector<LimitInfo> List(JobsFixture& f) {
  return RequireOk(ListLimits(f.connection(), f.clock.WallMs()));
}

int64_t QueueNumber(JobsFixture& f, const std::string& queue = "q") {
  return RequireOk(QueueIdOf(f.connection(), queue));
}

bool Claimable(JobsFixture& f, const std::string& queue = "q") {
  return RequireOk(HasClaimable(f.connection(), QueueNumber(f, queue), f.clock.WallMs()));
}

int64_t NextDue(JobsFixture& f, const std::string& queue = "q") {
  return RequireOk(EarliestDue(f.connection(), QueueNumber(f, queue), f.clock.WallMs()));
}

TEST_CASE("a queue runs as many jobs at once as its limit says", "[jobs][limits]") {
  JobsFixture f;
  for (int i = 0; i < 4; ++i) f.AddId();
  const std::vector<Claimed> held = f.Claim(1);
  Set(f, Concurrency(LimitScope::kQueue, "q", 2));
  REQUIRE(List(f).size() == 1);
  CHECK(List(f)[0].active == 1);  // what ran already counts
  f.CheckInvariants();
  f.ClaimOne();
  CHECK(f.Claim(9).empty());
  CHECK_FALSE(Claimable(f));
  CHECK(NextDue(f) == 0);
  f.CheckInvariants();
  f.new_jobs.clear();
  f.Settle(held[0].lease, Kind::kCompleted);
  CHECK(f.new_jobs.at(QueueNumber(f)) == 1);  // somebody who waits is woken
  CHECK(Claimable(f));
  f.new_jobs.clear();
  Set(f, Of(LimitScope::kQueue, "q"));
  CHECK(List(f).empty());
  CHECK(f.Int("SELECT count(*) FROM limits") == 0);
  CHECK(f.Claim(9).size() == 2);
  f.CheckInvariants();
}

TEST_CASE("the store's limit is one for all queues", "[jobs][limits]") {
  JobsFixture f;
  Set(f, Concurrency(LimitScope::kStore, "", 1));
  f.AddId("a", "q");
  f.AddId("b", "other");
  const Lease lease = f.ClaimOne("q");
  CHECK(f.Claim(9, "other").empty());
  CHECK_FALSE(Claimable(f, "other"));
  f.new_jobs.clear();
  f.Settle(lease, Kind::kCompleted);
  CHECK(f.new_jobs.at(QueueNumber(f, "other")) == 1);
  CHECK(f.new_jobs.count(QueueNumber(f, "q")) == 0);
  CHECK(Ids(f.Claim(9, "other")) == Names{"b"});
  f.CheckInvariants();
}

TEST_CASE("a rate is kept to the millisecond", "[jobs][limits]") {
  JobsFixture f;
  Set(f, PerMs(LimitScope::kQueue, "q", 2, 1'000));
  for (int i = 0; i < 6; ++i) f.AddId();
  CHECK(f.Claim(9).size() == 2);
  CHECK_FALSE(Claimable(f));
  CHECK(NextDue(f) == f.clock.WallMs() + 500);
  CHECK(List(f)[0].limited_until_ms == f.clock.WallMs() + 500);
  f.clock.Advance(499);
  CHECK(f.Claim(9).empty());
  f.clock.Advance(1);
  CHECK(Claimable(f));
  CHECK(f.Claim(9).size() == 1);
  f.clock.Advance(10'000);
  CHECK(f.Claim(9).size() == 2);  // no more than the bucket holds
  f.CheckInvariants();
}

TEST_CASE("who leaves jobs behind for a time wakes somebody to set a timer", "[jobs][limits]") {
  JobsFixture f;
  Set(f, PerMs(LimitScope::kQueue, "q", 1, 100));
  f.AddId();
  f.AddId();
  f.new_jobs.clear();
  f.ClaimOne();
  CHECK(f.new_jobs.at(QueueNumber(f)) == 1);
}

TEST_CASE("jobs of a task at its limit let the others pass", "[jobs][limits]") {
  JobsFixture f;
  Set(f, Concurrency(LimitScope::kTask, "slow", 1));
  for (int i = 1; i <= 3; ++i) f.Add(Task("slow", "s" + std::to_string(i)));
  f.Add(Task("fast", "f1"));
  f.Add(Task("fast", "f2"));
  const std::vector<Claimed> claimed = f.Claim(2);
  CHECK(Ids(claimed) == Names{"s1", "f1"});
  CHECK(Ids(f.Claim(9)) == Names{"f2"});
  CHECK(f.Int("SELECT count(*) FROM parked") == 2);
  CHECK_FALSE(Claimable(f));
  CHECK(f.Counts().ready == 2);
  f.CheckInvariants();
  f.new_jobs.clear();
  f.Add(Task("slow", "s4"));
  f.Settle(claimed[0].lease, Kind::kCompleted);
  CHECK(f.new_jobs.at(QueueNumber(f)) >= 1);
  CHECK(Claimable(f));
  CHECK(Ids(f.Claim(9)) == Names{"s2"});  // in their order
  f.CheckInvariants();
  Set(f, Of(LimitScope::kTask, "slow"));
  CHECK(List(f).empty());
  CHECK(Claimable(f));
  CHECK(Ids(f.Claim(9)) == Names{"s3", "s4"});
  CHECK(f.Int("SELECT count(*) FROM parked") == 0);
  CHECK(f.Int("SELECT count(*) FROM limits") == 0);
  f.CheckInvariants();
}

TEST_CASE("a task's limit holds in all queues", "[jobs][limits]") {
  JobsFixture f;
  Set(f, Concurrency(LimitScope::kTask, "slow", 1));
  f.Add(Task("slow", "a", "q"));
  f.Add(Task("slow", "b", "other"));
  const Lease lease = f.ClaimOne("q");
  CHECK(f.Claim(9, "other").empty());
  f.new_jobs.clear();
  f.Settle(lease, Kind::kFailed, "{}");
  CHECK(f.new_jobs.at(QueueNumber(f, "other")) == 1);
  CHECK(Ids(f.Claim(9, "other")) == Names{"b"});
  f.CheckInvariants();
}

TEST_CASE("a task's rate brings its jobs back in time", "[jobs][limits]") {
  JobsFixture f;
  Set(f, PerMs(LimitScope::kTask, "slow", 1, 100));
  for (int i = 1; i <= 3; ++i) f.Add(Task("slow", "s" + std::to_string(i)));
  CHECK(Ids(f.Claim(9)) == Names{"s1"});
  CHECK_FALSE(Claimable(f));
  CHECK(NextDue(f) == f.clock.WallMs() + 100);
  f.clock.Advance(100);
  CHECK(Claimable(f));
  CHECK(Ids(f.Claim(9)) == Names{"s2"});
  f.CheckInvariants();
}

TEST_CASE("what is held back is read, marked, cancelled and removed as others", "[jobs][limits]") {
  JobsFixture f;
  Set(f, Concurrency(LimitScope::kTask, "slow", 1));
  for (int i = 1; i <= 5; ++i) f.Add(Task("slow", "s" + std::to_string(i)));
  const Lease lease = f.ClaimOne();
  CHECK(f.Claim(9).empty());
  REQUIRE(f.Int("SELECT count(*) FROM parked") == 4);
  CHECK(f.StateOf("s3") == JobState::kReady);
  f.MustDo([&](Ledger& ledger) { return SetProgress(ledger, {"s3", ""}, "1", 100); });
  f.MustDo([&](Ledger& ledger) { return RemoveJob(ledger, {"s2", ""}); });
  CancelResult result = CancelResult::kFinished;
  f.MustDo([&](Ledger& ledger) { return CancelJob(ledger, {"s4", ""}, "", &result); });
  f.CheckInvariants();
  CHECK(f.Counts().ready == 2);
  f.Settle(lease, Kind::kCompleted);
  const std::vector<Claimed> claimed = f.Claim(1);
  CHECK(Ids(claimed) == Names{"s3"});
  CHECK(claimed[0].job.progress == "1");
  BulkCursor cursor;
  SliceResult slice;
  f.MustDo([&](Ledger& ledger) { return DrainSlice(ledger, "q", false, 99, &cursor, &slice); });
  CHECK(slice.changed == 1);
  CHECK(f.Counts().ready == 0);
  CHECK(f.Int("SELECT parked FROM limits") == 0);
  f.CheckInvariants();
}

TEST_CASE("a group keeps its order when its first job is held back", "[jobs][limits]") {
  JobsFixture f;
  Set(f, Concurrency(LimitScope::kTask, "slow", 1));
  const auto add = [&](const std::string& name, const std::string& id, const std::string& group) {
    JobSpec spec = Task(name, id);
    spec.group = group;
    f.Add(spec);
  };
  add("slow", "g1", "g");
  add("slow", "h1", "h");
  add("fast", "h2", "h");
  add("fast", "i1", "i");
  const std::vector<Claimed> claimed = f.Claim(9);
  CHECK(Ids(claimed) == Names{"g1", "i1"});
  CHECK(f.Int("SELECT count(*) FROM stalled") == 1);
  CHECK_FALSE(Claimable(f));
  f.CheckInvariants();
  add("fast", "h3", "h");  // behind the first: nothing changes
  CHECK(f.Int("SELECT count(*) FROM stalled") == 1);
  f.CheckInvariants();
  f.Settle(claimed[0].lease, Kind::kCompleted);
  CHECK(Ids(f.Claim(9)) == Names{"h1", "h2", "h3"});
  f.CheckInvariants();
}

TEST_CASE("a held-back group goes on when its first job goes away", "[jobs][limits]") {
  JobsFixture f;
  Set(f, Concurrency(LimitScope::kTask, "slow", 1));
  JobSpec spec = Task("slow", "a");
  spec.group = "g";
  f.Add(spec);
  spec.id = "b";
  f.Add(spec);
  spec = Task("fast", "c");
  spec.group = "g";
  f.Add(spec);
  CHECK(Ids(f.Claim(9)) == Names{"a"});
  CHECK(f.Int("SELECT count(*) FROM stalled") == 1);
  f.MustDo([&](Ledger& ledger) { return RemoveJob(ledger, {"b", ""}); });
  CHECK(f.Int("SELECT count(*) FROM stalled") == 0);
  CHECK(Ids(f.Claim(9)) == Names{"c"});
  f.CheckInvariants();
}

TEST_CASE("a throttled scope starts nothing until its time has come", "[jobs][limits]") {
  JobsFixture f;
  f.AddId("a");
  ThrottleFor(f, Of(LimitScope::kQueue, "q"), 100);
  CHECK(f.Claim(9).empty());
  CHECK(NextDue(f) == f.clock.WallMs() + 100);
  REQUIRE(List(f).size() == 1);
  CHECK(List(f)[0].limited_until_ms == f.clock.WallMs() + 100);
  f.clock.Advance(99);
  CHECK_FALSE(Claimable(f));
  f.clock.Advance(1);
  CHECK(Claimable(f));
  CHECK(Ids(f.Claim(9)) == Names{"a"});
  CHECK(f.Int("SELECT count(*) FROM limits") == 0);  // nothing is left of it
  f.AddId("b");
  ThrottleFor(f, Of(LimitScope::kStore), 100);
  CHECK(f.Claim(9).empty());
  f.new_jobs.clear();
  ThrottleFor(f, Of(LimitScope::kStore), 0);
  CHECK(f.new_jobs.size() == 1);
  CHECK(Ids(f.Claim(9)) == Names{"b"});
  CHECK(List(f).empty());
  f.CheckInvariants();
}

TEST_CASE("a job that is told to wait goes back without losing its attempt", "[jobs][limits]") {
  JobsFixture f;
  const auto throttled = [](LimitScope scope, int64_t ms) {
    Outcome outcome = MakeOutcome(Kind::kReleased);
    outcome.throttle = Throttle{.scope = scope, .ms = ms};
    return outcome;
  };
  f.Add(Task("api", "a"));
  f.Add(Task("api", "b"));
  f.Add(Task("other", "c"));
  const Settled settled = f.Settle(f.ClaimOne(), throttled(LimitScope::kTask, 100));
  CHECK(settled.state == JobState::kReady);
  CHECK(f.Read("a").attempts_made == 0);
  std::vector<Claimed> claimed = f.Claim(9);
  CHECK(Ids(claimed) == Names{"c"});
  f.CheckInvariants();
  CHECK(NextDue(f) == f.clock.WallMs() + 100);
  f.clock.Advance(100);
  claimed = f.Claim(9);
  CHECK(Ids(claimed) == Names{"a", "b"});
  // The longer of two answers counts.
  f.Settle(claimed[0].lease, throttled(LimitScope::kTask, 80));
  f.Settle(claimed[1].lease, throttled(LimitScope::kTask, 40));
  CHECK(f.Claim(9).empty());
  CHECK(NextDue(f) == f.clock.WallMs() + 80);
  f.clock.Advance(80);
  CHECK(Ids(f.Claim(9)) == Names{"a", "b"});
  JobSpec grouped = Task("x", "d");
  grouped.group = "g";
  f.Add(grouped);
  f.Settle(f.ClaimOne(), throttled(LimitScope::kGroup, 30));
  CHECK(f.Claim(9).empty());
  CHECK(NextDue(f) == f.clock.WallMs() + 30);
  f.CheckInvariants();
  f.clock.Advance(30);
  CHECK(Ids(f.Claim(9)) == Names{"d"});
  f.CheckInvariants();
}

TEST_CASE("the default of groups can be throttled and lifted", "[jobs][limits]") {
  JobsFixture f;
  JobSpec spec = Task("x", "a");
  spec.group = "g";
  f.Add(spec);
  ThrottleFor(f, Of(LimitScope::kGroup, "q"), 100);
  CHECK(f.Claim(9).empty());
  CHECK(NextDue(f) == f.clock.WallMs() + 100);
  f.CheckInvariants();
  ThrottleFor(f, Of(LimitScope::kGroup, "q"), 0);
  CHECK(Ids(f.Claim(9)) == Names{"a"});
  spec.id = "b";
  f.Add(spec);
  Set(f, Concurrency(LimitScope::kGroup, "q", 1));
  CHECK(f.Claim(9).empty());
  f.new_jobs.clear();
  Set(f, Concurrency(LimitScope::kGroup, "q", 2));
  CHECK(f.new_jobs.size() == 1);
  CHECK(Ids(f.Claim(9)) == Names{"b"});
  f.CheckInvariants();
}

TEST_CASE("a change of the default does not go over all groups at once", "[jobs][limits]") {
  JobsFixture f;
  constexpr int kGroups = 2'500;
  std::vector<JobSpec> specs;
  for (int i = 0; i < kGroups; ++i) {
    JobSpec spec = Task("x");
    spec.group = "g" + std::to_string(i);
    specs.push_back(spec);
  }
  ThrottleFor(f, Of(LimitScope::kGroup, "q"), 3'600'000);
  f.AddAll(specs);
  CHECK(f.Claim(9).empty());
  const auto rows_of = [&](const std::function<void()>& change) {
    const int64_t before = f.connection().total_changes();
    change();
    return f.connection().total_changes() - before;
  };
  f.new_jobs.clear();
  CHECK(rows_of([&] { ThrottleFor(f, Of(LimitScope::kGroup, "q"), 0); }) < 20);
  CHECK(f.new_jobs.size() == 1);  // somebody is woken to look at them
  std::set<std::string> groups;
  for (int claims = 0; claims < 100 && groups.size() < kGroups; ++claims) {
    REQUIRE(RequireOk(HasClaimable(f.connection(), 1, f.clock.WallMs())));
    CHECK(rows_of([&] {
            for (const Claimed& one : f.Claim(100)) groups.insert(one.lease.place.group);
          }) < 10'000);
  }
  CHECK(groups.size() == kGroups);
  CHECK(f.Int("SELECT count(*) FROM settings WHERE name LIKE 'regroup%'") == 0);
  f.CheckInvariants();
}

TEST_CASE("a limit that is set again keeps its bucket", "[jobs][limits]") {
  JobsFixture f;
  for (int i = 0; i < 9; ++i) f.AddId();
  Set(f, PerMs(LimitScope::kQueue, "q", 3, 1'000));
  CHECK(f.Claim(9).size() == 3);
  Set(f, PerMs(LimitScope::kQueue, "q", 3, 1'000));
  CHECK(f.Claim(9).empty());
  Set(f, PerMs(LimitScope::kQueue, "q", 5, 10));
  CHECK(f.Claim(9).empty());
  f.clock.Advance(2);
  CHECK(f.Claim(9).size() == 1);
  f.CheckInvariants();
}

TEST_CASE("an obliterated queue has no limits", "[jobs][limits]") {
  JobsFixture f;
  Set(f, Concurrency(LimitScope::kQueue, "q", 1));
  Set(f, Concurrency(LimitScope::kGroup, "q", 1));
  Limit own = Concurrency(LimitScope::kGroup, "q", 1);
  own.group = "g";
  Set(f, own);
  Set(f, Concurrency(LimitScope::kTask, "t", 1));
  CHECK(List(f).size() == 4);
  BulkCursor cursor;
  for (SliceResult slice{.changed = 0, .more = true}; slice.more;) {
    f.MustDo([&](Ledger& ledger) {
      return ObliterateSlice(ledger, "q", false, kSliceMax, &cursor, &slice);
    });
  }
  REQUIRE(List(f).size() == 1);
  CHECK(List(f)[0].limit.task == "t");
  CHECK(f.Int("SELECT count(*) FROM group_limits") == 0);
  f.AddId();
  f.AddId();
  CHECK(f.Claim(9).size() == 2);
  f.CheckInvariants();
}

TEST_CASE("limits that mean nothing are refused", "[jobs][limits]") {
  const auto refused = [](const Limit& limit, const std::string& message) {
    CAPTURE(message);
    const Status status = CheckLimit(limit);
    CHECK(status.code() == Code::kInvalidArgument);
    CHECK(status.message().find(message) != std::string::npos);
  };
  refused(Concurrency(LimitScope::kQueue, "q", -1), "concurrency is -1; 0 to 1000000000");
  refused(PerMs(LimitScope::kQueue, "q", 0, 5), "rate.count is 0; 1 to 1000000000");
  refused(PerMs(LimitScope::kQueue, "q", -5, 5), "rate.count is -5");
  refused(PerMs(LimitScope::kQueue, "q", 5, 0), "rate.period_ms is 0; 1 to 31622400000");
  refused(Concurrency(LimitScope::kQueue, "", 1), "queue is");
  refused(Concurrency(LimitScope::kTask, "", 1), "task is");
  refused(Concurrency(static_cast<LimitScope>(9), "", 1), "scope is 9; 1 to 4");
  Limit limit = Concurrency(LimitScope::kStore, "", 1);
  limit.queue = "q";
  refused(limit, "queue is \"q\"; with scope \"store\" none is accepted");
  limit = Concurrency(LimitScope::kQueue, "q", 1);
  limit.max_size = 3;
  refused(limit, "max_size is 3");
  limit.max_size = 0;
  limit.group = "g";
  refused(limit, "group is \"g\"");
  limit = Concurrency(LimitScope::kGroup, "q", 1);
  limit.group = std::string(256, 'x');
  refused(limit, "group");
  JobsFixture f;
  CHECK(f.Do([&](Ledger& ledger) {
           return ThrottleScope(ledger, Of(LimitScope::kQueue, "q"), -1);
         }).code() == Code::kInvalidArgument);
  Outcome outcome = MakeOutcome(Kind::kCompleted);
  outcome.throttle = Throttle{.scope = LimitScope::kQueue, .ms = 5};
  CHECK(CheckOutcome(outcome, 1'000).code() == Code::kInvalidArgument);
  outcome.kind = Kind::kReleased;
  RequireOk(CheckOutcome(outcome, 1'000));
  outcome.throttle->ms = 0;
  CHECK(CheckOutcome(outcome, 1'000).code() == Code::kInvalidArgument);
}

TEST_CASE("a change that is undone leaves no trace in what is kept of limits", "[jobs][limits]") {
  JobsFixture f;
  f.AddId();
  f.AddId();
  const Status status = f.Do([&](Ledger& ledger) -> Status {
    RETURN_IF_ERROR(SetLimit(ledger, Concurrency(LimitScope::kQueue, "q", 1)));
    return Status(Code::kInternal, "for the test");
  });
  CHECK(status.code() == Code::kInternal);
  CHECK(List(f).empty());
  CHECK(f.Claim(9).size() == 2);
  f.CheckInvariants();
}

}  // namespace
}  // namespace millrace::jobs
