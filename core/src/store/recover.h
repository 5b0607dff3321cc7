// Makes a WAL trustworthy again after a sync of it has failed.
#ifndef MILLRACE_STORE_RECOVER_H_
#define MILLRACE_STORE_RECOVER_H_

#include "millrace/status.h"
#include "store/connection.h"

namespace millrace::store {

// After a failed sync the kernel may hold pages that it calls clean and that never reached the
// disk; another sync would say Ok and prove nothing, and a checkpoint would copy from a WAL of
// which a power cut leaves holes. So every byte of the WAL is written again, which makes its pages
// dirty, and then synced; then all of it is copied into the database, and quick_check reads the
// result. The write lock of SQLite is held meanwhile: no process can commit or truncate the WAL.
//
// `connection` must be freshly opened, and this process's only one. Time grows with the database
// (quick_check).
Status RewriteWalAndVerify(Connection& connection);

}  // namespace millrace::store

#endif  // MILLRACE_STORE_RECOVER_H_
