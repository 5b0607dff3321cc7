// What one write transaction gathers beside its row changes: numbers drawn from the store's
// sequence, counts of the queues, packed events, and whom to wake. Written once at the end of the
// transaction, however many operations it holds.
#ifndef MILLRACE_JOBS_LEDGER_H_
#define MILLRACE_JOBS_LEDGER_H_

#include <algorithm>
#include <array>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/seal.h"
#include "jobs/counters.h"
#include "jobs/event_log.h"
#include "jobs/group.h"
#include "jobs/job_state.h"
#include "limits/book.h"
#include "millrace/options.h"
#include "millrace/status.h"
#include "store/connection.h"
#include "store/writer.h"

namespace millrace::jobs {

// A queue's rules as read in this transaction.
struct QueueRules {
  bool paused = false;
  Keep keep_completed;
  Keep keep_failed;
};

// Used under the writer's lock only, by the operations of the open transaction; Committed() runs
// after it.
class Ledger : public store::BatchHooks {
 public:
  // Whom to ring after a commit. Implemented by the engine on wake::Doorbell.
  class Wakes {
   public:
    virtual ~Wakes() = default;
    virtual void NewJobs(int64_t queue_id, int64_t count) = 0;
    virtual void NewEvents(int64_t queue_id) = 0;
    virtual void Control(int64_t process_id) = 0;
  };
  struct Options {
    Clock* clock = nullptr;
    Wakes* wakes = nullptr;
    Keep keep_completed;
    Keep keep_failed;
    int64_t keep_events = 100'000;
    const Keyring* keyring = &Keyring::Off();
  };
  explicit Ledger(const Options& options) : options_(options) {}

  // --- For operations ---
  store::Connection& connection() { return *connection_; }
  int64_t now_ms() const { return now_ms_; }  // wall clock, one reading a transaction
  int64_t monotonic_ms() const { return monotonic_ms_; }
  // For those who make a payload of others' payloads (jobs/payloads.h).
  const Keyring& keyring() const { return *options_.keyring; }
  int64_t NextNumber() { return next_++; }  // unique in the store, grows
  Counters& counters() { return counters_; }
  // For repair: numbers up to this one are in use.
  void SkipNumbers(int64_t used) { next_ = std::max(next_, used + 1); }

  // Limits and groups as this transaction leaves them.
  limits::Book& limits() { return limits_; }
  Groups& groups() { return groups_; }

  // The number of a queue; created if missing.
  Result<int64_t> QueueId(const std::string& name);
  // The same without creating it: 0 if there is none.
  Result<int64_t> FindQueueId(const std::string& name);
  Result<QueueRules> Rules(int64_t queue_id);
  void ForgetRules(int64_t queue_id);

  // Counts a job's move and checks that job_state.h declares it.
  void Moved(int64_t queue_id, std::optional<JobState> from, std::optional<JobState> to,
             Cause cause, int32_t priority);
  // The ready job that is about to be moved from there has had another priority so far than the
  // move will say.
  void Reprioritized(int64_t queue_id, int32_t before, int32_t after);
  void Log(int64_t queue_id, const EventRecord& event);
  // A job became ready (or the earliest due time of the queue moved forward): wake one free slot.
  void WakeFor(int64_t queue_id) { ++Change(queue_id).new_jobs; }
  // The job that became ready just now cannot start: nobody is woken for it.
  void WakeNoneFor(int64_t queue_id) { --Change(queue_id).new_jobs; }
  // Something of the queue becomes claimable by time alone: one free slot is woken to set a timer.
  void WakeForTimer(int64_t queue_id) { Change(queue_id).timer = true; }
  void WakeOwner(int64_t process_id) {
    ++gathered_;
    control_.push_back(process_id);
  }
  // A job ended under its queue's retention rule: CleanNoted (retention.h) makes room for it once
  // an operation.
  struct Ended {
    int64_t queue_id = 0;
    JobState state = JobState::kCompleted;
    int64_t count = 0;
  };
  void NoteEnded(int64_t queue_id, JobState state);
  std::vector<Ended> TakeEnded() { return std::exchange(ended_, {}); }
  // A throttled deduplication key was made: SweepNoted (dedup.h) deletes as many old ones.
  void NoteKeyMade() {
    ++gathered_;
    ++keys_made_;
  }
  int64_t TakeKeysMade() { return std::exchange(keys_made_, 0); }
  // Something that matters to jobs that wait for others: flows::Resolve draws the consequences
  // before the operation ends.
  struct FlowNote {
    enum class Kind : uint8_t {
      kEnded,       // others wait or have waited for it, and it has ended as `state` says
      kGone,        // the same, and it was removed; `id` and `name` are what it was called
      kCountDown,   // it is blocked, and by one thing less than its row says
      kReconsider,  // it is blocked, and some of what it waits for had ended before
      kUnwanted,    // it was made for a job that has ended as cancelled
    };
    Kind kind = Kind::kEnded;
    int64_t row = 0;
    JobState state = JobState::kCompleted;
    std::string id = {};
    std::string name = {};
  };
  void NoteFlow(FlowNote note) {
    ++gathered_;
    flow_notes_.push_back(std::move(note));
  }
  bool has_flow_notes() const { return !flow_notes_.empty(); }
  std::vector<FlowNote> TakeFlowNotes() { return std::exchange(flow_notes_, {}); }
  // Changes of a state's count in this transaction so far.
  int64_t Delta(int64_t queue_id, JobState state);
  // Forgets a queue's counts after its rows were deleted as a whole.
  Status ResetCounts(int64_t queue_id);

  // --- store::BatchHooks ---
  Status Begin(store::Connection& connection) override;
  Status Flush(store::Connection& connection) override;
  void Committed() override;
  void RolledBack() override;
  int64_t gathered() const override { return gathered_; }

 private:
  struct QueueChange {
    int64_t queue_id = 0;
    std::array<int64_t, 8> states{};  // by JobState's value; 0 holds the prioritized
    int64_t events = 0;
    int64_t new_jobs = 0;
    bool timer = false;
    std::string event_bytes;
    bool rules_read = false;
    QueueRules rules;
  };
  QueueChange& queue(int64_t queue_id);
  // The same to add something to it.
  QueueChange& Change(int64_t queue_id) {
    ++gathered_;
    return queue(queue_id);
  }
  Status FlushQueue(QueueChange& change);
  Status FlushLimits();
  Result<int64_t> TrimEvents(const QueueChange& change);

  const Options options_;
  store::Connection* connection_ = nullptr;
  int64_t now_ms_ = 0;
  int64_t monotonic_ms_ = 0;
  int64_t next_ = 0;
  int64_t next_at_begin_ = 0;
  int64_t settings_version_ = 0;  // at the begin
  int64_t gathered_ = 0;
  limits::Book limits_;
  Groups groups_{*this};
  std::vector<QueueChange> changes_;  // few queues a transaction: searched linearly
  size_t used_ = 0;                   // changes_ beyond it are kept for their buffers
  std::vector<int64_t> control_;
  std::vector<Ended> ended_;
  int64_t keys_made_ = 0;
  Counters counters_;
  std::vector<FlowNote> flow_notes_;
  std::unordered_map<std::string, int64_t>
      queue_ids_;                        // committed: queues keep their numbers for ever
  std::vector<std::string> new_queues_;  // of this transaction: forgotten by a rollback
};

}  // namespace millrace::jobs

#endif  // MILLRACE_JOBS_LEDGER_H_
