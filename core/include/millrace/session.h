// A worker's session: leases jobs ahead of its free slots, settles them, and tells about
// cancellations and time limits. All rules about leases live here; a language only runs handlers.
#ifndef MILLRACE_SESSION_H_
#define MILLRACE_SESSION_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "millrace/limits.h"
#include "millrace/options.h"
#include "millrace/status.h"
#include "millrace/types.h"

namespace millrace {

// A job in the hands of this process. `token` is the lease's fencing token: unique for ever, grows
// with time.
struct LeasedJob {
  int64_t token = 0;
  JobSpec spec = {};    // as enqueued, id filled in
  int32_t attempt = 1;  // this attempt, counting from 1; retries so far = attempt - 1
  int32_t crashes = 0;  // earlier attempts whose worker died
  int64_t created_at_ms = 0;
  int64_t started_at_ms = 0;
  std::string progress = {};  // of an earlier attempt; empty: none
  std::string checkpoint =
      {};  // of an earlier attempt or of this one before it waited; empty: none
  // What it waited for: the first 100, as many as fit into 256 KiB; Engine::Dependencies() has all.
  std::vector<DependencyInfo> dependencies = {};
  int64_t dependency_count = 0;
  std::optional<ParentLink> parent = {};  // the first job that waits for it, and its policy
};

// "Rate limited": nothing of the scope starts for ms (a remote service asked for patience).
struct Throttle {
  LimitScope scope = LimitScope::kQueue;  // the job's own queue, task or group, or the store
  int64_t ms = 0;
};

// How an attempt ended.
struct Outcome {
  // kCompleted  body is the result.
  // kFailed     body is the error's JSON {type, message, stack, data?}. Retried after the back-off
  // while attempts
  //             are left and retryable is true; else it becomes a dead letter.
  // kRetry      like kFailed, but asked for by the handler: `delay_ms` replaces the back-off if
  // set. kReleased   back to the queue at its old place, the attempt is not counted; `delay_ms`
  // postpones it. kCancelled  the handler honoured a cancel request (or gave up by itself); body is
  // the error's JSON.
  // kWaiting    the job waits for the children that it has added (JobSpec::parent) and for `jobs`,
  // and is called again when they are done: blocked meanwhile, the attempt is not counted. If
  // nothing is left to wait for it is ready at once. It waits for those of `jobs` that no other of
  // them waits for, with the policy of their JobSpec::parent if that names it, else with kFail. One
  // that exists already (its id is taken, its deduplication key is held) is waited for like a fresh
  // one; if it has ended, that counts at once.
  // An attempt that has added children and is retried, released or lost with its worker waits for
  // them too before it runs again.
  // kReplaced   the job ends as `jobs` do: it completes with the result of the one among them that
  // nobody else waits for (several: the array of their results, in the order of `jobs`), or fails
  // with its error. At once if they exist already and have ended.
  enum class Kind : uint8_t {
    kCompleted,
    kFailed,
    kRetry,
    kReleased,
    kCancelled,
    kWaiting,
    kReplaced
  };
  Kind kind = Kind::kCompleted;
  std::string body = {};
  ContentType content_type = ContentType::kJson;
  bool retryable = true;
  std::optional<int64_t> delay_ms = {};    // kFailed with custom back-off, kRetry, kReleased
  std::optional<RetryPolicy> policy = {};  // the handler's own policy instead of the job's
  std::optional<Throttle> throttle = {};   // kReleased: the job goes back, and its like wait
  // Enqueued in the same commit, if the lease still holds. Their ids are in Settled::added.
  std::vector<JobSpec> jobs = {};
  // As Session::Progress(), recorded in the same commit and only with the outcome; empty: none.
  std::string progress = {};
};

// What became of a settled attempt. Sent when it is durable as the session's durability says.
struct Settled {
  int64_t token = 0;
  std::string id = {};
  std::string queue = {};
  JobState state =
      JobState::kCompleted;  // where the job stands now (kReady/kScheduled: will be retried)
  int64_t due_at_ms = 0;     // kScheduled only
  std::vector<EnqueueAck> added = {};  // of Outcome::jobs
  // ok; kLeaseLost: somebody else owned the job, nothing was changed; kIoError, kDiskFull: not
  // written, the job stays active and the session tries again with the next commit; kNotFound,
  // kWrongState, kInvalidArgument, kGroupFull: Outcome::jobs cannot be added as the store is, and
  // the attempt has failed for good (error type FlowRefused).
  Status status = {};
};

// Something that the handler of a running job must be told.
struct Signal {
  // kCancel     someone asked to cancel it: stop cooperatively, then settle with kCancelled.
  // kSoftLimit  soft_time_limit_ms has passed.
  // kHardLimit  time_limit_ms has passed: the core has failed the attempt already
  // (TimeLimitExceeded); whatever the
  //             handler still does, its settle answers kLeaseLost. A pool that can kill the handler
  //             does so now.
  // kLeaseLost  the lease is gone for another reason (removed with force, taken over).
  enum class Kind : uint8_t { kCancel, kSoftLimit, kHardLimit, kLeaseLost };
  Kind kind = Kind::kCancel;
  int64_t token = 0;
  std::string id = {};
  std::string reason = {};  // of a cancel; may be empty
};

// Everything that happened beside new jobs.
struct Notices {
  std::vector<Settled> settled = {};
  std::vector<Signal> signals = {};
  // Since the last Drain(): no job of its queues may be started now and none runs here. Told once
  // after the opening if that is so from the start, then after each step that leaves it so. Jobs
  // that are due later, and those that a limit or a paused queue or group holds back, may be left.
  bool drained = false;
  std::vector<std::string> rescued =
      {};                           // ids of jobs that this process took back from dead workers
  std::vector<Status> errors = {};  // the engine could not claim or write; it goes on trying
};

// Thread-safe. From Engine::OpenSession; must be closed (or destroyed) before its engine.
class Session {
 public:
  virtual ~Session() = default;

