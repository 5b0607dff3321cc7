#include "jobs/finish.h"

#include "jobs/change.h"
#include "jobs/jobs_test_util.h"

namespace millrace::jobs {
namespace {

using Kind = Outcome::Kind;

JobSpec Retried(int32_t max_attempts, Backoff backoff = {}) {
  JobSpec spec = Spec("a");
  spec.retry = {.max_attempts = max_attempts, .backoff = backoff};
  return spec;
}

TEST_CASE("a finish under a lost lease changes nothing", "[jobs][finish]") {
  JobsFixture f;
  f.AddId("a");
  const Lease first = f.ClaimOne();
  f.Settle(first, Kind::kReleased);
  const Lease second = f.ClaimOne();
  for (const Kind kind :
       {Kind::kCompleted, Kind::kFailed, Kind::kRetry, Kind::kReleased, Kind::kCancelled}) {
    const Settled settled = f.Settle(first, kind);
    RequireError(settled.status, Code::kLeaseLost, "the lease of job a is no longer this worker's");
    CHECK(f.StateOf("a") == JobState::kActive);
  }
  RequireOk(f.Settle(second, Kind::kCompleted).status);
  CHECK(f.Settle(second, Kind::kCompleted).status.code() == Code::kLeaseLost);
  CHECK(f.Events("q", {EventType::kCompleted}).size() == 1);
  f.CheckInvariants();
}

TEST_CASE("attempts wait longer and longer, then the job is dead", "[jobs][finish]") {
  JobsFixture f;
  f.Add(Retried(4, {.kind = Backoff::Kind::kExponential, .delay_ms = 100, .max_ms = 150}));
  for (const int64_t delay_ms : {100, 150, 150}) {
    const Settled settled = f.Settle(f.ClaimOne(), Kind::kFailed, "{}");
    CHECK(settled.state == JobState::kScheduled);
    CHECK(settled.due_at_ms == f.clock.WallMs() + delay_ms);
    CHECK(f.Claim().empty());
    f.clock.Advance(delay_ms);
  }
  CHECK(f.Settle(f.ClaimOne(), Kind::kFailed, R"({"last":1})").state == JobState::kFailed);
  const JobInfo job = f.Read("a");
  CHECK(job.error == R"({"last":1})");
  CHECK(job.attempts_made == 4);
  CHECK(job.attempts_started == 4);
  f.CheckInvariants();
}

TEST_CASE("a worker's own delay and policy go before the job's", "[jobs][finish]") {
  JobsFixture f;
  f.Add(Retried(1));
  Outcome outcome = MakeOutcome(Kind::kRetry, "{}");
  outcome.policy = RetryPolicy{.max_attempts = 3};
  outcome.delay_ms = 70;
  CHECK(f.Settle(f.ClaimOne(), outcome).due_at_ms == f.clock.WallMs() + 70);
  f.clock.Advance(70);
  outcome.delay_ms = 0;
  CHECK(f.Settle(f.ClaimOne(), outcome).state == JobState::kReady);
  outcome.retryable = false;
  CHECK(f.Settle(f.ClaimOne(), outcome).state == JobState::kFailed);
  f.CheckInvariants();
}

TEST_CASE("the newest ten errors of attempts are kept", "[jobs][finish]") {
  JobsFixture f;
  f.Add(Retried(20));
  for (int i = 0; i < 14; ++i) f.Settle(f.ClaimOne(), Kind::kFailed, std::to_string(i));
  const JobInfo job = f.Read("a");
  REQUIRE(job.attempt_errors.size() == 10);
  CHECK(job.attempt_errors.front() == "4");
  CHECK(job.attempt_errors.back() == "13");
}

TEST_CASE("a released job has lost no attempt", "[jobs][finish]") {
  JobsFixture f;
  f.Add(Retried(1));
  f.Settle(f.ClaimOne(), Kind::kReleased);
  Outcome later = MakeOutcome(Kind::kReleased);
  later.delay_ms = 40;
  CHECK(f.Settle(f.ClaimOne(), later).state == JobState::kScheduled);
  f.clock.Advance(40);
  const std::vector<Claimed> claimed = f.Claim();
  REQUIRE(claimed.size() == 1);
  CHECK(claimed[0].job.attempt == 1);
  f.Settle(claimed[0].lease, Kind::kCompleted, R"("r")");
  CHECK(f.Read("a").attempts_made == 1);
  f.CheckInvariants();
}

TEST_CASE("results and errors keep their bytes and their type", "[jobs][finish]") {
  JobsFixture f;
  f.AddId("a");
  Outcome outcome = MakeOutcome(Kind::kCompleted, std::string("\x00\xff", 2));
  outcome.content_type = ContentType::kMessagePack;
  f.Settle(f.ClaimOne(), outcome);
  const JobInfo job = f.Read("a");
  CHECK(*job.result == std::string("\x00\xff", 2));
  CHECK(job.result_type == ContentType::kMessagePack);
}

TEST_CASE("a cancelled attempt has an error in any case", "[jobs][finish]") {
  JobsFixture f;
  f.AddId("a");
  f.Settle(f.ClaimOne(), Kind::kCancelled, "");
  CHECK(f.Read("a").error ==
        R"({"type":"JobCancelled","message":"the job was cancelled","stack":""})");
  f.AddId("b");
  f.Settle(f.ClaimOne(), Kind::kCancelled, R"({"mine":1})");
  CHECK(f.Read("b").error == R"({"mine":1})");
}

TEST_CASE("an attempt over its time fails like any other", "[jobs][finish]") {
  JobsFixture f;
  f.Add(Retried(2));
  Settled settled;
  f.MustDo([&, lease = f.ClaimOne()](Ledger& ledger) {
    return TimeOutJob(ledger, lease, false, &settled);
  });
  CHECK(settled.state == JobState::kReady);
  f.MustDo([&, lease = f.ClaimOne()](Ledger& ledger) {
    return TimeOutJob(ledger, lease, false, &settled);
  });
  CHECK(settled.state == JobState::kFailed);
  CHECK(f.Read("a").error.find("TimeLimitExceeded") != std::string::npos);
}

TEST_CASE("the job of a dead worker is back at once, until it has killed too many",
          "[jobs][finish]") {
  JobsFixture f;
  JobSpec spec = Spec("a");
  spec.max_crashes = 0;
  f.Add(spec);
  bool lost = true;
  f.MustDo([&, lease = f.ClaimOne()](Ledger& ledger) {
    return RescueJob(ledger, lease, "it died", &lost);
  });
  CHECK_FALSE(lost);
  CHECK(f.Read("a").error ==
        R"x({"type":"WorkerLost","message":"it died (crash 1; 0 are allowed)","stack":""})x");
  CHECK(f.Events("q", {EventType::kRescued}).size() == 1);
  CHECK(f.Events("q", {EventType::kFailed}).size() == 1);
  f.CheckInvariants();
}

JobSpec Once(const std::string& id) {
  JobSpec spec = Spec(id);
  spec.delivery = Delivery::kAtMostOnce;
  spec.retry = {.max_attempts = 3, .backoff = {}};
  spec.time_limit_ms = 1'000;
  return spec;
}

TEST_CASE("a job that is delivered at most once is lost with its worker", "[jobs][finish]") {
  JobsFixture f;
  f.Add(Once("a"));
  bool lost = true;
  f.MustDo([&, lease = f.ClaimOne()](Ledger& ledger) {
    return RescueJob(ledger, lease, "it died", &lost);
  });
  CHECK_FALSE(lost);
  const JobInfo job = f.Read("a");
  CHECK(job.state == JobState::kFailed);
  CHECK(job.crashes == 1);
  CHECK(job.error ==
        R"({"type":"JobLost","message":"it died; it is delivered at most once","stack":""})");
  CHECK(f.Claim(1).empty());
  f.MustDo([](Ledger& ledger) { return RedriveJob(ledger, {"a", ""}); });
  CHECK(f.ClaimOne().delivery == Delivery::kAtMostOnce);
  f.CheckInvariants();
}

TEST_CASE("at most once: what ends by itself is retried, what is stopped is not",
          "[jobs][finish]") {
  JobsFixture f;
  f.Add(Once("a"));
  CHECK(f.Settle(f.ClaimOne(), Kind::kReleased).state == JobState::kReady);
  CHECK(f.Settle(f.ClaimOne(), Kind::kFailed).state == JobState::kReady);
  Settled settled;
  f.MustDo([&, lease = f.ClaimOne()](Ledger& ledger) {
    return TimeOutJob(ledger, lease, false, &settled);
  });
  CHECK(settled.state == JobState::kFailed);
  CHECK(f.Read("a").error.find("TimeLimitExceeded") != std::string::npos);
  f.Add(Once("b"));
  f.MustDo([&, lease = f.ClaimOne()](Ledger& ledger) {
    return TimeOutJob(ledger, lease, true, &settled);
  });
  CHECK(settled.state == JobState::kFailed);
  CHECK(f.Read("b").error.find("JobLost") != std::string::npos);
  f.CheckInvariants();
}

}  // namespace
}  // namespace millrace::jobs
