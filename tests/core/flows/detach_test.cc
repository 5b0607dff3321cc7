#include "flows/detach.h"

#include "flows/flows_test_util.h"
#include "flows/members.h"

namespace millrace::flows {
namespace {

bool Detach(FlowsFixture& f, const std::string& job, const std::string& depends_on) {
  bool removed = false;
  f.MustDo([&](jobs::Ledger& ledger) {
    return RemoveDependency(ledger, {job, ""}, {depends_on, ""}, &removed);
  });
  return removed;
}

int64_t RemoveUnprocessed(FlowsFixture& f, const std::string& job, int64_t slice = 1'000) {
  jobs::BulkCursor cursor;
  int64_t changed = 0;
  for (jobs::SliceResult result{.more = true}; result.more;) {
    f.MustDo([&](jobs::Ledger& ledger) {
      return RemoveUnprocessedSlice(ledger, {job, ""}, slice, &cursor, &result);
    });
    changed += result.changed;
  }
  return changed;
}

TEST_CASE("a job waits no more for what was taken from it", "[flows][detach]") {
  FlowsFixture f;
  f.AddAll({Spec("a"), Spec("b"), After(Spec("c"), {0, 1})});
  CHECK(Detach(f, "c", "a"));
  CHECK_FALSE(Detach(f, "c", "a"));
  CHECK(f.StateOf("c") == JobState::kBlocked);
  CHECK(f.Read("c").dependencies == 1);
  CHECK(f.Read("c").pending == 1);
  CHECK(f.StateOf("a") == JobState::kReady);
  CHECK(Detach(f, "c", "b"));
  CHECK(f.StateOf("c") == JobState::kReady);
  f.CheckInvariants();
  f.Run("a");
  f.Run("b");
  f.Run("c");
  f.CheckInvariants();
}

TEST_CASE("what is done stays; what failed and holds a job back is let go of", "[flows][detach]") {
  FlowsFixture f;
  f.AddAll({Spec("done"), Spec("bad"), After(Spec("c"), {0, 1}, DependencyPolicy::kWait)});
  f.Run("done");
  f.Fail("bad");
  CHECK(f.StateOf("c") == JobState::kBlocked);
  CHECK_FALSE(Detach(f, "c", "done"));
  CHECK(Detach(f, "c", "bad"));
  CHECK(f.StateOf("c") == JobState::kReady);
  CHECK(f.Read("c").dependencies == 1);
  f.CheckInvariants();
}

TEST_CASE("jobs that do not exist, or do not wait, are told apart", "[flows][detach]") {
  FlowsFixture f;
  f.AddAll({Spec("a"), Spec("b")});
  CHECK_FALSE(Detach(f, "a", "b"));
  bool removed = false;
  RequireError(f.Do([&](jobs::Ledger& ledger) {
    return RemoveDependency(ledger, {"a", ""}, {"none", ""}, &removed);
  }),
               Code::kNotFound, "none");
}

TEST_CASE("children that nobody has begun are removed, with theirs", "[flows][detach]") {
  for (const int64_t slice : {1, 1'000}) {
    FlowsFixture f;
    f.AddAll({Spec("done"), Spec("runs"), Spec("grandchild"), After(Spec("child"), {2}),
              Delayed(Spec("later"), 1'000), After(Spec("parent"), {0, 1, 3, 4})});
    f.Run("done");
    const Lease runs = f.ClaimOne();
    CHECK(RemoveUnprocessed(f, "parent", slice) == 2);
    CHECK_FALSE(f.Exists("child"));
    CHECK_FALSE(f.Exists("grandchild"));
    CHECK_FALSE(f.Exists("later"));
    CHECK(f.StateOf("parent") == JobState::kBlocked);
    CHECK(f.Read("parent").dependencies == 2);
    f.CheckInvariants();
    f.Finish(runs, jobs::MakeOutcome(Kind::kCompleted));
    CHECK(f.StateOf("parent") == JobState::kReady);
    CHECK(RemoveUnprocessed(f, "parent", slice) == 0);
    f.CheckInvariants();
  }
}

TEST_CASE("a child that others wait for too ends for them as any removed job does",
          "[flows][detach]") {
  FlowsFixture f;
  f.AddAll({Spec("a"), Spec("b"), After(Spec("both"), {0, 1}), After(Spec("other"), {0})});
  CHECK(RemoveUnprocessed(f, "both") == 2);
  CHECK(f.StateOf("both") == JobState::kReady);
  CHECK(f.StateOf("other") == JobState::kFailed);
  f.CheckInvariants();
}

TEST_CASE("many jobs are cancelled at once", "[flows][detach]") {
  FlowsFixture f;
  f.AddAll({Spec("a"), After(Spec("b"), {0}), Spec("done"), Spec("runs")});
  const std::vector<jobs::Claimed> claimed = f.Claim(3);
  REQUIRE(claimed.size() == 3);
  f.Finish(claimed[1].lease, jobs::MakeOutcome(Kind::kCompleted));
  f.Finish(claimed[0].lease, jobs::MakeOutcome(Kind::kReleased, ""));
  std::vector<CancelResult> results;
  f.MustDo([&](jobs::Ledger& ledger) {
    return CancelJobs(ledger, {{"b", ""}, {"none", ""}, {"done", ""}, {"runs", ""}, {"a", "q"}},
                      "why", &results);
  });
  CHECK(results == std::vector<CancelResult>{CancelResult::kCancelled, CancelResult::kUnknown,
                                             CancelResult::kFinished, CancelResult::kRequested,
                                             CancelResult::kFinished});
  CHECK(f.StateOf("a") == JobState::kCancelled);  // it was for b alone
  RequireError(f.Do([&](jobs::Ledger& ledger) {
    return CancelJobs(ledger, {{"runs", ""}, {"", ""}}, "", &results);
  }),
               Code::kInvalidArgument, "jobs[1]");
  f.CheckInvariants();
}

}  // namespace
}  // namespace millrace::flows
