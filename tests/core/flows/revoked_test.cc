#include "flows/revoked.h"

#include "flows/enqueue.h"
#include "flows/flows_test_util.h"

namespace millrace::flows {
namespace {

JobSpec Revoked(const std::string& id) {
  return Spec(id, std::string(kRevokedQueue));
}

JobSpec Debounced(const std::string& id) {
  JobSpec spec = Delayed(Spec(id), 10);
  spec.dedup = {.key = "k", .mode = Deduplication::Mode::kDebounce};
  return spec;
}

TEST_CASE("a job whose id was revoked before it came is cancelled as it is added", "[flows]") {
  FlowsFixture f;
  f.AddAll({Revoked("early"), Spec("known")});
  const std::vector<EnqueueAck> plain = f.AddAll({Spec("early"), Spec("other"), Spec("known")});
  CHECK(plain[0].state == JobState::kCancelled);
  CHECK_FALSE(plain[0].existing);
  CHECK(plain[1].state == JobState::kReady);
  CHECK(plain[2].existing);
  CHECK(f.Counts().cancelled == 1);
  CHECK(f.Counts().ready == 2);
  const std::vector<EnqueueAck> flow =
      f.AddAll({After(Spec("top", "two"), {1}), Spec("early", "two"), Spec("beside", "two")});
  CHECK(flow[1].state == JobState::kCancelled);
  CHECK(f.Read("top", "two").state == JobState::kFailed);
  CHECK(f.Counts("two").ready == 1);
  f.CheckInvariants();
}

TEST_CASE("the answers tell what goes with a revoked job, and what had waited for it", "[flows]") {
  FlowsFixture f;
  f.AddAll({Revoked("p")});
  const std::vector<EnqueueAck> acks =
      f.AddAll({After(Spec("p"), {1}), Spec("child"), After(Spec("above"), {0})});
  CHECK(acks[0].state == JobState::kCancelled);
  CHECK(acks[1].state == JobState::kCancelled);
  CHECK(acks[2].state == JobState::kFailed);
  for (const EnqueueAck& ack : acks) CHECK(f.StateOf(ack.id) == ack.state);
  f.CheckInvariants();
}

TEST_CASE("a revoked job that is gone before it can be cancelled spoils nothing", "[flows]") {
  FlowsFixture f;
  f.AddAll({Revoked("p"), Revoked("c")});
  SECTION("with the flow that it was of") {
    JobSpec parent = After(Spec("p"), {1});
    JobSpec child = Spec("c");
    parent.keep_failed = child.keep_failed = Keep{.age_ms = -1, .count = 0};
    for (const EnqueueAck& ack : f.AddAll({parent, child})) {
      CHECK(ack.state == JobState::kCancelled);
    }
    CHECK(f.Counts().cancelled == 0);
  }
  SECTION("because another one of the call has taken its place") {
    const std::vector<EnqueueAck> acks = f.AddAll({Debounced("c"), Debounced("next")});
    CHECK(acks[0].state == JobState::kCancelled);
    CHECK(f.Counts().cancelled == 0);
    CHECK(acks[1].state == JobState::kScheduled);
  }
  SECTION("among the jobs of an attempt, which ends all the same") {
    f.AddId("w", "w");
    Outcome outcome = jobs::MakeOutcome(Kind::kCompleted);
    outcome.jobs = {Debounced("c"), Debounced("next")};
    CHECK(f.Finish(f.ClaimOne("w"), outcome).state == JobState::kCompleted);
  }
  f.CheckInvariants();
}

}  // namespace
}  // namespace millrace::flows
