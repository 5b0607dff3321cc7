// The engine: wires a store, its writer, the ledger, this process's presence and the pump together.
#ifndef MILLRACE_ENGINE_ENGINE_IMPL_H_
#define MILLRACE_ENGINE_ENGINE_IMPL_H_

#include <algorithm>
#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/macros.h"
#include "base/seal.h"
#include "engine/async_enqueue.h"
#include "engine/operation.h"
#include "engine/presence.h"
#include "engine/pump.h"
#include "engine/session.h"
#include "engine/subscription.h"
#include "engine/transaction.h"
#include "jobs/admin.h"
#include "jobs/bulk.h"
#include "jobs/ledger.h"
#include "millrace/engine.h"
#include "store/store.h"
#include "store/writer.h"

namespace millrace::engine {

class EngineImpl : public Engine {
 public:
  explicit EngineImpl(OpenOptions options) : options_(std::move(options)) {}
  ~EngineImpl() override;
  Status Start();

  Status Close() override;
  const std::string& path() const override { return store_->path(); }
  Durability durability() const override { return options_.durability; }
  int64_t NowMs() override { return options_.clock->WallMs(); }

  // engine.cc
  Result<std::vector<EnqueueAck>> Enqueue(std::vector<JobSpec> jobs,
                                          const WriteOptions& options) override;
  void EnqueueAsync(std::vector<JobSpec> jobs, const WriteOptions& options,
                    EnqueueCallback done) override;
  void EnqueueManyAsync(std::vector<std::vector<JobSpec>> batches, const WriteOptions& options,
                        EnqueueManyCallback done) override;

  // engine_flows.cc
  Result<DependencyPage> Dependencies(const DependencyQuery& query) override;
  Result<std::string> FlowJson(const JobRef& job, int32_t depth, int32_t children) override;
  Result<std::vector<JobRef>> Dependents(const JobRef& job, int64_t offset, int64_t limit) override;
  Result<bool> RemoveDependency(const JobRef& job, const JobRef& depends_on,
                                const WriteOptions& options) override;
  Result<int64_t> RemoveUnprocessed(const JobRef& job, const WriteOptions& options) override;

  // engine_transaction.cc
  std::string NewId() override;
  Result<std::unique_ptr<Transaction>> Begin(const TransactionOptions& options) override;

  // engine_limits.cc
  Status SetLimit(const Limit& limit, const WriteOptions& options) override;
  Result<std::vector<LimitInfo>> ListLimits() override;
  Status Throttle(const Limit& scope, int64_t ms, const WriteOptions& options) override;
  Status PauseGroup(const std::string& queue, const std::string& group, bool paused,
                    const WriteOptions& options) override;
  Result<std::vector<GroupInfo>> ListGroups(const std::string& queue, const std::string& after,
                                            int64_t limit) override;

  // engine_schedule.cc
  Result<ScheduleInfo> PutSchedule(const ScheduleSpec& schedule,
                                   const WriteOptions& options) override;
  Status ContinueSchedule(const std::string& id, int64_t after_ms, const Timing& timing,
                          const WriteOptions& options) override;
  Status RemoveSchedule(const std::string& id, const WriteOptions& options) override;
  Status PauseSchedule(const std::string& id, bool paused, const WriteOptions& options) override;
  Result<ScheduleInfo> GetSchedule(const std::string& id) override;
  Result<std::vector<ScheduleInfo>> ListSchedules(const std::string& after, int64_t limit) override;
  Result<std::vector<int64_t>> PreviewTiming(const Timing& timing, int64_t after_ms,
                                             int32_t count) override;

  // engine_dedup.cc
  Result<std::string> DedupHolder(const std::string& queue, const std::string& key) override;
  Result<bool> ReleaseDedup(const std::string& queue, const std::string& key,
                            const WriteOptions& options) override;