  // Up to `max` jobs to run now; each takes a slot until it is settled. Waits up to timeout_ms for
  // the first (0: does not wait, -1: without end). Empty: the time-out passed, or the session is
  // paused or closing (then kClosed once nothing is left to take). May return fewer than there are,
  // so that other takers share.
  virtual Result<std::vector<LeasedJob>> Take(int32_t max, int64_t timeout_ms) = 0;

  // Ends an attempt. Returns at once (blocks only on back-pressure); what became of it comes
  // through Drain(). The commit also claims the next jobs for the freed slots. kInvalidArgument /
  // kTooLarge: nothing was settled, settle again with another body. kNotFound: this session holds
  // no such token.
  virtual Status Settle(int64_t token, Outcome outcome) = 0;
  // The same for many; stops at the first error, of which the index is given.
  virtual Status SettleMany(std::vector<std::pair<int64_t, Outcome>> outcomes,
                            size_t* failed_index) = 0;

  // Settled attempts, signals and errors since the last call. Waits like Take().
  virtual Result<Notices> Drain(int64_t timeout_ms) = 0;

  // Records progress (any JSON text) or a log line of a job that this session runs. Written with
  // the next commit, not durable on return. kNotFound: no such token here.
  virtual Status Progress(int64_t token, std::string json) = 0;
  virtual Status Log(int64_t token, std::string line) = 0;
  // Saves where a long job stands (any JSON text): handed back as LeasedJob::checkpoint when the
  // job is started again after a crash, a retry, a release or kWaiting. Written as Progress() is,
  // in the order of the calls. The newest counts; gone when the job ends.
  virtual Status Checkpoint(int64_t token, std::string json) = 0;

  // Changes the number of slots; fewer takes effect as running jobs end.
  virtual void SetSlots(int32_t slots) = 0;
  // Stops claiming and gives claimed but untaken jobs back; running ones go on.
  virtual void Pause() = 0;
  virtual void Resume() = 0;
  // Jobs taken and not settled.
  virtual int32_t active() const = 0;

  // Stops claiming, gives untaken jobs back, wakes takers. First stage of a shutdown. Does not
  // block.
  virtual void Stop() = 0;
  // Stop(), then waits up to timeout_ms (-1: without end) until all taken jobs are settled and
  // written; what is still running then is released to the queue (its later settle answers
  // kLeaseLost). Idempotent.
  virtual Status Close(int64_t timeout_ms) = 0;
};

}  // namespace millrace

#endif  // MILLRACE_SESSION_H_
