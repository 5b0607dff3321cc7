// Jobs that wait for other jobs: how they are described, and what can be read back. A flow is
// enqueued as any other jobs are: each JobSpec names what it waits for (JobSpec::after), and one
// Engine::Enqueue() call adds all of them or none. Chains, groups, chords, trees and any other
// directed acyclic graph are shapes of this.
#ifndef MILLRACE_FLOWS_H_
#define MILLRACE_FLOWS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace millrace {

enum class JobState : uint8_t;
enum class ContentType : uint8_t;

// What becomes of a waiting job when a job that it waits for fails or is cancelled. These values
// reach the disk: never change them.
enum class DependencyPolicy : uint8_t {
  // The waiting job fails too, without being run (error type DependencyFailed, with the cause in
  // data). Those that wait for it follow their own policies. Celery's chains and chords.
  kFail = 0,
  // It goes on waiting: for a redrive of the failed one, or for somebody to remove or cancel
  // something. BullMQ's default.
  kWait = 1,
  // The failed one counts as done; its error is among the dependencies that the job can read.
  kIgnore = 2,
  // The same, but the dependency is forgotten.
  kRemove = 3,
  // The job runs at once, whatever else it waits for; the errors so far can be read.
  kContinue = 4,
  // The waiting job is cancelled (error type DependencyFailed): a continuation on success.
  kCancel = 5,
  // The reverse: the job waits for a failure or cancellation, and reads its error. If the other one
  // completes, the waiting job is removed: a continuation on error.
  kOnFailure = 6,
};
const char* DependencyPolicyName(DependencyPolicy policy);
// "fail", "wait", "ignore", "remove", "continue", "cancel", "on_failure"; nothing for another name.
std::optional<DependencyPolicy> ParseDependencyPolicy(const std::string& name);

// What a job does once nothing holds it back any more. Reaches the disk.
enum class JoinKind : uint8_t {
  kRun = 0,      // a worker runs it
  kForward = 1,  // it completes at once with the result of its first dependency; no worker needed
  kCollect = 2,  // it completes at once with the JSON array of its dependencies' results, in order
};

// A job is named by its id; two queues may use the same custom id, then `queue` decides (empty: the
// newest).
struct JobRef {
  std::string id = {};
  std::string queue = {};
};

// One thing that a job waits for: another job of the same call, or one that exists. A finished one
// counts at once.
struct Dependency {
  int32_t index = -1;  // position in the same call; -1: `job` names it
  JobRef job = {};
  DependencyPolicy policy = DependencyPolicy::kFail;
  std::string name = {};  // under which its result is read; at most 255 bytes, may be empty
};

// A new job that an existing one is to wait for (children added later). If the new one exists
// already (its id is taken, its deduplication key is held), the parent waits for the one that is
// there, once; how that has ended counts at once. A child that is added to a job which was asked to
// stop is cancelled when the parent ends as cancelled.
struct ParentLink {
  JobRef job = {};
  // Of the parent's lease, if it is running: a handler adds children to its own job and then
  // settles with Outcome::Kind::kWaiting. 0: the parent must be blocked.
  int64_t token = 0;
  DependencyPolicy policy = DependencyPolicy::kWait;
  std::string name = {};
};

// How a dependency stands, or ended.
struct DependencyInfo {
  std::string name = {};
  std::string id = {};
  std::string queue = {};
  DependencyPolicy policy = DependencyPolicy::kFail;
  JobState state = {};                     // its own; as it ended if it is removed meanwhile
  bool done = false;                       // holds the job back no more
  std::optional<std::string> result = {};  // completed only
  ContentType result_type = {};
  std::string error = {};  // failed, cancelled: JSON {type, message, stack, data?}
};

struct DependencyQuery {
  JobRef job = {};
  // 0: all; otherwise a set of bits 1 << JobState: only those that stand there.
  uint32_t states = 0;
  int64_t offset = 0;
  int64_t limit = 1000;  // 1 .. 10,000
};

struct DependencyPage {
  std::vector<DependencyInfo> dependencies = {};  // in the order in which they were given
  int64_t total = 0;                              // of all, whatever the query
  int64_t pending = 0;                            // of these, not done
};

}  // namespace millrace

#endif  // MILLRACE_FLOWS_H_