  Result<std::vector<TaskCounters>> ReadCounters(const std::string& queue) override;
  Result<Metrics> ReadMetrics(const MetricsQuery& query) override;
  // engine_read.cc
  Result<JobInfo> GetJob(const JobRef& job) override;
  Result<JobOutcome> GetOutcome(const JobRef& job) override;
  Result<std::vector<JobInfo>> ListJobs(const ListQuery& query) override;
  Result<QueueCounts> Counts(const std::string& queue) override;
  Result<std::vector<QueueCounts>> ListQueues() override;
  Result<std::vector<WorkerInfo>> ListWorkers() override;
  Result<std::vector<LogLine>> GetLogs(const JobRef& job, int64_t offset, int64_t limit) override;
  Result<JobOutcome> WaitFinished(const JobRef& job, int64_t timeout_ms) override;
  Result<EventPage> ReadEvents(const EventQuery& query) override;
  Result<std::unique_ptr<Subscription>> Subscribe(SubscribeOptions options) override;
  Result<std::string> InspectJson() override;
  Result<std::string> JobJson(const JobRef& job) override;
  Result<std::string> DeadJson(const std::string& queue, const std::string& name,
                               int64_t limit) override;
  Result<std::string> DoctorJson(bool repair) override;
  Result<BackupInfo> Backup(const std::string& destination) override;
  Result<std::string> StatsJson() override;

  // engine_work.cc
  Result<std::unique_ptr<Session>> OpenSession(SessionOptions options) override;

  // engine_change.cc
  Result<CancelResult> Cancel(const JobRef& job, const std::string& reason,
                              const WriteOptions& options) override;
  Result<std::vector<CancelResult>> CancelJobs(const std::vector<JobRef>& jobs,
                                               const std::string& reason,
                                               const WriteOptions& options) override;
  Status Redrive(const JobRef& job, const RedriveOptions& redrive,
                 const WriteOptions& options) override;
  Status Promote(const JobRef& job, const WriteOptions& options) override;
  Status Remove(const JobRef& job, const WriteOptions& options) override;
  Status RemoveAlone(const JobRef& job, const WriteOptions& options) override;
  Status UpdateJob(const JobRef& job, const JobChange& change,
                   const WriteOptions& options) override;
  Status SetProgress(const JobRef& job, const std::string& json,
                     const WriteOptions& options) override;
  Result<int64_t> AddLog(const JobRef& job, const std::string& line,
                         const WriteOptions& options) override;
  Result<int64_t> ClearLogs(const JobRef& job, int64_t keep, const WriteOptions& options) override;
  Result<int64_t> TrimEvents(const std::string& queue, int64_t keep,
                             const WriteOptions& options) override;
  Status PublishEvent(const CustomEvent& event, const WriteOptions& options) override;
  Result<int64_t> RedriveMany(const BulkQuery& query, const RedriveOptions& redrive,
                              const WriteOptions& options) override;
  Result<int64_t> PromoteMany(const BulkQuery& query, const WriteOptions& options) override;
  Result<int64_t> RemoveMany(const BulkQuery& query, const WriteOptions& options) override;
  Result<int64_t> Drain(const std::string& queue, bool scheduled,
                        const WriteOptions& options) override;
  Result<int64_t> Obliterate(const std::string& queue, bool force,
                             const WriteOptions& options) override;
  Status Pause(const std::string& queue, const WriteOptions& options) override;
  Status Resume(const std::string& queue, const WriteOptions& options) override;
  Status SetRetention(const std::string& queue, const std::optional<Keep>& completed,
                      const std::optional<Keep>& failed, const WriteOptions& options) override;

