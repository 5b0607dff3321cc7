// Names of the enums of types.h. They are part of the API of both languages.
#include "millrace/types.h"

#include <array>

namespace millrace {
namespace {

template <typename Enum>
struct Named {
  Enum value;
  const char* name;
};

constexpr std::array kJobStates{
    Named<JobState>{JobState::kScheduled, "scheduled"},
    Named<JobState>{JobState::kReady, "ready"},
    Named<JobState>{JobState::kBlocked, "blocked"},
    Named<JobState>{JobState::kActive, "active"},
    Named<JobState>{JobState::kCompleted, "completed"},
    Named<JobState>{JobState::kFailed, "failed"},
    Named<JobState>{JobState::kCancelled, "cancelled"},
};

constexpr std::array kPolicies{
    Named<DependencyPolicy>{DependencyPolicy::kFail, "fail"},
    Named<DependencyPolicy>{DependencyPolicy::kWait, "wait"},
    Named<DependencyPolicy>{DependencyPolicy::kIgnore, "ignore"},
    Named<DependencyPolicy>{DependencyPolicy::kRemove, "remove"},
    Named<DependencyPolicy>{DependencyPolicy::kContinue, "continue"},
    Named<DependencyPolicy>{DependencyPolicy::kCancel, "cancel"},
    Named<DependencyPolicy>{DependencyPolicy::kOnFailure, "on_failure"},
};

constexpr std::array kDurabilities{
    Named<Durability>{Durability::kMemory, "memory"},
    Named<Durability>{Durability::kProcess, "process"},
    Named<Durability>{Durability::kPower, "power"},
};

template <typename Table, typename Enum>
const char* NameOf(const Table& table, Enum value) {
  for (const auto& entry : table) {
    if (entry.value == value) return entry.name;
  }
  return "unknown";
}

}  // namespace

const char* JobStateName(JobState state) {
  return NameOf(kJobStates, state);
}

std::optional<JobState> ParseJobState(const std::string& name) {
  for (const auto& entry : kJobStates) {
    if (name == entry.name) return entry.value;
  }
  return std::nullopt;
}

const char* DurabilityName(Durability durability) {
  return NameOf(kDurabilities, durability);
}

std::optional<Durability> ParseDurability(const std::string& name) {
  for (const auto& entry : kDurabilities) {
    if (name == entry.name) return entry.value;
  }
  return std::nullopt;
}

const char* DependencyPolicyName(DependencyPolicy policy) {
  return NameOf(kPolicies, policy);
}

std::optional<DependencyPolicy> ParseDependencyPolicy(const std::string& name) {
  for (const auto& entry : kPolicies) {
    if (name == entry.name) return entry.value;
  }
  return std::nullopt;
}

}  // namespace millrace
