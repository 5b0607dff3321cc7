#include "store/power_cut_engine_workload.h"

#include <chrono>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <utility>

#include "store/crash_vfs.h"

namespace millrace::store {
namespace {

std::string BatchName(int producer, int number) {
  return std::to_string(producer) + "-" + std::to_string(number);
}

bool MustFail(const std::string& id) {
  return std::hash<std::string>()(id) % 10 == 0;
}

std::string ResultOf(const std::string& id) {
  return "\"did " + id + "\"";
}

// Whether a job that runs has what it has waited for; empty if so.
std::string CheckDependencies(const LeasedJob& job) {
  const std::string& id = job.spec.id;
  const size_t last = id.rfind('-');
  const size_t middle = id.rfind('-', last - 1);
  const int number = std::stoi(id.substr(middle + 1));
  const int waits_for = EngineWorkload::BatchSize(number) - 1;
  if (!EngineWorkload::IsFlow(number) || std::stoi(id.substr(last + 1)) != waits_for) {
    return job.dependency_count == 0 ? "" : "job " + id + " waits for others";
  }
  if (std::ssize(job.dependencies) != waits_for) return "job " + id + " has other dependencies";
  for (int k = 0; k < waits_for; ++k) {
    const DependencyInfo& child = job.dependencies[static_cast<size_t>(k)];
    const std::string child_id = id.substr(0, last + 1) + std::to_string(k);
    const bool ended =
        MustFail(child_id) ? child.state == JobState::kFailed : child.result == ResultOf(child_id);
    if (child.id != child_id || !child.done || !ended) return "job " + id + " runs too early";
  }
  return "";
}

// What a worker has been given of each group: one at a time, and of each producer in the order in
// which it has enqueued them.
class GroupOrder {
 public:
  // Empty, or what is wrong.
  std::string Take(const std::vector<LeasedJob>& jobs) {
    if (std::ssize(jobs) > EngineWorkload::kConcurrency) return "more jobs than the limit allows";
    std::set<std::string> here;
    for (const LeasedJob& job : jobs) {
      if (job.spec.group.empty()) continue;
      const std::string& id = job.spec.id;
      if (!here.insert(job.spec.group).second) return "job " + id + " is one of two of its group";
      const size_t last = id.rfind('-');
      const size_t middle = id.rfind('-', last - 1);
      const std::pair<int, int> at = {std::stoi(id.substr(middle + 1)),
                                      std::stoi(id.substr(last + 1))};
      std::pair<int, int>& newest =
          newest_.try_emplace(job.spec.group + "/" + id.substr(0, middle), -1, -1).first->second;
      if (at <= newest) return "job " + id + " comes after later ones of its group";
      newest = at;
    }
    return "";
  }

