// Each refusal names the argument, what was given and what is accepted.
#include "jobs/validate.h"

#include <cmath>
#include <functional>

#include "jobs/jobs_test_util.h"

namespace millrace::jobs {
namespace {

struct Refusal {
  std::function<void(JobSpec&)> spoil;
  Code code;
  const char* message;
};

constexpr Code kBad = Code::kInvalidArgument;

TEST_CASE("every field of a job is checked", "[jobs][validate]") {
  const Refusal refusals[] = {
      {[](JobSpec& s) { s.queue = ""; }, kBad, "queue"},
      {[](JobSpec& s) { s.queue = std::string(256, 'q'); }, kBad, "queue"},
      {[](JobSpec& s) { s.name = "a\x01"; }, kBad, "name"},
      {[](JobSpec& s) { s.id = "\xff"; }, kBad, "id"},
      {[](JobSpec& s) { s.data = std::string(1'025, ' '); }, Code::kTooLarge,
       "data has 1025 bytes; at most 1024"},
      {[](JobSpec& s) { s.data = "\"\xff\""; }, kBad, "data is not valid UTF-8"},
      {[](JobSpec& s) { s.content_type = static_cast<ContentType>(3); }, kBad,
       "content_type is 3; 0 to 2"},
      {[](JobSpec& s) { s.headers = R"({"a":1})"; }, kBad, "headers"},
      {[](JobSpec& s) { s.due_at_ms = -1; }, kBad, "due_at_ms is -1; 0 to"},
      {[](JobSpec& s) { s.delay_ms = kDurationMaxMs + 1; }, kBad, "delay_ms is 3155760000001"},
      {[](JobSpec& s) { s.due_at_ms = s.delay_ms = 1; }, kBad,
       "due_at_ms and delay_ms were both given"},
      {[](JobSpec& s) { s.expires_in_ms = -1; }, kBad, "expires_in_ms is -1"},
      {[](JobSpec& s) { s.expires_at_ms = s.expires_in_ms = 1; }, kBad,
       "expires_at_ms and expires_in_ms"},
      {[](JobSpec& s) { s.priority = kPriorityMax + 1; }, kBad,
       "priority is 2097153; -2097152 to 2097152"},
      {[](JobSpec& s) { s.retry.max_attempts = 0; }, kBad, "max_attempts is 0; 1 to 1000000"},
      {[](JobSpec& s) { s.retry.backoff.delay_ms = -1; }, kBad, "backoff.delay_ms is -1"},
      {[](JobSpec& s) { s.retry.backoff.max_ms = -1; }, kBad, "backoff.max_ms is -1"},
      {[](JobSpec& s) { s.retry.backoff.jitter = 1.5; }, kBad, "backoff.jitter is 1.5"},
      {[](JobSpec& s) { s.retry.backoff.jitter = std::nan(""); }, kBad, "backoff.jitter is nan"},
      {[](JobSpec& s) { s.retry.backoff.kind = static_cast<Backoff::Kind>(7); }, kBad,
       "backoff.kind is 7"},
      {[](JobSpec& s) { s.max_crashes = -1; }, kBad, "max_crashes is -1"},
      {[](JobSpec& s) { s.time_limit_ms = -1; }, kBad, "time_limit_ms is -1"},
      {[](JobSpec& s) { s.time_limit_ms = s.soft_time_limit_ms = 5; }, kBad,
       "soft_time_limit_ms is 5; less than time_limit_ms (5)"},
      {[](JobSpec& s) { s.keep_logs = -2; }, kBad, "keep_logs is -2"},
      {[](JobSpec& s) { s.keep_completed = Keep{.age_ms = -2}; }, kBad,
       "keep_completed.age_ms is -2"},
      {[](JobSpec& s) { s.keep_failed = Keep{.count = -2}; }, kBad, "keep_failed.count is -2"},
      {[](JobSpec& s) { s.delivery = static_cast<Delivery>(2); }, kBad,
       "delivery is 2; 0 to 1 is accepted"},
  };
  RequireOk(CheckJobSpec(Spec("x"), 1'024));
  for (const Refusal& refusal : refusals) {
    JobSpec spec = Spec("x");
    refusal.spoil(spec);
    CAPTURE(refusal.message);
    RequireError(CheckJobSpec(spec, 1'024), refusal.code, refusal.message);
  }
}

TEST_CASE("bytes need not be text, and the bounds themselves are accepted", "[jobs][validate]") {
  JobSpec spec = Spec(std::string(255, 'i'));
  spec.data = std::string(1'024, '\xff');
  spec.content_type = ContentType::kBytes;
  spec.priority = -kPriorityMax;
  spec.retry.max_attempts = kMaxAttemptsMax;
  spec.soft_time_limit_ms = 7;
  RequireOk(CheckJobSpec(spec, 1'024));
}

TEST_CASE("an outcome is checked", "[jobs][validate]") {
  Outcome outcome = MakeOutcome(Outcome::Kind::kCompleted, std::string(10, '1'));
  RequireOk(CheckOutcome(outcome, 10));
  RequireError(CheckOutcome(outcome, 9), Code::kTooLarge, "result has 10 bytes");
  outcome.kind = Outcome::Kind::kFailed;
  RequireError(CheckOutcome(outcome, 9), Code::kTooLarge, "error has 10 bytes");
  outcome.delay_ms = -1;
  RequireError(CheckOutcome(outcome, 10), kBad, "delay_ms is -1");
  outcome.delay_ms = 0;
  outcome.policy = RetryPolicy{.max_attempts = 0};
  RequireError(CheckOutcome(outcome, 10), kBad, "max_attempts is 0");
}

}  // namespace
}  // namespace millrace::jobs
