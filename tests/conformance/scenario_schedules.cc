// The scenarios' operations on schedules.
#include <array>

#include "conformance/scenario_runner.h"

namespace millrace::testing {
namespace {

constexpr std::array kOverlaps = {"allow", "skip", "queue_one"};
constexpr std::array kCatchUps = {"none", "last", "all"};

template <typename E, size_t kCount>
E Named(const std::array<const char*, kCount>& words, const Json& word) {
  for (size_t i = 0; i < kCount; ++i) {
    if (word == words[i]) return static_cast<E>(i);
  }
  throw std::invalid_argument("no such word: " + word.dump());
}

int64_t Moment(const Json& json, const char* name) {
  return json.contains(name) ? json.at(name).get<int64_t>() + kScenarioStartMs : 0;
}

Timing ReadTiming(const Json& json) {
  Timing timing;
  timing.cron = json.value("cron", timing.cron);
  timing.time_zone = json.value("time_zone", timing.time_zone);
  timing.every_ms = json.value("every_ms", timing.every_ms);
  timing.offset_ms = json.value("offset_ms", timing.offset_ms);
  timing.solar = json.value("solar", timing.solar);
  timing.latitude = json.value("latitude", timing.latitude);
  timing.longitude = json.value("longitude", timing.longitude);
  timing.start_at_ms = Moment(json, "start_at_ms");
  timing.end_at_ms = Moment(json, "end_at_ms");
  return timing;
}

ScheduleSpec ReadSchedule(const Json& json) {
  ScheduleSpec spec;
  spec.id = json.value("id", std::string("s"));
  spec.timing = ReadTiming(json);
  spec.job = ReadSpec(json.value("job", Json::object()));
  spec.limit = json.value("limit", spec.limit);
  spec.jitter_ms = json.value("jitter_ms", spec.jitter_ms);
  if (json.contains("overlap")) spec.overlap = Named<Overlap>(kOverlaps, json.at("overlap"));
  if (json.contains("catch_up")) spec.catch_up = Named<CatchUp>(kCatchUps, json.at("catch_up"));
  spec.catch_up_max = json.value("catch_up_max", spec.catch_up_max);
  spec.paused = json.value("paused", spec.paused);
  spec.immediately = json.value("immediately", spec.immediately);
  spec.from_start = json.value("from_start", spec.from_start);
  return spec;
}

std::string IdOf(const Json& step) {
  return step.value("id", std::string("s"));
}

Result<Json> Nothing(const Status& status) {
  if (!status.ok()) return status;
  return Json();
}

}  // namespace

Result<Json> ScenarioRunner::ShowSchedule(const Json& step, const Result<ScheduleInfo>& info) {
  if (!info.ok()) return info.status();
  if (step.contains("as") && !info->last_job_id.empty()) {
    ids_[step.at("as").get<std::string>()] = info->last_job_id;
    names_[info->last_job_id] = step.at("as").get<std::string>();
  }
  return Json{{"id", info->spec.id},
              {"next_at_ms", SinceStart(info->next_at_ms)},
              {"last_at_ms", SinceStart(info->last_at_ms)},
              {"fired", info->fired},
              {"skipped", info->skipped},
              {"paused", info->spec.paused},
              {"last_job", info->last_job_id.empty() ? Json() : Json(NameOf(info->last_job_id))}};
}

void ScenarioRunner::AddSchedules() {
  operations_["put_schedule"] = [this](const Json& step) {
    return ShowSchedule(step, engine_->PutSchedule(ReadSchedule(step.at("schedule")), {}));
  };
  operations_["schedule"] = [this](const Json& step) {
    return ShowSchedule(step, engine_->GetSchedule(IdOf(step)));
  };
  operations_["schedules"] = [this](const Json& step) -> Result<Json> {
    const auto infos = engine_->ListSchedules(step.value("after", std::string()),
                                              step.value("limit", int64_t{1000}));
    if (!infos.ok()) return infos.status();
    Json answer = Json::array();
    for (const ScheduleInfo& info : *infos) answer.push_back(info.spec.id);
    return answer;
  };
  operations_["pause_schedule"] = [this](const Json& step) {
    return Nothing(engine_->PauseSchedule(IdOf(step), step.value("paused", true), {}));
  };
  operations_["remove_schedule"] = [this](const Json& step) {
    return Nothing(engine_->RemoveSchedule(IdOf(step), {}));
  };
  operations_["preview"] = [this](const Json& step) -> Result<Json> {
    const auto slots = engine_->PreviewTiming(ReadTiming(step.at("timing")),
                                              Moment(step, "after_at_ms"), step.value("count", 10));
    if (!slots.ok()) return slots.status();
    Json answer = Json::array();
    for (const int64_t slot : *slots) answer.push_back(SinceStart(slot));
    return answer;
  };
}

}  // namespace millrace::testing
