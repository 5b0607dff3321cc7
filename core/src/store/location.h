// Where a store is: the forms of OpenOptions::path, and the checks of its directory that need no
// SQLite.
#ifndef MILLRACE_STORE_LOCATION_H_
#define MILLRACE_STORE_LOCATION_H_

#include <string>

#include "millrace/status.h"

namespace millrace::store {

struct Location {
  bool in_memory = false;
  std::string path;  // empty if in memory
};

// Understands a path, ":memory:" and "sqlite:///..." URLs. Everything else is kInvalidArgument with
// a hint. Looks at the text only.
Result<Location> ParseLocation(const std::string& text);

// The path with its directory's symbolic links resolved (and the file's own, if it exists), so that
// all names of one store lead to the same -wal, -shm and sidecar. Checks that the directory is
// there and can be written, and that the path is a regular file or free. kNotFound, kNotAStore,
// kPermissionDenied, kIoError.
Result<std::string> ResolvePath(const std::string& path);

// The directory part of a path; "." if it has none.
std::string DirectoryOf(const std::string& path);

// Makes the names of the files in a directory survive a power cut.
Status SyncDirectory(const std::string& directory);

}  // namespace millrace::store

#endif  // MILLRACE_STORE_LOCATION_H_
