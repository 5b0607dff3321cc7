#include "jobs/validate.h"

#include <cmath>
#include <string>

#include "base/macros.h"
#include "base/text.h"
#include "jobs/dedup.h"
#include "limits/bucket.h"

namespace millrace::jobs {
namespace {

Status Invalid(std::string message) {
  return Status(Code::kInvalidArgument, std::move(message));
}

Status CheckEither(int64_t absolute, const char* absolute_name, int64_t relative,
                   const char* relative_name) {
  if (absolute != 0 && relative != 0) {
    return Invalid(std::string(absolute_name) + " and " + relative_name +
                   " were both given; one of them is accepted");
  }
  RETURN_IF_ERROR(CheckRange(absolute, 0, kTimeMaxMs, absolute_name));
  return CheckRange(relative, 0, kDurationMaxMs, relative_name);
}

Status CheckTimeLimits(const JobSpec& spec) {
  RETURN_IF_ERROR(CheckRange(spec.time_limit_ms, 0, kDurationMaxMs, "time_limit_ms"));
  RETURN_IF_ERROR(CheckRange(spec.soft_time_limit_ms, 0, kDurationMaxMs, "soft_time_limit_ms"));
  if (spec.time_limit_ms != 0 && spec.soft_time_limit_ms >= spec.time_limit_ms) {
    return Invalid("soft_time_limit_ms is " + std::to_string(spec.soft_time_limit_ms) +
                   "; less than time_limit_ms (" + std::to_string(spec.time_limit_ms) +
                   ") is accepted");
  }
  return Status::Ok();
}

Status CheckThrottle(const Outcome& outcome) {
  if (outcome.kind != Outcome::Kind::kReleased) {
    return Invalid("throttle was given with another kind than released; only with that is it " +
                   std::string("accepted"));
  }
  RETURN_IF_ERROR(CheckRange(static_cast<int>(outcome.throttle->scope), 1, 4, "throttle.scope"));
  return CheckRange(outcome.throttle->ms, 1, limits::kRatePeriodMaxMs, "throttle.ms");
}

Status CheckRef(const JobRef& job, const std::string& argument) {
  RETURN_IF_ERROR(CheckName(job.id, (argument + ".id").c_str()));
  return job.queue.empty() ? Status::Ok() : CheckName(job.queue, (argument + ".queue").c_str());
}

// Policy and name of a dependency.
Status CheckEdge(DependencyPolicy policy, const std::string& name, const std::string& argument) {
  RETURN_IF_ERROR(CheckRange(static_cast<int>(policy), 0,
                             static_cast<int>(DependencyPolicy::kOnFailure),
                             (argument + ".policy").c_str()));
  return name.empty() ? Status::Ok() : CheckName(name, (argument + ".name").c_str());
}

// What a spec says of other jobs by itself; flows::CheckGraph looks at those of a call together.
Status CheckFlowPart(const JobSpec& spec) {
  if (std::ssize(spec.after) > kDependenciesMax) {
    return Status(Code::kTooLarge, "after has " + std::to_string(spec.after.size()) +
                                       " elements; at most " + std::to_string(kDependenciesMax) +
                                       " are accepted");
  }
  for (size_t i = 0; i < spec.after.size(); ++i) {
    const Dependency& dependency = spec.after[i];
    const std::string argument = "after[" + std::to_string(i) + "]";
    RETURN_IF_ERROR(CheckRange(dependency.index, -1, INT32_MAX, (argument + ".index").c_str()));
    if (dependency.index < 0) RETURN_IF_ERROR(CheckRef(dependency.job, argument + ".job"));
    if (dependency.index >= 0 && !dependency.job.id.empty()) {
      return Invalid(argument + " has an index and a job; one of them is accepted");
    }
    RETURN_IF_ERROR(CheckEdge(dependency.policy, dependency.name, argument));
  }
  RETURN_IF_ERROR(
      CheckRange(static_cast<int>(spec.join), 0, static_cast<int>(JoinKind::kCollect), "join"));
  if (spec.join != JoinKind::kRun && spec.after.empty()) {
    return Invalid(
        "join is given without after; a job that no worker runs needs others to wait for");
  }
  if (!spec.parent) return Status::Ok();
  RETURN_IF_ERROR(CheckRef(spec.parent->job, "parent.job"));
  RETURN_IF_ERROR(CheckRange(spec.parent->token, 0, INT64_MAX, "parent.token"));
  return CheckEdge(spec.parent->policy, spec.parent->name, "parent");
}

}  // namespace

Status CheckRange(int64_t value, int64_t low, int64_t high, const char* argument) {
  if (value >= low && value <= high) return Status::Ok();
  return Invalid(std::string(argument) + " is " + std::to_string(value) + "; " +
                 std::to_string(low) + " to " + std::to_string(high) + " is accepted");
}

Status CheckPayload(std::string_view bytes, ContentType type, const char* argument,
                    int64_t max_payload_bytes) {
  if (static_cast<int64_t>(bytes.size()) > max_payload_bytes) {
    return Status(Code::kTooLarge, std::string(argument) + " has " + std::to_string(bytes.size()) +
                                       " bytes; at most " + std::to_string(max_payload_bytes) +
                                       " are accepted (max_payload_bytes of the store)");
  }
  if (type != ContentType::kJson) return CheckRange(static_cast<int>(type), 0, 2, "content_type");
  if (!IsValidUtf8(bytes))
    return Invalid(std::string(argument) + " is not valid UTF-8; JSON must be");
  return Status::Ok();
}

Status CheckKeep(const Keep& keep, const char* argument) {
  const std::string name(argument);
  RETURN_IF_ERROR(CheckRange(keep.age_ms, -1, kDurationMaxMs, (name + ".age_ms").c_str()));
  return CheckRange(keep.count, -1, INT64_MAX, (name + ".count").c_str());
}

Status CheckRetryPolicy(const RetryPolicy& policy) {
  const Backoff& backoff = policy.backoff;
  RETURN_IF_ERROR(CheckRange(policy.max_attempts, 1, kMaxAttemptsMax, "max_attempts"));
  RETURN_IF_ERROR(CheckRange(static_cast<int>(backoff.kind), 0, 3, "backoff.kind"));
  RETURN_IF_ERROR(CheckRange(backoff.delay_ms, 0, kDurationMaxMs, "backoff.delay_ms"));
  RETURN_IF_ERROR(CheckRange(backoff.max_ms, 0, kDurationMaxMs, "backoff.max_ms"));
  if (!(backoff.jitter >= 0 && backoff.jitter <= 1)) {
    return Invalid("backoff.jitter is " + std::to_string(backoff.jitter) + "; 0 to 1 is accepted");
  }
  return Status::Ok();
}

Status CheckJobSpec(const JobSpec& spec, int64_t max_payload_bytes) {
  RETURN_IF_ERROR(CheckName(spec.queue, "queue"));
  RETURN_IF_ERROR(CheckName(spec.name, "name"));
  RETURN_IF_ERROR(CheckPayload(spec.data, spec.content_type, "data", max_payload_bytes));
  if (!spec.headers.empty()) RETURN_IF_ERROR(CheckHeaders(spec.headers));
  if (!spec.id.empty()) RETURN_IF_ERROR(CheckName(spec.id, "id"));
  if (!spec.group.empty()) RETURN_IF_ERROR(CheckName(spec.group, "group"));
  RETURN_IF_ERROR(CheckEither(spec.due_at_ms, "due_at_ms", spec.delay_ms, "delay_ms"));
  RETURN_IF_ERROR(
      CheckEither(spec.expires_at_ms, "expires_at_ms", spec.expires_in_ms, "expires_in_ms"));
  RETURN_IF_ERROR(CheckRange(spec.priority, -kPriorityMax, kPriorityMax, "priority"));
  RETURN_IF_ERROR(CheckRetryPolicy(spec.retry));
  RETURN_IF_ERROR(CheckRange(spec.max_crashes, 0, kMaxAttemptsMax, "max_crashes"));
  RETURN_IF_ERROR(CheckTimeLimits(spec));
  RETURN_IF_ERROR(CheckRange(spec.keep_logs, -1, INT32_MAX, "keep_logs"));
  RETURN_IF_ERROR(CheckRange(static_cast<int>(spec.delivery), 0, 1, "delivery"));
  RETURN_IF_ERROR(CheckDeduplication(spec.dedup));
  if (spec.keep_completed) RETURN_IF_ERROR(CheckKeep(*spec.keep_completed, "keep_completed"));
  if (spec.keep_failed) RETURN_IF_ERROR(CheckKeep(*spec.keep_failed, "keep_failed"));
  return CheckFlowPart(spec);
}

Status CheckOutcome(const Outcome& outcome, int64_t max_payload_bytes) {
  const char* const argument = outcome.kind == Outcome::Kind::kCompleted ? "result" : "error";
  RETURN_IF_ERROR(CheckPayload(outcome.body, outcome.content_type, argument, max_payload_bytes));
  RETURN_IF_ERROR(CheckRange(static_cast<int>(outcome.kind), 0,
                             static_cast<int>(Outcome::Kind::kReplaced), "kind"));
  if (outcome.jobs.size() > kMaxJobsPerCall) {
    return Status(Code::kTooLarge, "jobs has " + std::to_string(outcome.jobs.size()) +
                                       " elements; at most " + std::to_string(kMaxJobsPerCall) +
                                       " are accepted in one call");
  }
  for (size_t i = 0; i < outcome.jobs.size(); ++i) {
    Status status = CheckJobSpec(outcome.jobs[i], max_payload_bytes);
    if (status.ok()) continue;
    return Status(status.code(), "jobs[" + std::to_string(i) + "]: " + status.message());
  }
  if (outcome.delay_ms)
    RETURN_IF_ERROR(CheckRange(*outcome.delay_ms, 0, kDurationMaxMs, "delay_ms"));
  if (outcome.policy) RETURN_IF_ERROR(CheckRetryPolicy(*outcome.policy));
  if (outcome.throttle) RETURN_IF_ERROR(CheckThrottle(outcome));
  return Status::Ok();
}

}  // namespace millrace::jobs
