#include "jobs/retention.h"

#include "jobs/change.h"
#include "jobs/jobs_test_util.h"
#include "jobs/read.h"

namespace millrace::jobs {
namespace {

using Kind = Outcome::Kind;

void Complete(JobsFixture& f, const std::string& id, std::optional<Keep> own = std::nullopt) {
  JobSpec spec = Spec(id);
  spec.keep_completed = own;
  f.Add(spec);
  f.Settle(f.ClaimOne(), Kind::kCompleted);
}

TEST_CASE("the newest results are kept, by count", "[jobs][retention]") {
  JobsFixture f({.keep_completed = {.age_ms = -1, .count = 3}});
  for (int i = 0; i < 10; ++i) {
    f.clock.Advance(1);
    Complete(f, std::to_string(i));
    CHECK(f.Counts().completed == std::min(i + 1, 3));
  }
  CHECK_FALSE(f.Exists("6"));
  CHECK(f.Exists("7"));
  f.CheckInvariants();
}

TEST_CASE("results go when they are old, failures by their own rule", "[jobs][retention]") {
  JobsFixture f({.keep_completed = {.age_ms = 100, .count = -1},
                 .keep_failed = {.age_ms = 1'000, .count = -1}});
  Complete(f, "old");
  f.AddId("dead");
  f.Settle(f.ClaimOne(), Kind::kFailed, "{}");
  f.clock.Advance(101);
  Complete(f, "new");
  CHECK_FALSE(f.Exists("old"));
  CHECK(f.Exists("dead"));
  f.clock.Advance(1'000);
  int64_t removed = 0;
  f.MustDo([&](Ledger& ledger) {
    auto some = CleanExpired(ledger, RequireOk(ledger.QueueId("q")), 1);
    RequireOk(some.status());
    removed = *some;
    return Status::Ok();
  });
  CHECK(removed == 1);  // bounded by the limit
  f.MustDo([&](Ledger& ledger) {
    return CleanExpired(ledger, RequireOk(ledger.QueueId("q")), 10).status();
  });
  CHECK_FALSE(f.Exists("dead"));
  CHECK(f.Counts().completed == 0);
  f.CheckInvariants();
}

TEST_CASE("a job's own rule goes before its queue's", "[jobs][retention]") {
  JobsFixture f({.keep_completed = {.age_ms = -1, .count = 0}});
  Complete(f, "gone");
  CHECK_FALSE(f.Exists("gone"));
  Complete(f, "kept", Keep{});
  CHECK(f.Exists("kept"));
  f.CheckInvariants();
}

TEST_CASE("a backlog beyond a new rule shrinks in slices", "[jobs][retention]") {
  JobsFixture f;
  for (int i = 0; i < 40; ++i) Complete(f, std::to_string(i));
  CHECK(f.Counts().completed == 40);
  f.MustDo([](Ledger& ledger) -> Status {
    const int64_t queue_id = RequireOk(ledger.QueueId("q"));
    return CleanFinished(ledger, queue_id, JobState::kCompleted, {.age_ms = -1, .count = 5}, 10);
  });
  CHECK(f.Counts().completed == 30);
  f.CheckInvariants();
}

TEST_CASE("what goes takes its log and errors along", "[jobs][retention]") {
  JobsFixture f({.keep_completed = {.age_ms = -1, .count = 0}});
  JobSpec spec = Spec("a");
  spec.retry.max_attempts = 2;
  f.Add(spec);
  f.MustDo([](Ledger& ledger) { return AppendLog(ledger, {"a", ""}, "x"); });
  f.Settle(f.ClaimOne(), Kind::kFailed, "{}");
  f.Settle(f.ClaimOne(), Kind::kCompleted);
  for (const char* table :
       {"jobs", "job_keys", "job_runs", "attempt_errors", "job_logs", "finished"}) {
    CAPTURE(table);
    CHECK(f.Int(("SELECT count(*) FROM " + std::string(table)).c_str()) == 0);
  }
}

}  // namespace
}  // namespace millrace::jobs
