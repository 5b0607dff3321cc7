#include "store/recover.h"

#include <sqlite3.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <string>
#include <vector>

#include "base/macros.h"
#include "store/errors.h"
#include "store/wal_sync.h"

namespace millrace::store {
namespace {

constexpr int64_t kChunkBytes = 256 << 10;

Status RewriteFile(sqlite3_file* file) {
  sqlite3_int64 size = 0;
  errno = 0;
  RETURN_IF_ERROR(FileStatus(file->pMethods->xFileSize(file, &size), errno, "measuring the WAL"));
  std::vector<char> chunk(static_cast<size_t>(std::min<int64_t>(size, kChunkBytes)));
  for (int64_t offset = 0; offset < size; offset += kChunkBytes) {
    const int length = static_cast<int>(std::min<int64_t>(size - offset, kChunkBytes));
    errno = 0;
    RETURN_IF_ERROR(FileStatus(file->pMethods->xRead(file, chunk.data(), length, offset), errno,
                               "reading the WAL"));
    RETURN_IF_ERROR(FileStatus(file->pMethods->xWrite(file, chunk.data(), length, offset), errno,
                               "writing the WAL again"));
  }
  return FileStatus(file->pMethods->xSync(file, SQLITE_SYNC_FULL), errno, "syncing the WAL");
}

}  // namespace

Status RewriteWalAndVerify(Connection& connection) {
  RETURN_IF_ERROR(connection.Exec("BEGIN IMMEDIATE"));
  const Result<sqlite3_file*> wal = WalFile(connection);
  const Status rewritten = wal.ok() ? RewriteFile(*wal) : wal.status();
  RETURN_IF_ERROR(connection.Exec("ROLLBACK"));
  RETURN_IF_ERROR(rewritten);

  RETURN_IF_ERROR(connection.Exec("PRAGMA synchronous=FULL"));
  const int result = sqlite3_wal_checkpoint_v2(connection.raw(), "main", SQLITE_CHECKPOINT_TRUNCATE,
                                               nullptr, nullptr);
  // A reader of another process may keep the WAL from being emptied. It is sound now, so that is no
  // failure.
  if (result != SQLITE_OK && (result & 0xff) != SQLITE_BUSY) {
    return connection.LastError(result, "checkpoint after a failed sync");
  }
  ASSIGN_OR_RETURN(const std::string verdict, connection.QueryText("PRAGMA quick_check(1)"));
  if (verdict != "ok") return Status(Code::kCorrupt, "the store is damaged: " + verdict);
  return connection.Exec("PRAGMA synchronous=NORMAL");
}

}  // namespace millrace::store
