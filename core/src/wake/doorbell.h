// How processes wake each other: one doorbell a process, in a shared memory-mapped sidecar file.
// Hints only: losing or deleting the file costs at most the safety check's second, never data.
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
  kJobs = 1,    // a queue that it is armed for has new ready jobs
  kEvents = 2,  // a queue that it follows has new events
  kControl =
      4,  // something about its own leases (cancel request, lost lease), or a new process to watch
  kLocal = 8,  // rung from inside the process
};

// The protocol that loses no wake-up: the waiter reads Seen(), arms itself, checks the store, and
// only then waits for the bell to differ from what it had seen; a ringer commits, then looks at who
// is armed. Both sides fence. Arming for jobs is consumed by the ring (one ringer wins), so that N
// new jobs wake processes with N free slots, not everybody. Thread-safe; one waiting thread a
// process.
class Doorbell {
 public:
  struct Options {
    std::string sidecar_path;  // NAME-mill; empty: private memory (a store inside this process)
    int slot = 0;  // this process's slot (store::Store::ClaimSlot), or -1: may ring, cannot wait
    int64_t process_id = 0;  // not 0; written to the slot: tells a reused slot from its predecessor
    bool portable = false;   // poll the shared word every millisecond in place of a futex
  };
  // kInvalidArgument for a slot out of range. A sidecar that cannot be opened or made is no error,
  // as it holds hints only: the doorbell then hears nobody but this process, tries again at each
  // CheckFile(), and that says what is wrong.
  static Result<std::unique_ptr<Doorbell>> Open(const Options& options);
  // Disarms; what this process was rung for since it last armed itself is passed on to another. In
  // a child of fork() no call does anything.
  virtual ~Doorbell() = default;

  // --- Waiting side ---
  virtual uint32_t Seen() const = 0;
  // free_slots > 0: ring me for up to that many new jobs in these queues. 0 or no queues: do not.
  // The list is exact up to 24 queues; beyond that the process is rung for every queue in addition
  // to the exact ones.
  // Say so at once when slots fill up: an armed process that cannot take a job swallows the ring
  // that another could have used. So: arm, look, claim, arm anew with what is left; with nothing
  // left, look once more and ring for what is still ready.
  virtual void ArmJobs(std::span<const int64_t> queue_ids, uint32_t free_slots) = 0;
  // Stands for all queues, those too that nobody has made yet.
  static constexpr int64_t kEveryQueue = 0;
  // Ring me for new events in these queues (consumed by the ring as well). Empty: do not.
  virtual void ArmEvents(std::span<const int64_t> queue_ids) = 0;
  // Waits until the bell differs from `seen` or timeout_ms (of real time) has passed; returns and
  // clears the reasons, which may be none.
  virtual uint32_t Wait(uint32_t seen, int64_t timeout_ms) = 0;

  // --- Ringing side (any thread; call after the commit; cost: one fstat and a pass over the armed
  // slots, a futex call for each process that sleeps and is rung) --- Wakes armed processes until
  // their free slots cover new_jobs. A woken process may find other jobs than those it was counted
  // for: if it fills its slots and leaves jobs ready in a queue, it must ring for those in turn.
  virtual void RingJobs(int64_t queue_id, int64_t new_jobs) = 0;
  virtual void RingEvents(int64_t queue_id) = 0;
  // Nothing if the slot belongs to another process by now.
  virtual void RingProcess(int slot, int64_t process_id, Reason reason) = 0;
  virtual void RingSelf(Reason reason) = 0;
  // That process is dead: nobody rings it any more, and a ring that it may have taken along is
  // passed on to others.
  virtual void ForgetProcess(int slot, int64_t process_id) = 0;

  // Called about once a second by the pump: notices a deleted or replaced sidecar and maps the
  // present one. After that Wait() returns at once with every reason. An error: no sidecar; hints
  // from other processes do not arrive.
  virtual Status CheckFile() = 0;
};

}  // namespace millrace::wake

#endif  // MILLRACE_WAKE_DOORBELL_H_
