#include "jobs/bulk.h"
#include "jobs/finish.h"
#include "jobs/jobs_test_util.h"
#include "jobs/read.h"

namespace millrace::jobs {
namespace {

using Kind = Outcome::Kind;

// Runs a bulk change to its end; answers how many it changed and how many transactions it took.
struct Run {
  int64_t changed = 0;
  int slices = 0;
};
template <typename Slice>
Run RunAll(JobsFixture& f, Slice slice) {
  Run run;
  BulkCursor cursor;
  for (SliceResult result{.more = true}; result.more; ++run.slices) {
    REQUIRE(run.slices < 1'000);
    f.MustDo([&](Ledger& ledger) { return slice(ledger, &cursor, &result); });
    run.changed += result.changed;
  }
  return run;
}
void AddMany(JobsFixture& f, int count, const std::string& name = "task", int64_t delay_ms = 0) {
  for (int i = 0; i < count; ++i) {
    JobSpec spec = Delayed(Spec(), delay_ms);
    spec.name = name;
    spec.priority = i % 3;
    f.Add(spec);
  }
}

void FailMany(JobsFixture& f, int count, const std::string& name = "task") {
  AddMany(f, count, name);
  for (const Claimed& claimed : f.Claim(count)) f.Settle(claimed.lease, Kind::kFailed, "{}");
}

TEST_CASE("an obliterated queue is as if it had never been", "[jobs][bulk]") {
  JobsFixture f;
  FailMany(f, 3);
  AddMany(f, 5);
  AddMany(f, 5, "task", 60'000);
  const Lease lease = f.ClaimOne();
  const auto obliterate = [&](bool force) {
    return [force](Ledger& ledger, BulkCursor* cursor, SliceResult* result) {
      return ObliterateSlice(ledger, "q", force, 4, cursor, result);
    };
  };
  BulkCursor cursor;
  SliceResult result;
  RequireError(f.Do([&](Ledger& ledger) { return obliterate(false)(ledger, &cursor, &result); }),
               Code::kWrongState, R"(queue "q" has 1 active jobs)");
  CHECK_FALSE(f.Counts().paused);
  CHECK(RunAll(f, obliterate(true)).changed == 13);
  CHECK(f.controlled == std::vector<int64_t>{JobsFixture::kProcess});
  CHECK(RequireOk(ListQueues(f.connection())).empty());
  for (const char* table :
       {"jobs", "ready", "scheduled", "active", "finished", "events", "queue_counts"}) {
    CAPTURE(table);
    CHECK(f.Int(("SELECT count(*) FROM " + std::string(table)).c_str()) == 0);
  }
  CHECK(f.Settle(lease, Kind::kCompleted).status.code() == Code::kLeaseLost);
  f.AddId("again");
  CHECK(f.Claim().size() == 1);
  f.CheckInvariants();
}

TEST_CASE("a queue to which jobs are added while it is obliterated lives on with them",
          "[jobs][bulk]") {
  JobsFixture f;
  AddMany(f, 10);
  BulkCursor cursor;
  for (SliceResult result{.more = true}; result.more;) {
    f.MustDo(
        [&](Ledger& ledger) { return ObliterateSlice(ledger, "q", false, 4, &cursor, &result); });
    if (cursor.phase == 1) AddMany(f, 1);
  }
  CHECK(f.Counts().ready > 0);
  CHECK_FALSE(f.Counts().paused);
  CHECK(f.Claim(100).size() > 0);
  f.CheckInvariants();
}

}  // namespace
}  // namespace millrace::jobs
