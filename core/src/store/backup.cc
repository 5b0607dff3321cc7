#include "store/backup.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <memory>

#include "base/macros.h"
#include "store/errors.h"
#include "store/location.h"

namespace millrace::store {
namespace {

constexpr int kPagesPerSlice = 256;  // 2 MiB

struct CloseConnection {
  void operator()(sqlite3* db) const { sqlite3_close(db); }
};
using RawConnection = std::unique_ptr<sqlite3, CloseConnection>;

// No locks and no journal: the file has no name yet that anybody would open, and is synced as a
// whole at the end. So a backup may go to a network file system, where a store may not be.
Result<RawConnection> OpenTarget(const std::string& path) {
  sqlite3* db = nullptr;
  const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
  int result = sqlite3_open_v2(path.c_str(), &db, flags, "unix-none");
  RawConnection target(db);
  if (result == SQLITE_OK) {
    result = sqlite3_exec(db, "PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF", nullptr, nullptr,
                          nullptr);
  }
  if (result != SQLITE_OK) return SqliteStatus(db, result, "opening the backup " + path);
  return target;
}

Status CopyPages(Connection& source, sqlite3* target, const std::function<Status()>& give_up,
                 BackupInfo* info) {
  sqlite3_backup* const backup = sqlite3_backup_init(target, "main", source.raw(), "main");
  if (backup == nullptr)
    return SqliteStatus(target, sqlite3_errcode(target), "starting the backup");
  int result = SQLITE_OK;
  Status status;
  while (status.ok() && result == SQLITE_OK) {
    result = sqlite3_backup_step(backup, kPagesPerSlice);
    if (result == SQLITE_OK) status = give_up();
  }
  info->pages = sqlite3_backup_pagecount(backup);
  const int finished = sqlite3_backup_finish(backup);
  RETURN_IF_ERROR(status);
  if (result == SQLITE_DONE && finished == SQLITE_OK) return Status::Ok();
  return SqliteStatus(target, finished != SQLITE_OK ? finished : result,
                      "copying the store's pages");
}

Status CopySnapshot(Connection& source, const std::string& path,
                    const std::function<Status()>& give_up, BackupInfo* info) {
  ASSIGN_OR_RETURN(const RawConnection target, OpenTarget(path));
  // The transaction fixes the snapshot: without it a commit of another process would start the copy
  // again.
  RETURN_IF_ERROR(source.Exec("BEGIN"));
  Status status = source.QueryInt("PRAGMA user_version").status();
  if (status.ok()) status = CopyPages(source, target.get(), give_up, info);
  const Status ended = source.Exec("ROLLBACK");
  return status.ok() ? ended : status;
}

Status SyncFile(const std::string& path, BackupInfo* info) {
  const int descriptor = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) return ErrnoStatus(errno, "opening the backup " + path);
  struct stat file = {};
  const bool synced = fsync(descriptor) == 0 && fstat(descriptor, &file) == 0;
  const Status status = synced ? Status::Ok() : ErrnoStatus(errno, "syncing the backup " + path);
  close(descriptor);
  info->bytes = file.st_size;
  return status;
}

Status CheckDestination(const std::string& destination) {
  if (destination.empty() || destination.find('\0') != std::string::npos) {
    return Status(Code::kInvalidArgument,
                  "the backup's destination must be the path of a new file");
  }
  struct stat existing = {};
  if (lstat(destination.c_str(), &existing) == 0) {
    return Status(Code::kInvalidArgument, "the backup's destination " + destination +
                                              " exists already; nothing is overwritten");
  }
  if (errno == ENOENT) return Status::Ok();
  return ErrnoStatus(errno, "looking at the backup's destination " + destination);
}

Status CreateEmpty(const std::string& path) {
  const int descriptor = open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (descriptor >= 0) {
    close(descriptor);
    return Status::Ok();
  }
  if (errno == EEXIST) {
    return Status(Code::kInvalidArgument, path +
                                              " exists: another backup to this destination runs or "
                                              "was cut off; remove the file if none runs");
  }
  return ErrnoStatus(errno, "creating the backup " + path);
}

// link(2) does not replace a file that has appeared meanwhile, as rename(2) would.
Status GiveName(const std::string& part, const std::string& destination) {
  if (link(part.c_str(), destination.c_str()) != 0) {
    if (errno == EEXIST) {
      return Status(Code::kInvalidArgument,
                    "the backup's destination " + destination + " has appeared meanwhile");
    }
    // No hard links on this file system.
    if (rename(part.c_str(), destination.c_str()) != 0)
      return ErrnoStatus(errno, "renaming the backup " + part);
  } else {
    unlink(part.c_str());
  }
  return SyncDirectory(DirectoryOf(destination));
}

}  // namespace

Result<BackupInfo> BackupTo(Connection& source, const std::string& destination,
                            const std::function<Status()>& give_up) {
  RETURN_IF_ERROR(CheckDestination(destination));
  const std::string part = destination + ".part";
  RETURN_IF_ERROR(CreateEmpty(part));
  BackupInfo info;
  Status status = CopySnapshot(source, part, give_up, &info);
  if (status.ok()) status = SyncFile(part, &info);
  if (status.ok()) status = GiveName(part, destination);
  if (!status.ok()) {
    unlink(part.c_str());
    return status;
  }
  return info;
}

}  // namespace millrace::store
