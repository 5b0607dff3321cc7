#include "store/crash_vfs.h"

#include <sqlite3.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <new>
#include <utility>
#include <vector>

namespace millrace::store {

// Locks and shared memory of one file name, shared by its open handles.
struct CrashVfs::Locks {
  std::mutex mutex;
  int shared = 0;                  // handles at SHARED or higher
  const void* reserved = nullptr;  // the handle at RESERVED or higher
  const void* pending = nullptr;   // the handle that waits for the shared ones to leave
  std::array<int, SQLITE_SHM_NLOCK> shm_shared{};
  std::array<const void*, SQLITE_SHM_NLOCK> shm_exclusive{};
  std::vector<std::unique_ptr<char[]>> shm_regions;
  int shm_users = 0;
};

namespace {

using Failure = CrashDisk::Failure;

// What stands behind a sqlite3_file.
struct Handle {
  CrashVfs* vfs;
  std::shared_ptr<CrashDisk::File> file;
  std::shared_ptr<CrashVfs::Locks> locks;
  bool delete_on_close = false;
  int level = SQLITE_LOCK_NONE;
  bool uses_shm = false;
  std::array<int, SQLITE_SHM_NLOCK> shm_held{};  // 0, SQLITE_SHM_SHARED or SQLITE_SHM_EXCLUSIVE
};

struct VfsFile {
  sqlite3_file base;
  Handle* handle;
};

Handle& HandleOf(sqlite3_file* file) {
  return *reinterpret_cast<VfsFile*>(file)->handle;
}

int WriteResult(Failure failure, int io_error) {
  switch (failure) {
    case Failure::kNone:
      return SQLITE_OK;
    case Failure::kIoError:
      return io_error;
    case Failure::kShortWrite:
    case Failure::kDiskFull:
      return SQLITE_FULL;
  }
  return SQLITE_INTERNAL;
}

int Close(sqlite3_file* file) {
  Handle* handle = &HandleOf(file);
  handle->file.reset();
  delete handle;
  return SQLITE_OK;
}

int Read(sqlite3_file* file, void* to, int bytes, sqlite3_int64 offset) {
  Handle& handle = HandleOf(file);
  int64_t got = 0;
  const Failure failure =
      handle.vfs->disk().Read(*handle.file, offset, bytes, static_cast<char*>(to), &got);
  if (failure != Failure::kNone) return SQLITE_IOERR_READ;
  if (got == bytes) return SQLITE_OK;
  std::memset(static_cast<char*>(to) + got, 0, static_cast<size_t>(bytes - got));
  return SQLITE_IOERR_SHORT_READ;
}

int Write(sqlite3_file* file, const void* from, int bytes, sqlite3_int64 offset) {
  Handle& handle = HandleOf(file);
  return WriteResult(
      handle.vfs->disk().Write(*handle.file, offset, static_cast<const char*>(from), bytes),
      SQLITE_IOERR_WRITE);
}

int Truncate(sqlite3_file* file, sqlite3_int64 size) {
  Handle& handle = HandleOf(file);
  return WriteResult(handle.vfs->disk().Truncate(*handle.file, size), SQLITE_IOERR_TRUNCATE);
}

int Sync(sqlite3_file* file, int) {
  Handle& handle = HandleOf(file);
  return handle.vfs->disk().Sync(*handle.file) == Failure::kNone ? SQLITE_OK : SQLITE_IOERR_FSYNC;
}

int FileSize(sqlite3_file* file, sqlite3_int64* size) {
  Handle& handle = HandleOf(file);
  *size = handle.vfs->disk().Size(*handle.file);
  return SQLITE_OK;
}

int Lock(sqlite3_file* file, int level) {
  Handle& handle = HandleOf(file);
  CrashVfs::Locks& locks = *handle.locks;
  std::lock_guard<std::mutex> guard(locks.mutex);
  if (handle.level >= level) return SQLITE_OK;
  if (level == SQLITE_LOCK_SHARED) {
    if (locks.pending) return SQLITE_BUSY;
    ++locks.shared;
  } else {
    if (locks.reserved && locks.reserved != &handle) return SQLITE_BUSY;
    locks.reserved = &handle;
    if (level == SQLITE_LOCK_EXCLUSIVE) {
      locks.pending = &handle;
      if (locks.shared > 1) {
        handle.level = SQLITE_LOCK_PENDING;
        return SQLITE_BUSY;
      }
    }
  }
  handle.level = level;
  return SQLITE_OK;
}

int Unlock(sqlite3_file* file, int level) {
  Handle& handle = HandleOf(file);
  CrashVfs::Locks& locks = *handle.locks;
  std::lock_guard<std::mutex> guard(locks.mutex);
  if (handle.level <= level) return SQLITE_OK;
  if (locks.reserved == &handle) locks.reserved = nullptr;
  if (locks.pending == &handle) locks.pending = nullptr;
  if (level == SQLITE_LOCK_NONE) --locks.shared;
  handle.level = level;
  return SQLITE_OK;
}

int CheckReservedLock(sqlite3_file* file, int* held) {
  CrashVfs::Locks& locks = *HandleOf(file).locks;
  std::lock_guard<std::mutex> guard(locks.mutex);
  *held = locks.reserved ? 1 : 0;
  return SQLITE_OK;
}

int FileControl(sqlite3_file*, int, void*) {
  return SQLITE_NOTFOUND;
}
int SectorSize(sqlite3_file*) {
  return 512;
}
// As SQLite's own unix VFS says of a disk: a torn write spoils nothing outside of it.
int Characteristics(sqlite3_file*) {
  return SQLITE_IOCAP_POWERSAFE_OVERWRITE;
}

int ShmMap(sqlite3_file* file, int region, int bytes, int extend, void volatile** mapped) {
  Handle& handle = HandleOf(file);
  *mapped = nullptr;
  if (handle.vfs->disk().Touch(CrashDisk::kShmMap) != Failure::kNone) return SQLITE_IOERR_SHMMAP;
  std::lock_guard<std::mutex> guard(handle.locks->mutex);
  if (!handle.uses_shm) {
    handle.uses_shm = true;
    ++handle.locks->shm_users;
  }
  auto& regions = handle.locks->shm_regions;
  const auto index = static_cast<size_t>(region);
  if (regions.size() <= index && !extend) return SQLITE_OK;
  while (regions.size() <= index)
    regions.push_back(std::make_unique<char[]>(static_cast<size_t>(bytes)));
  *mapped = regions[index].get();
  return SQLITE_OK;
}

int ShmLock(sqlite3_file* file, int offset, int n, int flags) {
  Handle& handle = HandleOf(file);
  CrashVfs::Locks& locks = *handle.locks;
  std::lock_guard<std::mutex> guard(locks.mutex);
  const auto first = static_cast<size_t>(offset);
  const auto last = first + static_cast<size_t>(n);
  const bool exclusive = (flags & SQLITE_SHM_EXCLUSIVE) != 0;
  if ((flags & SQLITE_SHM_LOCK) != 0) {
    for (size_t i = first; i < last; ++i) {
      if (locks.shm_exclusive[i] && locks.shm_exclusive[i] != &handle) return SQLITE_BUSY;
      const int own = handle.shm_held[i] == SQLITE_SHM_SHARED ? 1 : 0;
      if (exclusive && locks.shm_shared[i] > own) return SQLITE_BUSY;
    }
  }
  for (size_t i = first; i < last; ++i) {
    if (handle.shm_held[i] == SQLITE_SHM_SHARED) --locks.shm_shared[i];
    if (handle.shm_held[i] == SQLITE_SHM_EXCLUSIVE) locks.shm_exclusive[i] = nullptr;
    handle.shm_held[i] = 0;
    if ((flags & SQLITE_SHM_LOCK) == 0) continue;
    handle.shm_held[i] = exclusive ? SQLITE_SHM_EXCLUSIVE : SQLITE_SHM_SHARED;
    if (exclusive) {
      locks.shm_exclusive[i] = &handle;
    } else {
      ++locks.shm_shared[i];
    }
  }
  return SQLITE_OK;
}

void ShmBarrier(sqlite3_file* file) {
  // The mutex as well as the fence: that is what the sanitizers understand.
  std::lock_guard<std::mutex> guard(HandleOf(file).locks->mutex);
}

int ShmUnmap(sqlite3_file* file, int) {
  Handle& handle = HandleOf(file);
  std::lock_guard<std::mutex> guard(handle.locks->mutex);
  if (!handle.uses_shm) return SQLITE_OK;
  handle.uses_shm = false;
  // The last user's shared memory is gone: the next one recovers the WAL.
  if (--handle.locks->shm_users == 0) handle.locks->shm_regions.clear();
  return SQLITE_OK;
}

constexpr sqlite3_io_methods kMethods = {2,
                                         Close,
                                         Read,
                                         Write,
                                         Truncate,
                                         Sync,
                                         FileSize,
                                         Lock,
                                         Unlock,
                                         CheckReservedLock,
                                         FileControl,
                                         SectorSize,
                                         Characteristics,
                                         ShmMap,
                                         ShmLock,
                                         ShmBarrier,
                                         ShmUnmap,
                                         nullptr,
                                         nullptr};

sqlite3_vfs* Default() {
  return sqlite3_vfs_find(nullptr);
}

int FullPathname(sqlite3_vfs*, const char* name, int bytes, char* out) {
  std::snprintf(out, static_cast<size_t>(bytes), "%s", name);
  return SQLITE_OK;
}

std::string NewName() {
  static std::atomic<int> count{0};
  return "crash-" + std::to_string(++count);
}

}  // namespace

struct CrashVfsMethods {
  static CrashVfs& Of(sqlite3_vfs* vfs) { return *static_cast<CrashVfs*>(vfs->pAppData); }

