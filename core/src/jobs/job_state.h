// The states of a job and every way from one to another, as data. Nothing else in the core decides
// what may follow what: the ledger checks each move against this table, the documentation's diagram
// is generated from it, and a test fails if one of its lines was never exercised.
#ifndef MILLRACE_JOBS_JOB_STATE_H_
#define MILLRACE_JOBS_JOB_STATE_H_

#include <array>
#include <cstdint>
#include <optional>
#include <string>

#include "millrace/types.h"

namespace millrace::jobs {

// Why a job moves. `kNowhere` as a state below: before it exists, or after it is removed.
enum class Cause : uint8_t {
  kEnqueue,
  kDue,      // its time has come
  kPromote,  // a caller did not want to wait for it
  kClaim,
  kComplete,
  kRetryNow,
  kRetryLater,
  kFail,
  kRelease,     // given back without losing the attempt
  kPostpone,    // the same, with a delay
  kRescue,      // its worker died or hung
  kCrashLimit,  // its workers died too often
  kLose,        // its worker died, and it is delivered at most once
  kCancel,
  kExpire,
  kWait,              // its handler wants other jobs done first, or in its place
  kUnblock,           // what it has waited for is done
  kJoin,              // the same, and it needs no worker
  kDependencyFailed,  // what it has waited for failed
  kRedrive,
  kChange,  // a caller wants it earlier, later, or with another priority
  kRemove,
};
const char* CauseName(Cause cause);

struct Transition {
  std::optional<JobState> from;  // empty: does not exist yet
  std::optional<JobState> to;    // empty: exists no more
  Cause cause;
};

inline constexpr std::optional<JobState> kNowhere = std::nullopt;

// clang-format off
inline constexpr std::array kTransitions = {
    //         from                  to                    because of
    Transition{kNowhere,             JobState::kReady,     Cause::kEnqueue},
    Transition{kNowhere,             JobState::kScheduled, Cause::kEnqueue},
    Transition{kNowhere,             JobState::kBlocked,   Cause::kEnqueue},
    Transition{JobState::kBlocked,   JobState::kReady,     Cause::kUnblock},
    Transition{JobState::kBlocked,   JobState::kScheduled, Cause::kUnblock},
    Transition{JobState::kBlocked,   JobState::kCompleted, Cause::kJoin},
    Transition{JobState::kBlocked,   JobState::kFailed,    Cause::kDependencyFailed},
    Transition{JobState::kBlocked,   JobState::kCancelled, Cause::kDependencyFailed},
    Transition{JobState::kScheduled, JobState::kReady,     Cause::kDue},
    Transition{JobState::kScheduled, JobState::kReady,     Cause::kPromote},
    Transition{JobState::kReady,     JobState::kActive,    Cause::kClaim},
    Transition{JobState::kActive,    JobState::kCompleted, Cause::kComplete},
    Transition{JobState::kActive,    JobState::kReady,     Cause::kRetryNow},
    Transition{JobState::kActive,    JobState::kScheduled, Cause::kRetryLater},
    Transition{JobState::kActive,    JobState::kFailed,    Cause::kFail},
    Transition{JobState::kActive,    JobState::kReady,     Cause::kRelease},
    Transition{JobState::kActive,    JobState::kScheduled, Cause::kPostpone},
    Transition{JobState::kActive,    JobState::kBlocked,   Cause::kWait},
    Transition{JobState::kActive,    JobState::kReady,     Cause::kRescue},
    Transition{JobState::kActive,    JobState::kFailed,    Cause::kCrashLimit},
    Transition{JobState::kActive,    JobState::kFailed,    Cause::kLose},
    Transition{JobState::kActive,    JobState::kCancelled, Cause::kCancel},
    Transition{JobState::kReady,     JobState::kCancelled, Cause::kCancel},
    Transition{JobState::kScheduled, JobState::kCancelled, Cause::kCancel},
    Transition{JobState::kBlocked,   JobState::kCancelled, Cause::kCancel},
    Transition{JobState::kReady,     JobState::kCancelled, Cause::kExpire},
    Transition{JobState::kCompleted, JobState::kReady,     Cause::kRedrive},
    Transition{JobState::kFailed,    JobState::kReady,     Cause::kRedrive},
    Transition{JobState::kCancelled, JobState::kReady,     Cause::kRedrive},
    Transition{JobState::kCompleted, JobState::kBlocked,   Cause::kRedrive},
    Transition{JobState::kFailed,    JobState::kBlocked,   Cause::kRedrive},
    Transition{JobState::kCancelled, JobState::kBlocked,   Cause::kRedrive},
    Transition{JobState::kReady,     JobState::kReady,     Cause::kChange},
    Transition{JobState::kReady,     JobState::kScheduled, Cause::kChange},
    Transition{JobState::kScheduled, JobState::kReady,     Cause::kChange},
    Transition{JobState::kScheduled, JobState::kScheduled, Cause::kChange},
    Transition{JobState::kReady,     kNowhere,             Cause::kRemove},
    Transition{JobState::kScheduled, kNowhere,             Cause::kRemove},
    Transition{JobState::kBlocked,   kNowhere,             Cause::kRemove},
    Transition{JobState::kActive,    kNowhere,             Cause::kRemove},
    Transition{JobState::kCompleted, kNowhere,             Cause::kRemove},
    Transition{JobState::kFailed,    kNowhere,             Cause::kRemove},
    Transition{JobState::kCancelled, kNowhere,             Cause::kRemove},
};
// clang-format on

// Index of a transition in kTransitions, -1 if it is not declared.
int FindTransition(std::optional<JobState> from, std::optional<JobState> to, Cause cause);

// Which transitions this process has made so far (index as in kTransitions). For tests.
// Thread-safe.
void MarkExercised(int transition);
bool WasExercised(int transition);

// The table as a Mermaid state diagram, for the documentation.
std::string TransitionsDiagram();

}  // namespace millrace::jobs

#endif  // MILLRACE_JOBS_JOB_STATE_H_
