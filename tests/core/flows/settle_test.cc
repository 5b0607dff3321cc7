#include "flows/settle.h"

#include "flows/flows_test_util.h"
#include "flows/members.h"
#include "jobs/bulk.h"
#include "jobs/change.h"
#include "jobs/finish.h"
#include "jobs/limit_rules.h"

namespace millrace::flows {
namespace {

using Policy = DependencyPolicy;

Outcome With(Kind kind, std::vector<JobSpec> specs, const std::string& body = "null") {
  Outcome outcome = jobs::MakeOutcome(kind, body);
  outcome.jobs = std::move(specs);
  return outcome;
}

TEST_CASE("jobs are added in the commit that ends the attempt, and only then", "[flows]") {
  FlowsFixture f;
  f.AddId("a");
  const Lease lease = f.ClaimOne();
  const Settled settled =
      f.Finish(lease, With(Kind::kCompleted, {Spec("b"), After(Spec("c"), {0})}));
  REQUIRE(settled.added.size() == 2);
  CHECK(settled.added[0].id == "b");
  CHECK(settled.added[1].state == JobState::kBlocked);
  CHECK(f.Is("a", JobState::kCompleted));
  const Settled lost = f.Finish(lease, With(Kind::kCompleted, {Spec("d")}));
  CHECK(lost.status.code() == Code::kLeaseLost);
  CHECK(lost.added.empty());
  CHECK_FALSE(f.Exists("d"));
  f.CheckInvariants();
}

TEST_CASE("progress of an outcome is written with it, or not at all", "[flows]") {
  FlowsFixture f;
  const auto outcome = [](Kind kind, std::vector<JobSpec> specs) {
    Outcome made = With(kind, std::move(specs));
    made.progress = "50";
    return made;
  };
  f.AddId("a");
  const Lease lease = f.ClaimOne();
  f.Finish(lease, outcome(Kind::kCompleted, {}));
  CHECK(f.Read("a").progress == "50");
  CHECK(f.Events("q", {EventType::kProgress}).size() == 1);
  CHECK(f.Finish(lease, outcome(Kind::kCompleted, {})).status.code() == Code::kLeaseLost);
  CHECK(f.Events("q", {EventType::kProgress}).size() == 1);
  f.AddId("b");
  f.Finish(f.ClaimOne(), outcome(Kind::kCompleted, {AfterJob(Spec("c"), "nobody")}));
  CHECK(f.Is("b", JobState::kFailed));
  CHECK(f.Read("b").progress.empty());
  f.AddId("d");
  f.Finish(f.ClaimOne(), outcome(Kind::kWaiting, {Spec("e")}));
  CHECK(f.Read("d").progress == "50");
  f.CheckInvariants();
}

TEST_CASE("a handler adds children, waits for them and is called again", "[flows]") {
  FlowsFixture f;
  f.AddId("parent");
  Lease lease = f.ClaimOne();
  f.AddAll({ChildOf(Spec("child"), "parent", lease.token)});
  CHECK(f.Finish(lease, With(Kind::kWaiting, {Spec("more")})).state == JobState::kBlocked);
  CHECK(f.Read("parent").pending == 2);
  CHECK(f.Read("parent").attempts_made == 0);
  CHECK(f.Events("q", {EventType::kBlocked}).size() == 1);
  f.CheckInvariants();
  f.Run("child", Kind::kCompleted, "1");
  f.Run("more", Kind::kCompleted, "2");
  f.clock.Advance(1);
  std::vector<jobs::Claimed> claimed = f.Claim();
  REQUIRE(claimed.size() == 1);
  RequireOk(AddRelations(f.connection(), claimed.data()));
  CHECK(claimed[0].job.attempt == 1);
  REQUIRE(claimed[0].job.dependencies.size() == 2);
  CHECK(claimed[0].job.dependencies[0].result == "1");
  CHECK(claimed[0].job.dependencies[1].result == "2");
  CHECK(claimed[0].job.dependency_count == 2);
  CHECK(f.Finish(claimed[0].lease, With(Kind::kWaiting, {})).state == JobState::kReady);
  f.clock.Advance(1);
  f.Run("parent");
  CHECK(f.Read("parent").attempts_made == 1);
  CHECK(f.Read("parent").attempts_started == 3);
  f.CheckInvariants();
}

TEST_CASE("what failed while the handler ran counts when it waits", "[flows]") {
  FlowsFixture f;
  for (const auto& [policy, expected] : {std::pair{Policy::kFail, JobState::kFailed},
                                         {Policy::kCancel, JobState::kCancelled},
                                         {Policy::kWait, JobState::kBlocked},
                                         {Policy::kIgnore, JobState::kReady},
                                         {Policy::kRemove, JobState::kReady},
                                         {Policy::kContinue, JobState::kReady}}) {
    const std::string parent = DependencyPolicyName(policy);
    CAPTURE(parent);
    f.AddId(parent, "parents");
    const Lease lease = f.ClaimOne("parents");
    f.AddAll({ChildOf(Spec(parent + "-child"), parent, lease.token, policy)});
    f.Fail(parent + "-child");
    CHECK(f.Is(parent, JobState::kActive));
    f.Finish(lease, With(Kind::kWaiting, {}));
    CHECK(f.StateOf(parent) == expected);
    f.CheckInvariants();
    if (expected != JobState::kReady) continue;
    const Lease again = f.ClaimOne("parents");
    f.Finish(again, With(Kind::kWaiting, {}));  // it was told once
    CHECK(f.Is(parent, JobState::kReady));
    f.Run(parent, Kind::kCompleted, "null", "parents");
  }
}

TEST_CASE("an attempt that is replaced ends as its replacement does", "[flows]") {
  FlowsFixture f;
  f.AddAll({Spec("a"), After(Spec("b"), {0}), After(Spec("end"), {1})});
  f.Run("a");
  f.Finish(f.ClaimOne(), With(Kind::kReplaced, {Spec("x"), After(Spec("y"), {0})}));
  CHECK(f.Is("b", JobState::kBlocked));
  CHECK(f.Read("b").spec.join == JoinKind::kForward);
  CHECK(f.Read("b").spec.max_crashes == 3);
  CHECK(f.Read("b").dependencies == 1);
  f.CheckInvariants();
  f.Run("x", Kind::kCompleted, "1");
  CHECK(f.Is("b", JobState::kBlocked));
  f.Run("y", Kind::kCompleted, "2");
  CHECK(*f.Read("b").result == "2");
  CHECK(f.Dependencies("end").dependencies[0].result == "2");
  f.Finish(f.ClaimOne(), With(Kind::kReplaced, {Spec("p"), Spec("r")}));
  f.Run("p", Kind::kCompleted, "3");
  f.Run("r", Kind::kCompleted, "4");
  CHECK(*f.Read("end").result == "[3,4]");
  f.AddId("bad");
  f.Finish(f.ClaimOne(), With(Kind::kReplaced, {Spec("s")}));
  f.Fail("s");
  CHECK(f.Read("bad").error.find("job s (task) failed: it broke") != std::string::npos);
  f.MustDo([](jobs::Ledger& ledger) { return jobs::RedriveJob(ledger, {"s", ""}); });
  f.MustDo([](jobs::Ledger& ledger) { return jobs::RedriveJob(ledger, {"bad", ""}); });
  f.Run("s", Kind::kCompleted, "5");
  CHECK(*f.Read("bad").result == "5");
  f.CheckInvariants();
}

TEST_CASE("jobs that cannot be added fail the attempt for good and say why", "[flows]") {
  FlowsFixture f;
  JobSpec retried = Spec("a");
  retried.retry.max_attempts = 5;
  f.Add(retried);
  const Settled settled =
      f.Finish(f.ClaimOne(), With(Kind::kCompleted, {Spec("b"), AfterJob(Spec("c"), "nobody")}));
  RequireError(settled.status, Code::kNotFound, "there is no job \"nobody\"");
  CHECK(settled.state == JobState::kFailed);
  CHECK(f.Read("a").error.find("FlowRefused") != std::string::npos);
  CHECK_FALSE(f.Exists("b"));
  f.AddId("self");
  const Settled circle =
      f.Finish(f.ClaimOne(), With(Kind::kWaiting, {AfterJob(Spec("c"), "self")}));
  RequireError(circle.status, Code::kInvalidArgument, "would wait for a job that waits for it");
  f.CheckInvariants();
}

TEST_CASE("jobs for which their group has no room are refused as a whole", "[flows]") {
  FlowsFixture f;
  f.MustDo([](jobs::Ledger& ledger) {
    return jobs::SetLimit(ledger,
                          {.scope = LimitScope::kGroup, .queue = "q", .group = "g", .max_size = 2});
  });
  f.AddId("a");
  JobSpec grouped = Spec("", "q");
  grouped.group = "g";
  const Lease lease = f.ClaimOne();
  f.AddAll({grouped});
  const Settled settled = f.Finish(lease, With(Kind::kCompleted, {Spec("b"), grouped, grouped}));
  RequireError(settled.status, Code::kGroupFull, "group \"g\" of queue \"q\"");
  CHECK(settled.state == JobState::kFailed);
  CHECK_FALSE(f.Exists("b"));
  f.CheckInvariants();
}

TEST_CASE("a new group's default bound refuses an outcome's jobs before any is written",
          "[flows]") {
  FlowsFixture f;
  f.MustDo([](jobs::Ledger& ledger) {
    return jobs::SetLimit(ledger, {.scope = LimitScope::kGroup, .queue = "q", .max_size = 2});
  });
  JobSpec first = Spec("first");
  first.group = "g";
  const auto grouped = [&](const std::string& id) {
    JobSpec spec = first;
    spec.id = id;
    return spec;
  };
  f.AddId("a");
  const Settled refused =
      f.Finish(f.ClaimOne(), With(Kind::kCompleted, {first, grouped("b"), grouped("c")}));
  RequireError(refused.status, Code::kGroupFull,
               "group \"g\" of queue \"q\" has 0 jobs waiting, and 2 more are to be added");
  CHECK(f.Is("a", JobState::kFailed));
  CHECK(f.Read("a").error.find("FlowRefused") != std::string::npos);
  CHECK_FALSE(f.Exists("first"));
  // Those that wait for others, or for their time, take no room yet; those that exist, none at all.
  f.AddId("d");
  const Settled added = f.Finish(
      f.ClaimOne(),
      With(Kind::kCompleted, {first, After(grouped("b"), {0}), Delayed(grouped("c"), 60'000),
                              grouped("d2"), After(grouped("e"), {3})}));
  RequireOk(added.status);
  CHECK(added.added.size() == 5);
  f.AddId("z", "elsewhere");
  const Lease again = f.ClaimOne("elsewhere");
  RequireOk(f.Finish(again, With(Kind::kCompleted, {first, grouped("d2"), Spec("y")})).status);
  CHECK(f.Exists("y"));
  f.CheckInvariants();
}

TEST_CASE("only jobs that are added take room in a group", "[flows]") {
  FlowsFixture f;
  f.MustDo([](jobs::Ledger& ledger) {
    return jobs::SetLimit(ledger, {.scope = LimitScope::kGroup, .queue = "q", .max_size = 2});
  });
  const auto grouped = [](const std::string& id, const std::string& key = "") {
    JobSpec spec = Spec(id);
    spec.group = "g";
    spec.dedup.key = key;
    return spec;
  };
  f.AddAll({grouped("there"), Spec("elsewhere", "e")});
  const Lease lease = f.ClaimOne("e");
  SECTION("those that exist already do not") {
    RequireOk(f.Finish(lease, With(Kind::kCompleted, {grouped("there"), grouped("x")})).status);
  }
  SECTION("nor the second of an id") {
    RequireOk(f.Finish(lease, With(Kind::kCompleted, {grouped("x"), grouped("x")})).status);
  }
  SECTION("nor the second of a key") {
    RequireOk(
        f.Finish(lease, With(Kind::kCompleted, {grouped("x", "k"), grouped("", "k")})).status);
  }
  SECTION("in a call of its own as well") {
    CHECK(
        f.AddAll({grouped("there"), grouped("x", "k"), After(grouped("y", "k"), {0})})[2].existing);
  }
  SECTION("and who is one too many is refused all the same") {
    const Settled refused = f.Finish(
        lease, With(Kind::kCompleted,
                    {grouped("there"), grouped("x", "k"), grouped("", "k"), grouped("y")}));
    RequireError(refused.status, Code::kGroupFull,
                 "has 1 jobs waiting, and 1 more are to be added");
    CHECK_FALSE(f.Exists("x"));
    f.CheckInvariants();
    return;
  }
  CHECK(f.Exists("x"));
  CHECK(f.Counts().ready == 2);
  f.CheckInvariants();
}

TEST_CASE("what an outcome's jobs have to do with each other is checked before", "[flows]") {
  RequireError(CheckOutcomeJobs(With(Kind::kReplaced, {})), Code::kInvalidArgument,
               "jobs is empty");
  RequireError(CheckOutcomeJobs(With(Kind::kCompleted, {After(Spec(), {0})})),
               Code::kInvalidArgument, "wait for each other");
  RequireOk(CheckOutcomeJobs(With(Kind::kWaiting, {})));
}

TEST_CASE("who is asked to stop does not wait for others", "[flows]") {
  FlowsFixture f;
  f.AddId("a");
  const Lease lease = f.ClaimOne();
  CancelResult result{};
  f.MustDo(
      [&](jobs::Ledger& ledger) { return jobs::CancelJob(ledger, {"a", ""}, "enough", &result); });
  f.AddAll({ChildOf(Spec("child"), "a", lease.token)});
  CHECK(f.Finish(lease, With(Kind::kWaiting, {Spec("b")})).state == JobState::kCancelled);
  CHECK_FALSE(f.Exists("b"));
  CHECK(f.Is("child", JobState::kCancelled));
  f.CheckInvariants();
}

TEST_CASE("children added after the cancel request end with their parent", "[flows]") {
  FlowsFixture f;
  JobSpec parent = Spec("a", "parents");
  parent.retry.max_attempts = 3;
  f.Add(parent);
  f.AddId("other");
  const Lease lease = f.ClaimOne("parents");
  CancelResult result{};
  const auto cancel = [&] {
    f.MustDo([&](jobs::Ledger& l) { return flows::CancelJob(l, {"a", ""}, "enough", &result); });
  };
  const auto add = [&] {
    f.AddAll({ChildOf(After(Spec("child"), {1}), "a", lease.token), Spec("below"),
              ChildOf(Spec("shared"), "a", lease.token), After(Spec("user"), {2})});
  };
  SECTION("it honours the request") {
    cancel();
    add();
    CHECK(f.Finish(lease, jobs::MakeOutcome(Kind::kCancelled)).state == JobState::kCancelled);
  }
  SECTION("it fails meanwhile") {
    cancel();
    add();
    CHECK(f.Finish(lease, jobs::MakeOutcome(Kind::kFailed, kBoom)).state == JobState::kCancelled);
  }
  SECTION("its worker dies") {
    cancel();
    add();
    bool lost = true;
    f.MustDo([&](jobs::Ledger& ledger) { return RescueJob(ledger, lease, "it died", &lost); });
  }
  SECTION("nothing of it is kept") {
    f.MustDo([](jobs::Ledger& ledger) {
      return jobs::SetQueueRetention(ledger, "parents", {}, Keep{.count = 0});
    });
    cancel();
    add();
    f.Finish(lease, jobs::MakeOutcome(Kind::kCancelled));
    CHECK_FALSE(f.Exists("a"));
  }
  SECTION("a job that completes in spite of it leaves them") {
    cancel();
    add();
    CHECK(f.Finish(lease, jobs::MakeOutcome(Kind::kCompleted)).state == JobState::kCompleted);
    CHECK(f.Is("child", JobState::kBlocked));
    return;
  }
  SECTION("so does one that gives up by itself") {
    add();
    CHECK(f.Finish(lease, jobs::MakeOutcome(Kind::kCancelled)).state == JobState::kCancelled);
    CHECK(f.Is("child", JobState::kBlocked));
    return;
  }
  CHECK(f.Is("child", JobState::kCancelled));
  CHECK(f.Is("below", JobState::kCancelled));
  CHECK(f.Is("shared", JobState::kReady));  // somebody else waits for it
  CHECK(f.Is("other", JobState::kReady));
  f.CheckInvariants();
}

TEST_CASE("the lease of a dead worker gives its children's parent back", "[flows]") {
  FlowsFixture f;
  f.AddId("a");
  const Lease lease = f.ClaimOne();
  f.AddAll({ChildOf(Spec("child"), "a", lease.token)});
  bool lost = true;
  f.MustDo([&](jobs::Ledger& ledger) { return RescueJob(ledger, lease, "it died", &lost); });
  CHECK(f.Is("a", JobState::kBlocked));
  CHECK(f.Read("a").pending == 1);
  CHECK(f.Read("a").crashes == 1);
  f.CheckInvariants();
  f.Run("child");
  f.Run("a");
  f.CheckInvariants();
}

TEST_CASE("who goes back to the queue waits for the children that it has added", "[flows]") {
  FlowsFixture f;
  const auto start = [&](const std::string& id, Policy policy = Policy::kWait) {
    JobSpec spec = Spec(id, "parents");
    spec.retry = {.max_attempts = 3, .backoff = {.kind = Backoff::Kind::kFixed, .delay_ms = 1'000}};
    f.Add(spec);
    const Lease lease = f.ClaimOne("parents");
    f.AddAll({ChildOf(Spec(id + "-child"), id, lease.token, policy)});
    return lease;
  };
  SECTION("released") {
    CHECK(f.Finish(start("a"), jobs::MakeOutcome(Kind::kReleased)).state == JobState::kBlocked);
    CHECK(f.Claim(1, "parents").empty());
    f.Run("a-child");
    CHECK(f.Is("a", JobState::kReady));
  }
  SECTION("retried: for both, the children and its time") {
    const Lease lease = start("a");
    CHECK(f.Finish(lease, jobs::MakeOutcome(Kind::kFailed, kBoom)).state == JobState::kBlocked);
    CHECK(f.Read("a").attempts_made == 1);
    CHECK(f.Read("a").attempt_errors == std::vector<std::string>{kBoom});
    f.Run("a-child");
    CHECK(f.Is("a", JobState::kScheduled));
    f.CheckInvariants();
    f.clock.Advance(1'000);
  }
  SECTION("retried, and the children take longer") {
    f.Finish(start("a"), jobs::MakeOutcome(Kind::kFailed, kBoom));
    f.clock.Advance(1'000);
    CHECK(f.Claim(1, "parents").empty());
    f.Run("a-child");
    CHECK(f.Is("a", JobState::kReady));
  }
  SECTION("children that have failed meanwhile are no less in the way") {
    const Lease lease = start("a", Policy::kFail);
    f.Fail("a-child");
    f.Finish(lease, jobs::MakeOutcome(Kind::kReleased));
    CHECK(f.Is("a", JobState::kFailed));
    f.CheckInvariants();
    return;
  }
  SECTION("one that lets it run at once does so") {
    const Lease lease = start("a", Policy::kContinue);
    f.AddAll({ChildOf(Spec("other"), "a", lease.token)});
    f.Fail("a-child");
    CHECK(f.Finish(lease, jobs::MakeOutcome(Kind::kReleased)).state == JobState::kReady);
  }
  f.CheckInvariants();
  f.Run("a", Kind::kCompleted, "null", "parents");
  f.CheckInvariants();
}

}  // namespace
}  // namespace millrace::flows