  static int Open(sqlite3_vfs* vfs, const char* name, sqlite3_file* file, int flags,
                  int* out_flags) {
    file->pMethods = nullptr;
    CrashVfs& self = Of(vfs);
    static std::atomic<int> temporary{0};
    const std::string path = name ? name : "temporary-" + std::to_string(++temporary);
    Failure failure = Failure::kNone;
    auto opened = self.disk_.Open(path, (flags & SQLITE_OPEN_CREATE) != 0 || !name, &failure);
    if (!opened) return failure == Failure::kDiskFull ? SQLITE_FULL : SQLITE_CANTOPEN;
    auto handle = std::make_unique<Handle>();
    handle->vfs = &self;
    handle->file = std::move(opened);
    handle->locks = self.LocksOf(path);
    reinterpret_cast<VfsFile*>(file)->handle = handle.release();
    file->pMethods = &kMethods;
    if (out_flags) *out_flags = flags;
    return SQLITE_OK;
  }

  static int Delete(sqlite3_vfs* vfs, const char* name, int sync_directory) {
    CrashVfs& self = Of(vfs);
    if (!self.disk_.Exists(name)) return SQLITE_IOERR_DELETE_NOENT;
    return self.disk_.Delete(name, sync_directory != 0) == Failure::kNone ? SQLITE_OK
                                                                          : SQLITE_IOERR_DELETE;
  }

