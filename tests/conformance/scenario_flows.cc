// Jobs that wait for others, in scenarios.
#include <array>
#include <stdexcept>

#include "conformance/scenario_runner.h"

namespace millrace::testing {
namespace {

constexpr std::array kJoins = {"run", "forward", "collect"};

JoinKind ReadJoin(const std::string& word) {
  for (size_t i = 0; i < kJoins.size(); ++i) {
    if (word == kJoins.at(i)) return static_cast<JoinKind>(i);
  }
  throw std::invalid_argument("no such join: " + word);
}

DependencyPolicy ReadPolicy(const Json& edge, DependencyPolicy fallback) {
  if (!edge.contains("policy")) return fallback;
  return ParseDependencyPolicy(edge.at("policy").get<std::string>()).value();
}

}  // namespace

std::vector<JobSpec> ScenarioRunner::ReadJobs(const Json& jobs) const {
  std::vector<JobSpec> specs;
  for (const Json& job : jobs) {
    JobSpec spec = ReadSpec(job);
    for (const Json& edge : job.value("after", Json::array())) {
      Dependency dependency{.index = edge.value("index", -1),
                            .policy = ReadPolicy(edge, DependencyPolicy::kFail),
                            .name = edge.value("name", std::string())};
      if (edge.contains("job")) dependency.job = Ref(edge);
      spec.after.push_back(std::move(dependency));
    }
    if (job.contains("join")) spec.join = ReadJoin(job.at("join").get<std::string>());
    if (job.contains("parent")) {
      const Json& parent = job.at("parent");
      spec.parent = ParentLink{.job = Ref(parent),
                               .policy = ReadPolicy(parent, DependencyPolicy::kWait),
                               .name = parent.value("name", std::string())};
      if (parent.value("held", false)) spec.parent->token = Lease(parent).token;
    }
    specs.push_back(std::move(spec));
  }
  return specs;
}

Json ScenarioRunner::ShowAdded(const Json& jobs, const std::vector<EnqueueAck>& acks) {
  Json answer = Json::array();
  for (size_t i = 0; i < acks.size(); ++i) {
    const EnqueueAck& ack = acks[i];
    if (const Json& job = jobs.at(i); job.contains("as")) {
      ids_[job.at("as").get<std::string>()] = ack.id;
      names_[ack.id] = job.at("as").get<std::string>();
    }
    answer.push_back(
        {{"id", NameOf(ack.id)}, {"existing", ack.existing}, {"state", JobStateName(ack.state)}});
    answer.back()["replaced"] = NameOf(ack.replaced_id);
  }
  return answer;
}

void ScenarioRunner::AddFlows() {
  operations_["dependencies"] = [this](const Json& step) -> Result<Json> {
    DependencyQuery query{.job = Ref(step),
                          .offset = step.value("offset", int64_t{0}),
                          .limit = step.value("limit", int64_t{1000})};
    for (const Json& state : step.value("states", Json::array())) {
      query.states |= 1U << static_cast<int>(ParseJobState(state.get<std::string>()).value());
    }
    const Result<DependencyPage> page = engine_->Dependencies(query);
    if (!page.ok()) return page.status();
    Json shown = Json::array();
    for (const DependencyInfo& each : page->dependencies) {
      shown.push_back(ShowDependency(each));
      shown.back()["id"] = NameOf(each.id);
    }
    return Json{{"total", page->total}, {"pending", page->pending}, {"dependencies", shown}};
  };
  operations_["flow"] = [this](const Json& step) -> Result<Json> {
    const Result<std::string> tree =
        engine_->FlowJson(Ref(step), step.value("depth", 1000), step.value("children", 1000));
    if (!tree.ok()) return tree.status();
    return Json::parse(*tree);
  };
}

}  // namespace millrace::testing
