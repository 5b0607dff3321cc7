#include "flows/members.h"

#include "flows/detach.h"
#include "flows/flows_test_util.h"
#include "jobs/change.h"

namespace millrace::flows {
namespace {

using Policy = DependencyPolicy;

CancelResult Cancel(FlowsFixture& f, const std::string& id) {
  CancelResult result{};
  f.MustDo(
      [&](jobs::Ledger& ledger) { return flows::CancelJob(ledger, {id, ""}, "enough", &result); });
  return result;
}

void Remove(FlowsFixture& f, const std::string& id) {
  f.MustDo([&](jobs::Ledger& ledger) { return flows::RemoveJob(ledger, {id, ""}); });
}

TEST_CASE("cancelling a flow takes its unfinished members", "[flows]") {
  FlowsFixture f;
  f.AddAll({Spec("bottom"), After(Spec("left"), {0}), After(Spec("right"), {0}), Spec("running"),
            Spec("done"), After(Delayed(Spec("top"), 10), {1, 2, 3, 4})});
  const std::vector<jobs::Claimed> claimed = f.Claim(3);  // bottom, running, done
  f.Settle(claimed[2].lease, Kind::kCompleted);
  f.Settle(claimed[0].lease, Kind::kReleased);
  CHECK(Cancel(f, "top") == CancelResult::kCancelled);
  for (const char* id : {"top", "left", "right", "bottom"}) {
    CAPTURE(id);
    CHECK(f.Is(id, JobState::kCancelled));
    CHECK(f.Read(id).error.find("enough") != std::string::npos);
  }
  CHECK(f.Read("running").cancel_requested);
  CHECK(f.Is("done", JobState::kCompleted));
  f.CheckInvariants();
}

TEST_CASE("members that others wait for stay, and so do jobs that were there before", "[flows]") {
  FlowsFixture f;
  f.AddId("before");
  f.AddAll({Spec("shared"), After(Spec("mine"), {0}), AfterJob(After(Spec("top"), {1}), "before"),
            After(Spec("other"), {0}), After(Spec("handler"), {1}, Policy::kOnFailure)});
  Cancel(f, "top");
  CHECK(f.Is("mine", JobState::kCancelled));
  CHECK(f.Is("handler", JobState::kReady));  // mine was cancelled
  CHECK(f.Is("shared", JobState::kReady));
  CHECK(f.Is("before", JobState::kReady));
  Cancel(f, "handler");
  f.AddAll({Spec("main"), After(Spec("on-error"), {0}, Policy::kOnFailure)});
  Cancel(f, "on-error");
  CHECK(f.Is("main", JobState::kReady));
  f.CheckInvariants();
}

TEST_CASE("cancelling a member ends those that wait for it by their policies", "[flows]") {
  FlowsFixture f;
  f.AddAll({Spec("a"), After(Spec("waits"), {0}, Policy::kWait), After(Spec("fails"), {0})});
  Cancel(f, "a");
  CHECK(f.Is("waits", JobState::kBlocked));
  CHECK(f.Read("fails").error.find("job a (task) was cancelled: enough") != std::string::npos);
  f.CheckInvariants();
}

TEST_CASE("an active job's children are cancelled with it", "[flows]") {
  FlowsFixture f;
  f.AddId("a");
  const Lease lease = f.ClaimOne();
  f.AddAll({ChildOf(Spec("child"), "a", lease.token)});
  // The holder does not know of the child's mark.
  CHECK(Cancel(f, "a") == CancelResult::kRequested);
  CHECK(f.Is("child", JobState::kCancelled));
  CHECK(f.Settle(lease, Kind::kCancelled).state == JobState::kCancelled);
  f.CheckInvariants();
}

TEST_CASE("removing a flow removes its unfinished members", "[flows]") {
  FlowsFixture f;
  f.AddAll({Spec("a"), After(Spec("b"), {0}), Spec("done"), After(Spec("top"), {1, 2})});
  const std::vector<jobs::Claimed> claimed = f.Claim(2);
  f.Settle(claimed[1].lease, Kind::kCompleted);
  f.Settle(claimed[0].lease, Kind::kReleased);
  Remove(f, "top");
  CHECK_FALSE(f.Exists("top"));
  CHECK_FALSE(f.Exists("b"));
  CHECK_FALSE(f.Exists("a"));
  CHECK(f.Exists("done"));
  CHECK(f.Int("SELECT count(*) FROM dependencies") == 0);
  f.CheckInvariants();
  // One that has failed leaves others behind that are still at work for it.
  f.AddAll({Spec("bad"), Spec("busy"), Spec("idle"), After(Spec("top"), {0, 1, 2})});
  f.Fail("bad");
  const Lease busy = f.ClaimOne();
  Remove(f, "top");
  CHECK_FALSE(f.Exists("idle"));
  CHECK(f.Read("busy").cancel_requested);
  CHECK(f.Is("bad", JobState::kFailed));
  f.Settle(busy, Kind::kCompleted);
  f.CheckInvariants();
}

TEST_CASE("a flow of ten thousand is cancelled in one commit", "[flows]") {
  FlowsFixture f;
  std::vector<JobSpec> specs;
  std::vector<int32_t> all;
  for (int32_t i = 0; i < 10'000; ++i) {
    specs.push_back(Spec());
    all.push_back(i);
  }
  specs.push_back(After(Spec("top"), all));
  f.AddAll(specs);
  Cancel(f, "top");
  CHECK(f.Counts().cancelled == 10'001);
  f.CheckInvariants();
}

TEST_CASE("bulk removals take the members of flows with them", "[flows]") {
  FlowsFixture f;
  const auto remove =
      [&](const std::function<Status(jobs::Ledger&, jobs::BulkCursor*, jobs::SliceResult*,
                                     jobs::Companions*)>& slice) {
        jobs::BulkCursor cursor;
        int64_t changed = 0;
        for (jobs::SliceResult result{.more = true}; result.more;
             changed += result.changed + result.companions) {
          f.MustDo([&](jobs::Ledger& ledger) {
            BulkMembers members;
            return slice(ledger, &cursor, &result, &members);
          });
        }
        return changed;
      };
  // Two parents share a child; one child was there before; the deepest is in another queue.
  f.AddId("there");
  f.AddAll({Spec("deep", "other"), After(Spec("shared"), {0}), After(Spec("p1", "tops"), {1}),
            AfterJob(After(Spec("p2", "tops"), {1}), "there")});
  SECTION("one of those that wait for it is not enough") {
    CHECK(remove([](auto& ledger, auto* cursor, auto* result, auto* members) {
            return RemoveSlice(ledger,
                               {.queue = "tops", .state = JobState::kBlocked, .name = "none"}, 1,
                               cursor, result, members);
          }) == 0);
    jobs::BulkCursor cursor;
    jobs::SliceResult result;
    f.MustDo([&](jobs::Ledger& ledger) {
      BulkMembers members;
      return RemoveSlice(ledger, {.queue = "tops", .state = JobState::kBlocked}, 1, &cursor,
                         &result, &members);
    });
    CHECK(result.changed == 1);
    CHECK(f.Is("shared", JobState::kBlocked));
    f.CheckInvariants();
  }
  SECTION("a query") {
    CHECK(remove([](auto& ledger, auto* cursor, auto* result, auto* members) {
            return RemoveSlice(ledger, {.queue = "tops", .state = JobState::kBlocked}, 5, cursor,
                               result, members);
          }) == 4);
    CHECK_FALSE(f.Exists("deep"));
  }
  SECTION("a queue, where some of them are too; a running one is asked to stop") {
    const Lease lease = f.ClaimOne("other");
    f.AddAll({Spec("own", "tops"), After(Spec("p3", "tops"), {0})});
    CHECK(remove([](auto& ledger, auto* cursor, auto* result, auto* members) {
            return ObliterateSlice(ledger, "tops", false, 1, cursor, result, members);
          }) == 5);
    CHECK(f.Read("deep").cancel_requested);
    CHECK(f.Finish(lease, jobs::MakeOutcome(Kind::kCancelled)).state == JobState::kCancelled);
    CHECK(f.Counts("tops").blocked == 0);
  }
  SECTION("the jobs of a drained queue that go on while others of their flow are at work") {
    f.AddAll({Spec("slow", "other"), Spec("quick", "other"),
              After(After(Spec("p4", "now"), {0}), {1}, Policy::kContinue)});
    f.Run("deep", Kind::kCompleted, "null", "other");
    f.MustDo([](jobs::Ledger& ledger) { return flows::RemoveJob(ledger, {"shared", ""}); });
    const Lease slow = f.ClaimOne("other");
    CHECK(slow.key.PublicId() == "slow");
    f.Fail("quick", "other");
    CHECK(f.Is("p4", JobState::kReady));
    CHECK(remove([](auto& ledger, auto* cursor, auto* result, auto* members) {
            return DrainSlice(ledger, "now", true, 5, cursor, result, members);
          }) == 1);
    CHECK(f.Read("slow").cancel_requested);
  }
  CHECK(f.Exists("there"));
  f.CheckInvariants();
}

TEST_CASE("a slice of a bulk removal takes whole flows, and no more of them than its limit",
          "[flows]") {
  FlowsFixture f;
  constexpr int kFlows = 10;
  for (int i = 0; i < kFlows; ++i) {
    std::vector<JobSpec> specs(10, Spec("", "members"));
    specs.push_back(After(Spec("", "tops"), {0, 1, 2, 3, 4, 5, 6, 7, 8, 9}));
    f.AddAll(specs);
  }
  jobs::BulkCursor cursor;
  jobs::SliceResult result{.more = true};
  int slices = 0;
  for (; result.more; ++slices) {
    const int64_t before = f.Int("SELECT count(*) FROM jobs");
    f.MustDo([&](jobs::Ledger& ledger) {
      BulkMembers members;
      return RemoveSlice(ledger, {.queue = "tops", .state = JobState::kBlocked}, 20, &cursor,
                         &result, &members);
    });
    CHECK(result.changed + result.companions == before - f.Int("SELECT count(*) FROM jobs"));
    CHECK(result.changed <= 2);  // the second one goes over the limit
    f.CheckInvariants();
  }
  CHECK(slices >= kFlows / 2);
  CHECK(f.Int("SELECT count(*) FROM jobs") == 0);
}

TEST_CASE("so does one of unprocessed children", "[flows]") {
  FlowsFixture f;
  std::vector<JobSpec> specs;
  JobSpec top = Spec("top");
  for (int i = 0; i < 6; ++i) {
    std::vector<int32_t> below;
    for (int j = 0; j < 10; ++j) {
      below.push_back(static_cast<int32_t>(specs.size()));
      specs.push_back(Spec());
    }
    top.after.push_back({.index = static_cast<int32_t>(specs.size())});
    specs.push_back(After(Spec(), below));
  }
  specs.push_back(top);
  f.AddAll(specs);
  jobs::BulkCursor cursor;
  jobs::SliceResult result{.more = true};
  int64_t changed = 0;
  while (result.more) {
    f.MustDo([&](jobs::Ledger& ledger) {
      return RemoveUnprocessedSlice(ledger, {"top", ""}, 20, &cursor, &result);
    });
    CHECK(result.changed <= 2);
    changed += result.changed;
  }
  CHECK(changed == 6);
  CHECK(f.Int("SELECT count(*) FROM jobs") == 1);
  CHECK(f.Is("top", JobState::kReady));
  f.CheckInvariants();
}

}  // namespace
}  // namespace millrace::flows
