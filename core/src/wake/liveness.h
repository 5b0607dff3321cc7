// Who is dead. A process is dead when nobody holds its slot's kernel lock; a pidfd makes the news
// immediate where the pid is visible, a probe every second covers the rest (other pid namespaces,
// systems without pidfd).
#ifndef MILLRACE_WAKE_LIVENESS_H_
#define MILLRACE_WAKE_LIVENESS_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

namespace millrace::wake {

struct Peer {
  int64_t process_id = 0;  // the store's id of the process; grows, never reused
  int slot = 0;
  int64_t pid = 0;  // as the process itself saw it; 0: unknown
};

// A pid is only a hint to look at the lock: it may be reused, or mean another process in this pid
// namespace. Of two peers in one slot only the newer can be alive; whoever takes a slot must itself
// declare the slot's older entries dead. Thread-safe. Owns one thread that sleeps in poll(); it
// wakes for a death, for Watch(), and once a second to probe.
class Liveness {
 public:
  struct Options {
    std::function<bool(int slot)> slot_held;  // the truth: store::Store::SlotHeld
    std::function<std::vector<Peer>()>
        list_peers;  // live entries of the processes table, without this one
    std::function<void(const Peer&)>
        on_death;  // on the thread; may block; repeated until the peer is unlisted
    bool use_pidfd = true;
    int64_t probe_ms = 1000;  // real time; peers are listed anew at each probe
  };
  static std::unique_ptr<Liveness> Start(Options options);
  virtual ~Liveness() = default;  // stops and joins
  // Lists the peers anew now (a new one has appeared).
  virtual void Refresh() = 0;
};

}  // namespace millrace::wake

#endif  // MILLRACE_WAKE_LIVENESS_H_
