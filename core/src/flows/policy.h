// What the end of a job means to one that waits for it. Pure.
#ifndef MILLRACE_FLOWS_POLICY_H_
#define MILLRACE_FLOWS_POLICY_H_

#include "millrace/flows.h"
#include "millrace/types.h"

namespace millrace::flows {

enum class Effect : uint8_t {
  kKeep,    // goes on waiting
  kDone,    // one thing less to wait for
  kForget,  // the same, and the dependency's row goes
  kRun,     // waits for nothing any more
  kFail,
  kCancel,
  kRemove,  // what it was made for has not happened
};

// `ended`: kCompleted, kFailed or kCancelled.
Effect EffectOf(DependencyPolicy policy, JobState ended);
// Of a job that was removed, ended or not: nobody can run it again.
Effect EffectOfRemoval(DependencyPolicy policy);

}  // namespace millrace::flows

#endif  // MILLRACE_FLOWS_POLICY_H_
