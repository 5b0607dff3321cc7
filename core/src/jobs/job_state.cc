#include "jobs/job_state.h"

#include <atomic>

namespace millrace::jobs {
namespace {

std::array<std::atomic<bool>, kTransitions.size()> exercised{};

constexpr size_t kStates = 8;  // JobState's values, and 0 for nowhere
constexpr size_t kCauses = static_cast<size_t>(Cause::kRemove) + 1;

constexpr size_t Number(std::optional<JobState> state) {
  return state ? static_cast<size_t>(*state) : 0;
}

// The declared transitions by (from, to, cause), so that checking a move is one load.
constexpr auto kIndex = [] {
  std::array<int8_t, kStates * kStates * kCauses> index{};
  index.fill(-1);
  for (size_t i = 0; i < kTransitions.size(); ++i) {
    const Transition& t = kTransitions[i];
    index[(Number(t.from) * kStates + Number(t.to)) * kCauses + static_cast<size_t>(t.cause)] =
        static_cast<int8_t>(i);
  }
  return index;
}();

}  // namespace

const char* CauseName(Cause cause) {
  switch (cause) {
    case Cause::kEnqueue:
      return "enqueue";
    case Cause::kDue:
      return "due";
    case Cause::kPromote:
      return "promote";
    case Cause::kClaim:
      return "claim";
    case Cause::kComplete:
      return "complete";
    case Cause::kRetryNow:
      return "retry now";
    case Cause::kRetryLater:
      return "retry later";
    case Cause::kFail:
      return "fail";
    case Cause::kRelease:
      return "release";
    case Cause::kPostpone:
      return "postpone";
    case Cause::kRescue:
      return "rescue";
    case Cause::kCrashLimit:
      return "crash limit";
    case Cause::kLose:
      return "lose";
    case Cause::kCancel:
      return "cancel";
    case Cause::kExpire:
      return "expire";
    case Cause::kWait:
      return "wait";
    case Cause::kUnblock:
      return "dependencies done";
    case Cause::kJoin:
      return "join";
    case Cause::kDependencyFailed:
      return "dependency failed";
    case Cause::kRedrive:
      return "redrive";
    case Cause::kChange:
      return "change";
    case Cause::kRemove:
      return "remove";
  }
  return "unknown";
}

int FindTransition(std::optional<JobState> from, std::optional<JobState> to, Cause cause) {
  return kIndex[(Number(from) * kStates + Number(to)) * kCauses + static_cast<size_t>(cause)];
}

void MarkExercised(int transition) {
  std::atomic<bool>& mark = exercised[static_cast<size_t>(transition)];
  if (!mark.load(std::memory_order_relaxed)) mark.store(true, std::memory_order_relaxed);
}

bool WasExercised(int transition) {
  return exercised[static_cast<size_t>(transition)].load(std::memory_order_relaxed);
}

std::string TransitionsDiagram() {
  std::string out = "stateDiagram-v2\n";
  auto name = [](std::optional<JobState> state) { return state ? JobStateName(*state) : "[*]"; };
  for (const Transition& t : kTransitions) {
    out += std::string("    ") + name(t.from) + " --> " + name(t.to) + ": " + CauseName(t.cause) +
           "\n";
  }
  return out;
}

}  // namespace millrace::jobs
