// What a worker session holds in memory: leases that run, leases that wait for a taker, and what is
// to be written.
#ifndef MILLRACE_ENGINE_SESSION_STATE_H_
#define MILLRACE_ENGINE_SESSION_STATE_H_

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include "jobs/claim.h"
#include "millrace/session.h"

namespace millrace::engine {

// Claimed jobs that nobody takes for this long go back to the queue (the jobs before them are
// longer than the gauge had thought, or the event loop is blocked), and none are claimed until
// somebody takes again.
inline constexpr int64_t kWaitingMaxMs = 50;

// A lease in this process. Shared between the running table and what is queued to be written about
// it.
struct Running {
  jobs::Lease lease;
  int32_t keep_logs = -1;
  Sealing sealing = Sealing::kNone;  // of what it writes; as Keyring::ModeOf gives it
  std::string name;                  // the task's; empty if nothing is ever sealed
  bool soft_told = false;
  bool hard_told = false;
  bool cancel_told = false;
};

// Something to write about a lease, in the order in which it was said.
struct Note {
  enum class Kind : uint8_t { kSettle, kProgress, kLog, kCheckpoint, kTimeOut };
  Kind kind = Kind::kSettle;
  std::shared_ptr<Running> running;
  Outcome outcome;     // kSettle
  std::string text;    // kProgress, kLog, kCheckpoint
  bool quiet = false;  // a lease given back by the session itself: nobody waits for the answer
};

// How many jobs to claim beyond the free slots: what the session finishes within the prefetch time,
// judged by its recent rate. Long jobs give a rate near zero, so nothing is held back from other
// workers.
class PrefetchGauge {
 public:
  PrefetchGauge(int32_t fixed, int64_t window_ms) : fixed_(fixed), window_ms_(window_ms) {}

  // Jobs settled since the last call.
  void Add(int64_t settled) {
    const auto now = std::chrono::steady_clock::now();
    const double ms = std::chrono::duration<double, std::milli>(now - last_).count();
    last_ = now;
    const double rate = static_cast<double>(settled) / std::max(ms, 0.02);
    // A pause between two bursts says nothing about the speed of jobs: weigh by work, not by time.
    const double weight = std::min(0.5, 0.1 + static_cast<double>(settled) / 100);
    rate_per_ms_ += weight * (rate - rate_per_ms_);
  }
  void Reset() { rate_per_ms_ = 0; }
  int32_t Target() const {
    if (fixed_ >= 0) return fixed_;
    const double jobs = rate_per_ms_ * static_cast<double>(window_ms_);
    return jobs < 2 ? 0 : static_cast<int32_t>(std::min(jobs, static_cast<double>(kMax)));
  }

 private:
  static constexpr int32_t kMax = 4'096;
  const int32_t fixed_;
  const int64_t window_ms_;
  std::chrono::steady_clock::time_point last_ = std::chrono::steady_clock::now();
  double rate_per_ms_ = 0;
};

}  // namespace millrace::engine

#endif  // MILLRACE_ENGINE_SESSION_STATE_H_
