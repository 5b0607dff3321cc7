// Producers and a worker on a real Engine, and a checker that knows what they were told.
#ifndef MILLRACE_TESTS_CORE_STORE_POWER_CUT_ENGINE_WORKLOAD_H_
#define MILLRACE_TESTS_CORE_STORE_POWER_CUT_ENGINE_WORKLOAD_H_

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "engine/engine_test_util.h"
#include "millrace/engine.h"

namespace millrace::store {

// What callers were told so far.
struct Told {
  std::set<std::string> enqueued;            // batches ("p-i") whose enqueue was acknowledged
  std::map<std::string, JobState> finished;  // jobs ("p-i-k") whose end was acknowledged
  bool limited = false;                      // the limits were acknowledged
};

// Thread-safe. Batch "p-i" of producer p has the jobs "p-i-0" to "p-i-k"; each enqueued all or
// none. Every third batch is a transaction that writes a row "p-i" of a table of the user's too.
// Every second is a flow: its last job waits for the others, and reads how they ended. All jobs
// that wait for none are in groups, each of which runs one at a time; the queue has a limit too.
class EngineWorkload {
 public:
  static constexpr const char* kQueue = "q";
  static int BatchSize(int number) { return 1 + number % 4; }
  static bool IsFlow(int number) { return number % 2 == 1; }
  static constexpr int64_t kConcurrency = 4;
  static std::string GroupOf(int number) { return "g" + std::to_string(number % 3); }
  static bool InTransaction(int number) { return number % 3 == 1; }

  // The store is a file of that VFS; the sidecar is a real file in the folder.
  Result<std::unique_ptr<Engine>> Open(const std::string& vfs) const;

  std::string folder_file(const std::string& name) const { return dir_.file(name); }

  // Before the first enqueue.
  Status SetLimits(Engine& engine);
  // One enqueue, noted if it is acknowledged.
  Status Enqueue(Engine& engine, int producer, int number);
  // Takes jobs and settles them until `enough` says so; notes the ends that are acknowledged. Every
  // tenth job fails for good. Answers what went wrong, or nothing.
  std::string Work(Engine& engine, const std::function<bool()>& enough);
  Told Now() const;

  // `attempted` batches of each of `producers`. Empty: all that `told` promises is there, batches
  // are whole, the invariants hold, and the rest can be worked off.
  std::string Check(Engine& engine, const Told& told, int producers, int attempted);

 private:
  void Note(const Settled& settled);

  const testing::TempDir dir_;
  mutable std::mutex mutex_;
  Told told_;
};

// A disk's contents, opened and checked as on a new machine.
std::string CheckEngineContents(const std::map<std::string, std::string>& contents,
                                const Told& told, int producers, int attempted);

}  // namespace millrace::store

#endif  // MILLRACE_TESTS_CORE_STORE_POWER_CUT_ENGINE_WORKLOAD_H_
