#include "jobs/admin.h"

#include <algorithm>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/macros.h"
#include "base/text.h"
#include "jobs/json_object.h"
#include "jobs/payloads.h"
#include "jobs/process.h"
#include "jobs/read.h"
#include "jobs/snapshot.h"
#include "jobs/validate.h"
#include "sql_statements.h"

namespace millrace::jobs {
namespace {

using store::Connection;
using store::Query;

// Newest log lines that a job's answer shows.
constexpr int64_t kLogLinesShown = 100;

Result<std::string> JsonRow(Query& q) {
  bool row = false;
  RETURN_IF_ERROR(q.Step(&row));
  return std::string(row ? q.Text(0) : "null");
}

std::string JoinArray(const std::vector<std::string>& elements) {
  std::string json = "[";
  for (const std::string& element : elements) {
    if (json.size() > 1) json += ',';
    json += element;
  }
  return json + ']';
}

// The numbers of the processes that live. Of two in one slot only the newer can.
Result<std::string> LiveProcesses(Connection& connection, const StoreFacts& facts) {
  ASSIGN_OR_RETURN(const std::vector<ProcessRow> processes, ListProcesses(connection));
  std::unordered_map<int, int64_t> newest;
  for (const ProcessRow& process : processes) {
    int64_t& id = newest[process.slot];
    id = std::max(id, process.process_id);
  }
  std::vector<std::string> live;
  for (const auto& [slot, process_id] : newest) {
    if (facts.alive && facts.alive(slot)) live.push_back(std::to_string(process_id));
  }
  return JoinArray(live);
}

Result<std::string> LogsJson(Connection& connection, const Keyring& keyring,
                             const std::string& queue, int64_t row) {
  std::vector<std::string> lines;
  Query q(connection, sql::admin::kNewestLogs);
  q.Bind(row, kLogLinesShown);
  for (;;) {
    bool found = false;
    RETURN_IF_ERROR(q.Step(&found));
    if (!found) return JoinArray(lines);
    const std::string text = ShownLine(keyring, queue, std::string(q.BlobBytes(1)));
    lines.push_back(JsonObject().Int("at_ms", q.Int(0)).Text("text", text).Take());
  }
}

// How many dead letters a queue has; of one name they are counted one by one.
Result<int64_t> CountDead(Connection& connection, const QueueCounts& counts,
                          const std::string& name) {
  if (name.empty()) return counts.failed;
  ASSIGN_OR_RETURN(const int64_t queue_id, QueueIdOf(connection, counts.queue));
  Query q(connection, sql::admin::kCountFailedOfName);
  q.Bind(queue_id, name);
  bool row = false;
  RETURN_IF_ERROR(q.Step(&row));
  return q.Int(0);
}

}  // namespace

Result<std::string> InspectJson(Connection& connection, const StoreFacts& facts) {
  const Snapshot snapshot(connection);
  RETURN_IF_ERROR(snapshot.status());
  ASSIGN_OR_RETURN(const std::string live, LiveProcesses(connection, facts));
  Query store(connection, sql::admin::kInspectStore);
  store.Bind(facts.path, DurabilityName(facts.durability));
  ASSIGN_OR_RETURN(const std::string store_json, JsonRow(store));
  Query queues(connection, sql::admin::kInspectQueues);
  ASSIGN_OR_RETURN(const std::string queues_json, JsonRow(queues));
  Query workers(connection, sql::admin::kInspectWorkers);
  workers.Bind(live);
  ASSIGN_OR_RETURN(const std::string workers_json, JsonRow(workers));
  return JsonObject()
      .Raw("store", store_json)
      .Raw("queues", queues_json)
      .Raw("workers", workers_json)
      .Take();
}

Result<std::string> JobJson(Connection& connection, const Keyring& keyring, const JobRef& job) {
  const Snapshot snapshot(connection);
  RETURN_IF_ERROR(snapshot.status());
  ASSIGN_OR_RETURN(const Location at, FindJob(connection, job));
  ASSIGN_OR_RETURN(JobInfo info, ReadJob(connection, job));
  ShowJob(keyring, &info);
  ASSIGN_OR_RETURN(const std::string logs,
                   LogsJson(connection, keyring, info.spec.queue, at.key.row));
  std::string json = JobInfoJson(info, true);
  json.pop_back();
  return json + R"(,"logs":)" + logs + '}';
}

Result<std::string> DeadJson(Connection& connection, const Keyring& keyring,
                             const std::string& queue, const std::string& name, int64_t limit) {
  if (!queue.empty()) RETURN_IF_ERROR(CheckName(queue, "queue"));
  if (!name.empty()) RETURN_IF_ERROR(CheckName(name, "name"));
  RETURN_IF_ERROR(CheckRange(limit, 1, kListLimitMax, "limit"));
  const Snapshot snapshot(connection);
  RETURN_IF_ERROR(snapshot.status());
  ASSIGN_OR_RETURN(const std::vector<QueueCounts> queues, ListQueues(connection));
  std::vector<JobInfo> jobs;
  int64_t total = 0;
  for (const QueueCounts& counts : queues) {
    if (counts.failed == 0 || (!queue.empty() && queue != counts.queue)) continue;
    ASSIGN_OR_RETURN(const int64_t dead, CountDead(connection, counts, name));
    total += dead;
    ASSIGN_OR_RETURN(std::vector<JobInfo> some, ListJobs(connection, {.queue = counts.queue,
                                                                      .state = JobState::kFailed,
                                                                      .name = name,
                                                                      .limit = limit,
                                                                      .descending = true}));
    std::move(some.begin(), some.end(), std::back_inserter(jobs));
    std::stable_sort(jobs.begin(), jobs.end(), [](const JobInfo& a, const JobInfo& b) {
      return a.finished_at_ms > b.finished_at_ms;
    });
    if (std::ssize(jobs) > limit) jobs.erase(jobs.begin() + limit, jobs.end());
  }
  std::vector<std::string> elements;
  elements.reserve(jobs.size());
  for (JobInfo& job : jobs) {
    ShowJob(keyring, &job);
    elements.push_back(JobInfoJson(job, false));
  }
  return JsonObject().Raw("jobs", JoinArray(elements)).Int("total", total).Take();
}

}  // namespace millrace::jobs
