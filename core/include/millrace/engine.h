// The engine: one open store. The only way into the core for both languages.
//
// Thread-safe: any number of threads may call any method at once. Methods block the calling thread
// for the disk and for other processes unless they say otherwise; they never call back into user
// code except through the std::function arguments documented as callbacks, which run on core
// threads. A write has the durability that its options name (default: the store's) when it returns
// ok, and has changed nothing when it returns an error.
#ifndef MILLRACE_ENGINE_H_
#define MILLRACE_ENGINE_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "millrace/changes.h"
#include "millrace/counters.h"
#include "millrace/events.h"
#include "millrace/flows.h"
#include "millrace/limits.h"
#include "millrace/options.h"
#include "millrace/schedule.h"
#include "millrace/session.h"
#include "millrace/status.h"
#include "millrace/transaction.h"
#include "millrace/types.h"

namespace millrace {

// The library's version ("0.1.0") and that of the SQLite in it. Static storage.
const char* Version();
const char* SqliteVersion();

struct ListQuery {
  std::string queue = {};  // required
  JobState state = JobState::kReady;
  std::string name = {};    // only jobs of this name; empty: all
  int64_t offset = 0;       // skipping is linear in the offset
  int64_t limit = 100;      // 1 .. 10,000
  bool descending = false;  // default: in the order of claim, due time or finish; true: the reverse
};

struct BackupInfo {
  int64_t bytes = 0;
  int64_t pages = 0;
};

// What callers change from outside the workers is in millrace/changes.h.
class Engine : public Changes {
 public:
  using EnqueueCallback = std::function<void(Result<std::vector<EnqueueAck>>)>;

  // Opens or creates a store. Errors: kNotFound, kNotAStore, kNewerSchema, kUnsupportedFilesystem,
  // kPermissionDenied, kDiskFull, kIoError, kCorrupt, kInvalidArgument; the message says what to
  // do.
  static Result<std::unique_ptr<Engine>> Open(OpenOptions options);

  // Closes as Close() does.
  ~Engine() override = default;
  // Ends sessions and subscriptions, writes what is queued, checkpoints if this is the last
  // process. Idempotent.
  virtual Status Close() = 0;

  virtual const std::string& path() const = 0;
  virtual Durability durability() const = 0;
  // The engine's clock, for languages that compute absolute times.
  virtual int64_t NowMs() = 0;

  // --- Enqueue ---
  // Adds all jobs or none, in order. The acks are in the same order.
  virtual Result<std::vector<EnqueueAck>> Enqueue(std::vector<JobSpec> jobs,
                                                  const WriteOptions& options) = 0;
  // The same without blocking: `done` is called once from a core thread (or at once on a refused
  // argument). With a full writer queue it answers kQueueFull if !wait_if_full, else it blocks
  // until there is room.
  virtual void EnqueueAsync(std::vector<JobSpec> jobs, const WriteOptions& options,
                            EnqueueCallback done) = 0;
  // Many independent enqueues in one crossing: each element of `batches` is one atomic call of its
  // own; `done` gets their answers in order. They are committed together where possible. Does not
  // block beyond back-pressure.
  using EnqueueManyCallback = std::function<void(std::vector<Result<std::vector<EnqueueAck>>>)>;
  virtual void EnqueueManyAsync(std::vector<std::vector<JobSpec>> batches,
                                const WriteOptions& options, EnqueueManyCallback done) = 0;

  // A new job id that no other job has or will have, for JobSpec::id: known before the commit.
  virtual std::string NewId() = 0;
  // Jobs and the user's own tables in one commit (millrace/transaction.h). Does not block.
  virtual Result<std::unique_ptr<Transaction>> Begin(const TransactionOptions& options) = 0;

  // --- Read ---
  virtual Result<JobInfo> GetJob(const JobRef& job) = 0;         // kNotFound
  virtual Result<JobOutcome> GetOutcome(const JobRef& job) = 0;  // kNotFound
  virtual Result<std::vector<JobInfo>> ListJobs(const ListQuery& query) = 0;
  virtual Result<QueueCounts> Counts(const std::string& queue) = 0;  // zeros for an unknown queue
  virtual Result<std::vector<QueueCounts>> ListQueues() = 0;
  virtual Result<std::vector<WorkerInfo>> ListWorkers() = 0;
  virtual Result<std::vector<LogLine>> GetLogs(const JobRef& job, int64_t offset,
                                               int64_t limit) = 0;
  // Waits until the job is completed, failed or cancelled. kTimeout after timeout_ms (-1: never);
  // kNotFound.
  virtual Result<JobOutcome> WaitFinished(const JobRef& job, int64_t timeout_ms) = 0;

