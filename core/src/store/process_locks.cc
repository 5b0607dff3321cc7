#include "store/process_locks.h"

#include <fcntl.h>

#include <cerrno>
#include <cstdint>
#include <utility>

#include "base/check.h"
#include "store/errors.h"
#include "store/file_format.h"
#include "store/lock_descriptor.h"
#include "store/ofd_locks.h"

namespace millrace::store {
namespace {

struct flock OneByte(int64_t offset, short type) {
  struct flock lock = {};
  lock.l_type = type;
  lock.l_whence = SEEK_SET;
  lock.l_start = offset;
  lock.l_len = 1;
  return lock;
}

Status WriterBusy() {
  return Status(Code::kBusy, "somebody else has the writer lock of the store");
}

}  // namespace

void ProcessLocks::Close() {
  const std::scoped_lock lock(writer_mutex_, slots_mutex_);
  MILLRACE_CHECK(!writer_held_);
  closed_ = true;
  own_slots_.reset();
  if (descriptor_ >= 0) CloseLockDescriptor(std::exchange(descriptor_, -1));
}

Status ProcessLocks::LockWriterUnless(const std::function<bool()>& give_up) {
  {
    std::unique_lock lock(writer_mutex_);
    writer_free_.wait(lock, [&] { return !writer_held_ || give_up(); });
    if (closed_) return Status(Code::kClosed, "the store is closed");
    if (give_up()) return Status(Code::kClosed, "waiting for the writer lock was given up");
    writer_held_ = true;  // from here on, Close() keeps away from the descriptor
  }
  return FinishLockWriter(/*wait=*/true);
}

Status ProcessLocks::TryLockWriter() {
  {
    const std::lock_guard lock(writer_mutex_);
    if (closed_) return Status(Code::kClosed, "the store is closed");
    if (writer_held_) return WriterBusy();
    writer_held_ = true;
  }
  return FinishLockWriter(/*wait=*/false);
}

Status ProcessLocks::FinishLockWriter(bool wait) {
  if (descriptor_ < 0) return Status::Ok();
  struct flock range = OneByte(kWriterLockOffset, F_WRLCK);
  if ((wait ? LockWait(descriptor_, &range) : LockNoWait(descriptor_, &range)) == 0) {
    return Status::Ok();
  }
  const int error = errno;
  {
    const std::lock_guard lock(writer_mutex_);
    writer_held_ = false;
  }
  writer_free_.notify_one();
  if (!wait && (error == EAGAIN || error == EACCES)) return WriterBusy();
  return ErrnoStatus(error, "locking the store for writing");
}

void ProcessLocks::UnlockWriter() {
  if (descriptor_ >= 0) {
    struct flock range = OneByte(kWriterLockOffset, F_UNLCK);
    const bool unlocked = LockNoWait(descriptor_, &range) == 0;
    MILLRACE_CHECK(unlocked);
  }
  {
    const std::lock_guard lock(writer_mutex_);
    MILLRACE_CHECK(writer_held_);
    writer_held_ = false;
  }
  writer_free_.notify_one();
}

void ProcessLocks::WakeWaiters() {
  // The empty section orders this after a waiter's look at its condition.
  {
    const std::lock_guard lock(writer_mutex_);
  }
  writer_free_.notify_all();
}

Result<int> ProcessLocks::ClaimSlot() {
  const std::lock_guard lock(slots_mutex_);
  if (closed_) return Status(Code::kClosed, "the store is closed");
  for (int slot = 0; slot < Store::kMaxSlots; ++slot) {
    if (own_slots_[static_cast<size_t>(slot)]) continue;
    if (descriptor_ >= 0) {
      struct flock range = OneByte(kSlotLockOffset + slot, F_WRLCK);
      if (LockNoWait(descriptor_, &range) != 0) {
        if (errno == EAGAIN || errno == EACCES) continue;
        return ErrnoStatus(errno, "locking a process slot of the store");
      }
    }
    own_slots_[static_cast<size_t>(slot)] = true;
    return slot;
  }
  return Status(Code::kBusy, "all " + std::to_string(Store::kMaxSlots) +
                                 " process slots of the store are taken");
}

void ProcessLocks::ReleaseSlot(int slot) {
  MILLRACE_CHECK(slot >= 0 && slot < Store::kMaxSlots);
  const std::lock_guard lock(slots_mutex_);
  if (!own_slots_[static_cast<size_t>(slot)]) return;
  own_slots_[static_cast<size_t>(slot)] = false;
  if (descriptor_ < 0) return;
  struct flock range = OneByte(kSlotLockOffset + slot, F_UNLCK);
  const bool unlocked = LockNoWait(descriptor_, &range) == 0;
  MILLRACE_CHECK(unlocked);
}

bool ProcessLocks::SlotHeld(int slot) const {
  if (slot < 0 || slot >= Store::kMaxSlots) return false;
  const std::lock_guard lock(slots_mutex_);
  if (closed_) return true;  // nobody is declared dead because we cannot ask
  if (own_slots_[static_cast<size_t>(slot)]) return true;  // the kernel does not show us our own
  if (descriptor_ < 0) return false;
  struct flock range = OneByte(kSlotLockOffset + slot, F_WRLCK);
  // An error is no proof of death either.
  return LockQuery(descriptor_, &range) != 0 || range.l_type != F_UNLCK;
}

}  // namespace millrace::store
