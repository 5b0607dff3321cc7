// The one waiting thread of a process: sleeps on the doorbell, and tells sessions and followers
// when there is something for them. Whatever is told is a hint to look; who looks, reads the store.
#ifndef MILLRACE_ENGINE_PUMP_H_
#define MILLRACE_ENGINE_PUMP_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "base/log.h"
#include "engine/presence.h"
#include "engine/schedule_timer.h"
#include "jobs/ledger.h"
#include "millrace/options.h"
#include "store/store.h"
#include "store/writer.h"

namespace millrace::engine {

// A worker session as the pump sees it. Called on the pump's thread.
class PumpSession {
 public:
  virtual ~PumpSession() = default;
  // Free slots that no queued claim will fill, and the queues they are for.
  virtual int32_t Hunger(std::vector<int64_t>* queue_ids) = 0;
  // All queues that it serves, hungry or not.
  virtual void Queues(std::vector<int64_t>* queue_ids) = 0;
  // There may be something to claim.
  virtual void Feed() = 0;
  // Of those that had hunger: there is nothing to claim now.
  virtual void FindNothing() = 0;
  // Does what is due by the monotonic clock and answers when it wants to be called next (INT64_MAX:
  // never).
  virtual int64_t Tick(int64_t monotonic_ms) = 0;
  // Remembers which leases it holds now and says whether there are any; then Hear() gets what the
  // store says of all leases of this process: cancel requests, and by its absence a lease that is
  // lost.
  virtual bool HoldsLeases() = 0;
  virtual void Hear(const std::vector<jobs::LeaseNews>& leases) = 0;
  virtual void Fail(const Status& status) = 0;
};

// Somebody who follows events. Called on the pump's thread.
class PumpFollower {
 public:
  virtual ~PumpFollower() = default;
  // Of these queues; none: of all.
  virtual const std::vector<int64_t>& queue_ids() const = 0;
  // True if it wants to hear of events (it has not been told since it last looked).
  virtual bool Listening() = 0;
  // The newest event's position; tells the follower if that is beyond what it has seen.
  virtual void Newest(int64_t seq) = 0;
};

// Thread-safe. The thread starts with the first session or follower.
class Pump {
 public:
  Pump(store::Store& store, store::Writer& writer, jobs::Ledger& ledger, Presence& presence,
       Clock& clock, Log log)
      : store_(store),
        writer_(writer),
        ledger_(ledger),
        presence_(presence),
        clock_(clock),
        schedules_(store, writer, ledger, clock, std::move(log)) {}
  ~Pump() { Stop(); }

  // presence.Appear() must have succeeded.
  void Add(std::shared_ptr<PumpSession> session);
  void Add(std::shared_ptr<PumpFollower> follower);
  void Remove(const PumpSession* session);
  void Remove(const PumpFollower* follower);
  // Makes the thread look again at what it waits for.
  void Nudge();
  void Stop();

 private:
  struct Snapshot {
    std::vector<std::shared_ptr<PumpSession>> sessions;
    std::vector<std::shared_ptr<PumpFollower>> followers;
  };
  void StartThread();
  void Loop();
  Snapshot Members();
  void Arm(const Snapshot& members);
  void PassOn(const Snapshot& members);
  // Looks into the store; the answer is when there is something to claim (monotonic ms; 0: now;
  // INT64_MAX: nothing).
  int64_t Look(const Snapshot& members, bool at_leases);
  int64_t LookForJobs(store::Connection& connection, const Snapshot& members);
  void LookForEvents(store::Connection& connection, const Snapshot& members);
  void LookAtLeases(store::Connection& connection, const Snapshot& members);
  void EverySecond(const Snapshot& members);
  void FlushCounters();
  void TimeOutHung();
  bool CleanExpired(const Snapshot& members);

  store::Store& store_;
  store::Writer& writer_;
  jobs::Ledger& ledger_;
  Presence& presence_;
  Clock& clock_;
  ScheduleTimer schedules_;
  std::mutex mutex_;
  Snapshot members_;
  std::thread thread_;
  std::atomic<bool> stopping_{false};
  // Of the thread.
  std::vector<int64_t> job_queues_;
  int64_t next_check_ns_ = 0;
  int64_t next_clean_ns_ = 0;
  int64_t counter_flushes_ = 0;
};

}  // namespace millrace::engine

#endif  // MILLRACE_ENGINE_PUMP_H_
