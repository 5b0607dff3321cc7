#include "flows/policy.h"

#include "catch.h"

namespace millrace::flows {
namespace {

TEST_CASE("a job that completes is done with, unless its failure was waited for", "[flows]") {
  for (int policy = 0; policy <= 5; ++policy) {
    CHECK(EffectOf(static_cast<DependencyPolicy>(policy), JobState::kCompleted) == Effect::kDone);
  }
  CHECK(EffectOf(DependencyPolicy::kOnFailure, JobState::kCompleted) == Effect::kRemove);
}

TEST_CASE("each policy has its answer to a failure, and to a removal", "[flows]") {
  const struct {
    DependencyPolicy policy;
    Effect failed;
    Effect removed;
  } cases[] = {
      {DependencyPolicy::kFail, Effect::kFail, Effect::kFail},
      {DependencyPolicy::kWait, Effect::kKeep, Effect::kDone},
      {DependencyPolicy::kIgnore, Effect::kDone, Effect::kDone},
      {DependencyPolicy::kRemove, Effect::kForget, Effect::kForget},
      {DependencyPolicy::kContinue, Effect::kRun, Effect::kRun},
      {DependencyPolicy::kCancel, Effect::kCancel, Effect::kCancel},
      {DependencyPolicy::kOnFailure, Effect::kDone, Effect::kDone},
  };
  for (const auto& c : cases) {
    CAPTURE(DependencyPolicyName(c.policy));
    CHECK(EffectOf(c.policy, JobState::kFailed) == c.failed);
    CHECK(EffectOf(c.policy, JobState::kCancelled) == c.failed);
    CHECK(EffectOfRemoval(c.policy) == c.removed);
  }
}

}  // namespace
}  // namespace millrace::flows
