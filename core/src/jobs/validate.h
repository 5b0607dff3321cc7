// What the core accepts in a JobSpec and its relatives. Pure: nothing is written, no store is read.
#ifndef MILLRACE_JOBS_VALIDATE_H_
#define MILLRACE_JOBS_VALIDATE_H_

#include <cstdint>
#include <string_view>

#include "millrace/session.h"
#include "millrace/status.h"
#include "millrace/types.h"

namespace millrace::jobs {

inline constexpr int32_t kPriorityMax = 2'097'152;  // BullMQ's bound; the lower one is its negative
inline constexpr int32_t kMaxAttemptsMax = 1'000'000;
inline constexpr int64_t kDurationMaxMs = 3'155'760'000'000;  // 100 years
inline constexpr int64_t kTimeMaxMs = int64_t{1} << 48;       // what an id can hold

inline constexpr size_t kMaxJobsPerCall = 100'000;    // they are one commit, which others wait for
inline constexpr int64_t kDependenciesMax = 100'000;  // of one job, as it is enqueued

// kInvalidArgument or kTooLarge; the message names the argument, what was given and what is
// accepted.
Status CheckJobSpec(const JobSpec& spec, int64_t max_payload_bytes);
Status CheckRetryPolicy(const RetryPolicy& policy);
Status CheckKeep(const Keep& keep, const char* argument);
Status CheckOutcome(const Outcome& outcome, int64_t max_payload_bytes);
// A payload's size, and for JSON and text its UTF-8.
Status CheckPayload(std::string_view bytes, ContentType type, const char* argument,
                    int64_t max_payload_bytes);
// low <= value <= high
Status CheckRange(int64_t value, int64_t low, int64_t high, const char* argument);

}  // namespace millrace::jobs

#endif  // MILLRACE_JOBS_VALIDATE_H_
