// Brings a file's schema up to this version, forward only.
#ifndef MILLRACE_STORE_MIGRATE_H_
#define MILLRACE_STORE_MIGRATE_H_

#include "millrace/status.h"
#include "store/connection.h"

namespace millrace::store {

// The newest schema that this build knows: the number of migrations in core/sql/migrations.
int SchemaVersion();

// kNotAStore if the database belongs to another application or holds somebody's tables,
// kNewerSchema if a newer Millrace wrote it; else the version that it has (0: empty). Changes
// nothing. `path` is for the messages.
Result<int> ReadSchemaVersion(Connection& connection, const std::string& path);

// Runs what is missing, each migration in a transaction of its own together with its version
// number, so that a crash leaves the schema of some version. The caller holds the writer lock.
Status Migrate(Connection& connection, int from_version);

}  // namespace millrace::store

#endif  // MILLRACE_STORE_MIGRATE_H_
