// Options of a store, of one write, and of a worker session, with units and defaults.
#ifndef MILLRACE_OPTIONS_H_
#define MILLRACE_OPTIONS_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "millrace/types.h"

namespace millrace {

// Where the engine takes the time from. Thread-safe. Durations are measured on the monotonic
// reading, so a jump of the wall clock never ends a lease or a wait.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual int64_t WallMs() = 0;
  virtual int64_t MonotonicMs() = 0;
  // Blocking waits of the core ask this how long to wait for `ms` of this clock's time; a manual
  // clock answers with a short real wait so that Advance() is noticed.
  virtual int64_t RealWaitMs(int64_t ms) { return ms; }
};
std::shared_ptr<Clock> RealClock();

// A clock that stands still until Advance() is called; both readings move together. For tests.
// Thread-safe.
class ManualClock : public Clock {
 public:
  explicit ManualClock(int64_t wall_ms) : now_ms_(wall_ms) {}
  int64_t WallMs() override;
  int64_t MonotonicMs() override;
  int64_t RealWaitMs(int64_t ms) override;
  void Advance(int64_t ms);
  // Moves the wall clock alone, also backwards: what an NTP step does.
  void JumpWall(int64_t ms);

 private:
  std::atomic<int64_t> now_ms_;
  std::atomic<int64_t> wall_offset_ms_{0};
};

// Keys for payloads (data, results, progress, checkpoints, errors, log lines). Names, ids, queue
// names, headers, sizes and times stay readable. docs/explanation/security.md says more.
struct SecurityKey {
  std::string id = {};      // 1..32 of [A-Za-z0-9._-]; stored beside what was sealed with it
  std::string secret = {};  // 32 bytes
};
struct Security {
  // The first one seals; all of them open (rotation: put a new one in front). Empty: off. A secret
  // that is not the one that the store knows under its id: kInvalidArgument.
  std::vector<SecurityKey> keys = {};
  Sealing mode = Sealing::kEncrypt;  // of jobs with Sealing::kDefault
  bool require = false;  // what is not sealed does not open (once nothing old is left unsealed)
};

struct OpenOptions {
  // Path of the store's file, or ":memory:" for a store inside this process. A URL
  // "sqlite:///relative.db" or "sqlite:////absolute.db" is accepted too. Created (0600) if missing;
  // its directory must exist.
  std::string path = {};
  Durability durability =
      Durability::kPower;                  // default of every write; always kMemory for ":memory:"
  bool create = true;                      // false: kNotFound if there is no such file
  int64_t max_payload_bytes = 16 << 20;    // of data, of a result, of an error; 1 KiB .. 512 MiB
  int64_t busy_timeout_ms = 10'000;        // wait for writers that are not Millrace
  int64_t wal_limit_bytes = 16 << 20;      // background checkpoints start at a quarter of it; over
                                           // twice that, writers wait for one
  int32_t writer_queue_ops = 8'192;        // bound of the queue into the writer; 16 .. 65,534
  int64_t writer_queue_bytes = 256 << 20;  // the same in payload bytes
  Keep keep_completed{.age_ms = 86'400'000, .count = -1};  // default rule of queues: one day
  Keep keep_failed{};                                      // default rule of queues: for ever
  int64_t keep_events = 100'000;  // newest events kept per queue (at least)
  Security security = {};
  std::shared_ptr<Clock> clock = {};  // empty: RealClock()
  // Called from core threads with one line about something a human should know (a quarantined
  // record, a lost write at durability memory). Must not call the engine. Empty: dropped.
  std::function<void(const std::string& line)> on_log = {};
  // Tests only: a registered sqlite3_vfs to use for a store that no other process opens.
  std::string test_vfs = {};
  // Tests only: use the portable fallback of wake-ups (a 1 ms poll) in place of futexes.
  bool test_portable_wake = false;
};

struct WriteOptions {
  std::optional<Durability> durability = {};  // empty: the store's
  bool wait_if_full = true;  // false: kQueueFull in place of blocking on back-pressure
};

struct SessionOptions {
  std::vector<std::string> queues =
      {};             // at least one, no name twice; served in turn, so that none starves
  int32_t slots = 1;  // jobs that may run at once; 1 .. 100,000
  // How many claimed jobs may wait in this process for a slot. -1: adaptive, as many as the session
  // expects to start within prefetch_ms, judged by the jobs' measured length: long jobs are never
  // held back from others.
  int32_t prefetch = -1;
  int64_t prefetch_ms = 5;
  std::string worker_name = {};  // shown in listings; empty: "host:pid"
  std::string language = "c++";
  std::optional<Durability> durability = {};  // of finishes; empty: the store's
  bool paused = false;                        // start without claiming
  // Notices only of what a worker must act on: Drain() tells neither of attempts that settled well
  // nor that the queues are drained, and wakes for neither.
  bool quiet = false;
  // Called from a core thread when Take() or Drain() has something new (edge-triggered: once per
  // change from empty to not empty). Must return quickly and not call the session. Empty: use the
  // blocking forms.
  std::function<void()> on_ready = {};
};

}  // namespace millrace

#endif  // MILLRACE_OPTIONS_H_
