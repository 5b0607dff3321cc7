// Callers' own events in a queue's log.
#ifndef MILLRACE_JOBS_PUBLISH_H_
#define MILLRACE_JOBS_PUBLISH_H_

#include <cstdint>

#include "jobs/ledger.h"
#include "millrace/changes.h"
#include "millrace/status.h"

namespace millrace::jobs {

// An event travels to all who follow the queue: larger things belong into a job.
inline constexpr int64_t kEventDataMaxBytes = 1 << 20;

// kInvalidArgument, kTooLarge.
Status CheckEvent(const CustomEvent& event, int64_t max_payload_bytes);
// A checked event. kNotFound: the job that it names is not in the queue.
Status PublishEvent(Ledger& ledger, const CustomEvent& event);

}  // namespace millrace::jobs

#endif  // MILLRACE_JOBS_PUBLISH_H_
