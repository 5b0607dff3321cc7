#include "conformance/scenario_values.h"

#include <algorithm>
#include <array>
#include <stdexcept>

namespace millrace::testing {
namespace {

// The position of a word in a list; both enums of the scenarios count from 0.
template <size_t kCount>
int IndexOf(const std::array<const char*, kCount>& words, const std::string& word) {
  const auto found = std::find(words.begin(), words.end(), word);
  if (found == words.end()) throw std::invalid_argument("no such word: " + word);
  return static_cast<int>(found - words.begin());
}

constexpr std::array kBackoffs = {"none", "fixed", "exponential", "custom"};
constexpr std::array kOutcomes = {"completed", "failed",  "retry",   "released",
                                  "cancelled", "waiting", "replaced"};
constexpr std::array kScopes = {"", "store", "queue", "task", "group"};

int64_t Moment(const Json& job, const char* name) {
  return job.contains(name) ? job.at(name).get<int64_t>() + kScenarioStartMs : 0;
}

RetryPolicy ReadRetry(const Json& retry) {
  RetryPolicy policy;
  policy.max_attempts = retry.value("max_attempts", policy.max_attempts);
  policy.backoff.kind =
      static_cast<Backoff::Kind>(IndexOf(kBackoffs, retry.value("backoff", std::string("none"))));
  policy.backoff.delay_ms = retry.value("delay_ms", policy.backoff.delay_ms);
  policy.backoff.max_ms = retry.value("max_ms", policy.backoff.max_ms);
  policy.backoff.jitter = retry.value("jitter", policy.backoff.jitter);
  return policy;
}

bool IsRule(const Json& value, const char* name) {
  return value.is_object() && value.size() == 1 && value.contains(name);
}

std::string Wrong(const std::string& where, const Json& actual, const std::string& wanted) {
  return where + " is " + actual.dump() + ", not " + wanted;
}

std::string DifferenceOfArrays(const Json& expected, const Json& actual, const std::string& where) {
  if (expected.size() != actual.size()) return Wrong(where, actual, expected.dump());
  for (size_t i = 0; i < expected.size(); ++i) {
    std::string wrong = Difference(expected[i], actual[i], where + "[" + std::to_string(i) + "]");
    if (!wrong.empty()) return wrong;
  }
  return "";
}

std::string DifferenceOfObjects(const Json& expected, const Json& actual,
                                const std::string& where) {
  for (const auto& [name, each] : expected.items()) {
    if (!actual.contains(name)) return where + " has no " + name;
    std::string wrong = Difference(each, actual.at(name), where + "." + name);
    if (!wrong.empty()) return wrong;
  }
  return "";
}

}  // namespace

Json Expand(const Json& value) {
  if (IsRule(value, "repeat")) {
    std::string text;
    for (int i = value.at("repeat").at(1).get<int>(); i > 0; --i)
      text += value.at("repeat").at(0).get<std::string>();
    return text;
  }
  if (!value.is_structured()) return value;
  Json out = value;
  for (Json& each : out) each = Expand(each);
  return out;
}

std::string Difference(const Json& expected, const Json& actual, const std::string& where) {
  if (IsRule(expected, "between")) {
    const Json& range = expected.at("between");
    const bool fits = actual.is_number_integer() && range[0] <= actual && actual <= range[1];
    return fits ? "" : Wrong(where, actual, "in " + range.dump());
  }
  if (IsRule(expected, "contains")) {
    const std::string part = expected.at("contains").get<std::string>();
    const bool fits =
        actual.is_string() && actual.get<std::string>().find(part) != std::string::npos;
    return fits ? "" : Wrong(where, actual, "with " + part);
  }
  if (expected.is_array() && actual.is_array()) return DifferenceOfArrays(expected, actual, where);
  if (expected.is_object() && actual.is_object())
    return DifferenceOfObjects(expected, actual, where);
  return expected == actual ? "" : Wrong(where, actual, expected.dump());
}

Keep ReadKeep(const Json& rule) {
  return {.age_ms = rule.value("age_ms", int64_t{-1}), .count = rule.value("count", int64_t{-1})};
}

// A key's secret is one letter, 32 times.
Security ReadSecurity(const Json& security) {
  Security read{.require = security.value("require", false)};
  read.mode =
      security.value("mode", std::string("encrypt")) == "sign" ? Sealing::kSign : Sealing::kEncrypt;
  for (const Json& key : security.at("keys")) {
    const auto letter = key.at("secret").get<std::string>();
    read.keys.push_back(
        {.id = key.at("id").get<std::string>(), .secret = std::string(32, letter.at(0))});
  }
  return read;
}

JobSpec ReadSpec(const Json& job) {
  JobSpec spec;
  spec.queue = job.value("queue", std::string("q"));
  spec.name = job.value("name", std::string("n"));
  spec.data = job.value("data", Json::object()).dump();
  if (job.contains("headers")) spec.headers = job.at("headers").dump();
  spec.id = job.value("id", std::string());
  spec.due_at_ms = Moment(job, "due_at_ms");
  spec.delay_ms = job.value("delay_ms", spec.delay_ms);
  spec.expires_at_ms = Moment(job, "expires_at_ms");
  spec.expires_in_ms = job.value("expires_in_ms", spec.expires_in_ms);
  spec.priority = job.value("priority", spec.priority);
  spec.lifo = job.value("lifo", spec.lifo);
  if (job.contains("retry")) spec.retry = ReadRetry(job.at("retry"));
  spec.max_crashes = job.value("max_crashes", spec.max_crashes);
  spec.time_limit_ms = job.value("time_limit_ms", spec.time_limit_ms);
  spec.soft_time_limit_ms = job.value("soft_time_limit_ms", spec.soft_time_limit_ms);
  spec.keep_logs = job.value("keep_logs", spec.keep_logs);
  if (job.contains("keep_completed")) spec.keep_completed = ReadKeep(job.at("keep_completed"));
  if (job.contains("keep_failed")) spec.keep_failed = ReadKeep(job.at("keep_failed"));
  spec.group = job.value("group", spec.group);
  ReadKeys(job, &spec);
  return spec;
}

Outcome ReadOutcome(const Json& step) {
  Outcome outcome;
  outcome.kind =
      static_cast<Outcome::Kind>(IndexOf(kOutcomes, step.at("outcome").get<std::string>()));
  if (outcome.kind != Outcome::Kind::kReleased && outcome.kind < Outcome::Kind::kWaiting)
    outcome.body = step.value("body", Json()).dump();
  outcome.retryable = step.value("retryable", true);
  if (step.contains("delay_ms")) outcome.delay_ms = step.at("delay_ms").get<int64_t>();
  if (step.contains("progress")) outcome.progress = step.at("progress").dump();
  if (step.contains("throttle")) {
    outcome.throttle = Throttle{.scope = ReadLimit(step.at("throttle")).scope,
                                .ms = step.at("throttle").at("ms").get<int64_t>()};
  }
  return outcome;
}

Limit ReadLimit(const Json& step) {
  Limit limit;
  limit.scope = static_cast<LimitScope>(IndexOf(kScopes, step.at("scope").get<std::string>()));
  const bool of_queue = limit.scope == LimitScope::kQueue || limit.scope == LimitScope::kGroup;
  limit.queue = step.value("queue", std::string(of_queue ? "q" : ""));
  limit.task = step.value("task", std::string());
  limit.group = step.value("group", std::string());
  limit.concurrency = step.value("concurrency", int64_t{0});
  limit.rate = {.count = step.value("rate_count", int64_t{0}),
                .period_ms = step.value("rate_period_ms", int64_t{0})};
  limit.max_size = step.value("max_size", int64_t{0});
  return limit;
}

BulkQuery ReadBulkQuery(const Json& step, JobState state) {
  BulkQuery query;
  query.queue = step.value("queue", std::string("q"));
  query.state =
      step.contains("state") ? ParseJobState(step.at("state").get<std::string>()).value() : state;
  query.name = step.value("name", std::string());
  query.before_at_ms = Moment(step, "before_at_ms");
  query.limit = step.value("limit", int64_t{0});
  return query;
}

Json SinceStart(int64_t at_ms) {
  return at_ms == 0 ? Json() : Json(at_ms - kScenarioStartMs);
}

Json Parsed(const std::string& text) {
  return text.empty() ? Json() : Json::parse(text);
}

Json ShowJob(const JobInfo& job) {
  Json errors = Json::array();
  for (const std::string& error : job.attempt_errors) errors.push_back(Parsed(error));
  return {{"id", job.spec.id},
          {"queue", job.spec.queue},
          {"name", job.spec.name},
          {"priority", job.spec.priority},
          {"data", Parsed(job.spec.data)},
          {"headers", job.spec.headers.empty() ? Json::object() : Parsed(job.spec.headers)},
          {"state", JobStateName(job.state)},
          {"created_at_ms", SinceStart(job.created_at_ms)},
          {"due_at_ms", SinceStart(job.due_at_ms)},
          {"started_at_ms", SinceStart(job.started_at_ms)},
          {"finished_at_ms", SinceStart(job.finished_at_ms)},
          {"attempts_started", job.attempts_started},
          {"attempts_made", job.attempts_made},
          {"crashes", job.crashes},
          {"cancel_requested", job.cancel_requested},
          {"progress", Parsed(job.progress)},
          {"checkpoint", Parsed(job.checkpoint)},
          {"result", Parsed(job.result.value_or(""))},
          {"error", Parsed(job.error)},
          {"attempt_errors", errors},
          {"dependencies", job.dependencies},
          {"pending", job.pending}};
}

Json ShowDependency(const DependencyInfo& dependency) {
  return {{"id", dependency.id},
          {"queue", dependency.queue},
          {"name", dependency.name},
          {"policy", DependencyPolicyName(dependency.policy)},
          {"state", JobStateName(dependency.state)},
          {"done", dependency.done},
          {"result", Parsed(dependency.result.value_or(""))},
          {"error", Parsed(dependency.error)}};
}

Json ShowLimit(const LimitInfo& info) {
  const Limit& limit = info.limit;
  return {{"scope", kScopes.at(static_cast<size_t>(limit.scope))},
          {"queue", limit.queue},
          {"task", limit.task},
          {"group", limit.group},
          {"concurrency", limit.concurrency},
          {"rate_count", limit.rate.count},
          {"rate_period_ms", limit.rate.period_ms},
          {"max_size", limit.max_size},
          {"active", info.active},
          {"limited_until_at_ms", SinceStart(info.limited_until_ms)}};
}

Json ShowGroup(const GroupInfo& info) {
  return {{"group", info.group},
          {"paused", info.paused},
          {"ready", info.ready},
          {"active", info.active}};
}

Json ShowLeased(const LeasedJob& job) {
  Json dependencies = Json::array();
  for (const DependencyInfo& each : job.dependencies) dependencies.push_back(ShowDependency(each));
  return {{"attempt", job.attempt},
          {"priority", job.spec.priority},
          {"data", Parsed(job.spec.data)},
          {"headers", job.spec.headers.empty() ? Json::object() : Parsed(job.spec.headers)},
          {"progress", Parsed(job.progress)},
          {"checkpoint", Parsed(job.checkpoint)},
          {"crashes", job.crashes},
          {"dependencies", dependencies},
          {"dependency_count", job.dependency_count}};
}

Json ShowOutcome(const JobOutcome& outcome) {
  return {{"state", JobStateName(outcome.state)},
          {"finished_at_ms", SinceStart(outcome.finished_at_ms)},
          {"attempts_made", outcome.attempts_made},
          {"progress", Parsed(outcome.progress)},
          {"result", Parsed(outcome.result.value_or(""))},
          {"error", Parsed(outcome.error)}};
}

Json ShowCounts(const QueueCounts& counts) {
  return {{"queue", counts.queue},         {"paused", counts.paused},
          {"ready", counts.ready},         {"prioritized", counts.prioritized},
          {"scheduled", counts.scheduled}, {"blocked", counts.blocked},
          {"active", counts.active},       {"completed", counts.completed},
          {"failed", counts.failed},       {"cancelled", counts.cancelled}};
}

Json ShowEvent(const Event& event) {
  return {{"type", EventTypeName(event.type)},
          {"name", event.name},
          {"queue", event.queue},
          {"state", JobStateName(event.state)},
          {"prev", JobStateName(event.prev)},
          {"attempt", event.attempt},
          {"count", event.count},
          {"at_ms", SinceStart(event.at_ms)},
          {"due_at_ms", SinceStart(event.due_at_ms)},
          {"data", Parsed(event.data)}};
}

}  // namespace millrace::testing
