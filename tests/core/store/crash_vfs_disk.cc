#include "store/crash_vfs_disk.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace millrace::store {
namespace {

constexpr int64_t kSector = 512;

void Put(std::string* content, int64_t offset, const char* bytes, int64_t size) {
  const auto end = static_cast<size_t>(offset + size);
  if (content->size() < end) content->resize(end, '\0');
  std::memcpy(content->data() + offset, bytes, static_cast<size_t>(size));
}

void Apply(std::string* content, const DiskChange& change) {
  if (change.truncate) {
    content->resize(static_cast<size_t>(change.offset), '\0');
  } else {
    Put(content, change.offset, change.bytes.data(), static_cast<int64_t>(change.bytes.size()));
  }
}

// Keeps each sector of a write with the probability `keep`.
void ApplyTorn(std::string* content, const DiskChange& change, double keep,
               std::mt19937_64& random) {
  std::uniform_real_distribution<double> chance(0, 1);
  const int64_t end = change.offset + static_cast<int64_t>(change.bytes.size());
  for (int64_t at = change.offset; at < end;) {
    const int64_t next = std::min(end, (at / kSector + 1) * kSector);
    if (chance(random) < keep)
      Put(content, at, change.bytes.data() + (at - change.offset), next - at);
    at = next;
  }
}

std::string FileAfterPowerCut(const DiskFileState& state, std::mt19937_64& random) {
  std::uniform_real_distribution<double> chance(0, 1);
  constexpr double kKeep[] = {0.0, 0.1, 0.5, 0.9, 0.98, 1.0};
  const double keep = kKeep[random() % std::size(kKeep)];
  const double tear = chance(random) < 0.5 ? 0.0 : 0.3;
  std::string content = *state.durable;
  for (const auto& change : state.unsynced) {
    if (!change->truncate && chance(random) < tear) {
      ApplyTorn(&content, *change, std::max(0.3, keep), random);
    } else if (chance(random) < keep) {
      Apply(&content, *change);
    }
  }
  return content;
}

}  // namespace

std::map<std::string, std::string> AfterPowerCut(const DiskSnapshot& snapshot, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::map<std::string, const DiskFileState*> found;
  for (const auto& [name, state] : snapshot.files) {
    const auto durable = snapshot.durable_files.find(name);
    const bool same =
        durable != snapshot.durable_files.end() && durable->second.durable == state.durable;
    if (same || random() % 2 == 0) found[name] = &state;
  }
  for (const auto& [name, state] : snapshot.durable_files) {
    if (found.contains(name)) continue;
    // Removed or replaced, or its replacement was lost: the removal alone may have reached the disk
    // only if no replacement was made.
    if (snapshot.files.contains(name) || random() % 2 == 0) found[name] = &state;
  }
  std::map<std::string, std::string> contents;
  for (const auto& [name, state] : found) contents[name] = FileAfterPowerCut(*state, random);
  return contents;
}

CrashDisk::CrashDisk(const std::map<std::string, std::string>& contents) {
  for (const auto& [name, content] : contents) {
    auto file = std::make_shared<File>();
    file->name = name;
    file->live = content;
    file->state.durable = std::make_shared<const std::string>(content);
    file->listed = true;
    files_[name] = file;
    durable_files_[name] = file;
  }
}

CrashDisk::Failure CrashDisk::Count(Operation operation) {
  if (observer_ && (operation & kChanges) != 0) {
    observer_(operations_, [this] { return TakeSnapshot(); });
  }
  ++operations_;
  if (fail_in_ == 0 || (operation & fail_mask_) == 0) return Failure::kNone;
  if (fail_in_ > 1) {
    --fail_in_;
    return Failure::kNone;
  }
  if (!fail_for_ever_) fail_in_ = 0;
  ++failures_;
  return failure_;
}

CrashDisk::Failure CrashDisk::Touch(Operation operation) {
  std::lock_guard<std::mutex> lock(mutex_);
  return Count(operation);
}

std::shared_ptr<CrashDisk::File> CrashDisk::Open(const std::string& name, bool create,
                                                 Failure* failure) {
  std::lock_guard<std::mutex> lock(mutex_);
  *failure = Count(kOpen);
  if (*failure != Failure::kNone) return nullptr;
  const auto found = files_.find(name);
  if (found != files_.end()) return found->second;
  if (!create) return nullptr;
  auto file = std::make_shared<File>();
  file->name = name;
  file->state.durable = std::make_shared<const std::string>();
  file->listed = true;
  files_[name] = file;
  return file;
}

CrashDisk::Failure CrashDisk::Read(const File& file, int64_t offset, int64_t bytes, char* to,
                                   int64_t* got) {
  std::lock_guard<std::mutex> lock(mutex_);
  *got = 0;
  if (const Failure failure = Count(kRead); failure != Failure::kNone) return failure;
  const int64_t size = static_cast<int64_t>(file.live.size());
  *got = std::clamp<int64_t>(size - offset, 0, bytes);
  if (*got > 0) std::memcpy(to, file.live.data() + offset, static_cast<size_t>(*got));
  return Failure::kNone;
}

