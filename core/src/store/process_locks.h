// The writer lock and the liveness slots of one open store.
#ifndef MILLRACE_STORE_PROCESS_LOCKS_H_
#define MILLRACE_STORE_PROCESS_LOCKS_H_

#include <bitset>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>

#include "millrace/status.h"
#include "store/store.h"

namespace millrace::store {

// Kernel locks on the database file (see file_format.h), through one descriptor of our own; or, for
// a store that no other process can open, only the in-process half. Thread-safe.
//
// The kernel does not tell threads apart that use one descriptor, so each lock has an in-process
// half as well.
class ProcessLocks {
 public:
  // Takes over `descriptor` (from OpenLockDescriptor); -1: no file.
  explicit ProcessLocks(int descriptor) : descriptor_(descriptor) {}
  ~ProcessLocks() { Close(); }
  ProcessLocks(const ProcessLocks&) = delete;
  ProcessLocks& operator=(const ProcessLocks&) = delete;

  // Releases everything. Afterwards nobody is dead and nothing can be claimed. The writer lock must
  // be free.
  void Close();

  // Blocks until this thread is the only writer of all processes. Not recursive.
  Status LockWriter() {
    return LockWriterUnless([] { return false; });
  }
  // The same, but gives up with kClosed when `give_up` answers true; it is asked again after each
  // WakeWaiters().
  Status LockWriterUnless(const std::function<bool()>& give_up);
  // kBusy if it is not free at this moment.
  Status TryLockWriter();
  void UnlockWriter();
  void WakeWaiters();

  Result<int> ClaimSlot();
  void ReleaseSlot(int slot);
  bool SlotHeld(int slot) const;

 private:
  Status FinishLockWriter(bool wait);

  int descriptor_;  // changed by Close() alone, with both mutexes held
  bool closed_ = false;

  std::mutex writer_mutex_;
  std::condition_variable writer_free_;
  bool writer_held_ = false;

  mutable std::mutex slots_mutex_;
  std::bitset<Store::kMaxSlots> own_slots_;
};

}  // namespace millrace::store

#endif  // MILLRACE_STORE_PROCESS_LOCKS_H_
