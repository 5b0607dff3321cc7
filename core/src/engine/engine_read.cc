// Reads, waits, events, administration.
#include <chrono>

#include "base/text.h"
#include "engine/engine_impl.h"
#include "jobs/event_log.h"
#include "jobs/payload_keys.h"
#include "jobs/payloads.h"
#include "jobs/read.h"
#include "jobs/validate.h"
#include "sql_statements.h"

namespace millrace::engine {
namespace {

using store::Connection;

bool IsOver(JobState state) {
  return state == JobState::kCompleted || state == JobState::kFailed ||
         state == JobState::kCancelled;
}

Status CheckQuery(const EventQuery& query) {
  if (!query.queue.empty()) RETURN_IF_ERROR(CheckName(query.queue, "queue"));
  if (!query.queue.empty() && !query.queues.empty()) {
    return Status(Code::kInvalidArgument,
                  "queue and queues were both given; one of them is accepted");
  }
  for (size_t i = 0; i < query.queues.size(); ++i) {
    RETURN_IF_ERROR(CheckName(query.queues[i], ("queues[" + std::to_string(i) + "]").c_str()));
  }
  RETURN_IF_ERROR(jobs::CheckRange(query.limit, 1, 10'000, "limit"));
  if (query.after == "$") return Status::Ok();
  return jobs::ParseEventId(query.after, "after").status();
}

}  // namespace

Result<JobInfo> EngineImpl::GetJob(const JobRef& job) {
  ASSIGN_OR_RETURN(JobInfo info, ReadOwn([&] {
                     return WithReader([&](Connection& c) { return jobs::ReadJob(c, job); });
                   }));
  RETURN_IF_ERROR(jobs::OpenJob(*keyring_, &info));
  return info;
}

Result<JobOutcome> EngineImpl::GetOutcome(const JobRef& job) {
  ASSIGN_OR_RETURN(JobOutcome outcome, ReadOwn([&] {
                     return WithReader([&](Connection& c) { return jobs::ReadOutcome(c, job); });
                   }));
  ASSIGN_OR_RETURN(const std::string queue, QueueOf(job, jobs::NeedsQueue(outcome)));
  RETURN_IF_ERROR(jobs::OpenOutcome(*keyring_, queue, &outcome));
  return outcome;
}

// The queue that a job's payloads are bound to; empty if nobody needs to know.
Result<std::string> EngineImpl::QueueOf(const JobRef& job, bool needed) {
  if (!needed || !job.queue.empty()) return job.queue;
  return WithReader([&](Connection& c) -> Result<std::string> {
    ASSIGN_OR_RETURN(const jobs::Location location, jobs::FindJob(c, job));
    return jobs::QueueNameOf(c, location.queue_id);
  });
}

Result<std::vector<JobInfo>> EngineImpl::ListJobs(const ListQuery& query) {
  ASSIGN_OR_RETURN(std::vector<JobInfo> found,
                   WithReader([&](Connection& c) { return jobs::ListJobs(c, query); }));
  for (JobInfo& job : found) jobs::ShowJob(*keyring_, &job);
  return found;
}

Result<QueueCounts> EngineImpl::Counts(const std::string& queue) {
  return WithReader([&](Connection& c) { return jobs::ReadCounts(c, queue); });
}

Result<std::vector<QueueCounts>> EngineImpl::ListQueues() {
  return WithReader([&](Connection& c) { return jobs::ListQueues(c); });
}

Result<std::vector<LogLine>> EngineImpl::GetLogs(const JobRef& job, int64_t offset, int64_t limit) {
  ASSIGN_OR_RETURN(std::vector<LogLine> lines, WithReader([&](Connection& c) {
                     return jobs::ReadLogs(c, job, offset, limit);
                   }));
  ASSIGN_OR_RETURN(const std::string queue, QueueOf(job, jobs::NeedsQueue(lines)));
  RETURN_IF_ERROR(jobs::OpenLogs(*keyring_, queue, &lines));
  return lines;
}

// --- Waiting and events ---

Result<std::shared_ptr<Follower>> EngineImpl::Follow(std::vector<int64_t> queue_ids,
                                                     std::function<void()> on_news) {
  RETURN_IF_ERROR(presence_->Appear());
  auto follower = std::make_shared<Follower>(std::move(queue_ids), std::move(on_news));
  {
    const std::lock_guard lock(mutex_);
    RETURN_IF_ERROR(Usable());  // Close() ends those that are in the list
    std::erase_if(followers_, [](const std::weak_ptr<Follower>& f) { return f.expired(); });
    followers_.push_back(follower);
  }
  pump_->Add(follower);
  return follower;
}

Result<JobOutcome> EngineImpl::WaitFinished(const JobRef& job, int64_t timeout_ms) {
  ASSIGN_OR_RETURN(JobOutcome first, GetOutcome(job));
  if (IsOver(first.state)) return first;
  if (timeout_ms == 0)
    return Status(Code::kTimeout, "the job is " + std::string(JobStateName(first.state)));
  ASSIGN_OR_RETURN(const jobs::Location location,
                   WithReader([&](Connection& c) { return jobs::FindJob(c, job); }));
  ASSIGN_OR_RETURN(const std::shared_ptr<Follower> follower, Follow({location.queue_id}, nullptr));
  const auto until = std::chrono::steady_clock::now() +
                     std::chrono::milliseconds(std::max<int64_t>(timeout_ms, 0));
  // Ends the listening however this function is left.
  const std::shared_ptr<void> leave(nullptr, [&](void*) { pump_->Remove(follower.get()); });
  for (;;) {
    ASSIGN_OR_RETURN(const jobs::EventPosition newest, WithReader([&](Connection& c) {
                       return jobs::NewestEvent(c, location.queue_id);
                     }));
    ASSIGN_OR_RETURN(JobOutcome outcome, GetOutcome(job));
    if (IsOver(outcome.state)) return outcome;
    follower->Seen(newest.seq);
    pump_->Nudge();
    int64_t left_ms = -1;
    if (timeout_ms > 0) {
      left_ms = std::chrono::duration_cast<std::chrono::milliseconds>(
                    until - std::chrono::steady_clock::now())
                    .count();
    }
    if ((timeout_ms > 0 && left_ms <= 0) || !follower->Wait(left_ms)) {
      return Status(Code::kTimeout, "the job was " + std::string(JobStateName(outcome.state)) +
                                        " after " + std::to_string(timeout_ms) + " ms");
    }
    RETURN_IF_ERROR(Usable());
  }
}

Result<int64_t> EngineImpl::EnsureQueue(const std::string& queue) {
  ASSIGN_OR_RETURN(const int64_t found,
                   WithReader([&](Connection& c) { return jobs::QueueIdOf(c, queue); }));
  if (found != 0) return found;
  int64_t queue_id = 0;
  RETURN_IF_ERROR(
      RunChange(*writer_, *ledger_, Durability::kProcess, true, [&](jobs::Ledger& ledger) {
        ASSIGN_OR_RETURN(queue_id, ledger.QueueId(queue));
        return Status::Ok();
      }));
  return queue_id;
}

Result<EventPage> EngineImpl::ReadEvents(const EventQuery& query) {
  RETURN_IF_ERROR(CheckQuery(query));
  return WithReader([&](Connection& c) -> Result<EventPage> {
    ASSIGN_OR_RETURN(const std::vector<jobs::LogQueue> queues, jobs::QueuesOf(c, query));
    if (query.after == "$" || queues.empty()) {
      ASSIGN_OR_RETURN(const jobs::EventPosition newest, jobs::NewestEvent(c, queues));
      return EventPage{.events = {},
                       .next = jobs::FormatEventId(newest.seq, std::max<int64_t>(newest.n, 0))};
    }
    ASSIGN_OR_RETURN(const jobs::EventPosition from, jobs::ParseEventId(query.after, "after"));
    ASSIGN_OR_RETURN(EventPage page, jobs::ReadEventPage(c, queues, query, from));
    jobs::ShowEvents(*keyring_, &page.events);
    return page;
  });
}

Result<std::vector<jobs::LogQueue>> EngineImpl::EnsureQueues(const EventQuery& query) {
  if (!query.queue.empty()) RETURN_IF_ERROR(EnsureQueue(query.queue).status());
  for (const std::string& name : query.queues) RETURN_IF_ERROR(EnsureQueue(name).status());
  return WithReader([&](Connection& c) { return jobs::QueuesOf(c, query); });
}

Result<std::unique_ptr<Subscription>> EngineImpl::Subscribe(SubscribeOptions options) {
  RETURN_IF_ERROR(CheckQuery(options.query));
  ASSIGN_OR_RETURN(std::vector<jobs::LogQueue> queues, EnsureQueues(options.query));
  jobs::EventPosition from;
  if (options.query.after == "$") {
    ASSIGN_OR_RETURN(from, WithReader([&](Connection& c) { return jobs::NewestEvent(c, queues); }));
  } else {
    ASSIGN_OR_RETURN(from, jobs::ParseEventId(options.query.after, "after"));
  }
  const bool all = options.query.queue.empty() && options.query.queues.empty();
  std::vector<int64_t> queue_ids;
  for (const jobs::LogQueue& queue : queues) queue_ids.push_back(queue.id);
  if (all) queue_ids.clear();
  ASSIGN_OR_RETURN(std::shared_ptr<Follower> follower,
                   Follow(std::move(queue_ids), std::move(options.on_ready)));
  return std::unique_ptr<Subscription>(
      std::make_unique<EventSubscription>(*store_, *pump_, *keyring_, std::move(follower),
                                          std::move(options.query), std::move(queues), from));
}

// --- Administration ---

jobs::StoreFacts EngineImpl::Facts() {
  return {.path = store_->path(),
          .durability = options_.durability,
          .in_memory = store_->in_memory(),
          .now_ms = NowMs(),
          .schema_version = static_cast<int64_t>(sql::kMigrations.size()),
          .alive = [this](int64_t slot) {
            return store_->in_memory() || store_->SlotHeld(static_cast<int>(slot));
          }};
}

Result<std::string> EngineImpl::InspectJson() {
  return WithReader([&](Connection& c) { return jobs::InspectJson(c, Facts()); });
}

Result<std::string> EngineImpl::JobJson(const JobRef& job) {
  return WithReader([&](Connection& c) { return jobs::JobJson(c, *keyring_, job); });
}

Result<std::string> EngineImpl::DeadJson(const std::string& queue, const std::string& name,
                                         int64_t limit) {
  return WithReader(
      [&](Connection& c) { return jobs::DeadJson(c, *keyring_, queue, name, limit); });
}

Result<BackupInfo> EngineImpl::Backup(const std::string& destination) {
  RETURN_IF_ERROR(Usable());
  return store_->Backup(destination);
}

Result<std::string> EngineImpl::StatsJson() {
  RETURN_IF_ERROR(Usable());
  const store::Writer::Stats writer = writer_->stats();
  const store::Store::Stats store = store_->stats();
  const auto field = [](const char* name, int64_t value) {
    return "\"" + std::string(name) + "\":" + std::to_string(value);
  };
  return "{" + field("commits", writer.commits) + "," + field("operations", writer.operations) +
         "," + field("rollbacks", writer.rollbacks) + "," +
         field("queue_full_waits", writer.queue_full_waits) + "," + field("syncs", store.syncs) +
         "," + field("checkpoints", store.checkpoints) + "," + field("wal_bytes", store.wal_bytes) +
         "," + field("wal_bytes_max", store.wal_bytes_max) + "}";
}

}  // namespace millrace::engine
