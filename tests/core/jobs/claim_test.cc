#include "jobs/claim.h"

#include "base/macros.h"
#include "jobs/jobs_test_util.h"
#include "jobs/read.h"

namespace millrace::jobs {
namespace {

using Names = std::vector<std::string>;

Names Ids(const std::vector<Claimed>& claimed) {
  Names ids;
  for (const Claimed& job : claimed) ids.push_back(job.job.spec.id);
  return ids;
}

bool HasClaimableNow(JobsFixture& f) {
  const int64_t queue_id = RequireOk(QueueIdOf(f.connection(), "q"));
  return RequireOk(HasClaimable(f.connection(), queue_id, f.clock.WallMs()));
}

TEST_CASE("jobs are claimed by priority, then in order", "[jobs][claim]") {
  JobsFixture f;
  const auto add = [&](const std::string& id, int32_t priority, bool lifo = false) {
    JobSpec spec = Spec(id);
    spec.priority = priority;
    spec.lifo = lifo;
    f.Add(spec);
  };
  add("a", 0);
  add("low", 5);
  add("b", 0);
  add("high", -5);
  add("l1", 0, true);
  add("l2", 0, true);
  CHECK(Ids(f.Claim(2)) == Names{"high", "l2"});
  CHECK(Ids(f.Claim(10)) == Names{"l1", "a", "b", "low"});
  CHECK(f.Counts().prioritized == 0);
  f.CheckInvariants();
}

TEST_CASE("a lease holds what the job asks for", "[jobs][claim]") {
  JobsFixture f;
  JobSpec spec = Spec();
  spec.time_limit_ms = 500;
  spec.soft_time_limit_ms = 400;
  spec.retry.max_attempts = 3;
  const std::string id = f.Add(spec).id;
  f.clock.Advance(7);
  const std::vector<Claimed> claimed = f.Claim();
  REQUIRE(claimed.size() == 1);
  const Lease& lease = claimed[0].lease;
  CHECK(claimed[0].job.spec.id == id);
  CHECK(claimed[0].job.spec.queue == "q");
  CHECK(claimed[0].job.token == lease.token);
  CHECK(claimed[0].job.started_at_ms == f.clock.WallMs());
  CHECK(lease.process_id == JobsFixture::kProcess);
  CHECK(lease.deadline_ms == f.clock.MonotonicMs() + 500);
  CHECK(lease.soft_deadline_ms == f.clock.MonotonicMs() + 400);
  Lease loaded;
  bool found = false;
  RequireOk(LoadLease(f.connection(), lease.key.row, &loaded, &found));
  REQUIRE(found);
  CHECK(loaded.token == lease.token);
  CHECK(loaded.retry.max_attempts == 3);
  CHECK(loaded.attempts_started == 1);
  RequireOk(LoadLease(f.connection(), 999, &loaded, &found));
  CHECK_FALSE(found);
}

TEST_CASE("tokens grow for ever", "[jobs][claim]") {
  JobsFixture f;
  f.AddId("a");
  int64_t last = 0;
  for (int i = 0; i < 5; ++i) {
    const Lease lease = f.ClaimOne();
    CHECK(lease.token > last);
    last = lease.token;
    f.Settle(lease, Outcome::Kind::kReleased);
  }
}

TEST_CASE("an empty claim is seen by reading", "[jobs][claim]") {
  JobsFixture f;
  f.Add(Delayed(Spec("a"), 100));
  CHECK_FALSE(HasClaimableNow(f));
  const int64_t queue_id = RequireOk(QueueIdOf(f.connection(), "q"));
  CHECK(RequireOk(EarliestDue(f.connection(), queue_id, f.clock.WallMs())) ==
        f.clock.WallMs() + 100);
  f.clock.Advance(99);
  CHECK_FALSE(HasClaimableNow(f));
  CHECK(f.Claim().empty());
  f.clock.Advance(1);
  CHECK(HasClaimableNow(f));
  CHECK(Ids(f.Claim()) == Names{"a"});
  CHECK_FALSE(HasClaimableNow(f));
  CHECK(RequireOk(EarliestDue(f.connection(), queue_id, f.clock.WallMs())) == 0);
}

TEST_CASE("expired jobs are passed by and others claimed in their stead", "[jobs][claim]") {
  JobsFixture f;
  for (const char* id : {"x1", "x2", "x3"}) {
    JobSpec spec = Spec(id);
    spec.expires_in_ms = 10;
    f.Add(spec);
  }
  f.AddId("good");
  f.clock.Advance(10);
  CHECK(Ids(f.Claim(2)) == Names{"good"});
  CHECK(f.Counts().cancelled == 3);
  CHECK(f.Read("x1").error.find("JobExpired") != std::string::npos);
  CHECK(f.Events("q", {EventType::kCancelled}).size() == 3);
  f.CheckInvariants();
}

TEST_CASE("a job that was started in time does not expire when it comes back", "[jobs][claim]") {
  JobsFixture f;
  JobSpec spec = Spec("late");
  spec.expires_in_ms = 10;
  spec.retry.max_attempts = 2;
  f.Add(spec);
  CHECK(f.Settle(f.ClaimOne(), MakeOutcome(Outcome::Kind::kRetry, "{}")).state == JobState::kReady);
  f.clock.Advance(100);
  CHECK(Ids(f.Claim()) == Names{"late"});
  CHECK(f.Counts().cancelled == 0);
  f.CheckInvariants();
}

TEST_CASE("a crowd of expired jobs is passed by in slices", "[jobs][claim]") {
  JobsFixture f;
  constexpr int kExpired = 1'500;
  for (int i = 0; i < kExpired; ++i) {
    JobSpec spec = Spec("x" + std::to_string(i));
    spec.expires_in_ms = 10;
    f.Add(spec);
  }
  f.AddId("good");
  f.clock.Advance(10);
  bool more = false;
  std::vector<Claimed> claimed;
  const auto claim = [&](Ledger& ledger) -> Status {
    ASSIGN_OR_RETURN(const int64_t queue_id, ledger.QueueId("q"));
    return ClaimJobs(ledger, queue_id, "q", JobsFixture::kProcess, 2, &claimed, &more);
  };
  f.MustDo(claim);
  CHECK(claimed.empty());
  CHECK(more);
  CHECK(f.Counts().cancelled < kExpired);
  f.MustDo(claim);
  CHECK(Ids(claimed) == Names{"good"});
  CHECK_FALSE(more);
  CHECK(f.Counts().cancelled == kExpired);
  f.CheckInvariants();
}

TEST_CASE("a job without a body is quarantined, and the others go on", "[jobs][claim]") {
  JobsFixture f;
  f.AddId("a");
  f.AddId("b");
  RequireOk(f.connection().Exec(
      "DELETE FROM jobs WHERE custom_id = 'a'; DELETE FROM job_keys WHERE custom_id = 'a'"));
  CHECK(Ids(f.Claim(2)) == Names{"b"});
  CHECK(f.Int("SELECT count(*) FROM quarantine WHERE what = 'a ready job has no body'") == 1);
  CHECK(f.Counts().ready == 0);
  CHECK(f.Claim().empty());
}

TEST_CASE("a queue that runs empty says so once", "[jobs][claim]") {
  JobsFixture f;
  const auto drained = [&] { return f.Events("q", {EventType::kDrained}).size(); };
  for (int i = 0; i < 3; ++i) f.AddId();
  f.Claim(2);
  CHECK(drained() == 0);
  f.Claim(1);
  CHECK(drained() == 1);
  f.Claim(1);
  CHECK(drained() == 1);
}

TEST_CASE("a claim that leaves jobs rings for the next", "[jobs][claim]") {
  JobsFixture f;
  for (int i = 0; i < 3; ++i) f.AddId();
  f.new_jobs.clear();
  f.Claim(2);
  REQUIRE(f.new_jobs.size() == 1);
  CHECK(f.new_jobs.begin()->second == 1);
  f.new_jobs.clear();
  f.Claim(1);
  CHECK(f.new_jobs.empty());
}

}  // namespace
}  // namespace millrace::jobs
