#include "conformance/scenario_runner.h"

#include <algorithm>
#include <chrono>
#include <stdexcept>
#include <thread>
#include <utility>

#include "engine/engine_test_util.h"

namespace millrace::testing {
namespace {

using SteadyClock = std::chrono::steady_clock;
constexpr std::chrono::seconds kPatience{20};
constexpr std::array kSignals = {"cancel", "soft_limit", "hard_limit", "lease_lost"};

std::string QueueOf(const Json& step) {
  return step.value("queue", std::string("q"));
}

Result<Json> Nothing(const Status& status) {
  if (!status.ok()) return status;
  return Json();
}

template <typename T>
Result<Json> Shown(const Result<T>& result, Json (*show)(const T&)) {
  if (!result.ok()) return result.status();
  return show(*result);
}

Result<Json> Number(const Result<int64_t>& result) {
  if (!result.ok()) return result.status();
  return Json(*result);
}

std::string CheckError(const Json& expected, const Status& status) {
  std::string wrong = Difference(expected.at("code"), CodeName(status.code()), "code");
  for (const Json& text : expected.value("says", Json::array())) {
    if (status.message().find(text.get<std::string>()) != std::string::npos) continue;
    wrong += status.ToString() + " does not say " + text.dump();
  }
  return wrong;
}

}  // namespace

ScenarioRunner::ScenarioRunner(const std::string& path, const Json& options) : path_(path) {
  Must(Open(options));
  AddWork();
  AddSession();
  AddChanges();
  AddJobChanges();
  AddKeys();
  AddBulkChanges();
  AddLimits();
  AddReads();
  AddLists();
  AddFlows();
  AddSchedules();
  AddTransactions();
}

ScenarioRunner::~ScenarioRunner() = default;

Status ScenarioRunner::Open(const Json& options) {
  OpenOptions open{.path = path_, .durability = Durability::kProcess, .clock = clock_};
  open.max_payload_bytes = options.value("max_payload_bytes", open.max_payload_bytes);
  if (options.contains("keep_completed"))
    open.keep_completed = ReadKeep(options.at("keep_completed"));
  if (options.contains("keep_failed")) open.keep_failed = ReadKeep(options.at("keep_failed"));
  if (options.contains("security")) open.security = ReadSecurity(options.at("security"));
  EndSessions();
  transaction_.reset();
  engine_.reset();
  auto engine = Engine::Open(std::move(open));
  if (engine.ok()) engine_ = std::move(*engine);
  return engine.status();
}

void ScenarioRunner::EndSessions() {
  for (const std::shared_ptr<Told>& told : sessions_) Must(told->session->Close(0));
  sessions_.clear();
  held_.clear();
}

std::string ScenarioRunner::Play(const Json& step) {
  const auto found = operations_.find(step.at("op").get<std::string>());
  if (found == operations_.end()) return "no such operation";
  const auto deadline = SteadyClock::now() + kPatience;
  for (;;) {
    std::string wrong = Check(found->second, step);
    if (wrong.empty() || !step.value("eventually", false) || SteadyClock::now() > deadline)
      return wrong;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

std::string ScenarioRunner::Check(const Operation& operation, const Json& step) {
  const Result<Json> answer = operation(step);
  if (!answer.ok())
    return step.contains("error") ? CheckError(step.at("error"), answer.status())
                                  : answer.status().ToString();
  if (step.contains("error")) return "answered " + answer->dump() + " in place of an error";
  return step.contains("expect") ? Difference(step.at("expect"), *answer) : "";
}

std::string ScenarioRunner::Finish() {
  EndSessions();
  const Json doctor = Json::parse(Must(engine_->DoctorJson()));
  Must(engine_->Close());
  return doctor.at("ok") == true ? "" : doctor.dump();
}

JobRef ScenarioRunner::Ref(const Json& step) const {
  const std::string name = step.at("job").get<std::string>();
  const auto id = ids_.find(name);
  return {.id = id == ids_.end() ? name : id->second, .queue = step.value("queue", std::string())};
}

std::string ScenarioRunner::NameOf(const std::string& id) const {
  const auto name = names_.find(id);
  return name == names_.end() ? id : name->second;
}

Result<Json> ScenarioRunner::Enqueue(const Json& step) {
  const Result<std::vector<EnqueueAck>> acks = engine_->Enqueue(ReadJobs(step.at("jobs")), {});
  if (!acks.ok()) return acks.status();
  return ShowAdded(step.at("jobs"), *acks);
}

// --- Sessions
// --- Sessions ---

bool ScenarioRunner::Hear(Told& told, const std::function<bool()>& found) {
  const auto deadline = SteadyClock::now() + kPatience;
  for (int64_t wait_ms = 0; SteadyClock::now() < deadline; wait_ms = 10) {
    const Notices notices = Must(told.session->Drain(wait_ms));
    if (!notices.errors.empty()) Must(notices.errors.front());
    told.settled.insert(told.settled.end(), notices.settled.begin(), notices.settled.end());
    told.signals.insert(told.signals.end(), notices.signals.begin(), notices.signals.end());
    told.drained = told.drained || notices.drained;
    if (found()) return true;
  }
  return false;
}

std::vector<LeasedJob> ScenarioRunner::TakeAll(Told& told, size_t wanted) {
  std::vector<LeasedJob> jobs;
  Hear(told, [&] {
    const bool drained = told.drained;  // heard before this last look
    const size_t missing = wanted > jobs.size() ? wanted - jobs.size() : 1;
    for (LeasedJob& job : Must(told.session->Take(static_cast<int32_t>(missing), 0)))
      jobs.push_back(std::move(job));
    return drained || (wanted > 0 && jobs.size() >= wanted);
  });
  return jobs;
}

Result<Json> ScenarioRunner::Take(const Json& step) {
  const size_t wanted = step.at("jobs").size();
  auto told = std::make_shared<Told>();
  told->session =
      Must(engine_->OpenSession({.queues = {QueueOf(step)},
                                 .slots = static_cast<int32_t>(std::max<size_t>(wanted, 1)),
                                 .worker_name = "conformance",
                                 .paused = true}));
  told->session->Resume();  // claims, and tells if there was nothing
  Json names = Json::array();
  Json answer = Json::array();
  for (const LeasedJob& job : TakeAll(*told, wanted)) {
    names.push_back(NameOf(job.spec.id));
    held_[NameOf(job.spec.id)] = {.told = told, .token = job.token};
    answer.push_back(ShowLeased(job));
  }
  sessions_.push_back(told);
  if (wanted == 0) Must(told->session->Close(0));
  if (const std::string wrong = Difference(step.at("jobs"), names, "taken jobs"); !wrong.empty()) {
    return Status(Code::kInternal, wrong);
  }
  return answer;
}

Result<Json> ScenarioRunner::Settle(const Json& step) {
  const Held held = Lease(step);
  held.told->session->Stop();  // so that the freed slot takes no other job
  Outcome outcome = ReadOutcome(step);
  outcome.jobs = ReadJobs(step.value("jobs", Json::array()));
  const Status status = held.told->session->Settle(held.token, std::move(outcome));
  if (!status.ok()) return status;
  const auto of_job = [&](const Settled& settled) { return settled.token == held.token; };
  const std::vector<Settled>& all = held.told->settled;
  if (!Hear(*held.told, [&] { return std::any_of(all.begin(), all.end(), of_job); })) {
    return Status(Code::kTimeout, "nothing was settled");
  }
  const Settled& settled = *std::find_if(all.begin(), all.end(), of_job);
  if (!settled.status.ok()) return settled.status;
  return Json{{"state", JobStateName(settled.state)},
              {"queue", settled.queue},
              {"due_at_ms", SinceStart(settled.due_at_ms)},
              {"added", ShowAdded(step.value("jobs", Json::array()), settled.added)}};
}

Result<Json> ScenarioRunner::NextSignal(const Json& step) {
  const Held held = Lease(step);
  std::vector<Signal>& all = held.told->signals;
  auto next = [&] {
    return std::find_if(all.begin(), all.end(),
                        [&](const Signal& signal) { return signal.token == held.token; });
  };
  if (!Hear(*held.told, [&] { return next() != all.end(); }))
    return Status(Code::kTimeout, "no signal came");
  const Signal signal = *next();
  all.erase(next());
  return Json{{"kind", kSignals.at(static_cast<size_t>(signal.kind))}, {"reason", signal.reason}};
}

void ScenarioRunner::AddSession() {
  operations_["take"] = [this](const Json& step) { return Take(step); };
  operations_["settle"] = [this](const Json& step) { return Settle(step); };
  operations_["signal"] = [this](const Json& step) { return NextSignal(step); };
  operations_["close"] = [this](const Json& step) {
    return Nothing(Lease(step).told->session->Close(0));
  };
  operations_["progress"] = [this](const Json& step) {
    return Nothing(Lease(step).told->session->Progress(Lease(step).token, step.at("value").dump()));
  };
  operations_["log"] = [this](const Json& step) {
    return Nothing(
        Lease(step).told->session->Log(Lease(step).token, step.at("line").get<std::string>()));
  };
}

// --- Changes
// --- Changes ---

void ScenarioRunner::AddWork() {
  operations_["enqueue"] = [this](const Json& step) { return Enqueue(step); };
  operations_["reopen"] = [this](const Json& step) {
    return Nothing(Open(step.value("store", Json::object())));
  };
  operations_["advance"] = [this](const Json& step) -> Result<Json> {
    clock_->Advance(step.at("ms").get<int64_t>());
    return Json();
  };
}

void ScenarioRunner::AddChange(const char* name,
                               Status (Engine::*change)(const JobRef&, const WriteOptions&)) {
  operations_[name] = [this, change](const Json& step) {
    return Nothing((*engine_.*change)(Ref(step), {}));
  };
}

void ScenarioRunner::AddChanges() {
  AddChange("promote", &Engine::Promote);
  AddChange("remove", &Engine::Remove);
  operations_["cancel"] = [this](const Json& step) -> Result<Json> {
    const auto result = engine_->Cancel(Ref(step), step.value("reason", std::string()), {});
    if (!result.ok()) return result.status();
    return Json(*result == CancelResult::kCancelled   ? "cancelled"
                : *result == CancelResult::kRequested ? "requested"
                                                      : "finished");
  };
  operations_["set_progress"] = [this](const Json& step) {
    return Nothing(engine_->SetProgress(Ref(step), step.at("value").dump(), {}));
  };
  operations_["pause"] = [this](const Json& step) {
    return Nothing(engine_->Pause(QueueOf(step), {}));
  };
  operations_["resume"] = [this](const Json& step) {
    return Nothing(engine_->Resume(QueueOf(step), {}));
  };
  operations_["set_retention"] = [this](const Json& step) {
    const auto keep = [&](const char* rule) {
      return step.contains(rule) ? std::optional(ReadKeep(step.at(rule))) : std::nullopt;
    };
    return Nothing(engine_->SetRetention(QueueOf(step), keep("completed"), keep("failed"), {}));
  };
}

void ScenarioRunner::AddLimits() {
  operations_["set_limit"] = [this](const Json& step) {
    return Nothing(engine_->SetLimit(ReadLimit(step), {}));
  };
  operations_["throttle"] = [this](const Json& step) {
    return Nothing(engine_->Throttle(ReadLimit(step), step.at("ms").get<int64_t>(), {}));
  };
  operations_["limits"] = [this](const Json&) -> Result<Json> {
    const auto limits = engine_->ListLimits();
    if (!limits.ok()) return limits.status();
    Json answer = Json::array();
    for (const LimitInfo& info : *limits) answer.push_back(ShowLimit(info));
    return answer;
  };
  operations_["groups"] = [this](const Json& step) -> Result<Json> {
    const auto groups = engine_->ListGroups(QueueOf(step), step.value("after", std::string()),
                                            step.value("limit", int64_t{1000}));
    if (!groups.ok()) return groups.status();
    Json answer = Json::array();
    for (const GroupInfo& info : *groups) answer.push_back(ShowGroup(info));
    return answer;
  };
  operations_["pause_group"] = [this](const Json& step) {
    const auto group = step.at("group").get<std::string>();
    return Nothing(engine_->PauseGroup(QueueOf(step), group, step.value("paused", true), {}));
  };
}

void ScenarioRunner::AddBulkChanges() {
  operations_["promote_many"] = [this](const Json& step) {
    return Number(engine_->PromoteMany(ReadBulkQuery(step, JobState::kScheduled), {}));
  };
  operations_["remove_many"] = [this](const Json& step) {
    return Number(engine_->RemoveMany(ReadBulkQuery(step, JobState::kFailed), {}));
  };
  operations_["drain"] = [this](const Json& step) {
    return Number(engine_->Drain(QueueOf(step), step.value("scheduled", false), {}));
  };
  operations_["obliterate"] = [this](const Json& step) {
    return Number(engine_->Obliterate(QueueOf(step), step.value("force", false), {}));
  };
}

// --- Reads
// --- Reads ---

Result<Json> ScenarioRunner::Events(const Json& step) {
  EventQuery query{.queue = step.contains("queues") ? "" : QueueOf(step)};
  query.queues = step.value("queues", query.queues);
  if (step.contains("after")) query.after = positions_.at(step.at("after").get<std::string>());
  if (step.contains("job")) query.job_id = Ref(step).id;
  query.limit = step.value("limit", query.limit);
  const Result<EventPage> page = engine_->ReadEvents(query);
  if (!page.ok()) return page.status();
  if (step.contains("as")) positions_[step.at("as").get<std::string>()] = page->next;
  Json answer = Json::array();
  for (const Event& event : page->events) {
    const std::string job = NameOf(event.job_id);
    if (step.value("in_full", false)) {
      answer.push_back(ShowEvent(event));
      answer.back()["job"] = job;
    } else {
      answer.push_back(EventTypeName(event.type) + std::string(job.empty() ? "" : " ") + job);
    }
  }
  return answer;
}

void ScenarioRunner::AddReads() {
  operations_["job"] = [this](const Json& step) -> Result<Json> {
    Result<Json> shown = Shown(engine_->GetJob(Ref(step)), ShowJob);
    if (shown.ok()) (*shown)["id"] = NameOf((*shown)["id"].get<std::string>());
    return shown;
  };
  operations_["outcome"] = [this](const Json& step) {
    return Shown(engine_->GetOutcome(Ref(step)), ShowOutcome);
  };
  operations_["counts"] = [this](const Json& step) {
    return Shown(engine_->Counts(QueueOf(step)), ShowCounts);
  };
  operations_["events"] = [this](const Json& step) { return Events(step); };
  operations_["dead"] = [this](const Json& step) -> Result<Json> {
    const Result<std::string> json =
        engine_->DeadJson(step.value("queue", std::string()), step.value("name", std::string()),
                          step.value("limit", int64_t{100}));
    if (!json.ok()) return json.status();
    return Json::parse(*json);
  };
}

void ScenarioRunner::AddLists() {
  operations_["queues"] = [this](const Json&) -> Result<Json> {
    const auto queues = engine_->ListQueues();
    if (!queues.ok()) return queues.status();
    Json answer = Json::array();
    for (const QueueCounts& counts : *queues) answer.push_back(ShowCounts(counts));
    return answer;
  };
  operations_["list"] = [this](const Json& step) -> Result<Json> {
    ListQuery query{.queue = QueueOf(step),
                    .state = ParseJobState(step.at("state").get<std::string>()).value()};
    query.name = step.value("name", query.name);
    query.offset = step.value("offset", query.offset);
    query.limit = step.value("limit", query.limit);
    query.descending = step.value("descending", query.descending);
    const auto jobs = engine_->ListJobs(query);
    if (!jobs.ok()) return jobs.status();
    Json answer = Json::array();
    for (const JobInfo& job : *jobs) answer.push_back(NameOf(job.spec.id));
    return answer;
  };
  operations_["logs"] = [this](const Json& step) -> Result<Json> {
    const auto lines = engine_->GetLogs(Ref(step), step.value("offset", int64_t{0}),
                                        step.value("limit", int64_t{1000}));
    if (!lines.ok()) return lines.status();
    Json answer = Json::array();
    for (const LogLine& line : *lines) answer.push_back(line.text);
    return answer;
  };
}

}  // namespace millrace::testing
