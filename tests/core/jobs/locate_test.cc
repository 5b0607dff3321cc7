#include "jobs/locate.h"

#include "jobs/change.h"
#include "jobs/jobs_test_util.h"

namespace millrace::jobs {
namespace {

Location At(JobsFixture& f, const std::string& id) {
  Location location;
  bool found = false;
  RequireOk(Locate(f.connection(), id, 0, &location, &found));
  REQUIRE(found);
  return location;
}

TEST_CASE("a job is found wherever it stands", "[jobs][locate]") {
  JobsFixture f;
  JobSpec spec = Delayed(Spec("a"), 100);
  spec.lifo = true;
  spec.priority = 4;
  spec.retry = {.max_attempts = 5, .backoff = {.kind = Backoff::Kind::kFixed, .delay_ms = 50}};
  f.Add(spec);
  const int64_t row = At(f, "a").key.row;
  CHECK(At(f, "a").state == JobState::kScheduled);
  CHECK(At(f, "a").place.due_at_ms == f.clock.WallMs() + 100);
  CHECK(At(f, "a").place.seq == -row);
  CHECK(At(f, "a").place.priority == 4);
  f.clock.Advance(100);
  const Lease lease = f.ClaimOne();
  CHECK(At(f, "a").state == JobState::kActive);
  CHECK(At(f, "a").token == lease.token);
  CHECK(At(f, "a").process_id == JobsFixture::kProcess);
  f.Settle(lease, Outcome::Kind::kFailed, "{}");
  // Scheduled anew: not at the time that its body says.
  CHECK(At(f, "a").state == JobState::kScheduled);
  CHECK(At(f, "a").place.due_at_ms == f.clock.WallMs() + 50);
  CHECK(At(f, "a").place.has(kHasRun));
  f.MustDo([](Ledger& ledger) { return PromoteJob(ledger, {"a", ""}); });
  CHECK(At(f, "a").state == JobState::kReady);
  CHECK(At(f, "a").place.due_at_ms == 0);
  f.Settle(f.ClaimOne(), Outcome::Kind::kCompleted);
  CHECK(At(f, "a").state == JobState::kCompleted);
  CHECK(At(f, "a").key.row == row);
}

TEST_CASE("what does not exist is not found, and that is no error", "[jobs][locate]") {
  JobsFixture f;
  f.AddId();
  for (const std::string& id :
       {std::string("nobody"), std::string(255, 'x'), std::string("\xff\x00", 2),
        std::string("018bcfe5-687b-7000-8000-000000400000")}) {
    Location location;
    bool found = true;
    RequireOk(Locate(f.connection(), id, 0, &location, &found));
    CHECK_FALSE(found);
  }
}

}  // namespace
}  // namespace millrace::jobs
