// From SQLite's result codes and errno to a Status whose message says what was being done and what
// to do about it.
#ifndef MILLRACE_STORE_ERRORS_H_
#define MILLRACE_STORE_ERRORS_H_

#include <string>

#include "millrace/status.h"

struct sqlite3;

namespace millrace::store {

// "No space left on device (errno 28)".
std::string ErrnoText(int error);

// A failed system call. EACCES, EPERM and EROFS are kPermissionDenied; ENOSPC, EDQUOT and EFBIG
// kDiskFull; ENOENT kNotFound; all others kIoError.
Status ErrnoStatus(int error, const std::string& doing);

// An (extended) SQLite result code. `db` may be null; otherwise its message and errno are used, so
// call this before anything else is done with the connection.
Status SqliteStatus(sqlite3* db, int result, const std::string& doing);

}  // namespace millrace::store

#endif  // MILLRACE_STORE_ERRORS_H_