 private:
  std::map<std::string, std::pair<int, int>> newest_;  // by group and producer
};

// Of one store: what the checks of a batch need.
std::string CheckBatch(Engine& engine, const Told& told, const std::map<std::string, int64_t>& rows,
                       int producer, int number, std::vector<std::string>* found) {
  const std::string name = BatchName(producer, number);
  const int size = EngineWorkload::BatchSize(number);
  int present = 0;
  for (int k = 0; k < size; ++k) {
    const std::string id = name + "-" + std::to_string(k);
    const Result<JobInfo> job = engine.GetJob({.id = id, .queue = EngineWorkload::kQueue});
    if (!job.ok() && job.status().code() != Code::kNotFound)
      return "job " + id + ": " + job.status().ToString();
    if (!job.ok()) continue;
    ++present;
    found->push_back(id);
    if (job->spec.data != ResultOf(id)) return "job " + id + " has other data";
    const auto finished = told.finished.find(id);
    if (finished == told.finished.end()) continue;
    if (job->state != finished->second) {
      return "job " + id + " was acknowledged as " + JobStateName(finished->second) + " and is " +
             JobStateName(job->state);
    }
    if (job->state == JobState::kCompleted && job->result != ResultOf(id))
      return "job " + id + ": other result";
  }
  if (present == 0 && told.enqueued.contains(name)) return "lost: batch " + name;
  if (EngineWorkload::InTransaction(number) && rows.contains(name) != (present != 0))
    return "half a transaction: " + name + " has " + std::to_string(present) + " jobs and " +
           (present != 0 ? "no row" : "a row");
  if (present != 0 && present != size) {
    return "half done: batch " + name + " has " + std::to_string(present) + " of " +
           std::to_string(size) + " jobs";
  }
  return "";
}

// In one transaction of the user's: the jobs, and a row.
Status EnqueueWithRow(Engine& engine, const std::string& name, std::vector<JobSpec> jobs) {
  const Result<std::unique_ptr<Transaction>> begun = engine.Begin({});
  if (!begun.ok()) return begun.status();
  Transaction& tx = **begun;
  for (const char* sql : {"CREATE TABLE IF NOT EXISTS app_batches (name TEXT PRIMARY KEY, jobs)",
                          "INSERT INTO app_batches VALUES (?1, ?2)"}) {
    std::vector<SqlValue> parameters;
    if (sql[0] == 'I') parameters = {name, static_cast<int64_t>(jobs.size())};
    if (Status status = tx.Execute(sql, parameters).status(); !status.ok()) return status;
  }
  if (Status status = tx.Enqueue(std::move(jobs)).status(); !status.ok()) return status;
  return tx.Commit();
}

// Names of batches whose rows are there, with the number of their jobs.
Result<std::map<std::string, int64_t>> ReadRows(Engine& engine) {
  const Result<std::unique_ptr<Transaction>> tx = engine.Begin({});
  if (!tx.ok()) return tx.status();
  std::map<std::string, int64_t> rows;
  const Result<SqlResult> read = (*tx)->Execute("SELECT name, jobs FROM app_batches", {});
  if (!read.ok()) {  // a cut before the first transaction
    if (read.status().message().find("no such table") != std::string::npos) return rows;
    return read.status();
  }
  for (const auto& row : read->rows)
    rows[std::get<std::string>(row.at(0))] = std::get<int64_t>(row.at(1));
  return rows;
}

// Right after a cut the dead process still has its leases; `doctor` says so, rightly.
std::string CheckInvariants(Engine& engine, bool leases_too) {
  const Result<std::string> doctor = engine.DoctorJson();
  if (!doctor.ok()) return "doctor: " + doctor.status().ToString();
  const nlohmann::json answer = nlohmann::json::parse(*doctor);  // outlives the loop over a part
  for (const nlohmann::json& check : answer.at("checks")) {
    if (check.at("name") == "leases" && !leases_too) continue;
    if (!check.at("ok").get<bool>()) return "doctor: " + check.dump();
  }
  return "";
}

}  // namespace

Result<std::unique_ptr<Engine>> EngineWorkload::Open(const std::string& vfs) const {
  OpenOptions options;
  options.path = dir_.file("jobs.db");
  options.test_vfs = vfs;
  options.wal_limit_bytes = 1 << 20;
  return Engine::Open(options);
}

Status EngineWorkload::SetLimits(Engine& engine) {
  for (const Limit& limit :
       {Limit{.scope = LimitScope::kQueue, .queue = kQueue, .concurrency = kConcurrency},
        Limit{.scope = LimitScope::kGroup, .queue = kQueue, .concurrency = 1}}) {
    if (Status status = engine.SetLimit(limit, {}); !status.ok()) return status;
  }
  const std::lock_guard<std::mutex> lock(mutex_);
  told_.limited = true;
  return Status::Ok();
}

Status EngineWorkload::Enqueue(Engine& engine, int producer, int number) {
  std::vector<JobSpec> jobs;
  for (int k = 0; k < BatchSize(number); ++k) {
    JobSpec& job = jobs.emplace_back();
    job.queue = kQueue;
    job.name = "task";
    job.id = BatchName(producer, number) + "-" + std::to_string(k);
    job.data = ResultOf(job.id);
    job.priority = number % 3;
    job.group = GroupOf(number);  // so that all of a group have one priority
    if (!IsFlow(number) || k + 1 < BatchSize(number)) continue;
    job.group.clear();
    for (int child = 0; child < k; ++child) {
      job.after.push_back({.index = child, .policy = DependencyPolicy::kIgnore});
    }
  }
  const Status status = InTransaction(number)
                            ? EnqueueWithRow(engine, BatchName(producer, number), std::move(jobs))
                            : engine.Enqueue(std::move(jobs), {}).status();
  if (!status.ok()) return status;
  const std::lock_guard<std::mutex> lock(mutex_);
  told_.enqueued.insert(BatchName(producer, number));
  return Status::Ok();
}

void EngineWorkload::Note(const Settled& settled) {
  if (!settled.status.ok()) return;
  const std::lock_guard<std::mutex> lock(mutex_);
  told_.finished[settled.id] = settled.state;
}

Told EngineWorkload::Now() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return told_;
}

