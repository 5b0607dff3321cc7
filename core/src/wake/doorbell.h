// How processes wake each other: one doorbell a process, in a shared memory-mapped sidecar file. Hints only: losing
// or deleting the file costs at most the safety check's second, never data.
#ifndef MILLRACE_WAKE_DOORBELL_H_
#define MILLRACE_WAKE_DOORBELL_H_

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "millrace/options.h"
#include "millrace/status.h"

namespace millrace::wake {

// Why a process is rung. Bits of one word.
enum Reason : uint32_t {
  kJobs = 1,     // a queue that it is armed for has new ready jobs
  kEvents = 2,   // a queue that it follows has new events
  kControl = 4,  // something about its own leases (cancel request, lost lease)
  kLocal = 8,    // rung from inside the process
};

// The protocol that loses no wake-up: the waiter reads Seen(), arms itself, checks the store, and only then waits for
// the bell to differ from what it had seen; a ringer commits, then looks at who is armed. Both sides fence.
// Arming for jobs is consumed by the ring (one ringer wins), so that N new jobs wake processes with N free slots, not
// everybody. Thread-safe; one waiting thread a process.
class Doorbell {
 public:
  struct Options {
    std::string sidecar_path;  // NAME-mill; empty: private memory (a store inside this process)
    int slot = 0;              // this process's slot (store::Store::ClaimSlot), or -1: may ring, cannot wait
    int64_t process_id = 0;    // written to the slot: tells a reused slot from its predecessor
    bool portable = false;     // poll the shared word every millisecond in place of a futex
    std::shared_ptr<Clock> clock;
  };
  static Result<std::unique_ptr<Doorbell>> Open(const Options& options);
  virtual ~Doorbell() = default;

  // --- Waiting side ---
  virtual uint32_t Seen() const = 0;
  // free_slots > 0: ring me for up to that many new jobs in these queues. 0 or no queues: do not. The list is exact up to
  // 24 queues; beyond that the process is rung for every queue in addition to the exact ones.
  virtual void ArmJobs(std::span<const int64_t> queue_ids, uint32_t free_slots) = 0;
  // Ring me for new events in these queues (consumed by the ring as well). Empty: do not.
  virtual void ArmEvents(std::span<const int64_t> queue_ids) = 0;
  // Waits until the bell differs from `seen` or timeout_ms (of real time) has passed; returns and clears the reasons.
  virtual uint32_t Wait(uint32_t seen, int64_t timeout_ms) = 0;

  // --- Ringing side (any thread; cost: one pass over the used slots, no system call unless somebody is armed) ---
  virtual void RingJobs(int64_t queue_id, int64_t new_jobs) = 0;
  virtual void RingEvents(int64_t queue_id) = 0;
  virtual void RingProcess(int slot, int64_t process_id, Reason reason) = 0;
  virtual void RingSelf(Reason reason) = 0;

  // Called about once a second by the pump: notices a deleted or replaced sidecar and maps the present one.
  virtual Status CheckFile() = 0;
};

}  // namespace millrace::wake

#endif  // MILLRACE_WAKE_DOORBELL_H_