CrashDisk::Failure CrashDisk::Write(File& file, int64_t offset, const char* from, int64_t bytes) {
  std::lock_guard<std::mutex> lock(mutex_);
  Failure failure = Count(kWrite);
  if (failure == Failure::kShortWrite)
    bytes = static_cast<int64_t>(random_() % static_cast<uint64_t>(bytes));
  if (failure == Failure::kIoError || failure == Failure::kDiskFull) return failure;
  const int64_t grows =
      std::max<int64_t>(0, offset + bytes - static_cast<int64_t>(file.live.size()));
  if (capacity_ >= 0 && grows > 0 && UsedBytes() + grows > capacity_) {
    const int64_t room = std::max<int64_t>(0, capacity_ - UsedBytes());
    bytes = std::clamp<int64_t>(static_cast<int64_t>(file.live.size()) + room - offset, 0, bytes);
    failure = Failure::kDiskFull;
    ++failures_;
  }
  if (bytes == 0) return failure;
  Put(&file.live, offset, from, bytes);
  auto change = std::make_shared<DiskChange>();
  change->offset = offset;
  change->bytes.assign(from, static_cast<size_t>(bytes));
  file.state.unsynced.push_back(std::move(change));
  return failure;
}

CrashDisk::Failure CrashDisk::Truncate(File& file, int64_t size) {
  std::lock_guard<std::mutex> lock(mutex_);
  if (const Failure failure = Count(kTruncate); failure != Failure::kNone) return failure;
  file.live.resize(static_cast<size_t>(size), '\0');
  auto change = std::make_shared<DiskChange>();
  change->truncate = true;
  change->offset = size;
  file.state.unsynced.push_back(std::move(change));
  return Failure::kNone;
}

CrashDisk::Failure CrashDisk::Sync(File& file) {
  std::lock_guard<std::mutex> lock(mutex_);
  const Failure failure = Count(kSync);
  std::string content = *file.state.durable;
  for (const auto& change : file.state.unsynced) {
    // A failed sync writes some of it, and the kernel forgets the rest.
    if (failure == Failure::kNone || random_() % 2 == 0) Apply(&content, *change);
  }
  file.state.durable = std::make_shared<const std::string>(std::move(content));
  file.state.unsynced.clear();
  if (failure != Failure::kNone) return failure;
  ++synced_;
  // The first sync of a new file syncs the directory, as SQLite does for its journals and file
  // systems do for new files: earlier creations and removals become durable with it.
  const auto durable = durable_files_.find(file.name);
  if (file.listed && (durable == durable_files_.end() || durable->second.get() != &file))
    durable_files_ = files_;
  return Failure::kNone;
}

CrashDisk::Failure CrashDisk::Delete(const std::string& name, bool sync_directory) {
  std::lock_guard<std::mutex> lock(mutex_);
  if (const Failure failure = Count(kDelete); failure != Failure::kNone) return failure;
  const auto found = files_.find(name);
  if (found == files_.end()) return Failure::kNone;
  found->second->listed = false;
  files_.erase(found);
  if (sync_directory) durable_files_ = files_;
  return Failure::kNone;
}

bool CrashDisk::Exists(const std::string& name) const {
  std::lock_guard<std::mutex> lock(mutex_);
  return files_.contains(name);
}

int64_t CrashDisk::Size(const File& file) const {
  std::lock_guard<std::mutex> lock(mutex_);
  return static_cast<int64_t>(file.live.size());
}

void CrashDisk::FailNth(int64_t n, unsigned operations, Failure failure, bool for_ever) {
  std::lock_guard<std::mutex> lock(mutex_);
  fail_in_ = n;
  fail_mask_ = operations;
  failure_ = failure;
  fail_for_ever_ = for_ever;
}

void CrashDisk::Heal() {
  std::lock_guard<std::mutex> lock(mutex_);
  fail_in_ = 0;
  capacity_ = -1;
}

int64_t CrashDisk::failures() const {
  std::lock_guard<std::mutex> lock(mutex_);
  return failures_;
}

void CrashDisk::SetCapacity(int64_t bytes) {
  std::lock_guard<std::mutex> lock(mutex_);
  capacity_ = bytes;
}

int64_t CrashDisk::UsedBytes() const {
  int64_t bytes = 0;
  for (const auto& [name, file] : files_) bytes += static_cast<int64_t>(file->live.size());
  return bytes;
}

int64_t CrashDisk::used() const {
  std::lock_guard<std::mutex> lock(mutex_);
  return UsedBytes();
}

int64_t CrashDisk::operations() const {
  std::lock_guard<std::mutex> lock(mutex_);
  return operations_;
}

int64_t CrashDisk::synced() const {
  std::lock_guard<std::mutex> lock(mutex_);
  return synced_;
}

void CrashDisk::Observe(Observer observer) {
  std::lock_guard<std::mutex> lock(mutex_);
  observer_ = std::move(observer);
}

DiskSnapshot CrashDisk::Snapshot() const {
  std::lock_guard<std::mutex> lock(mutex_);
  return TakeSnapshot();
}

DiskSnapshot CrashDisk::TakeSnapshot() const {
  DiskSnapshot snapshot;
  snapshot.io = operations_;
  for (const auto& [name, file] : files_) snapshot.files[name] = file->state;
  for (const auto& [name, file] : durable_files_) snapshot.durable_files[name] = file->state;
  return snapshot;
}

}  // namespace millrace::store
