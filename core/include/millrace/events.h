// The durable, ordered log of what happened to jobs, per queue, and how to follow it. Positions are
// of the store, so that the logs of several queues can be read as one.
#ifndef MILLRACE_EVENTS_H_
#define MILLRACE_EVENTS_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "millrace/status.h"
#include "millrace/types.h"

namespace millrace {

// These values reach the disk: never change them.
enum class EventType : uint8_t {
  kAdded = 1,  // enqueued; `state` says whether ready, scheduled or blocked; `name` is set
  kReady =
      2,  // may be claimed again or now: due, released, promoted, redriven; `prev` says from where
  kScheduled = 3,   // due later after an attempt failed; `due_at_ms`, `data` = the error's JSON
  kActive = 4,      // an attempt began; `attempt`
  kProgress = 5,    // `data` = the JSON that the handler gave
  kCompleted = 6,   // `data` = the result (empty if it is gone by retention)
  kFailed = 7,      // for good: now a dead letter; `data` = the error's JSON
  kCancelled = 8,   // cancelled or expired; `data` = the error's JSON
  kRescued = 9,     // its worker died or hung: taken away from it; a kReady or kFailed follows
  kRemoved = 10,    // deleted by a caller; `prev` is the state that it had
  kDuplicate = 11,  // an enqueue named an existing id
  kPaused = 12,     // of the queue
  kResumed = 13,    // of the queue
  kDrained = 14,    // the queue has no ready job left
  kCleaned = 15,    // jobs were removed in bulk by a caller; `count`, and in `prev` their state
  kBlocked = 16,    // a running or ended job waits for other jobs; `prev`, `count` = how many
  kCustom = 17,     // a caller's own (Changes::PublishEvent); `name`, `data`
};
// "added", "ready", ... Static storage.
const char* EventTypeName(EventType type);

struct Event {
  // Position in the store's log: "<sequence>-<n>", ordered, never reused. Resume by passing it as
  // `after`.
  std::string id = {};
  EventType type = EventType::kAdded;
  int64_t at_ms = 0;
  std::string queue = {};
  std::string job_id = {};            // empty for events of the queue itself
  std::string name = {};              // kAdded: of the task; kCustom: of the event
  JobState state = JobState::kReady;  // after the event
  JobState prev = JobState::kReady;   // before it, where the type says so
  int32_t attempt = 0;                // attempts started, where it applies
  int64_t due_at_ms = 0;
  int64_t count = 0;
  std::string data = {};  // JSON text, see the types; may be empty
};

// True if a is before b. Both must be event ids.
bool EventIdLess(const std::string& a, const std::string& b);

struct EventQuery {
  std::string queue = {};                // one queue's log; empty: see `queues`
  std::vector<std::string> queues = {};  // with no `queue`: the logs of these in one, in the order
                                         // in which their events were committed; both empty: of all
                                         // queues of the store, new ones too
  // "": from the oldest kept. "$": only what comes after this call. Otherwise an event id
  // (exclusive). An id older than what retention has kept is not an error: the reader goes on at
  // the oldest kept.
  std::string after = {};
  std::vector<EventType> types = {};  // empty: all
  std::string job_id = {};            // empty: all jobs
  int32_t limit = 1000;               // 1 .. 10,000 a call
};

struct EventPage {
  std::vector<Event> events = {};
  std::string next = {};  // pass as `after` to go on; set even when no event matched
};

// Follows the events of one queue, of several or of all. Thread-safe. Ends with Close() or with the
// engine. From Engine::Subscribe.
class Subscription {
 public:
  virtual ~Subscription() = default;
  // The next events in order; at most query.limit. Waits up to timeout_ms for the first (0: does
  // not wait, -1: without end). An empty page means the time-out passed; kClosed after Close().
  virtual Result<EventPage> Next(int64_t timeout_ms) = 0;
  // Wakes a waiting Next(). Idempotent.
  virtual void Close() = 0;
};

struct SubscribeOptions {
  EventQuery query = {};
  // Called from a core thread once per change from "nothing new" to "something may be new". Must
  // return quickly and not call the subscription. Empty: use the blocking form.
  std::function<void()> on_ready = {};
};

}  // namespace millrace

#endif  // MILLRACE_EVENTS_H_
