// The JSON of the conformance scenarios: what is expected of an answer, and the core's types in it.
#ifndef MILLRACE_TESTS_CONFORMANCE_SCENARIO_VALUES_H_
#define MILLRACE_TESTS_CONFORMANCE_SCENARIO_VALUES_H_

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "millrace/engine.h"

namespace millrace::testing {

using Json = nlohmann::ordered_json;

inline constexpr int64_t kScenarioStartMs = 1'700'000'000'000;

// Replaces {"repeat": [text, count]} by the text.
Json Expand(const Json& value);

// Where an answer is not as expected; empty if it is.
std::string Difference(const Json& expected, const Json& actual,
                       const std::string& where = "answer");

// Throws std::invalid_argument for a word that no scenario may use.
Security ReadSecurity(const Json& security);
JobSpec ReadSpec(const Json& job);
void ReadKeys(const Json& job, JobSpec* spec);  // scenario_keys.cc
Keep ReadKeep(const Json& rule);
Outcome ReadOutcome(const Json& step);
Limit ReadLimit(const Json& step);
BulkQuery ReadBulkQuery(const Json& step, JobState state);

Json SinceStart(int64_t at_ms);
Json Parsed(const std::string& text);
Json ShowJob(const JobInfo& job);
Json ShowDependency(const DependencyInfo& dependency);
Json ShowLimit(const LimitInfo& info);
Json ShowGroup(const GroupInfo& info);
Json ShowLeased(const LeasedJob& job);
Json ShowOutcome(const JobOutcome& outcome);
Json ShowCounts(const QueueCounts& counts);
Json ShowEvent(const Event& event);

}  // namespace millrace::testing

#endif  // MILLRACE_TESTS_CONFORMANCE_SCENARIO_VALUES_H_
