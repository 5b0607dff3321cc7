// What happened to the jobs of each task in each queue: counts, and histograms of how long they
// waited and ran. Gathered in memory as jobs move, and added to the store's table by a commit that
// happens anyway, at most every kFlushMs; so a job costs no statement here, and a lone enqueue no
// page.
#ifndef MILLRACE_JOBS_COUNTERS_H_
#define MILLRACE_JOBS_COUNTERS_H_

#include <array>
#include <atomic>
#include <cstdint>
#include <deque>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "jobs/minutes.h"
#include "millrace/counters.h"
#include "millrace/status.h"
#include "store/connection.h"

namespace millrace::jobs {

// One process's. Everything but pending(), flushes() and Read() is for the ledger and the
// operations of its open transaction.
class Counters {
 public:
  enum class What : uint8_t {
    kEnqueued,
    kStarted,
    kCompleted,
    kFailed,
    kCancelled,
    kRetried,
    kCrashed,
    kWait,  // a time
    kRun,   // a time
  };
  static constexpr int64_t kFlushMs = 250;
  // More tasks than these of one process are counted together under an empty name.
  static constexpr size_t kTasksMax = 10'000;
  static constexpr size_t kBuckets = 48;

  void Add(int64_t queue_id, std::string_view task, What what) { Note(queue_id, task, what, 0); }
  void AddTime(int64_t queue_id, std::string_view task, What what, int64_t ms) {
    Note(queue_id, task, what, Bucket(ms));
  }
  // This transaction adds what is pending, however lately it did.
  void FlushNow() { flush_now_ = true; }

  // The transaction's stages, as of store::BatchHooks.
  void Begin(int64_t wall_ms);
  Status Flush(store::Connection& connection, int64_t monotonic_ms);
  void Committed(int64_t monotonic_ms);
  void RolledBack();

  // Whether something is not in the store yet; how often something was added to it. Any thread.
  bool pending() const { return pending_.load(std::memory_order_relaxed); }
  int64_t flushes() const { return flushes_.load(std::memory_order_relaxed); }
  // The store's table and what is pending here, of a queue or of all (0), as of one moment; `queue`
  // is left empty, and the number of each one's queue is in `queue_ids`. Any thread, with a
  // connection that no transaction is open on.
  Result<std::vector<TaskCounters>> Read(store::Connection& connection, int64_t queue_id,
                                         std::vector<int64_t>* queue_ids);

  // Jobs of a queue that ended, by minutes; `now_ms` is of the wall clock. As Read().
  Result<Metrics> ReadMetrics(store::Connection& connection, int64_t queue_id,
                              const MetricsQuery& query, int64_t now_ms);

  // Element of TaskCounters::wait_ms and run_ms that counts a time.
  static uint8_t Bucket(int64_t ms);

 private:
  using Histogram = std::array<int64_t, kBuckets>;
  // What a process has counted and not added yet.
  struct Task {
    int64_t queue_id = 0;
    std::string name;
    bool dirty = false;
    std::array<int64_t, 7> counts{};  // by What
    Histogram wait_ms{};
    Histogram run_ms{};
  };
  // What the open transaction has counted, in order.
  struct Tick {
    uint32_t task = 0;
    What what = What::kEnqueued;
    uint8_t bucket = 0;
    int64_t count = 0;
  };
  struct Key {
    int64_t queue_id;
    std::string_view name;
    bool operator==(const Key&) const = default;
  };
  struct Hash {
    size_t operator()(const Key& key) const {
      return std::hash<std::string_view>()(key.name) ^ static_cast<size_t>(key.queue_id) * 31;
    }
  };

  void Note(int64_t queue_id, std::string_view task, What what, uint8_t bucket);
  uint32_t IndexOf(int64_t queue_id, std::string_view task);
  void Fold(int64_t sign);
  Status Write(store::Connection& connection);
  Status WriteTask(store::Connection& connection, const Task& task);
  static void Pack(const Histogram& histogram, std::string* out);
  static void Unpack(std::string_view packed, Histogram* histogram);
  static void AddTo(const Task& task, TaskCounters* counters);

  std::vector<Tick> ticks_;
  int64_t minute_ = 0;  // of the open transaction
  uint32_t last_task_ = UINT32_MAX;
  bool flush_now_ = false;
  bool broken_ = false;         // the table is damaged: this process counts in memory only
  int64_t pending_since_ = -1;  // monotonic; -1: nothing is pending
  std::unordered_map<Key, uint32_t, Hash> index_;  // its keys are the names of tasks_

  std::mutex mutex_;  // of what follows; held from a flush to the end of its transaction
  std::unique_lock<std::mutex> flushing_;
  std::deque<Task> tasks_;
  std::vector<uint32_t> dirty_;
  Minutes minutes_;

  std::atomic<bool> pending_{false};
  std::atomic<int64_t> flushes_{0};
};

}  // namespace millrace::jobs

#endif  // MILLRACE_JOBS_COUNTERS_H_
