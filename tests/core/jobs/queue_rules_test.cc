#include "jobs/bulk.h"
#include "jobs/jobs_test_util.h"

namespace millrace::jobs {
namespace {

using Kind = Outcome::Kind;

void AddMany(JobsFixture& f, int count, const std::string& name = "task", int64_t delay_ms = 0) {
  for (int i = 0; i < count; ++i) {
    JobSpec spec = Delayed(Spec(), delay_ms);
    spec.name = name;
    spec.priority = i % 3;
    f.Add(spec);
  }
}

TEST_CASE("a paused queue gives no job, and wakes its workers when it goes on", "[jobs][bulk]") {
  JobsFixture f;
  f.MustDo([](Ledger& ledger) { return PauseQueue(ledger, "q"); });
  f.MustDo([](Ledger& ledger) { return PauseQueue(ledger, "q"); });
  CHECK(f.Counts().paused);
  AddMany(f, 3);
  AddMany(f, 2, "task", 60'000);
  CHECK(f.Claim(10).empty());
  f.new_jobs.clear();
  f.MustDo([](Ledger& ledger) { return ResumeQueue(ledger, "q"); });
  REQUIRE(f.new_jobs.size() == 1);
  CHECK(f.new_jobs.begin()->second == 5);
  f.MustDo([](Ledger& ledger) { return ResumeQueue(ledger, "q"); });
  f.MustDo([](Ledger& ledger) { return ResumeQueue(ledger, "unknown"); });
  CHECK(f.Events("q", {EventType::kPaused}).size() == 1);
  CHECK(f.Events("q", {EventType::kResumed}).size() == 1);
  CHECK(f.Claim(10).size() == 3);
  f.CheckInvariants();
}

TEST_CASE("a queue's own retention holds from now on", "[jobs][bulk]") {
  JobsFixture f;
  f.MustDo(
      [](Ledger& ledger) { return SetQueueRetention(ledger, "q", Keep{-1, 2}, Keep{-1, -1}); });
  for (int i = 0; i < 5; ++i) {
    f.AddId();
    f.Settle(f.ClaimOne(), Kind::kCompleted);
    f.clock.Advance(1);
  }
  CHECK(f.Counts().completed == 2);
  f.MustDo([](Ledger& ledger) { return SetQueueRetention(ledger, "q", {}, Keep{-1, 0}); });
  f.AddId();
  f.Settle(f.ClaimOne(), Kind::kCompleted);
  CHECK(f.Counts().completed == 2);  // as before
  f.AddId();
  f.Settle(f.ClaimOne(), Kind::kFailed, R"({"type":"E","message":"m","stack":""})");
  CHECK(f.Counts().failed == 0);
  RequireError(f.Do([](Ledger& ledger) { return SetQueueRetention(ledger, "q", Keep{-2, 0}, {}); }),
               Code::kInvalidArgument, "completed.age_ms is -2");
  f.CheckInvariants();
}

}  // namespace
}  // namespace millrace::jobs
