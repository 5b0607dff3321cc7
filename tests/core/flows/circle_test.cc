#include "flows/circle.h"

#include "flows/enqueue.h"
#include "flows/flows_test_util.h"
#include "jobs/change.h"

namespace millrace::flows {
namespace {

constexpr const char* kRefused = "would wait for a job that waits for it";

Outcome With(Kind kind, std::vector<JobSpec> specs) {
  Outcome outcome = jobs::MakeOutcome(kind);
  outcome.jobs = std::move(specs);
  return outcome;
}

JobSpec Keyed(JobSpec spec, const std::string& key,
              Deduplication::Mode mode = Deduplication::Mode::kUnfinished) {
  spec.dedup = {.key = key, .mode = mode};
  return spec;
}

// A running job that wants to wait for what would wait for it fails, and nothing is added.
void RequireRefused(FlowsFixture& f, const Lease& lease, std::vector<JobSpec> specs) {
  const int64_t before = f.Int("SELECT count(*) FROM jobs");
  const Settled settled = f.Finish(lease, With(Kind::kWaiting, std::move(specs)));
  RequireError(settled.status, Code::kInvalidArgument, kRefused);
  CHECK(f.Is(lease.key.PublicId(), JobState::kFailed));
  CHECK(f.Int("SELECT count(*) FROM jobs") == before);
  f.CheckInvariants();
}

TEST_CASE("a child cannot wait for its own parent, however far around", "[flows]") {
  FlowsFixture f;
  f.AddAll({Spec("a"), After(Spec("p"), {0}), After(Spec("above"), {1})});
  f.AddAll({AfterJob(Spec("p2"), "a")});
  std::vector<EnqueueAck> acks;
  const auto refused = [&](const std::vector<JobSpec>& specs, const std::string& message) {
    RequireError(f.Do([&](jobs::Ledger& l) { return EnqueueJobs(l, specs, &acks); }),
                 Code::kInvalidArgument, message);
  };
  refused({ChildOf(AfterJob(Spec(), "p"), "p")}, kRefused);
  refused({ChildOf(AfterJob(Spec(), "above"), "p")}, kRefused);
  refused({AfterJob(Spec(), "above"), ChildOf(After(Spec(), {0}), "p")},
          R"(jobs[0] ("task") would wait for a job)");
  refused({ChildOf(AfterJob(Spec(), "p2"), "p"), ChildOf(AfterJob(Spec(), "p"), "p2")}, kRefused);
  refused({Spec("above"), ChildOf(After(Spec(), {0}), "p")}, "would wait for a job");
  refused({ChildOf(Spec("above"), "p")}, kRefused);
  CHECK(f.AddAll({ChildOf(AfterJob(Spec("fine"), "p2"), "p")})[0].state == JobState::kBlocked);
  f.CheckInvariants();
}

TEST_CASE("a running job does not wait for its own follow-up", "[flows]") {
  FlowsFixture f;
  f.Add(Keyed(Spec("w"), "k"));
  const Lease lease = f.ClaimOne();
  const JobSpec next = Keyed(Spec("next"), "k", Deduplication::Mode::kFollowUp);
  SECTION("that its outcome brings along") {
    RequireRefused(f, lease, {next});
  }
  SECTION("behind another job of its outcome") {
    RequireRefused(f, lease, {next, After(Spec("last"), {0})});
  }
  SECTION("that it names as its child") {
    std::vector<EnqueueAck> acks;
    const JobSpec child = ChildOf(next, "w", lease.token);
    RequireError(f.Do([&](jobs::Ledger& l) { return EnqueueJobs(l, {child}, &acks); }),
                 Code::kInvalidArgument, kRefused);
    CHECK_FALSE(f.Exists("next"));
    f.CheckInvariants();
  }
  SECTION("while it may well leave one behind") {
    CHECK(f.Finish(lease, With(Kind::kCompleted, {next})).added.size() == 1);
    CHECK(f.Is("next", JobState::kReady));
    f.CheckInvariants();
  }
}

TEST_CASE("what else a parent waits for is not looked at", "[flows]") {
  FlowsFixture f;
  f.AddAll({Spec("a"), After(Spec("b"), {0}), After(Spec("c"), {1}), After(Spec("p"), {2})});
  // Damage: b waits for c too.
  f.MustDo([](jobs::Ledger& l) {
    return l.connection().Exec(
        "UPDATE dependencies SET depends_on = (SELECT job FROM job_keys WHERE custom_id = 'c') "
        "WHERE job = (SELECT job FROM job_keys WHERE custom_id = 'b')");
  });
  CHECK(f.AddAll({ChildOf(Spec("d"), "p")})[0].state == JobState::kReady);
  CHECK(f.Read("p").pending == 2);
  std::vector<EnqueueAck> acks;
  RequireError(f.Do([&](jobs::Ledger& l) {
    return EnqueueJobs(l, {ChildOf(AfterJob(Spec(), "c"), "p")}, &acks);
  }),
               Code::kInvalidArgument, kRefused);
}

TEST_CASE("an id that a call frees and takes again is no way around", "[flows]") {
  FlowsFixture f;
  f.AddAll({Spec("a"), After(Spec("p"), {0})});
  const auto debounced = [](const std::string& id) {
    return Keyed(jobs::Delayed(Spec(id), 10), "k", Deduplication::Mode::kDebounce);
  };
  f.Add(debounced("there"));
  std::vector<EnqueueAck> acks;
  const auto refused = [&](const std::vector<JobSpec>& specs) {
    RequireError(f.Do([&](jobs::Ledger& l) { return EnqueueJobs(l, specs, &acks); }),
                 Code::kInvalidArgument, kRefused);
  };
  refused({debounced("b"), ChildOf(AfterJob(Spec("there"), "p"), "p")});
  refused({debounced("b"), debounced("c"), ChildOf(AfterJob(Spec("b"), "p"), "p")});
  f.CheckInvariants();
}

TEST_CASE("a running job does not wait for itself under the key that it holds", "[flows]") {
  FlowsFixture f;
  f.Add(Keyed(Spec("w"), "k"));
  const Lease lease = f.ClaimOne();
  RequireRefused(f, lease, {Keyed(Spec("dropped"), "k"), After(Spec("b"), {0})});
}

TEST_CASE("a running job does not wait for itself by its id", "[flows]") {
  FlowsFixture f;
  f.AddId("w");
  const Lease lease = f.ClaimOne();
  RequireRefused(f, lease, {Spec("w")});
}

TEST_CASE("a running job does not wait for one that exists and waits for it", "[flows]") {
  FlowsFixture f;
  f.AddId("w");
  f.AddAll({AfterJob(Spec("e"), "w")});
  const Lease lease = f.ClaimOne();
  SECTION("with another one behind that") {
    RequireRefused(f, lease, {Spec("e"), After(Spec("b"), {0})});
  }
  SECTION("directly") {
    RequireRefused(f, lease, {Spec("e")});
  }
}

TEST_CASE("jobs with ids and keys of their own make no circle", "[flows]") {
  FlowsFixture f;
  f.Add(Keyed(Spec("w"), "k"));
  const Lease lease = f.ClaimOne();
  const Settled settled = f.Finish(
      lease, With(Kind::kWaiting, {Keyed(Spec("a"), "other"), After(Keyed(Spec("b"), "third"), {0}),
                                   Keyed(Spec("c"), "other")}));
  RequireOk(settled.status);
  CHECK(settled.state == JobState::kBlocked);
  CHECK(settled.added[2].existing);
  CHECK(settled.added[2].id == "a");
  f.CheckInvariants();
  f.Run("a");
  f.Run("b");
  f.Run("w");
  f.CheckInvariants();
}

TEST_CASE("two jobs of a call under one key are one: no circle through them", "[flows]") {
  FlowsFixture f;
  f.AddAll({Spec("a"), After(Spec("p"), {0})});
  std::vector<EnqueueAck> acks;
  // The second is dropped, so it is the first that p would wait for.
  const std::vector<JobSpec> specs = {Keyed(AfterJob(Spec("x"), "p"), "k"),
                                      ChildOf(Keyed(Spec("y"), "k"), "p")};
  RequireError(f.Do([&](jobs::Ledger& l) { return EnqueueJobs(l, specs, &acks); }),
               Code::kInvalidArgument, kRefused);
  CHECK_FALSE(f.Exists("x"));
  f.CheckInvariants();
}

TEST_CASE("a job that has ended waits for nothing, though its dependency runs again", "[flows]") {
  FlowsFixture f;
  f.AddAll({Spec("p"), After(Spec("x"), {0})});
  f.Fail("p");
  CHECK(f.Is("x", JobState::kFailed));
  f.MustDo([](jobs::Ledger& ledger) { return jobs::RedriveJob(ledger, {"p", ""}, {}); });
  const Lease lease = f.ClaimOne();
  const Settled settled =
      f.Finish(lease, With(Kind::kWaiting, {AfterJob(Spec("n"), "x", DependencyPolicy::kIgnore)}));
  RequireOk(settled.status);
  CHECK(f.Is("n", JobState::kReady));
  f.CheckInvariants();
}

}  // namespace
}  // namespace millrace::flows
