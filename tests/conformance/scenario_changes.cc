// Changes to single jobs, to what is known about them, and to what they wait for, in scenarios.
#include <array>

#include "conformance/scenario_runner.h"

namespace millrace::testing {
namespace {

constexpr std::array kCancels = {"cancelled", "requested", "finished", "unknown"};

std::string QueueOf(const Json& step) {
  return step.value("queue", std::string("q"));
}

template <typename T>
Result<Json> Plain(const Result<T>& result) {
  if (!result.ok()) return result.status();
  return Json(*result);
}

Result<Json> Nothing(const Status& status) {
  if (!status.ok()) return status;
  return Json();
}

RedriveOptions ReadRedrive(const Json& step) {
  return {.keep_attempts_started = step.value("keep_attempts_started", false),
          .keep_attempts_made = step.value("keep_attempts_made", false)};
}

JobChange ReadChange(const Json& step) {
  JobChange change;
  if (step.contains("data")) change.data = step.at("data").dump();
  if (step.contains("priority")) change.priority = step.at("priority").get<int32_t>();
  if (step.contains("lifo")) change.lifo = step.at("lifo").get<bool>();
  if (step.contains("due_at_ms"))
    change.due_at_ms = kScenarioStartMs + step.at("due_at_ms").get<int64_t>();
  if (step.contains("delay_ms")) change.delay_ms = step.at("delay_ms").get<int64_t>();
  if (step.contains("in_state"))
    change.in_state = ParseJobState(step.at("in_state").get<std::string>()).value();
  return change;
}

}  // namespace

void ScenarioRunner::AddJobChanges() {
  operations_["cancel_jobs"] = [this](const Json& step) -> Result<Json> {
    std::vector<JobRef> jobs;
    for (const Json& job : step.at("jobs")) jobs.push_back(Ref({{"job", job}}));
    const auto results = engine_->CancelJobs(jobs, step.value("reason", std::string()), {});
    if (!results.ok()) return results.status();
    Json answer = Json::array();
    for (const CancelResult result : *results)
      answer.push_back(kCancels.at(static_cast<size_t>(result)));
    return answer;
  };
  operations_["redrive"] = [this](const Json& step) {
    return Nothing(engine_->Redrive(Ref(step), ReadRedrive(step), {}));
  };
  operations_["redrive_many"] = [this](const Json& step) {
    return Plain(
        engine_->RedriveMany(ReadBulkQuery(step, JobState::kFailed), ReadRedrive(step), {}));
  };
  operations_["update"] = [this](const Json& step) {
    return Nothing(engine_->UpdateJob(Ref(step), ReadChange(step), {}));
  };
  operations_["add_log"] = [this](const Json& step) {
    return Plain(engine_->AddLog(Ref(step), step.at("line").get<std::string>(), {}));
  };
  operations_["clear_logs"] = [this](const Json& step) {
    return Plain(engine_->ClearLogs(Ref(step), step.value("keep", int64_t{0}), {}));
  };
  operations_["publish_event"] = [this](const Json& step) {
    const std::string data = step.contains("data") ? step.at("data").dump() : "";
    return Nothing(engine_->PublishEvent({.queue = QueueOf(step),
                                          .name = step.value("name", std::string("n")),
                                          .data = data,
                                          .job_id = step.contains("job") ? Ref(step).id : ""},
                                         {}));
  };
  operations_["trim_events"] = [this](const Json& step) {
    return Plain(engine_->TrimEvents(QueueOf(step), step.at("keep").get<int64_t>(), {}));
  };
  AddWaiting();
}

void ScenarioRunner::AddWaiting() {
  operations_["remove_dependency"] = [this](const Json& step) {
    return Plain(engine_->RemoveDependency(Ref(step), Ref({{"job", step.at("depends_on")}}), {}));
  };
  operations_["remove_unprocessed"] = [this](const Json& step) {
    return Plain(engine_->RemoveUnprocessed(Ref(step), {}));
  };
  operations_["dependents"] = [this](const Json& step) -> Result<Json> {
    const auto dependents = engine_->Dependents(Ref(step), step.value("offset", int64_t{0}),
                                                step.value("limit", int64_t{1000}));
    if (!dependents.ok()) return dependents.status();
    Json answer = Json::array();
    for (const JobRef& job : *dependents) {
      answer.push_back(NameOf(job.id));
      answer.push_back(job.queue);
    }
    return answer;
  };
  operations_["metrics"] = [this](const Json& step) -> Result<Json> {
    const auto state = ParseJobState(step.value("state", std::string("completed")));
    const auto metrics = engine_->ReadMetrics({.queue = QueueOf(step),
                                               .state = state.value(),
                                               .start = step.value("start", int64_t{0}),
                                               .end = step.value("end", int64_t{-1})});
    if (!metrics.ok()) return metrics.status();
    return Json{{"total", metrics->total}, {"minutes", metrics->minutes}, {"data", metrics->data}};
  };
}

}  // namespace millrace::testing
