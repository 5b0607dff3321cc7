// Deduplication keys, checkpoints, delivery and counters, in scenarios.
#include <array>
#include <stdexcept>

#include "conformance/scenario_runner.h"

namespace millrace::testing {
namespace {

constexpr std::array kModes = {"unfinished", "throttle", "debounce", "follow_up", "states"};
constexpr std::array kDeliveries = {"at_least_once", "at_most_once"};

template <size_t kCount>
int IndexOf(const std::array<const char*, kCount>& words, const std::string& word) {
  for (size_t i = 0; i < kCount; ++i) {
    if (word == words.at(i)) return static_cast<int>(i);
  }
  throw std::invalid_argument("no such word: " + word);
}

Json ShowCounters(const std::vector<TaskCounters>& counters) {
  Json answer = Json::array();
  for (const TaskCounters& one : counters) {
    answer.push_back({{"queue", one.queue},
                      {"task", one.task},
                      {"enqueued", one.enqueued},
                      {"started", one.started},
                      {"completed", one.completed},
                      {"failed", one.failed},
                      {"cancelled", one.cancelled},
                      {"retried", one.retried},
                      {"crashed", one.crashed}});
  }
  return answer;
}

}  // namespace

void ReadKeys(const Json& job, JobSpec* spec) {
  if (job.contains("delivery")) {
    spec->delivery =
        static_cast<Delivery>(IndexOf(kDeliveries, job.at("delivery").get<std::string>()));
  }
  if (!job.contains("dedup")) return;
  const Json& dedup = job.at("dedup");
  spec->dedup.key = dedup.value("key", std::string());
  spec->dedup.mode = static_cast<Deduplication::Mode>(
      IndexOf(kModes, dedup.value("mode", std::string("unfinished"))));
  spec->dedup.ttl_ms = dedup.value("ttl_ms", int64_t{0});
  for (const Json& state : dedup.value("states", Json::array())) {
    spec->dedup.states |=
        1U << static_cast<uint32_t>(ParseJobState(state.get<std::string>()).value());
  }
}

void ScenarioRunner::AddKeys() {
  const auto queue_of = [](const Json& step) { return step.value("queue", std::string("q")); };
  operations_["dedup_holder"] = [this, queue_of](const Json& step) -> Result<Json> {
    const auto holder = engine_->DedupHolder(queue_of(step), step.at("key").get<std::string>());
    if (!holder.ok()) return holder.status();
    return holder->empty() ? Json() : Json(NameOf(*holder));
  };
  operations_["release_dedup"] = [this, queue_of](const Json& step) -> Result<Json> {
    const auto released =
        engine_->ReleaseDedup(queue_of(step), step.at("key").get<std::string>(), {});
    if (!released.ok()) return released.status();
    return Json(*released);
  };
  operations_["checkpoint"] = [this](const Json& step) -> Result<Json> {
    const Held& held = Lease(step);
    const Status status = held.told->session->Checkpoint(held.token, step.at("value").dump());
    if (!status.ok()) return status;
    return Json();
  };
  operations_["counters"] = [this](const Json& step) -> Result<Json> {
    const auto counters = engine_->ReadCounters(step.value("queue", std::string()));
    if (!counters.ok()) return counters.status();
    return ShowCounters(*counters);
  };
}

}  // namespace millrace::testing
