#include "flows/enqueue.h"

#include "flows/flows_test_util.h"
#include "flows/members.h"

namespace millrace::flows {
namespace {

using Policy = DependencyPolicy;

TEST_CASE("a chain, a chord and a diamond run in their order", "[flows]") {
  FlowsFixture f;
  const std::vector<EnqueueAck> acks = f.AddAll({
      After(Spec("top"), {1, 2}),
      After(Spec("left"), {3}),
      After(Spec("right"), {3}),
      Spec("bottom"),
  });
  REQUIRE(acks.size() == 4);
  CHECK(acks[0].id == "top");
  CHECK(acks[0].state == JobState::kBlocked);
  CHECK(acks[3].state == JobState::kReady);
  CHECK(f.Counts().blocked == 3);
  CHECK(f.Counts().ready == 1);
  CHECK(f.Read("top").dependencies == 2);
  CHECK(f.Read("top").pending == 2);
  f.CheckInvariants();
  f.Run("bottom");
  CHECK(f.Counts().ready == 2);
  f.Run("left");
  CHECK(f.Read("top").pending == 1);
  CHECK(f.Claim(2).size() == 1);
  f.CheckInvariants();
}

TEST_CASE("one commit adds a flow, across queues", "[flows]") {
  FlowsFixture f;
  f.AddAll({Spec("a", "one"), After(Spec("b", "two"), {0}), After(Spec("c", "one"), {1})});
  CHECK(f.Int("SELECT count(*) FROM events") == 2);  // a row for each queue
  f.Run("a", Kind::kCompleted, "1", "one");
  CHECK(f.Claim(1, "one").empty());
  f.Run("b", Kind::kCompleted, "2", "two");
  f.Run("c", Kind::kCompleted, "3", "one");
  const DependencyPage page = f.Dependencies("c");
  REQUIRE(page.dependencies.size() == 1);
  CHECK(page.dependencies[0].id == "b");
  CHECK(page.dependencies[0].queue == "two");
  CHECK(page.dependencies[0].result == "2");
  f.CheckInvariants();
}

TEST_CASE("a job can wait for jobs that exist; ended ones count at once", "[flows]") {
  FlowsFixture f;
  f.AddId("old");
  f.Run("old", Kind::kCompleted, "7");
  f.AddId("running");
  const Lease running = f.ClaimOne();
  CHECK(f.AddAll({AfterJob(Spec("at-once"), "old")})[0].state == JobState::kReady);
  CHECK(f.AddAll({AfterJob(AfterJob(Spec("later"), "old"), "running")})[0].state ==
        JobState::kBlocked);
  f.CheckInvariants();
  f.Run("at-once");
  f.Settle(running, Kind::kCompleted);
  f.Run("later");
  CHECK(f.Dependencies("later").dependencies[0].result == "7");
  f.CheckInvariants();
}

TEST_CASE("a job that waits for one that failed ends by its policy at once", "[flows]") {
  FlowsFixture f;
  f.AddId("bad");
  f.Fail("bad");
  const auto add = [&](const std::string& id, Policy policy) {
    return f.AddAll({AfterJob(Spec(id), "bad", policy)})[0].state;
  };
  CHECK(add("fail", Policy::kFail) == JobState::kFailed);
  CHECK(add("wait", Policy::kWait) == JobState::kBlocked);
  CHECK(add("ignore", Policy::kIgnore) == JobState::kReady);
  CHECK(add("remove", Policy::kRemove) == JobState::kReady);
  CHECK(add("continue", Policy::kContinue) == JobState::kReady);
  CHECK(add("cancel", Policy::kCancel) == JobState::kCancelled);
  CHECK(add("on-failure", Policy::kOnFailure) == JobState::kReady);
  CHECK(f.Read("remove").dependencies == 0);
  CHECK(f.Read("ignore").dependencies == 1);
  f.AddId("good");
  while (f.StateOf("good") != JobState::kCompleted) f.Settle(f.ClaimOne(), Kind::kCompleted);
  CHECK(f.AddAll({AfterJob(Spec("never"), "good", Policy::kOnFailure)})[0].state ==
        JobState::kCancelled);
  CHECK_FALSE(f.Exists("never"));
  f.CheckInvariants();
}

TEST_CASE("a due time is waited for as well", "[flows]") {
  FlowsFixture f;
  f.AddAll({Spec("a"), After(Delayed(Spec("b"), 1'000), {0}), After(Delayed(Spec("c"), 10), {0})});
  f.clock.Advance(100);
  f.Run("a");
  CHECK(f.Is("b", JobState::kScheduled));
  CHECK(f.Read("b").due_at_ms == f.clock.WallMs() + 900);
  f.Run("c");
  CHECK(f.Claim().empty());
  f.CheckInvariants();
  f.clock.Advance(900);
  f.Run("b");
}

TEST_CASE("jobs without a worker complete with what they wait for", "[flows]") {
  FlowsFixture f;
  f.AddAll({Spec("a"), Spec("b"), Join(After(Spec("all"), {0, 1}), JoinKind::kCollect),
            Join(After(Spec("first"), {1, 0}), JoinKind::kForward)});
  f.Run("a", Kind::kCompleted, R"({"x":1})");
  f.Run("b", Kind::kCompleted, "[2]");
  CHECK(*f.Read("all").result == R"([{"x":1},[2]])");
  CHECK(*f.Read("first").result == "[2]");
  CHECK(f.AddAll({Join(AfterJob(Spec("late"), "all"), JoinKind::kForward)})[0].state ==
        JobState::kCompleted);
  CHECK(*f.Read("late").result == R"([{"x":1},[2]])");
  CHECK(f.Counts().completed == 5);
  f.CheckInvariants();
}

TEST_CASE("what is not JSON or has no result is null in an array", "[flows]") {
  FlowsFixture f;
  f.AddAll({Spec("a"), Spec("b"), Spec("c"),
            Join(After(Spec("all"), {0, 1, 2}, Policy::kIgnore), JoinKind::kCollect)});
  Outcome packed = jobs::MakeOutcome(Kind::kCompleted, "\x01");
  packed.content_type = ContentType::kMessagePack;
  f.Settle(f.ClaimOne(), packed);
  f.Fail("b");
  f.Run("c", Kind::kCompleted, "3");
  CHECK(*f.Read("all").result == "[null,null,3]");
}

TEST_CASE("an existing id in a flow is waited for as it stands", "[flows]") {
  FlowsFixture f;
  f.AddId("a");
  f.Run("a", Kind::kCompleted, "1");
  const std::vector<EnqueueAck> acks = f.AddAll({Spec("a"), After(Spec("b"), {0})});
  CHECK(acks[0].existing);
  CHECK(acks[0].state == JobState::kCompleted);
  CHECK(acks[1].state == JobState::kReady);
  f.CheckInvariants();
}

TEST_CASE("children are added to a blocked parent; nobody else has a place for them", "[flows]") {
  FlowsFixture f;
  f.AddAll({Spec("a"), After(Spec("parent"), {0})});
  CHECK(f.AddAll({ChildOf(Spec("b"), "parent")})[0].state == JobState::kReady);
  CHECK(f.Read("parent").pending == 2);
  f.CheckInvariants();
  f.Run("a");
  CHECK(f.Is("parent", JobState::kBlocked));
  f.Run("b", Kind::kCompleted, "5");
  CHECK(f.Dependencies("parent").dependencies[1].result == "5");
  std::vector<EnqueueAck> acks;
  const auto refused = [&](const JobSpec& spec, const std::string& message) {
    const Status status =
        f.Do([&](jobs::Ledger& ledger) { return EnqueueJobs(ledger, {spec}, &acks); });
    RequireError(status, Code::kWrongState, message);
    CHECK_FALSE(f.Exists("c"));
  };
  refused(ChildOf(Spec("c"), "parent"), "parent: job parent is ready; a blocked job, or an active");
  const Lease lease = f.ClaimOne();
  refused(ChildOf(Spec("c"), "parent"), "is active; the token of its lease is accepted");
  f.Settle(lease, Kind::kCompleted);
  refused(ChildOf(Spec("c"), "parent"), "parent: job parent is completed");
  f.CheckInvariants();
}

TEST_CASE("what a flow refers to must exist, and nothing is written if it does not", "[flows]") {
  FlowsFixture f;
  std::vector<EnqueueAck> acks;
  const auto add = [&](const std::vector<JobSpec>& specs) {
    return f.Do([&](jobs::Ledger& ledger) { return EnqueueJobs(ledger, specs, &acks); });
  };
  RequireError(add({Spec("a"), AfterJob(Spec("b"), "nobody")}), Code::kNotFound,
               R"(jobs[1] ("task").after[0]: there is no job "nobody")");
  RequireError(add({ChildOf(Spec("b"), "nobody")}), Code::kNotFound, R"(.parent: there is no job)");
  f.AddId("a");
  JobSpec twice = AfterJob(Spec("b"), "a");
  twice.after.push_back({.job = {.id = "a", .queue = "q"}});
  RequireError(add({twice}), Code::kInvalidArgument, "after[1] is a job that `after` has already");
  CHECK(f.Int("SELECT count(*) FROM jobs") == 1);
  CHECK(f.Int("SELECT count(*) FROM dependencies") == 0);
}

TEST_CASE("a parent waits for a child whose id was taken", "[flows]") {
  FlowsFixture f;
  f.AddAll({Spec("a"), After(Spec("one"), {0}), After(Spec("two"), {0})});
  f.AddAll({Spec("ended", "other")});
  f.Run("ended", Kind::kCompleted, "1", "other");
  f.AddAll({Spec("shared", "other")});
  for (const char* parent : {"one", "two", "two"}) {
    CHECK(f.AddAll({ChildOf(Spec("shared", "other"), parent)})[0].existing);
    CHECK(f.AddAll({ChildOf(Spec("ended", "other"), parent)})[0].existing);
    CHECK(f.Read(parent).pending == 2);
    f.CheckInvariants();
  }
  f.Run("a");
  CHECK(f.Is("one", JobState::kBlocked));
  f.Run("shared", Kind::kCompleted, "7", "other");
  CHECK(f.Is("one", JobState::kReady));
  CHECK(f.Is("two", JobState::kReady));
  CHECK(f.Dependencies("two").dependencies[1].result == "7");
  f.CheckInvariants();
  // It was there before: it stays when its parent goes.
  f.AddAll({Spec("b"), After(Spec("three"), {0}), Spec("kept", "other")});
  f.AddAll({ChildOf(Spec("kept", "other"), "three")});
  f.MustDo([](jobs::Ledger& ledger) { return RemoveJob(ledger, {"three", ""}); });
  CHECK(f.Exists("kept"));
  CHECK_FALSE(f.Exists("b"));
  f.CheckInvariants();
}

TEST_CASE("ten thousand children and a thousand levels", "[flows]") {
  FlowsFixture f;
  std::vector<JobSpec> wide;
  JobSpec parent = Spec("parent");
  for (int32_t i = 0; i < 10'000; ++i) {
    wide.push_back(Spec("", "wide"));
    parent.after.push_back({.index = i});
  }
  wide.push_back(parent);
  f.AddAll(wide);
  CHECK(f.Read("parent").pending == 10'000);
  for (int i = 0; i < 10; ++i) {
    const std::vector<jobs::Claimed> claimed = f.Claim(1'000, "wide");
    f.MustDo([&](jobs::Ledger& ledger) {
      for (const jobs::Claimed& job : claimed) {
        Settled settled;
        RequireOk(
            flows::FinishJob(ledger, job.lease, jobs::MakeOutcome(Kind::kCompleted), &settled));
      }
      return Status::Ok();
    });
  }
  f.Run("parent");
  std::vector<JobSpec> deep = {Spec("level0")};
  for (int32_t i = 1; i < 1'000; ++i) {
    deep.push_back(After(Spec("level" + std::to_string(i)), {i - 1}));
  }
  f.AddAll(deep);
  f.Run("level0");
  f.Fail("level1");
  CHECK(f.Counts().failed == 999);  // all of them in that one commit
  CHECK(f.Read("level999").error.find("job level998 (task) failed: job level997") !=
        std::string::npos);
  CHECK(f.Read("level999").error.size() < 4'000);
  f.CheckInvariants();
}

}  // namespace
}  // namespace millrace::flows
