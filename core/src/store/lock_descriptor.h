// The descriptor of the database file that carries our kernel locks.
#ifndef MILLRACE_STORE_LOCK_DESCRIPTOR_H_
#define MILLRACE_STORE_LOCK_DESCRIPTOR_H_

#include <string>

#include "millrace/status.h"

namespace millrace::store {

// Opens the file for reading and writing; with `create` an empty one (0600) is made if there is
// none. kNotFound, kPermissionDenied, kDiskFull, kIoError.
Result<int> OpenLockDescriptor(const std::string& path, bool create);

// Closes it, and with it every lock on it. Where the file's other locks are POSIX locks (the
// system's SQLite), closing it would drop those too: then it is kept, without locks, for the next
// store on the same file.
void CloseLockDescriptor(int descriptor);

}  // namespace millrace::store

#endif  // MILLRACE_STORE_LOCK_DESCRIPTOR_H_
