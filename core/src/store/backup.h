// A consistent copy of a database that is in use.
#ifndef MILLRACE_STORE_BACKUP_H_
#define MILLRACE_STORE_BACKUP_H_

#include <functional>
#include <string>

#include "millrace/engine.h"
#include "millrace/status.h"
#include "store/connection.h"

namespace millrace::store {

// Copies one snapshot of `source`, which may not be in a transaction, to a new file (0600) and
// syncs it. The file has its name only once it is whole: until then it is called DESTINATION.part.
// Writers go on, and the WAL grows meanwhile. `give_up` is asked between slices. kInvalidArgument
// if the destination exists.
Result<BackupInfo> BackupTo(Connection& source, const std::string& destination,
                            const std::function<Status()>& give_up);

}  // namespace millrace::store

#endif  // MILLRACE_STORE_BACKUP_H_