  static int Access(sqlite3_vfs* vfs, const char* name, int, int* answer) {
    *answer = Of(vfs).disk_.Exists(name) ? 1 : 0;
    return SQLITE_OK;
  }
};

std::shared_ptr<CrashVfs::Locks> CrashVfs::LocksOf(const std::string& name) {
  std::lock_guard<std::mutex> guard(mutex_);
  std::shared_ptr<Locks> locks = locks_[name].lock();
  if (!locks) locks_[name] = locks = std::make_shared<Locks>();
  return locks;
}

CrashVfs::CrashVfs(const std::map<std::string, std::string>& contents)
    : name_(NewName()), disk_(contents), vfs_(std::make_unique<sqlite3_vfs>()) {
  sqlite3_initialize();
  *vfs_ = sqlite3_vfs{};
  vfs_->iVersion = 2;
  vfs_->szOsFile = sizeof(VfsFile);
  vfs_->mxPathname = 512;
  vfs_->zName = name_.c_str();
  vfs_->pAppData = this;
  vfs_->xOpen = CrashVfsMethods::Open;
  vfs_->xDelete = CrashVfsMethods::Delete;
  vfs_->xAccess = CrashVfsMethods::Access;
  vfs_->xFullPathname = FullPathname;
  vfs_->xRandomness = [](sqlite3_vfs*, int bytes, char* out) {
    return Default()->xRandomness(Default(), bytes, out);
  };
  vfs_->xSleep = [](sqlite3_vfs*, int us) { return Default()->xSleep(Default(), us); };
  vfs_->xCurrentTime = [](sqlite3_vfs*, double* now) {
    return Default()->xCurrentTime(Default(), now);
  };
  vfs_->xCurrentTimeInt64 = [](sqlite3_vfs*, sqlite3_int64* now) {
    return Default()->xCurrentTimeInt64(Default(), now);
  };
  // errno is not ours to set: what a Status says of it would be another call's.
  vfs_->xGetLastError = [](sqlite3_vfs*, int, char*) { return 0; };
  sqlite3_vfs_register(vfs_.get(), 0);
}

CrashVfs::~CrashVfs() {
  sqlite3_vfs_unregister(vfs_.get());
}

}  // namespace millrace::store
