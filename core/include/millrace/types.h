// What a job is: its specification, its states, and what can be read back. Plain data, no
// behaviour. Times are integer milliseconds since the Unix epoch, UTC, and end in `_at_ms`;
// durations end in `_ms`.
#ifndef MILLRACE_TYPES_H_
#define MILLRACE_TYPES_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace millrace {

// Where a job stands. These values reach the disk: never change them.
enum class JobState : uint8_t {
  kScheduled = 1,  // due later: delay, eta, retry back-off
  kReady = 2,      // may be claimed now
  kBlocked = 3,    // waits for other jobs (flows)
  kActive = 4,     // leased by a worker
  kCompleted = 5,  // has a result
  kFailed = 6,     // used up its attempts or cannot be retried: the dead-letter set
  kCancelled = 7,  // revoked by someone, or not started before its expiry
};
// "scheduled", "ready", ... Static storage.
const char* JobStateName(JobState state);
// The inverse; nothing for an unknown name.
std::optional<JobState> ParseJobState(const std::string& name);

// What an acknowledgement promises. These values reach the disk: never change them.
enum class Durability : uint8_t {
  kMemory =
      0,  // accepted by this process; written within milliseconds; lost if the process dies before
  kProcess = 1,  // committed to the file: survives the crash of any process, not a power cut
  kPower = 2,    // committed and fdatasync'ed: survives a power cut
};
const char* DurabilityName(Durability durability);
std::optional<Durability> ParseDurability(const std::string& name);

// How `data`, results and errors are to be read. Reaches the disk.
enum class ContentType : uint8_t { kJson = 0, kMessagePack = 1, kBytes = 2 };

// Time between two attempts. attempt counts from 1 (the attempt that has just failed).
//   fixed:        delay_ms
//   exponential:  min(delay_ms * 2^(attempt-1), max_ms)
//   custom:       the worker that failed gives the delay with its outcome; if it gives none,
//   delay_ms
// With jitter j in [0, 1] the wait d becomes uniform in [d * (1 - j), d].
struct Backoff {
  enum class Kind : uint8_t { kNone = 0, kFixed = 1, kExponential = 2, kCustom = 3 };
  Kind kind = Kind::kNone;  // none: retried at once
  int64_t delay_ms = 0;
  int64_t max_ms = 0;  // 0: no cap
  double jitter = 0;
};

// Which attempts a job has. max_attempts counts the first one: 1 means no retry.
struct RetryPolicy {
  int32_t max_attempts = 1;
  Backoff backoff = {};
};

// What is kept of finished jobs. A negative number means no bound; count 0 means remove at once.
struct Keep {
  int64_t age_ms = -1;
  int64_t count = -1;
};

// One job to enqueue. Strings are UTF-8. Everything but queue and name has a usable default.
struct JobSpec {
  std::string queue = {};  // 1..255 bytes, no control characters
  std::string name = {};   // the task's name; 1..255 bytes, no control characters
  std::string data = {};   // the payload, at most the store's max_payload_bytes
  ContentType content_type = ContentType::kJson;
  std::string headers =
      {};  // empty, or the JSON text of an object whose values are strings; <= 64 KiB

  // Empty: the engine makes one (UUIDv7). Otherwise 1..255 bytes, unique within its queue:
  // enqueueing an id that exists changes nothing and returns the existing job.
  std::string id = {};
  int64_t due_at_ms = 0;      // absolute time before which it is not started; 0: none
  int64_t delay_ms = 0;       // the same, relative to the store's clock; not with due_at_ms
  int64_t expires_at_ms = 0;  // not started by then: cancelled with error type JobExpired; 0: never
  int64_t expires_in_ms = 0;  // the same, relative; not with expires_at_ms
  int32_t priority = 0;       // lower first; -2,097,152 .. 2,097,152; FIFO within one
  bool lifo = false;          // before the older jobs of its priority
  RetryPolicy retry = {};     // max_attempts 1 .. 1,000,000
  int32_t max_crashes =
      3;  // how often its worker may die under it before it fails as WorkerLost; >= 0
  int64_t time_limit_ms = 0;  // hard limit of one attempt; 0: none
  int64_t soft_time_limit_ms =
      0;                   // the handler is told; must be < time_limit_ms if both are set; 0: none
  int32_t keep_logs = -1;  // newest log lines kept; negative: all up to the store's bound
  std::optional<Keep> keep_completed = {};  // instead of the queue's rule
  std::optional<Keep> keep_failed = {};     // instead of the queue's rule
};

// What an enqueue answers for one job.
struct EnqueueAck {
  std::string id = {};
  bool existing = false;  // the id was there already; nothing was written for it
  JobState state = JobState::kReady;
  Durability durability = Durability::kPower;  // what was really reached
};

// A job is named by its id; two queues may use the same custom id, then `queue` decides (empty: the
// newest).
struct JobRef {
  std::string id = {};
  std::string queue = {};
};

// Everything about one job at one moment.
struct JobInfo {
  JobSpec spec = {};  // as enqueued, with the id filled in; priority as it is now
  JobState state = JobState::kReady;
  int64_t created_at_ms = 0;
  int64_t due_at_ms = 0;       // scheduled only, else 0
  int64_t started_at_ms = 0;   // newest attempt; 0: never started
  int64_t finished_at_ms = 0;  // 0: not finished
  int32_t attempts_started = 0;
  int32_t attempts_made = 0;  // attempts that ended by themselves (not released, not lost)
  int32_t crashes = 0;        // attempts whose worker died
  bool cancel_requested = false;
  std::string worker = {};    // "name" of the worker that runs or last ran it; empty: none
  std::string progress = {};  // JSON text; empty: none
  std::optional<std::string> result = {};  // completed only
  ContentType result_type = ContentType::kJson;
  std::string error = {};  // failed, cancelled: JSON {type, message, stack, data?}
  std::vector<std::string> attempt_errors =
      {};  // of earlier attempts, oldest first, newest 10 kept
};

// The part of a JobInfo that a waiting caller needs; costs no read of the payload.
struct JobOutcome {
  JobState state = JobState::kReady;
  int64_t finished_at_ms = 0;
  int32_t attempts_made = 0;
  std::string progress = {};
  std::optional<std::string> result = {};
  ContentType result_type = ContentType::kJson;
  std::string error = {};
};

// Jobs per state of one queue; read in constant time.
struct QueueCounts {
  std::string queue = {};
  bool paused = false;
  int64_t ready = 0;        // all that may be claimed, prioritized ones included
  int64_t prioritized = 0;  // of these, priority != 0
  int64_t scheduled = 0;
  int64_t blocked = 0;
  int64_t active = 0;
  int64_t completed = 0;
  int64_t failed = 0;
  int64_t cancelled = 0;
};

// A process that has a session open on the store.
struct WorkerInfo {
  int64_t process_id = 0;     // unique in the store for ever; leases name it
  std::string name = {};      // as given in SessionOptions
  std::string language = {};  // "python", "node", "c++"
  std::string host = {};
  int64_t pid = 0;
  int64_t started_at_ms = 0;
  bool alive = false;
  std::vector<std::string> queues = {};
  int32_t slots = 0;
  int64_t active = 0;  // jobs that it holds now
};

struct LogLine {
  int64_t at_ms = 0;
  std::string text = {};
};

}  // namespace millrace

#endif  // MILLRACE_TYPES_H_