 private:
  // kForkedChild or kClosed if the engine cannot be used.
  Status Usable() const;
  // The same, or kWrongState if the calling thread is inside an open transaction.
  Status Writable() const;
  void EndTransactions();
  Durability Level(const std::optional<Durability>& asked) const;
  Status CheckJobs(const std::vector<JobSpec>& jobs) const;
  Durability LevelFor(const std::vector<JobSpec>& jobs, const WriteOptions& options) const;
  // The keys, compared with those that the store knows.
  Status CheckKeys(bool* unknown);
  std::vector<EnqueueAck> EnqueueUnwritten(std::vector<JobSpec> jobs, bool wait_if_full);
  template <typename Read>
  auto ReadOwn(Read read) -> decltype(read());
  template <typename F>
  Status Change(const WriteOptions& options, F apply) {
    RETURN_IF_ERROR(Writable());
    return RunChange(*writer_, *ledger_, Level(options.durability), options.wait_if_full,
                     std::move(apply));
  }
  // Runs slices until none is left or `limit` (0: none) jobs are changed.
  template <typename F>
  Result<int64_t> ChangeMany(int64_t limit, const WriteOptions& options, F slice);
  template <typename F>
  auto WithReader(F read) -> decltype(read(std::declval<store::Connection&>()));
  Result<std::string> QueueOf(const JobRef& job, bool needed);
  // The number of a queue, which is made if it is missing.
  Result<int64_t> EnsureQueue(const std::string& queue);
  Result<std::shared_ptr<Follower>> Follow(std::vector<int64_t> queue_ids,
                                           std::function<void()> on_news);
  // The queues of a query that names some, made if they are missing; of all, those that there are.
  Result<std::vector<jobs::LogQueue>> EnsureQueues(const EventQuery& query);
  jobs::StoreFacts Facts();
  template <typename F>
  Status RunAlone(F apply);
  Status Repair(std::map<std::string, std::string>* repaired);
  void ForgetSession(SessionCore* session, int64_t session_id);

  OpenOptions options_;
  std::unique_ptr<const Keyring> keyring_;
  std::unique_ptr<store::Store> store_;
  std::unique_ptr<Presence> presence_;
  std::unique_ptr<jobs::Ledger> ledger_;
  std::unique_ptr<store::Writer> writer_;
  std::unique_ptr<Overflow> overflow_;
  std::unique_ptr<Pump> pump_;
  std::mutex mutex_;
  std::vector<std::weak_ptr<SessionCore>> sessions_;
  std::vector<std::weak_ptr<Follower>> followers_;
  std::vector<std::weak_ptr<TransactionCore>> transactions_;
  TransactionThread transaction_thread_;
  std::atomic<int64_t> unwritten_{0};  // enqueues acknowledged at durability memory, to be written
  std::atomic<bool> closed_{false};
  std::mutex closing_;
};

template <typename F>
auto EngineImpl::WithReader(F read) -> decltype(read(std::declval<store::Connection&>())) {
  // In memory there is one connection: a reader waits for the writer.
  RETURN_IF_ERROR(store_->in_memory() ? Writable() : Usable());
  ASSIGN_OR_RETURN(store::Reader reader, store_->Read());
  return read(*reader);
}

// A job that this process was acknowledged at durability memory may not be written yet: then the
// answer waits for it.
template <typename Read>
auto EngineImpl::ReadOwn(Read read) -> decltype(read()) {
  const bool unwritten = unwritten_ > 0;  // before the look, so that a write between is seen
  auto found = read();
  if (found.ok() || found.status().code() != Code::kNotFound || !unwritten) return found;
  RETURN_IF_ERROR(RunChange(*writer_, *ledger_, Durability::kProcess, true,
                            [](jobs::Ledger&) { return Status::Ok(); }));
  return read();
}

template <typename F>
Result<int64_t> EngineImpl::ChangeMany(int64_t limit, const WriteOptions& options, F slice) {
  jobs::BulkCursor cursor;
  int64_t changed = 0;  // what goes with them is not limited
  int64_t companions = 0;
  for (;;) {
    const int64_t most = limit == 0 ? jobs::kSliceMax : std::min(jobs::kSliceMax, limit - changed);
    jobs::BulkCursor next;
    jobs::SliceResult result;
    RETURN_IF_ERROR(Change(options, [&](jobs::Ledger& ledger) {
      next = cursor;
      result = {};
      return slice(ledger, most, &next, &result);
    }));
    cursor = next;
    changed += result.changed;
    companions += result.companions;
    if (!result.more || (limit != 0 && changed >= limit)) return changed + companions;
  }
}

}  // namespace millrace::engine

#endif  // MILLRACE_ENGINE_ENGINE_IMPL_H_
