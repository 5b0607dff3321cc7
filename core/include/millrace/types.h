// What a job is: its specification, its states, and what can be read back. Plain data, no
// behaviour. Times are integer milliseconds since the Unix epoch, UTC, and end in `_at_ms`;
// durations end in `_ms`.
#ifndef MILLRACE_TYPES_H_
#define MILLRACE_TYPES_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "millrace/flows.h"

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

// How often a job may be started when its worker dies under it. Reaches the disk.
enum class Delivery : uint8_t {
  kAtLeastOnce = 0,  // started again, at most max_crashes times
  // Never started again after a crash or a lost lease: it fails with error type JobLost, also if it
  // was claimed and not yet taken when its worker died. Attempts that end by themselves are retried
  // as the policy says; one that is stopped at its hard limit is not.
  kAtMostOnce = 1,
};

// Which job of several with the same key counts. The holder of a key is the newest job that was
// added under it. Reaches the disk.
struct Deduplication {
  enum class Mode : uint8_t {
    kUnfinished = 0,  // as long as the holder is unfinished, others are dropped
    kThrottle = 1,    // for ttl_ms from the holder's enqueue, whatever became of it
    // A holder that is scheduled is removed and the new job takes its place, its delay beginning
    // anew; otherwise as kUnfinished.
    kDebounce = 2,
    // While the holder waits, others are dropped; while it runs, one more is kept and starts after
    // it has ended, the newest one given.
    kFollowUp = 3,
    kStates = 4,  // as long as the holder is in one of `states` and younger than ttl_ms
  };
  std::string key = {};  // within the queue; empty: none; at most 255 bytes
  Mode mode = Mode::kUnfinished;
  int64_t ttl_ms = 0;  // kThrottle: 1 or more; -1: until the key is released by a call. kStates: 0:
                       // any age
  uint32_t states = 0;  // kStates: a set of bits 1 << JobState
};

// How payloads are kept in the file. Reaches the disk.
enum class Sealing : uint8_t {
  kDefault = 0,  // as the store's OpenOptions::security says
  kNone = 1,
  kEncrypt = 2,
  kSign = 3,  // readable, but changes are detected
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

  // Jobs that must end before this one starts (millrace/flows.h); at most 100,000. With a due time
  // the job waits for both.
  std::vector<Dependency> after = {};
  JoinKind join = JoinKind::kRun;         // other kinds need `after`
  std::optional<ParentLink> parent = {};  // an existing job that is to wait for this one
  std::string group = {};                 // lane within the queue, <= 255 bytes; empty: none
  Deduplication dedup = {};
  Delivery delivery = Delivery::kAtLeastOnce;
  Sealing sealing = Sealing::kDefault;
};

// What an enqueue answers for one job.
struct EnqueueAck {
  std::string id = {};
  // The id, or the holder of the deduplication key, was there already: `id` and `state` are its
  // own, and of the new job nothing was written. Who was to wait for that waits for this one.
  bool existing = false;
  std::string replaced_id = {};  // of the job that this one has taken the place of (deduplication)
  JobState state = JobState::kReady;
  Durability durability = Durability::kPower;  // what was really reached
};

// Everything about one job at one moment.
struct JobInfo {
  // As enqueued, with the id filled in; priority as it is now. `after` and its `parent` are not
  // read back: Engine::Dependencies() has what became of them, `parent` below who waits.
  JobSpec spec = {};
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
      {};                       // of earlier attempts, oldest first, newest 10 kept
  std::string checkpoint = {};  // of Session::Checkpoint; JSON text, empty: none
  int64_t dependencies = 0;     // how many jobs it waits or has waited for
  int64_t pending = 0;          // blocked only: of these, not done
  // The first job that waits or has waited for this one, and its policy.
  std::optional<ParentLink> parent = {};
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
