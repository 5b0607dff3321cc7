#include "flows/policy.h"

namespace millrace::flows {

Effect EffectOf(DependencyPolicy policy, JobState ended) {
  const bool completed = ended == JobState::kCompleted;
  if (policy == DependencyPolicy::kOnFailure) return completed ? Effect::kRemove : Effect::kDone;
  if (completed) return Effect::kDone;
  switch (policy) {
    case DependencyPolicy::kFail:
      return Effect::kFail;
    case DependencyPolicy::kWait:
      return Effect::kKeep;
    case DependencyPolicy::kRemove:
      return Effect::kForget;
    case DependencyPolicy::kContinue:
      return Effect::kRun;
    case DependencyPolicy::kCancel:
      return Effect::kCancel;
    case DependencyPolicy::kIgnore:
    case DependencyPolicy::kOnFailure:
      break;
  }
  return Effect::kDone;
}

Effect EffectOfRemoval(DependencyPolicy policy) {
  const Effect effect = EffectOf(policy, JobState::kCancelled);
  return effect == Effect::kKeep ? Effect::kDone : effect;
}

}  // namespace millrace::flows
