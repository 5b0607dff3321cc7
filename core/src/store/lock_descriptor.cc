#include "store/lock_descriptor.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstdint>
#include <vector>

#include "base/check.h"
#include "base/fork.h"
#include "store/errors.h"
#include "store/fork_guard.h"
#include "store/ofd_locks.h"

namespace millrace::store {
namespace {

#if defined(MILLRACE_SQLITE_SYSTEM) || !defined(F_OFD_SETLK)
constexpr bool kPosixLocksAround = true;
#else
constexpr bool kPosixLocksAround = false;
#endif

struct Kept {
  dev_t device;
  ino_t inode;
  int descriptor;
};

struct KeptDescriptors {
  uint32_t generation = 0;
  std::vector<Kept> list;
};

KeptDescriptors& AllKept() {
  static auto* const kept = new KeptDescriptors;
  return *kept;
}

// A descriptor of this file that was kept; -1 if there is none.
int TakeKept(const std::string& path) {
  struct stat file = {};
  if (stat(path.c_str(), &file) != 0) return -1;
  KeptDescriptors& kept = AllKept();
  const auto lock = HoldForks();
  if (kept.generation != ForkGeneration()) kept.list.clear();  // the fork guard has closed them
  kept.generation = ForkGeneration();
  for (size_t i = 0; i < kept.list.size(); ++i) {
    if (kept.list[i].device != file.st_dev || kept.list[i].inode != file.st_ino) continue;
    const int descriptor = kept.list[i].descriptor;
    kept.list.erase(kept.list.begin() + static_cast<std::ptrdiff_t>(i));
    return descriptor;
  }
  return -1;
}

void Keep(int descriptor) {
  struct flock everything = {};
  everything.l_type = F_UNLCK;
  everything.l_whence = SEEK_SET;
  const bool unlocked = LockNoWait(descriptor, &everything) == 0;
  struct stat file = {};
  const bool known = fstat(descriptor, &file) == 0;
  MILLRACE_CHECK(unlocked && known);
  KeptDescriptors& kept = AllKept();
  const auto lock = HoldForks();
  kept.list.push_back({file.st_dev, file.st_ino, descriptor});
}

}  // namespace

Result<int> OpenLockDescriptor(const std::string& path, bool create) {
  if (kPosixLocksAround) {
    const int kept = TakeKept(path);
    if (kept >= 0) return kept;
  }
  const int descriptor =
      OpenTracked(path.c_str(), O_RDWR | O_NOCTTY | (create ? O_CREAT : 0), 0600);
  if (descriptor >= 0) return descriptor;
  if (errno == ENOENT && !create) return Status(Code::kNotFound, "there is no store at " + path);
  return ErrnoStatus(errno,
                     (create ? "opening or creating the store " : "opening the store ") + path);
}

void CloseLockDescriptor(int descriptor) {
  if (kPosixLocksAround) {
    Keep(descriptor);
  } else {
    CloseTracked(descriptor);
  }
}

}  // namespace millrace::store
