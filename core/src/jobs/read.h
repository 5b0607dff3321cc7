// What callers can see of jobs and queues. Only reads; each answer is of one moment.
#ifndef MILLRACE_JOBS_READ_H_
#define MILLRACE_JOBS_READ_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "jobs/locate.h"
#include "millrace/engine.h"
#include "millrace/status.h"
#include "millrace/types.h"
#include "store/connection.h"

namespace millrace::jobs {

inline constexpr int64_t kListLimitMax = 10'000;

// The number of a queue; 0 if there is none of that name.
Result<int64_t> QueueIdOf(store::Connection& connection, const std::string& name);
// The reverse; empty if there is none.
// The queue's number of a job, 0 if it has no body.
Result<int64_t> QueueOfJob(store::Connection& connection, int64_t row);
Result<std::string> QueueName(store::Connection& connection, int64_t queue_id);

// The inverse; empty if there is none.
Result<std::string> QueueNameOf(store::Connection& connection, int64_t queue_id);

// Where the job stands that a caller named. kInvalidArgument for what cannot be an id or a queue,
// kNotFound.
Result<Location> FindJob(store::Connection& connection, const JobRef& job);

// How often an ended job was started, and how many of these attempts ended by themselves.
struct Attempts {
  int32_t started = 0;
  int32_t made = 0;
};
Result<Attempts> ReadAttempts(store::Connection& connection, int64_t row);

Result<JobInfo> ReadJob(store::Connection& connection, const JobRef& job);
// JobInfo::parent; untouched if nobody waits for it.
Status ReadParent(store::Connection& connection, int64_t row, std::optional<ParentLink>* parent);
// What a waiting caller reads again and again: never the payload.
Result<JobOutcome> ReadOutcome(store::Connection& connection, const JobRef& job);
// Log lines, oldest first. limit 1 .. 10,000.
Result<std::vector<LogLine>> ReadLogs(store::Connection& connection, const JobRef& job,
                                      int64_t offset, int64_t limit);

// Ready and blocked jobs in the order of claim, scheduled ones by due time, active ones by start,
// ended ones by their end. A name is looked for by going over the queue. An unknown queue is empty.
Result<std::vector<JobInfo>> ListJobs(store::Connection& connection, const ListQuery& query);

// Zeros for an unknown queue. Constant time.
Result<QueueCounts> ReadCounts(store::Connection& connection, const std::string& queue);
// Queues in use or paused, by name; constant time for each.
Result<std::vector<QueueCounts>> ListQueues(store::Connection& connection);

}  // namespace millrace::jobs

#endif  // MILLRACE_JOBS_READ_H_
