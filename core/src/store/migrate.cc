#include "store/migrate.h"

#include <string>

#include "base/macros.h"
#include "sql_statements.h"
#include "store/file_format.h"

namespace millrace::store {
namespace {

std::string Hex(int64_t value) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (int shift = 28; shift >= 0; shift -= 4) text += kDigits[(value >> shift) & 15];
  return "0x" + text;
}

Status RunMigration(Connection& connection, const sql::Migration& migration) {
  const std::string finish = "PRAGMA application_id=" + std::to_string(kApplicationId) +
                             ";PRAGMA user_version=" + std::to_string(migration.version) +
                             ";COMMIT";
  // To rename a table would otherwise compile every view and trigger in the file, and a broken one
  // of the user's (app_...) would fail the migration.
  RETURN_IF_ERROR(connection.Exec("PRAGMA legacy_alter_table=ON"));
  Status status = connection.Exec("BEGIN IMMEDIATE");
  if (status.ok()) status = connection.Exec(migration.text);
  if (status.ok()) status = connection.Exec(finish.c_str());
  if (status.ok()) return connection.Exec("PRAGMA legacy_alter_table=OFF");
  // A failed statement may have rolled back by itself; what matters is that no transaction is left.
  if (connection.in_transaction()) static_cast<void>(connection.Exec("ROLLBACK"));
  return Status(status.code(), "migration " + std::to_string(migration.version) + " (" +
                                   migration.name +
                                   ") failed and was rolled back: " + status.message());
}

}  // namespace

int SchemaVersion() {
  return static_cast<int>(sql::kMigrations.size());
}

Result<int> ReadSchemaVersion(Connection& connection, const std::string& path) {
  ASSIGN_OR_RETURN(const int64_t application_id, connection.QueryInt("PRAGMA application_id"));
  ASSIGN_OR_RETURN(const int64_t version, connection.QueryInt("PRAGMA user_version"));
  if (application_id == 0) {
    ASSIGN_OR_RETURN(const int64_t objects,
                     connection.QueryInt("SELECT count(*) FROM sqlite_schema"));
    if (objects == 0 && version == 0) return 0;
    return Status(Code::kNotAStore,
                  path + " is an SQLite database, but not a Millrace store; nothing was changed");
  }
  if (application_id != kApplicationId) {
    return Status(Code::kNotAStore, path + " belongs to another application (application_id " +
                                        Hex(application_id) + "); nothing was changed");
  }
  if (version > SchemaVersion()) {
    return Status(Code::kNewerSchema,
                  path + " has schema version " + std::to_string(version) +
                      ", written by a newer Millrace; this one knows versions up to " +
                      std::to_string(SchemaVersion()) + ". Update Millrace to open it");
  }
  if (version < 1) {
    return Status(Code::kCorrupt, path + " is marked as a Millrace store but has schema version " +
                                      std::to_string(version));
  }
  return static_cast<int>(version);
}

Status Migrate(Connection& connection, int from_version) {
  for (const sql::Migration& migration : sql::kMigrations) {
    if (migration.version > from_version) RETURN_IF_ERROR(RunMigration(connection, migration));
  }
  return Status::Ok();
}

}  // namespace millrace::store
