#include "names.h"

#include <cstddef>

#include "errors.h"

namespace millrace::python {
namespace {

template <typename E>
struct Word {
  E value;
  const char* name;
};

constexpr Word<JoinKind> kJoins[] = {
    {JoinKind::kRun, "run"}, {JoinKind::kForward, "forward"}, {JoinKind::kCollect, "collect"}};

constexpr Word<DependencyPolicy> kPolicies[] = {
    {DependencyPolicy::kFail, "fail"},           {DependencyPolicy::kWait, "wait"},
    {DependencyPolicy::kIgnore, "ignore"},       {DependencyPolicy::kRemove, "remove"},
    {DependencyPolicy::kContinue, "continue"},   {DependencyPolicy::kCancel, "cancel"},
    {DependencyPolicy::kOnFailure, "on_failure"}};

constexpr Word<Deduplication::Mode> kDedupModes[] = {
    {Deduplication::Mode::kUnfinished, "unfinished"},
    {Deduplication::Mode::kThrottle, "throttle"},
    {Deduplication::Mode::kDebounce, "debounce"},
    {Deduplication::Mode::kFollowUp, "follow_up"},
    {Deduplication::Mode::kStates, "states"}};

constexpr Word<Delivery> kDeliveries[] = {{Delivery::kAtLeastOnce, "at_least_once"},
                                          {Delivery::kAtMostOnce, "at_most_once"}};

constexpr Word<Sealing> kSealings[] = {{Sealing::kDefault, "default"},
                                       {Sealing::kNone, "none"},
                                       {Sealing::kEncrypt, "encrypt"},
                                       {Sealing::kSign, "sign"}};

constexpr Word<LimitScope> kScopes[] = {{LimitScope::kStore, "store"},
                                        {LimitScope::kQueue, "queue"},
                                        {LimitScope::kTask, "task"},
                                        {LimitScope::kGroup, "group"}};

constexpr Word<Overlap> kOverlaps[] = {
    {Overlap::kAllow, "allow"}, {Overlap::kSkip, "skip"}, {Overlap::kQueueOne, "queue_one"}};

constexpr Word<CatchUp> kCatchUps[] = {
    {CatchUp::kNone, "none"}, {CatchUp::kLast, "last"}, {CatchUp::kAll, "all"}};

constexpr Word<Outcome::Kind> kOutcomes[] = {
    {Outcome::Kind::kCompleted, "completed"}, {Outcome::Kind::kFailed, "failed"},
    {Outcome::Kind::kRetry, "retry"},         {Outcome::Kind::kReleased, "released"},
    {Outcome::Kind::kCancelled, "cancelled"}, {Outcome::Kind::kWaiting, "waiting"},
    {Outcome::Kind::kReplaced, "replaced"}};

template <typename E, size_t n>
const char* Find(const Word<E> (&words)[n], E value) {
  for (const Word<E>& word : words) {
    if (word.value == value) return word.name;
  }
  return "unknown";  // written by a newer version
}

template <typename E, size_t n>
E Parse(const Word<E> (&words)[n], const std::string& name, const char* argument) {
  for (const Word<E>& word : words) {
    if (name == word.name) return word.value;
  }
  std::string accepted = words[0].name;
  for (size_t i = 1; i < n; ++i) {
    accepted += (i + 1 == n ? std::string(" and ") : std::string(", ")) + words[i].name;
  }
  RaiseInvalid(std::string(argument) + " '" + name + "' is unknown; accepted are " + accepted);
}

}  // namespace

const char* NameOf(JoinKind kind) {
  return Find(kJoins, kind);
}
const char* NameOf(DependencyPolicy policy) {
  return Find(kPolicies, policy);
}
const char* NameOf(Deduplication::Mode mode) {
  return Find(kDedupModes, mode);
}
const char* NameOf(Delivery delivery) {
  return Find(kDeliveries, delivery);
}
const char* NameOf(Sealing sealing) {
  return Find(kSealings, sealing);
}
const char* NameOf(LimitScope scope) {
  return Find(kScopes, scope);
}
const char* NameOf(Overlap overlap) {
  return Find(kOverlaps, overlap);
}
const char* NameOf(CatchUp catch_up) {
  return Find(kCatchUps, catch_up);
}
const char* NameOf(Outcome::Kind kind) {
  return Find(kOutcomes, kind);
}

JoinKind ToJoinKind(const std::string& name) {
  return Parse(kJoins, name, "join");
}
DependencyPolicy ToPolicy(const std::string& name) {
  return Parse(kPolicies, name, "policy");
}
Deduplication::Mode ToDedupMode(const std::string& name) {
  return Parse(kDedupModes, name, "mode");
}
Delivery ToDelivery(const std::string& name) {
  return Parse(kDeliveries, name, "delivery");
}
Sealing ToSealing(const std::string& name, const char* argument) {
  return Parse(kSealings, name, argument);
}
LimitScope ToScope(const std::string& name) {
  return Parse(kScopes, name, "scope");
}
Overlap ToOverlap(const std::string& name) {
  return Parse(kOverlaps, name, "overlap");
}
CatchUp ToCatchUp(const std::string& name) {
  return Parse(kCatchUps, name, "catch_up");
}
Outcome::Kind ToOutcomeKind(const std::string& name) {
  return Parse(kOutcomes, name, "kind");
}

}  // namespace millrace::python
