// Flows with jobs that the store has already, by their id or by a deduplication key, and with those
// that others take the place of.
#include "flows/enqueue.h"
#include "flows/flows_test_util.h"
#include "flows/members.h"
#include "jobs/change.h"
#include "jobs/dedup.h"

namespace millrace::flows {
namespace {

using Policy = DependencyPolicy;
using Mode = Deduplication::Mode;

Outcome With(Kind kind, std::vector<JobSpec> specs) {
  Outcome outcome = jobs::MakeOutcome(kind);
  outcome.jobs = std::move(specs);
  return outcome;
}

JobSpec Keyed(JobSpec spec, const std::string& key, Mode mode = Mode::kUnfinished,
              int64_t ttl_ms = 0) {
  spec.dedup = {.key = key, .mode = mode, .ttl_ms = ttl_ms};
  return spec;
}

// A running job that asks for nothing yet, of a queue of its own.
Lease Start(FlowsFixture& f, const std::string& id = "w") {
  f.AddId(id, "w");
  return f.ClaimOne("w");
}

TEST_CASE("a job that exists is waited for like a fresh one", "[flows]") {
  FlowsFixture f;
  f.AddId("e");
  const Lease lease = Start(f);
  SECTION("by its id") {
    const Settled settled = f.Finish(lease, With(Kind::kWaiting, {Spec("e")}));
    CHECK(settled.added[0].existing);
    CHECK(settled.state == JobState::kBlocked);
  }
  SECTION("by a key that it holds") {
    f.Add(Keyed(Spec("holder"), "k"));
    const Settled settled = f.Finish(lease, With(Kind::kWaiting, {Keyed(Spec("x"), "k")}));
    CHECK(settled.added[0].id == "holder");
    CHECK(settled.state == JobState::kBlocked);
    f.Run("e");
    CHECK(f.Is("w", JobState::kBlocked));
    f.Run("holder", Kind::kCompleted, "5");
    CHECK(f.Dependencies("w").dependencies[0].result == "5");
    CHECK(f.Is("w", JobState::kReady));
    f.CheckInvariants();
    return;
  }
  SECTION("as a child that the job names itself") {
    f.AddAll({ChildOf(Spec("e"), "w", lease.token)});
    CHECK(f.Finish(lease, With(Kind::kWaiting, {})).state == JobState::kBlocked);
  }
  SECTION("once, however often the job asks for it") {
    f.AddAll({ChildOf(Spec("e"), "w", lease.token)});
    f.AddAll({ChildOf(Spec("e"), "w", lease.token)});
    CHECK(f.Finish(lease, With(Kind::kWaiting, {Spec("e")})).state == JobState::kBlocked);
    CHECK(f.Read("w").dependencies == 1);
  }
  f.CheckInvariants();
  f.Run("e", Kind::kCompleted, "7");
  CHECK(f.Is("w", JobState::kReady));
  CHECK(f.Dependencies("w").dependencies[0].result == "7");
  f.CheckInvariants();
}

TEST_CASE("one that has ended already counts at once, as its policy says", "[flows]") {
  FlowsFixture f;
  f.AddId("good");
  f.Run("good", Kind::kCompleted, "7");
  f.AddId("bad");
  f.Fail("bad");
  const auto wait = [&](const std::string& on, Policy policy) {
    const std::string id = on + "-" + DependencyPolicyName(policy);
    const Lease lease = Start(f, id);
    const JobSpec child = ChildOf(Spec(on), id, lease.token, policy);
    const JobState state = f.Finish(lease, With(Kind::kWaiting, {child})).state;
    CHECK((state == JobState::kBlocked || state == JobState::kReady));
    f.CheckInvariants();
    if (!f.Exists(id)) return JobState{};
    const JobState now = f.StateOf(id);
    if (now == JobState::kReady) f.Run(id, Kind::kCompleted, "null", "w");
    return now;
  };
  CHECK(wait("good", Policy::kFail) == JobState::kReady);
  CHECK(f.Dependencies("good-fail").dependencies[0].result == "7");
  CHECK(wait("good", Policy::kOnFailure) == JobState{});  // it was to run in the other case
  CHECK(wait("bad", Policy::kFail) == JobState::kFailed);
  CHECK(wait("bad", Policy::kWait) == JobState::kBlocked);
  CHECK(wait("bad", Policy::kIgnore) == JobState::kReady);
  CHECK(f.Read("bad-ignore").dependencies == 1);
  CHECK(wait("bad", Policy::kRemove) == JobState::kReady);
  CHECK(f.Read("bad-remove").dependencies == 0);
  CHECK(wait("bad", Policy::kContinue) == JobState::kReady);
  CHECK(wait("bad", Policy::kCancel) == JobState::kCancelled);
  CHECK(wait("bad", Policy::kOnFailure) == JobState::kReady);
}

TEST_CASE("the same of a parent that is blocked", "[flows]") {
  FlowsFixture f;
  f.AddId("good");
  f.Run("good", Kind::kCompleted, "7");
  f.AddId("bad");
  f.Fail("bad");
  f.AddAll({Spec("a"), After(Spec("p"), {0})});
  CHECK(f.AddAll({ChildOf(Spec("good"), "p")})[0].existing);
  CHECK(f.Read("p").pending == 1);
  CHECK(f.Read("p").dependencies == 2);
  f.AddAll({ChildOf(Spec("bad"), "p", 0, Policy::kIgnore)});
  CHECK(f.Read("p").pending == 1);
  f.CheckInvariants();
  SECTION("and fails with it") {
    f.AddAll({Spec("b"), After(Spec("p2"), {0})});
    f.AddAll({ChildOf(Spec("bad"), "p2", 0, Policy::kFail)});
    CHECK(f.Is("p2", JobState::kFailed));
  }
  SECTION("and runs at once because of it") {
    f.AddAll({Spec("b"), After(Spec("p2"), {0})});
    f.AddAll({ChildOf(Spec("bad"), "p2", 0, Policy::kContinue)});
    CHECK(f.Is("p2", JobState::kReady));
  }
  SECTION("and is removed because of it") {
    f.AddAll({Spec("b"), After(Spec("p2"), {0})});
    f.AddAll({ChildOf(Spec("good"), "p2", 0, Policy::kOnFailure)});
    CHECK_FALSE(f.Exists("p2"));
  }
  f.CheckInvariants();
  f.Run("a");
  CHECK(f.Is("p", JobState::kReady));
}

TEST_CASE("an attempt is replaced by jobs that exist", "[flows]") {
  FlowsFixture f;
  f.AddId("e");
  f.AddId("done");
  const Lease lease = Start(f);
  SECTION("one that is unfinished") {
    f.Finish(lease, With(Kind::kReplaced, {Spec("e")}));
    CHECK(f.Is("w", JobState::kBlocked));
    f.Run("e", Kind::kCompleted, "1");
    CHECK(*f.Read("w").result == "1");
  }
  SECTION("one that has ended") {
    f.Run("e", Kind::kCompleted, "1");
    f.Finish(lease, With(Kind::kReplaced, {Spec("e")}));
    CHECK(*f.Read("w").result == "1");
  }
  SECTION("one that has failed") {
    f.Fail("e");
    f.Finish(lease, With(Kind::kReplaced, {Spec("e")}));
    CHECK(f.Read("w").error.find("job e (task) failed: it broke") != std::string::npos);
  }
  SECTION("several, in the order in which they were given") {
    f.Finish(lease,
             With(Kind::kReplaced, {After(Spec("x"), {1}), Spec("y"), Spec("e"), Spec("e")}));
    f.Run("e", Kind::kCompleted, "1");
    f.Run("done");
    f.Run("y", Kind::kCompleted, "2");
    f.Run("x", Kind::kCompleted, "3");
    CHECK(*f.Read("w").result == "[3,1,1]");
  }
  f.CheckInvariants();
}

TEST_CASE("a job of an outcome with a parent of its own is waited for by both", "[flows]") {
  FlowsFixture f;
  f.AddAll({Spec("a"), After(Spec("p"), {0})});
  const Lease lease = Start(f);
  CHECK(f.Finish(lease, With(Kind::kWaiting, {ChildOf(Spec("c"), "p")})).state ==
        JobState::kBlocked);
  CHECK(f.Read("p").pending == 2);
  CHECK(f.Read("w").pending == 1);
  f.Run("a");
  f.Run("c", Kind::kCompleted, "1");
  CHECK(f.Is("w", JobState::kReady));
  CHECK(f.Is("p", JobState::kReady));
  f.CheckInvariants();
}

TEST_CASE("jobs that were there before are no members of the flow", "[flows]") {
  FlowsFixture f;
  f.AddId("e");
  f.Finish(Start(f),
           With(Kind::kWaiting, {Spec("e"), Keyed(Spec("new"), "k"), Keyed(Spec("dropped"), "k")}));
  f.AddAll({Spec("e"), After(Spec("d"), {0})});
  CancelResult result{};
  for (const char* id : {"w", "d"}) {
    f.MustDo([&](jobs::Ledger& l) { return flows::CancelJob(l, {id, ""}, "", &result); });
  }
  CHECK(f.Is("e", JobState::kReady));
  CHECK(f.Is("new", JobState::kCancelled));
  f.CheckInvariants();
}

TEST_CASE("a key held by a job that is gone holds nobody up", "[flows]") {
  FlowsFixture f;
  f.Add(Keyed(Spec("gone"), "k", Mode::kThrottle, 60'000));
  f.Run("gone");
  f.MustDo([](jobs::Ledger& ledger) { return flows::RemoveJob(ledger, {"gone", ""}); });
  const JobSpec throttled = Keyed(Spec("x"), "k", Mode::kThrottle, 60'000);
  const Settled settled = f.Finish(Start(f), With(Kind::kWaiting, {throttled}));
  CHECK(settled.added[0].id == "gone");
  CHECK(settled.state == JobState::kReady);
  f.CheckInvariants();
}

TEST_CASE("whoever waits for a job of which another takes the place is told", "[flows]") {
  FlowsFixture f;
  const auto debounced = [](const std::string& id) {
    return Keyed(Delayed(Spec(id), 10'000), "k", Mode::kDebounce);
  };
  SECTION("one that exists") {
    f.Add(debounced("old"));
    const auto acks = f.AddAll({debounced("new"), AfterJob(Spec("d"), "old", Policy::kIgnore),
                                AfterJob(Spec("e"), "old", Policy::kFail)});
    CHECK(acks[0].replaced_id == "old");
    CHECK(acks[1].state == JobState::kReady);
    CHECK(acks[2].state == JobState::kFailed);
    CHECK(f.Dependencies("d").dependencies[0].id == "old");
    CHECK(f.Read("e").error.find("job old") != std::string::npos);
  }
  SECTION("one of the same call, before and after it is gone") {
    const auto acks = f.AddAll({debounced("one"), After(Spec("d"), {0}, Policy::kIgnore),
                                debounced("two"), After(Spec("e"), {0}, Policy::kIgnore)});
    CHECK(acks[2].replaced_id == "one");
    CHECK(acks[1].state == JobState::kReady);
    CHECK(acks[3].state == JobState::kReady);
  }
  SECTION("a parent of it waits for the new one") {
    CHECK(f.Finish(Start(f), With(Kind::kWaiting, {debounced("one"), debounced("two")})).state ==
          JobState::kBlocked);
    CHECK(f.Read("w").pending == 1);
  }
  f.CheckInvariants();
}

TEST_CASE("a parent of which another job takes the place is refused", "[flows]") {
  FlowsFixture f;
  const auto follow = [](const std::string& id) { return Keyed(Spec(id), "k", Mode::kFollowUp); };
  f.Add(follow("h"));
  const Lease holder = f.ClaimOne();
  f.AddAll({follow("f")});
  CHECK(f.Is("f", JobState::kBlocked));
  std::vector<EnqueueAck> acks;
  for (const std::vector<JobSpec>& specs :
       {std::vector<JobSpec>{follow("g"), ChildOf(Spec("c"), "f")},
        std::vector<JobSpec>{ChildOf(Spec("c"), "f"), follow("g")}}) {
    RequireError(f.Do([&](jobs::Ledger& l) { return EnqueueJobs(l, specs, &acks); }),
                 Code::kNotFound, "takes the place of job f");
    CHECK(f.Is("f", JobState::kBlocked));
    CHECK_FALSE(f.Exists("c"));
    CHECK_FALSE(f.Exists("g"));
    f.CheckInvariants();
  }
  const Settled settled =
      f.Finish(Start(f), With(Kind::kWaiting, {follow("g"), ChildOf(Spec("c"), "f")}));
  RequireError(settled.status, Code::kNotFound, "takes the place of job f");
  CHECK(f.Is("f", JobState::kBlocked));
  f.Settle(holder, Kind::kCompleted);
  f.CheckInvariants();
}

TEST_CASE("a follow-up that was cancelled leaves the key to the job that runs", "[flows]") {
  FlowsFixture f;
  f.Add(Keyed(Spec("h"), "k"));
  const Lease lease = f.ClaimOne();
  f.AddAll({Keyed(Spec("f"), "k", Mode::kFollowUp)});
  CancelResult result{};
  f.MustDo([&](jobs::Ledger& l) { return flows::CancelJob(l, {"f", ""}, "", &result); });
  SECTION("others are dropped") {
    const EnqueueAck ack = f.Add(Keyed(Spec("n"), "k"));
    CHECK(ack.existing);
    CHECK(ack.id == "h");
  }
  SECTION("another one follows") {
    f.AddAll({Keyed(Spec("n"), "k", Mode::kFollowUp)});
    CHECK(f.Is("n", JobState::kBlocked));
    CHECK(f.Is("f", JobState::kCancelled));
    f.Finish(lease, jobs::MakeOutcome(Kind::kCompleted));
    CHECK(f.Is("n", JobState::kReady));
  }
  SECTION("redriven it follows again") {
    f.MustDo([](jobs::Ledger& l) { return jobs::RedriveJob(l, {"f", ""}, {}); });
    CHECK(f.Is("f", JobState::kBlocked));
    CHECK(f.Add(Keyed(Spec("n"), "k")).id == "h");
  }
  SECTION("until that ends") {
    f.Finish(lease, jobs::MakeOutcome(Kind::kCompleted));
    CHECK_FALSE(f.Add(Keyed(Spec("n"), "k")).existing);
  }
  f.CheckInvariants();
}

TEST_CASE("what a job waited for goes when another takes its place", "[flows]") {
  FlowsFixture f;
  f.Add(Keyed(Spec("h"), "k"));
  const Lease lease = f.ClaimOne();
  f.AddId("kept");
  const auto follow = [](const std::string& id) {
    return AfterJob(After(Keyed(Spec(id), "k", Mode::kFollowUp), {0, 1}), "kept");
  };
  f.AddAll({Spec("a1"), Spec("b1"), follow("f1")});
  const Lease running = [&] {
    const std::vector<jobs::Claimed> claimed = f.Claim(2);
    CHECK(claimed[0].lease.key.PublicId() == "kept");
    return claimed[1].lease;
  }();
  CHECK(running.key.PublicId() == "a1");
  f.AddAll({Spec("a2"), Spec("b2"), follow("f2")});
  CHECK_FALSE(f.Exists("f1"));
  CHECK(f.Read("a1").cancel_requested);
  CHECK(f.Is("b1", JobState::kCancelled));
  CHECK_FALSE(f.Read("kept").cancel_requested);  // it was there before
  CHECK(f.Is("a2", JobState::kReady));
  CHECK(f.Read("f2").pending == 4);
  f.CheckInvariants();
}

TEST_CASE("the answers tell which jobs of the call have lost their places", "[flows]") {
  FlowsFixture f;
  const auto add = [&](std::vector<JobSpec> specs) {
    for (JobSpec& spec : specs) spec = Keyed(Delayed(spec, 10), "k", Mode::kDebounce);
    specs.insert(specs.begin(), Spec("beside"));
    return f.AddAll(specs);
  };
  const auto check = [&](const std::vector<EnqueueAck>& acks) {
    CHECK(acks[1].state == JobState::kCancelled);
    CHECK(acks[2].state == JobState::kScheduled);
    CHECK(acks[2].replaced_id == "x");
    CHECK_FALSE(f.Exists("x"));
    f.CheckInvariants();
  };
  SECTION("one by one") {
    check(add({Spec("x"), Spec("y")}));
  }
  SECTION("of a flow") {
    f.AddAll({Spec("a"), After(Spec("p"), {0})});
    check(add({Spec("x"), ChildOf(Spec("y"), "p")}));
  }
}

}  // namespace
}  // namespace millrace::flows