std::string EngineWorkload::Work(Engine& engine, const std::function<bool()>& enough) {
  SessionOptions options;
  options.queues = {kQueue};
  options.slots = 8;
  Result<std::unique_ptr<Session>> session = engine.OpenSession(options);
  if (!session.ok()) return "no session: " + session.status().ToString();
  const Told before = Now();
  GroupOrder order;
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (!enough()) {
    if (std::chrono::steady_clock::now() > deadline) {
      const Result<QueueCounts> counts = engine.Counts(kQueue);
      if (!counts.ok()) return "jobs are left: " + counts.status().ToString();
      return "jobs are left that nobody gets: " + std::to_string(counts->ready) + " ready, " +
             std::to_string(counts->active) + " active, " + std::to_string(counts->scheduled) +
             " scheduled, " + std::to_string(counts->blocked) + " blocked";
    }
    const Result<std::vector<LeasedJob>> jobs = (*session)->Take(8, 5);
    if (!jobs.ok()) return "take: " + jobs.status().ToString();
    if (before.limited) {
      if (std::string wrong = order.Take(*jobs); !wrong.empty()) return wrong;
    }
    for (const LeasedJob& job : *jobs) {
      if (before.finished.contains(job.spec.id))
        return "job " + job.spec.id + " runs again after its end";
      if (std::string wrong = CheckDependencies(job); !wrong.empty()) return wrong;
      Outcome outcome = MustFail(job.spec.id) ? testing::Failed("ten", false)
                                              : testing::Completed(ResultOf(job.spec.id));
      const Status settled = (*session)->Settle(job.token, std::move(outcome));
      if (!settled.ok()) return "settle: " + settled.ToString();
    }
    const Result<Notices> notices = (*session)->Drain(0);
    if (!notices.ok()) return "drain: " + notices.status().ToString();
    for (const Settled& settled : notices->settled) Note(settled);
  }
  static_cast<void>((*session)->Close(1'000));
  if (const Result<Notices> last = (*session)->Drain(0); last.ok()) {
    for (const Settled& settled : last->settled) Note(settled);
  }
  return "";
}

std::string EngineWorkload::Check(Engine& engine, const Told& told, int producers, int attempted) {
  if (std::string wrong = CheckInvariants(engine, false); !wrong.empty()) return wrong;
  const auto rows = ReadRows(engine);
  if (!rows.ok()) return "app_batches: " + rows.status().ToString();
  std::vector<std::string> found;
  for (int producer = 0; producer < producers; ++producer) {
    for (int number = 0; number < attempted; ++number) {
      if (std::string wrong = CheckBatch(engine, told, *rows, producer, number, &found);
          !wrong.empty())
        return wrong;
    }
  }
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    told_ = told;
  }
  std::string wrong = Work(engine, [&] {
    const Result<QueueCounts> counts = engine.Counts(kQueue);
    return counts.ok() && counts->ready + counts->active + counts->scheduled + counts->blocked == 0;
  });
  if (!wrong.empty()) return wrong;
  for (const std::string& id : found) {
    const Result<JobInfo> job = engine.GetJob({.id = id, .queue = kQueue});
    if (!job.ok()) return "job " + id + " vanished: " + job.status().ToString();
    const JobState expected = MustFail(id) ? JobState::kFailed : JobState::kCompleted;
    if (job->state != expected) return "job " + id + " ended as " + JobStateName(job->state);
  }
  const Result<std::vector<LimitInfo>> limits = engine.ListLimits();
  if (!limits.ok()) return "limits: " + limits.status().ToString();
  for (const LimitInfo& limit : *limits) {
    if (limit.active != 0) return "a limit counts jobs that have ended";
  }
  if (told.limited && limits->size() != 2) return "lost: the limits";
  return CheckInvariants(engine, true);
}

std::string CheckEngineContents(const std::map<std::string, std::string>& contents,
                                const Told& told, int producers, int attempted) {
  EngineWorkload workload;
  // The same files in another folder.
  std::map<std::string, std::string> moved;
  for (const auto& [name, content] : contents) {
    moved[workload.folder_file(std::filesystem::path(name).filename().string())] = content;
  }
  CrashVfs vfs(moved);
  Result<std::unique_ptr<Engine>> engine = workload.Open(vfs.name());
  if (!engine.ok()) return "does not open: " + engine.status().ToString();
  return workload.Check(**engine, told, producers, attempted);
}

}  // namespace millrace::store
