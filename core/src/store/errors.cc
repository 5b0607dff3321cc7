#include "store/errors.h"

#include <sqlite3.h>

#include <cerrno>
#include <string_view>
#include <system_error>

namespace millrace::store {
namespace {

Code CodeOfErrno(int error) {
  switch (error) {
    case EACCES:
    case EPERM:
    case EROFS:
      return Code::kPermissionDenied;
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
      return Code::kDiskFull;
    case ENOENT:
      return Code::kNotFound;
    default:
      return Code::kIoError;
  }
}

// SQLITE_ERROR covers many things. All our SQL is fixed and tested, so a missing table or column
// means that the file does not have the schema that its version number promises.
Code CodeOfGenericError(std::string_view message) {
  const bool missing =
      message.starts_with("no such") || message.find("has no column") != std::string_view::npos;
  return missing || message.find("malformed") != std::string_view::npos ? Code::kCorrupt
                                                                        : Code::kInternal;
}

Code CodeOfResult(int result, int system_error, std::string_view message) {
  switch (result & 0xff) {
    case SQLITE_OK:
    case SQLITE_ROW:
    case SQLITE_DONE:
      return Code::kOk;
    case SQLITE_FULL:
      return Code::kDiskFull;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_PROTOCOL:
      return Code::kBusy;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
    case SQLITE_FORMAT:
      return Code::kCorrupt;
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_AUTH:
      return Code::kPermissionDenied;
    case SQLITE_CANTOPEN:
      return system_error == ENOENT ? Code::kIoError : CodeOfErrno(system_error);
    case SQLITE_IOERR: {
      const Code code = CodeOfErrno(system_error);
      return code == Code::kDiskFull ? code : Code::kIoError;
    }
    case SQLITE_TOOBIG:
      return Code::kTooLarge;
    case SQLITE_NOMEM:
      return Code::kInternal;
    case SQLITE_ERROR:
    case SQLITE_SCHEMA:
      return CodeOfGenericError(message);
    default:
      return Code::kInternal;
  }
}

}  // namespace

std::string ErrnoText(int error) {
  return std::generic_category().message(error) + " (errno " + std::to_string(error) + ")";
}

Status ErrnoStatus(int error, const std::string& doing) {
  return Status(CodeOfErrno(error), doing + ": " + ErrnoText(error));
}

Status SqliteStatus(sqlite3* db, int result, const std::string& doing) {
  // The connection remembers errno only for these two; for others it would be that of an older
  // failure.
  const int primary = result & 0xff;
  const bool has_errno = primary == SQLITE_IOERR || primary == SQLITE_CANTOPEN;
  const int system_error = db != nullptr && has_errno ? sqlite3_system_errno(db) : 0;
  std::string message = sqlite3_errstr(result);
  if (db != nullptr && sqlite3_errcode(db) != SQLITE_OK) message = sqlite3_errmsg(db);
  const Code code = CodeOfResult(result, system_error, message);
  if (code == Code::kOk) return Status::Ok();
  std::string text = doing + ": " + message + " (SQLite result " + std::to_string(result);
  if (system_error != 0) text += ", " + ErrnoText(system_error);
  text += ")";
  const char* file = db != nullptr ? sqlite3_db_filename(db, "main") : nullptr;
  if (file != nullptr && *file != '\0') text += ", file " + std::string(file);
  return Status(code, std::move(text));
}

}  // namespace millrace::store
