// A disk in memory that knows what was synced: the model under the test VFS. It can fail I/O on
// demand and can say what a disk may hold after a power cut at any moment.
#ifndef MILLRACE_TESTS_CORE_STORE_CRASH_VFS_DISK_H_
#define MILLRACE_TESTS_CORE_STORE_CRASH_VFS_DISK_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <vector>

namespace millrace::store {

// One change of a file that was not synced yet.
struct DiskChange {
  bool truncate = false;
  int64_t offset = 0;  // of a truncate: the new size
  std::string bytes;
};

// What a power cut would find of one file.
struct DiskFileState {
  std::shared_ptr<const std::string> durable;
  std::vector<std::shared_ptr<const DiskChange>> unsynced;  // in order
};

// The whole disk at one moment; cheap to keep many of (contents are shared).
struct DiskSnapshot {
  std::map<std::string, DiskFileState> files;          // by name, as programs saw them
  std::map<std::string, DiskFileState> durable_files;  // by name, as the directory was last synced
  int64_t io = 0;                                      // how many operations came before
};

// What one possible disk holds after a power cut: every unsynced change was independently kept,
// dropped or torn at 512-byte sectors, and every unsynced creation or removal of a file was kept or
// dropped.
std::map<std::string, std::string> AfterPowerCut(const DiskSnapshot& snapshot, uint64_t seed);

// Thread-safe. A failed sync behaves as on Linux: the programs go on seeing what they wrote, a
// later sync answers ok, and what the failed one did not write never reaches the disk.
class CrashDisk {
 public:
  enum Operation : unsigned {
    kOpen = 1,
    kRead = 2,
    kWrite = 4,
    kTruncate = 8,
    kSync = 16,
    kDelete = 32,
    kShmMap = 64,
    kChanges = kWrite | kTruncate | kSync | kDelete,
    kAny = 127,
  };
  enum class Failure { kNone, kIoError, kShortWrite, kDiskFull };

  struct File {
    std::string live;
    DiskFileState state;
    bool listed = false;
    std::string name;
  };

  CrashDisk() = default;
  explicit CrashDisk(const std::map<std::string, std::string>& contents);

  // Null if it is missing and !create, or if opening was made to fail (then *failure says so).
  std::shared_ptr<File> Open(const std::string& name, bool create, Failure* failure);
  Failure Read(const File& file, int64_t offset, int64_t bytes, char* to, int64_t* got);
  Failure Write(File& file, int64_t offset, const char* from, int64_t bytes);
  Failure Truncate(File& file, int64_t size);
  Failure Sync(File& file);
  Failure Delete(const std::string& name, bool sync_directory);
  bool Exists(const std::string& name) const;
  int64_t Size(const File& file) const;
  // Counts as an operation that can be made to fail, nothing else.
  Failure Touch(Operation operation);

  // The nth operation (from 1, counted from now) among those of the mask fails; and all of the mask
  // after it, if `for_ever`. Replaces an earlier wish.
  void FailNth(int64_t n, unsigned operations, Failure failure, bool for_ever);
  void Heal();
  int64_t failures() const;  // injected so far
  // Writes that would make all files together larger than this are cut short with kDiskFull.
  // Negative: no bound.
  void SetCapacity(int64_t bytes);
  int64_t used() const;
  int64_t operations() const;
  int64_t synced() const;

  // Called before each write, truncate, sync and delete, with the disk locked: must not use the
  // disk but through `take`.
  using Observer = std::function<void(int64_t io, const std::function<DiskSnapshot()>& take)>;
  void Observe(Observer observer);
  DiskSnapshot Snapshot() const;

 private:
  Failure Count(Operation operation);
  DiskSnapshot TakeSnapshot() const;
  int64_t UsedBytes() const;

  mutable std::mutex mutex_;
  std::map<std::string, std::shared_ptr<File>> files_;
  std::map<std::string, std::shared_ptr<File>> durable_files_;
  Observer observer_;
  int64_t operations_ = 0;
  int64_t synced_ = 0;
  int64_t capacity_ = -1;
  int64_t fail_in_ = 0;  // 0: never
  unsigned fail_mask_ = 0;
  Failure failure_ = Failure::kNone;
  bool fail_for_ever_ = false;
  int64_t failures_ = 0;
  std::mt19937_64 random_{42};
};

}  // namespace millrace::store

#endif  // MILLRACE_TESTS_CORE_STORE_CRASH_VFS_DISK_H_
