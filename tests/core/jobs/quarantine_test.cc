#include "jobs/quarantine.h"

#include "jobs/jobs_test_util.h"

namespace millrace::jobs {
namespace {

TEST_CASE("damage is what fails whenever it is tried", "[jobs][quarantine]") {
  CHECK(IsDamage(Status(Code::kCorrupt, "")));
  CHECK(IsDamage(Status(Code::kInternal, "writing: UNIQUE constraint failed: finished.job")));
  CHECK_FALSE(IsDamage(Status(Code::kInternal, "out of memory")));
  CHECK_FALSE(IsDamage(Status(Code::kDiskFull, "constraint failed")));
  CHECK_FALSE(IsDamage(Status(Code::kIoError, "")));
  CHECK_FALSE(IsDamage(Status::Ok()));
}

TEST_CASE("a lease is taken away once, and told", "[jobs][quarantine]") {
  JobsFixture f;
  f.AddId("a");
  const Lease lease = f.ClaimOne();
  Lease other = lease;
  other.token = 1;
  bool held = true;
  f.MustDo([&](Ledger& ledger) { return TakeAwayLease(ledger, other, "why", &held); });
  CHECK_FALSE(held);
  CHECK(f.Int("SELECT count(*) FROM quarantine") == 0);
  f.MustDo([&](Ledger& ledger) { return TakeAwayLease(ledger, lease, "why", &held); });
  CHECK(held);
  CHECK(f.Counts().active == 0);
  CHECK(f.Int("SELECT job FROM quarantine") == lease.key.row);
  const std::vector<Event> events = f.Events("q", {EventType::kRemoved});
  REQUIRE(events.size() == 1);
  CHECK(events[0].job_id == "a");
  f.MustDo([&](Ledger& ledger) { return TakeAwayActive(ledger, lease.key.row, "why"); });
  CHECK(f.Int("SELECT count(*) FROM quarantine") == 1);
}

}  // namespace
}  // namespace millrace::jobs