  // What a job waits or waited for, with results. kNotFound.
  virtual Result<DependencyPage> Dependencies(const DependencyQuery& query) = 0;
  // The jobs that wait or have waited for one, in the order in which they were added; limit
  // 1 .. 10,000. kNotFound.
  virtual Result<std::vector<JobRef>> Dependents(const JobRef& job, int64_t offset,
                                                 int64_t limit) = 0;
  // A job and, nested as "children", what it waits for, with states:
  // {"id","queue","name","state","policy","done","as","children":[...],"more":n}. depth 1 .. 1,000
  // levels below it, at most `children` (1 .. 10,000) of each job, `more` are not shown; a job
  // reached twice is shown once in full, the top has no policy. kNotFound.
  virtual Result<std::string> FlowJson(const JobRef& job, int32_t depth, int32_t children) = 0;
  virtual Result<Metrics> ReadMetrics(const MetricsQuery& query) = 0;  // zeros for an unknown queue
  // Of one queue, or of all if empty.
  virtual Result<std::vector<TaskCounters>> ReadCounters(const std::string& queue) = 0;

  // --- Events ---
  virtual Result<EventPage> ReadEvents(const EventQuery& query) = 0;
  virtual Result<std::unique_ptr<Subscription>> Subscribe(SubscribeOptions options) = 0;

  // --- Work ---
  virtual Result<std::unique_ptr<Session>> OpenSession(SessionOptions options) = 0;

  // --- Limits and groups (millrace/limits.h) ---
  // Replaces the limit of the same scope and names; concurrency 0 and rate 0 remove it.
  virtual Status SetLimit(const Limit& limit, const WriteOptions& options) = 0;
  virtual Result<std::vector<LimitInfo>> ListLimits() = 0;
  // Nothing of the scope starts for ms from now; 0 ends it. The names as in Limit.
  virtual Status Throttle(const Limit& scope, int64_t ms, const WriteOptions& options) = 0;
  virtual Status PauseGroup(const std::string& queue, const std::string& group, bool paused,
                            const WriteOptions& options) = 0;
  // Groups that have jobs waiting or running, or that are paused, by name; limit 1 .. 10,000.
  virtual Result<std::vector<GroupInfo>> ListGroups(const std::string& queue,
                                                    const std::string& after, int64_t limit) = 0;

  // --- Schedules (millrace/schedule.h) ---
  // Creates or replaces by id. An unchanged timing keeps the next slot and the counters.
  virtual Result<ScheduleInfo> PutSchedule(const ScheduleSpec& schedule,
                                           const WriteOptions& options) = 0;
  // A schedule that has ended with this slot (ScheduleInfo::last_at_ms; 0: without one) goes on
  // with the first slot of a timing after it, also one that has passed, and keeps its job and
  // counters: a program that computes slot after slot itself. kWrongState if it does not stand
  // still there, so that of several such programs one is in time.
  virtual Status ContinueSchedule(const std::string& id, int64_t after_ms, const Timing& timing,
                                  const WriteOptions& options) = 0;
  virtual Status RemoveSchedule(const std::string& id, const WriteOptions& options) = 0;
  virtual Status PauseSchedule(const std::string& id, bool paused, const WriteOptions& options) = 0;
  virtual Result<ScheduleInfo> GetSchedule(const std::string& id) = 0;  // kNotFound
  // By id, from after `after`; limit 1 .. 10,000.
  virtual Result<std::vector<ScheduleInfo>> ListSchedules(const std::string& after,
                                                          int64_t limit) = 0;
  // The next `count` slots after a time (0: now); fewer if it ends. 1 .. 10,000. Reads nothing.
  virtual Result<std::vector<int64_t>> PreviewTiming(const Timing& timing, int64_t after_ms,
                                                     int32_t count) = 0;

  // --- Administration: answers are JSON text, the same for every language and the command line ---
  // {"store":{...},"queues":[...],"workers":[...]}
  virtual Result<std::string> InspectJson() = 0;
  // One job in full, as an object. kNotFound.
  virtual Result<std::string> JobJson(const JobRef& job) = 0;
  // {"jobs":[...],"total":n}: the dead letters (state failed) of a queue, or of all queues if
  // empty.
  virtual Result<std::string> DeadJson(const std::string& queue, const std::string& name,
                                       int64_t limit) = 0;
  // {"ok":bool,"checks":[{"name","ok","detail","repaired"?}],"versions":{...}}: file, locks,
  // invariants. With repair what can be mended is, in small commits; "repaired" tells what was
  // done.
  virtual Result<std::string> DoctorJson(bool repair = false) = 0;
  // A consistent copy while the store is in use. The destination must not exist. Blocks no writer.
  virtual Result<BackupInfo> Backup(const std::string& destination) = 0;
  // Figures of this engine:
  // {"commits":n,"operations":n,"syncs":n,"checkpoints":n,"wal_bytes":n,...}
  virtual Result<std::string> StatsJson() = 0;
};

}  // namespace millrace

#endif  // MILLRACE_ENGINE_H_
