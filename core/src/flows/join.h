// Jobs that complete by themselves with what they have waited for.
#ifndef MILLRACE_FLOWS_JOIN_H_
#define MILLRACE_FLOWS_JOIN_H_

#include <string>

#include "flows/blocked.h"
#include "jobs/ledger.h"
#include "millrace/status.h"

namespace millrace::flows {

// The results of a kCollect together have at most this size; a job with more fails.
inline constexpr size_t kCollectMaxBytes = 256 << 20;

struct Joined {
  JobState state = JobState::kCompleted;  // kFailed: `body` is an error
  ContentType content_type = ContentType::kJson;
  std::string body;
};

// kForward: the result of the first dependency, whatever its type. kCollect: a JSON array with the
// result of each, in order. Where there is none (it failed and was ignored) or, for kCollect, it is
// not JSON, the place is taken by null. The body is sealed as the job asks.
Status Join(jobs::Ledger& ledger, const Blocked& blocked, Joined* joined);

}  // namespace millrace::flows

#endif  // MILLRACE_FLOWS_JOIN_H_
