// The transition table: every declared move is made here, through the functions that users' calls
// reach.
#include "jobs/job_state.h"

#include "flows/flows_test_util.h"
#include "jobs/bulk.h"
#include "jobs/change.h"
#include "jobs/finish.h"
#include "jobs/jobs_test_util.h"
#include "jobs/update.h"

namespace millrace::jobs {
namespace {

using Kind = Outcome::Kind;

JobSpec Retried(const std::string& id, int64_t delay_ms) {
  JobSpec spec = Spec(id);
  spec.retry = {.max_attempts = 2,
                .backoff = {.kind = delay_ms > 0 ? Backoff::Kind::kFixed : Backoff::Kind::kNone,
                            .delay_ms = delay_ms}};
  return spec;
}

void Remove(JobsFixture& f, const std::string& id) {
  f.MustDo([&](Ledger& ledger) { return RemoveJob(ledger, {id, ""}); });
  REQUIRE_FALSE(f.Exists(id));
}

void Redrive(JobsFixture& f, const std::string& id) {
  f.MustDo([&](Ledger& ledger) { return RedriveJob(ledger, {id, ""}); });
  REQUIRE(f.StateOf(id) == JobState::kReady);
}

void Cancel(JobsFixture& f, const std::string& id, CancelResult expected) {
  CancelResult result{};
  f.MustDo([&](Ledger& ledger) { return CancelJob(ledger, {id, ""}, "", &result); });
  REQUIRE(result == expected);
}

void WaitingMoves(JobsFixture& f) {
  f.AddId("removed-ready");
  Remove(f, "removed-ready");
  f.Add(Delayed(Spec("removed-scheduled"), 1'000));
  Remove(f, "removed-scheduled");
  f.AddId("cancelled-ready");
  Cancel(f, "cancelled-ready", CancelResult::kCancelled);
  Redrive(f, "cancelled-ready");
  Cancel(f, "cancelled-ready", CancelResult::kCancelled);
  Remove(f, "cancelled-ready");
  f.Add(Delayed(Spec("cancelled-scheduled"), 1'000));
  Cancel(f, "cancelled-scheduled", CancelResult::kCancelled);
  f.Add(Delayed(Spec("promoted"), 1'000));
  f.MustDo([&](Ledger& ledger) { return PromoteJob(ledger, {"promoted", ""}); });
  Remove(f, "promoted");
  f.Add(Delayed(Spec("due"), 1'000));
  f.clock.Advance(1'000);
  REQUIRE(f.ClaimOne().key.custom_id == "due");
  JobSpec expiring = Spec("expired");
  expiring.expires_in_ms = 10;
  f.Add(expiring);
  f.clock.Advance(10);
  REQUIRE(f.Claim(5).empty());
  REQUIRE(f.StateOf("expired") == JobState::kCancelled);
}

void ChangeMoves(JobsFixture& f) {
  f.AddId("changed");
  const JobChange changes[] = {
      {.priority = 1}, {.delay_ms = 10}, {.delay_ms = 20}, {.delay_ms = 0}};
  for (const JobChange& change : changes) {
    f.MustDo([&](Ledger& ledger) { return UpdateJob(ledger, {"changed", ""}, change); });
  }
  Remove(f, "changed");
}

void ActiveMoves(JobsFixture& f) {
  f.AddId("completed");
  REQUIRE(f.Settle(f.ClaimOne(), Kind::kCompleted).state == JobState::kCompleted);
  Redrive(f, "completed");
  REQUIRE(f.Settle(f.ClaimOne(), Kind::kReleased).state == JobState::kReady);
  Outcome postponed = MakeOutcome(Kind::kReleased);
  postponed.delay_ms = 5;
  REQUIRE(f.Settle(f.ClaimOne(), postponed).state == JobState::kScheduled);
  f.clock.Advance(5);
  REQUIRE(f.Settle(f.ClaimOne(), Kind::kCompleted).state == JobState::kCompleted);
  Remove(f, "completed");
  f.Add(Retried("failed", 0));
  REQUIRE(f.Settle(f.ClaimOne(), Kind::kFailed).state == JobState::kReady);
  REQUIRE(f.Settle(f.ClaimOne(), Kind::kFailed).state == JobState::kFailed);
  Redrive(f, "failed");
  REQUIRE(f.Settle(f.ClaimOne(), Kind::kFailed).state == JobState::kReady);
  REQUIRE(f.Settle(f.ClaimOne(), Kind::kFailed).state == JobState::kFailed);
  Remove(f, "failed");
  f.Add(Retried("later", 100));
  REQUIRE(f.Settle(f.ClaimOne(), Kind::kFailed).state == JobState::kScheduled);
  Remove(f, "later");
  f.AddId("cancelled");
  const Lease lease = f.ClaimOne();
  Cancel(f, "cancelled", CancelResult::kRequested);
  REQUIRE(f.controlled == std::vector<int64_t>{JobsFixture::kProcess});
  REQUIRE(f.Settle(lease, Kind::kCancelled).state == JobState::kCancelled);
  Cancel(f, "cancelled", CancelResult::kFinished);
}

void CrashMoves(JobsFixture& f) {
  JobSpec spec = Spec("crashing");
  spec.max_crashes = 1;
  f.Add(spec);
  for (const JobState after : {JobState::kReady, JobState::kFailed}) {
    const Lease lease = f.ClaimOne();
    bool lost = true;
    f.MustDo([&](Ledger& ledger) { return RescueJob(ledger, lease, "its worker died", &lost); });
    REQUIRE_FALSE(lost);
    REQUIRE(f.StateOf("crashing") == after);
  }
  spec = Spec("once");
  spec.delivery = Delivery::kAtMostOnce;
  f.Add(spec);
  bool lost = true;
  f.MustDo([&, lease = f.ClaimOne()](Ledger& ledger) {
    return RescueJob(ledger, lease, "its worker died", &lost);
  });
  REQUIRE(f.StateOf("once") == JobState::kFailed);
  f.AddId("obliterated", "gone");
  f.ClaimOne("gone");
  BulkCursor cursor;
  for (SliceResult result{.more = true}; result.more;) {
    f.MustDo([&](Ledger& ledger) {
      return ObliterateSlice(ledger, "gone", true, 10, &cursor, &result);
    });
  }
  REQUIRE_FALSE(f.Exists("obliterated"));
}

void Redriven(flows::FlowsFixture& f, const std::string& id, JobState expected) {
  f.MustDo([&](Ledger& ledger) { return RedriveJob(ledger, {id, ""}); });
  REQUIRE(f.StateOf(id) == expected);
}

void FlowMoves(flows::FlowsFixture& f) {
  using flows::After;
  f.AddAll({Spec("a"), After(Spec("b"), {0}), After(Delayed(Spec("later"), 1'000), {0}),
            flows::Join(After(Spec("join"), {0}), JoinKind::kForward)});
  f.Run("a");
  REQUIRE(f.StateOf("later") == JobState::kScheduled);
  Redriven(f, "join", JobState::kCompleted);  // blocked in between
  f.Run("b");
  f.AddAll({Spec("bad"), After(Spec("failed"), {0}),
            After(Spec("cancelled"), {0}, DependencyPolicy::kCancel)});
  f.Fail("bad");
  Redriven(f, "failed", JobState::kBlocked);
  Redriven(f, "cancelled", JobState::kBlocked);
  Cancel(f, "cancelled", CancelResult::kCancelled);
  Remove(f, "failed");
  f.AddId("waits");
  Outcome waiting = MakeOutcome(Kind::kWaiting, "");
  waiting.jobs.push_back(Spec("child"));
  REQUIRE(f.Finish(f.ClaimOne(), waiting).state == JobState::kBlocked);
  f.Run("child");
  REQUIRE(f.Finish(f.ClaimOne(), MakeOutcome(Kind::kWaiting, "")).state == JobState::kReady);
  f.Run("waits");
  f.CheckInvariants();
}

TEST_CASE("every declared transition is made, and none but those", "[jobs]") {
  JobsFixture f;
  WaitingMoves(f);
  ActiveMoves(f);
  ChangeMoves(f);
  CrashMoves(f);
  flows::FlowsFixture flows;
  FlowMoves(flows);
  for (size_t i = 0; i < kTransitions.size(); ++i) {
    const Transition& t = kTransitions[i];
    CAPTURE(i, CauseName(t.cause));
    CHECK(FindTransition(t.from, t.to, t.cause) == static_cast<int>(i));
    CHECK(WasExercised(static_cast<int>(i)));
  }
  CHECK(FindTransition(kNowhere, JobState::kActive, Cause::kEnqueue) == -1);
  CHECK(FindTransition(JobState::kCompleted, JobState::kFailed, Cause::kFail) == -1);
  CHECK(FindTransition(JobState::kBlocked, JobState::kReady, Cause::kDue) == -1);
  f.CheckInvariants();
}

TEST_CASE("the diagram has a line for each transition", "[jobs]") {
  const std::string diagram = TransitionsDiagram();
  CHECK(std::count(diagram.begin(), diagram.end(), '\n') ==
        static_cast<int64_t>(kTransitions.size()) + 1);
  CHECK(diagram.find("    [*] --> ready: enqueue\n") != std::string::npos);
  CHECK(diagram.find("    active --> failed: crash limit\n") != std::string::npos);
  CHECK(diagram.find("unknown") == std::string::npos);
}

}  // namespace
}  // namespace millrace::jobs
