#include "jobs/bulk.h"

#include "jobs/finish.h"
#include "jobs/jobs_test_util.h"
#include "jobs/read.h"

namespace millrace::jobs {
namespace {

using Kind = Outcome::Kind;
using SliceFunction = Status (*)(Ledger&, const BulkQuery&, int64_t, BulkCursor*, SliceResult*);
// Nothing goes with what is removed.
Status RemoveAlone(Ledger& ledger, const BulkQuery& query, int64_t limit, BulkCursor* cursor,
                   SliceResult* result) {
  return RemoveSlice(ledger, query, limit, cursor, result);
}

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
Run RunQuery(JobsFixture& f, SliceFunction function, const BulkQuery& query, int64_t limit = 10) {
  return RunAll(f, [&](Ledger& ledger, BulkCursor* cursor, SliceResult* result) {
    return function(ledger, query, limit, cursor, result);
  });
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

TEST_CASE("dead letters are redriven in slices, by name", "[jobs][bulk]") {
  JobsFixture f;
  FailMany(f, 25, "a");
  FailMany(f, 7, "b");
  const Run run =
      RunQuery(f, RedriveSlice, {.queue = "q", .state = JobState::kFailed, .name = "a"});
  CHECK(run.changed == 25);
  CHECK(run.slices == 3);
  CHECK(f.Counts().ready == 25);
  CHECK(f.Counts().failed == 7);
  f.CheckInvariants();
}

TEST_CASE("a redrive ends although its jobs fail again at once", "[jobs][bulk]") {
  JobsFixture f;
  FailMany(f, 30);
  BulkCursor cursor;
  int64_t changed = 0;
  int slices = 0;
  for (SliceResult result{.more = true}; result.more; ++slices) {
    REQUIRE(slices < 100);
    f.clock.Advance(1);
    f.MustDo([&](Ledger& ledger) {
      return RedriveSlice(ledger, {.queue = "q", .state = JobState::kFailed}, 10, &cursor, &result);
    });
    changed += result.changed;
    f.clock.Advance(1);
    for (const Claimed& claimed : f.Claim(100)) f.Settle(claimed.lease, Kind::kFailed, "{}");
  }
  CHECK(changed == 30);
  CHECK(f.Counts().failed == 30);
}

TEST_CASE("only jobs that ended before a time are removed", "[jobs][bulk]") {
  JobsFixture f;
  FailMany(f, 5);
  f.clock.Advance(1'000);
  const int64_t before = f.clock.WallMs();
  FailMany(f, 4);
  const Run run = RunQuery(f, RemoveAlone,
                           {.queue = "q", .state = JobState::kFailed, .before_at_ms = before}, 2);
  CHECK(run.changed == 5);
  CHECK(f.Counts().failed == 4);
  const std::vector<Event> events = f.Events("q", {EventType::kCleaned});
  REQUIRE(events.size() == 3);
  CHECK(events[0].count == 2);
  CHECK(events[2].count == 1);
  CHECK(events[0].prev == JobState::kFailed);
  f.CheckInvariants();
}

TEST_CASE("a filter that nothing meets still ends, in bounded slices", "[jobs][bulk]") {
  JobsFixture f;
  AddMany(f, 100);
  const Run run =
      RunQuery(f, RemoveAlone, {.queue = "q", .state = JobState::kReady, .name = "none"}, 5);
  CHECK(run.changed == 0);
  CHECK(run.slices == 3);
  CHECK(f.Counts().ready == 100);
}

TEST_CASE("what is enqueued during a bulk change is left alone", "[jobs][bulk]") {
  JobsFixture f;
  AddMany(f, 20);
  BulkCursor cursor;
  int64_t changed = 0;
  int64_t added = 0;
  for (SliceResult result{.more = true}; result.more; added += 2) {
    f.MustDo([&](Ledger& ledger) {
      return RemoveSlice(ledger, {.queue = "q", .state = JobState::kReady}, 5, &cursor, &result);
    });
    changed += result.changed;
    AddMany(f, 2);
  }
  CHECK(changed == 20);
  CHECK(added >= 8);
  CHECK(f.Counts().ready == added);
  f.CheckInvariants();
}

TEST_CASE("scheduled jobs are promoted, whatever the state of the query", "[jobs][bulk]") {
  JobsFixture f;
  AddMany(f, 12, "task", 60'000);
  CHECK(RunQuery(f, PromoteSlice, {.queue = "q"}, 5).changed == 12);
  CHECK(f.Counts().ready == 12);
  CHECK(f.Counts().prioritized == 8);
  CHECK(f.Counts().scheduled == 0);
  f.CheckInvariants();
}

TEST_CASE("draining takes the ready jobs, and the scheduled ones if asked", "[jobs][bulk]") {
  JobsFixture f;
  AddMany(f, 7);
  AddMany(f, 5, "task", 60'000);
  f.ClaimOne();
  const bool scheduled = GENERATE(false, true);
  const Run run = RunAll(f, [&](Ledger& ledger, BulkCursor* cursor, SliceResult* result) {
    return DrainSlice(ledger, "q", scheduled, 4, cursor, result);
  });
  CHECK(run.changed == (scheduled ? 11 : 6));
  CHECK(f.Counts().ready == 0);
  CHECK(f.Counts().scheduled == (scheduled ? 0 : 5));
  CHECK(f.Counts().active == 1);
  f.CheckInvariants();
}

TEST_CASE("bulk queries are checked", "[jobs][bulk]") {
  JobsFixture f;
  f.AddId("a");
  const auto slice = [&](SliceFunction function, const BulkQuery& query, int64_t limit = 1) {
    BulkCursor cursor;
    SliceResult result;
    return f.Do([&](Ledger& ledger) { return function(ledger, query, limit, &cursor, &result); });
  };
  RequireError(slice(RemoveAlone, {.queue = ""}), Code::kInvalidArgument, "queue");
  RequireError(slice(RemoveAlone, {.queue = "q", .state = JobState::kActive}),
               Code::kInvalidArgument,
               R"(state is "active"; "scheduled", "ready", "blocked", "completed", "failed" or )");
  RequireError(slice(RedriveSlice, {.queue = "q", .state = JobState::kReady}),
               Code::kInvalidArgument,
               R"(state is "ready"; "completed", "failed" or "cancelled" is accepted)");
  RequireError(slice(RemoveAlone, {.queue = "q", .before_at_ms = -1}), Code::kInvalidArgument,
               "before_at_ms is -1");
  RequireError(slice(RemoveAlone, {.queue = "q", .limit = -1}), Code::kInvalidArgument,
               "limit is -1");
  RequireError(slice(RemoveAlone, {.queue = "q"}, kSliceMax + 1), Code::kInvalidArgument,
               "limit is 1001");
  RequireOk(slice(RemoveAlone, {.queue = "nowhere"}));
}

}  // namespace
}  // namespace millrace::jobs
