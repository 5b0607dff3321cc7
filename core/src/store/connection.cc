#include "store/connection.h"

#include <sqlite3.h>

#include "base/check.h"
#include "base/fork.h"
#include "base/macros.h"
#include "store/errors.h"
#include "store/guarded_sql.h"
#include "store/ofd_locks.h"

namespace millrace::store {
namespace {

Status ForkedChild() {
  return Status(Code::kForkedChild,
                "this connection was opened before fork(): open the store again in the child");
}

// What each connection needs, in an order in which nothing reads the file before its locks may be
// taken.
//   wal_autocheckpoint   the checkpoint thread alone copies the WAL back
//   trusted_schema       the file may be hostile: its views and triggers get no functions with side
//   effects cell_size_check      damage is found when a page is loaded foreign_keys declared for
//   readers of the schema and `doctor`; the statements keep them by themselves
std::string SetupText(const Connection::Options& options) {
  return "PRAGMA trusted_schema=OFF;"
         "PRAGMA cell_size_check=ON;"
         "PRAGMA foreign_keys=OFF;"
         "PRAGMA temp_store=MEMORY;"
         "PRAGMA mmap_size=0;"
         "PRAGMA cache_size=-" +
         std::to_string(options.cache_kib) +
         ";"
         "PRAGMA synchronous=NORMAL;" +
         (options.read_only ? "PRAGMA query_only=ON;" : "");
}

}  // namespace

Result<std::unique_ptr<Connection>> Connection::Open(const Options& options) {
  InstallSystemCalls();
  int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
  if (options.create) flags |= SQLITE_OPEN_CREATE;
  sqlite3* db = nullptr;
  const char* vfs = options.vfs.empty() ? nullptr : options.vfs.c_str();
  const int result = sqlite3_open_v2(options.path.c_str(), &db, flags, vfs);
  if (result != SQLITE_OK) {
    Status status = SqliteStatus(db, result, "opening " + options.path);
    sqlite3_close(db);
    return status;
  }
  std::unique_ptr<Connection> connection(new Connection(db));
  if (sqlite3_db_readonly(db, "main") == 1) {
    return Status(Code::kPermissionDenied,
                  "opening " + options.path + ": it can only be read, not written");
  }
  sqlite3_busy_timeout(db, static_cast<int>(options.busy_timeout_ms));
  sqlite3_wal_autocheckpoint(db, 0);
  sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
  // Plans that do not depend on what is bound. Without it a statement with LIMIT ?1 is compiled
  // anew each time it is used: some 50 us, several times in each claim.
  sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_QPSG, 1, nullptr);
  RETURN_IF_ERROR(connection->Exec(SetupText(options).c_str()));
  return connection;
}

Connection::Connection(sqlite3* db) : db_(db), fork_generation_(ForkGeneration()) {}

Connection::~Connection() {
  // In a forked child the memory is left alone: it belongs to the parent's locks and descriptors.
  if (fork_generation_ != ForkGeneration()) return;
  for (const auto& [sql, statement] : statements_) sqlite3_finalize(statement);
  const int result = sqlite3_close(db_);
  MILLRACE_CHECK(result != SQLITE_BUSY);  // a statement or backup of ours was forgotten
}

Status Connection::Exec(const char* sql) {
  if (fork_generation_ != ForkGeneration()) return ForkedChild();
  const int result = sqlite3_exec(db_, sql, nullptr, nullptr, nullptr);
  return result == SQLITE_OK ? Status::Ok() : LastError(result, sql);
}

Status Connection::FirstRow(const char* sql, const std::function<void(sqlite3_stmt*)>& read) {
  if (fork_generation_ != ForkGeneration()) return ForkedChild();
  sqlite3_stmt* statement = nullptr;
  int result = sqlite3_prepare_v2(db_, sql, -1, &statement, nullptr);
  if (result == SQLITE_OK) result = sqlite3_step(statement);
  Status status;
  if (result == SQLITE_ROW) {
    read(statement);
  } else if (result == SQLITE_DONE) {
    status = Status(Code::kInternal, std::string(sql) + ": no row");
  } else {
    status = LastError(result, sql);
  }
  // A statement that writes commits only now (PRAGMA journal_mode answers before): its failure
  // counts too.
  const int finalized = sqlite3_finalize(statement);
  if (status.ok() && finalized != SQLITE_OK) status = LastError(finalized, sql);
  return status;
}

Result<int64_t> Connection::QueryInt(const char* sql) {
  int64_t value = 0;
  RETURN_IF_ERROR(
      FirstRow(sql, [&](sqlite3_stmt* statement) { value = sqlite3_column_int64(statement, 0); }));
  return value;
}

Result<std::string> Connection::QueryText(const char* sql) {
  std::string value;
  RETURN_IF_ERROR(FirstRow(sql, [&](sqlite3_stmt* statement) {
    const auto* text = reinterpret_cast<const char*>(sqlite3_column_text(statement, 0));
    if (text != nullptr)
      value.assign(text, static_cast<size_t>(sqlite3_column_bytes(statement, 0)));
  }));
  return value;
}

int64_t Connection::changes() const {
  return sqlite3_changes64(db_);
}

int64_t Connection::total_changes() const {
  return sqlite3_total_changes64(db_);
}

bool Connection::in_transaction() const {
  return sqlite3_get_autocommit(db_) == 0;
}

SqlGuard& Connection::guard() {
  if (!guard_) guard_ = std::make_unique<SqlGuard>(db_);
  return *guard_;
}

void Connection::KeepWalOnClose() {
  sqlite3_db_config(db_, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
}

Status Connection::LastError(int sqlite_code, const char* doing) const {
  return SqliteStatus(db_, sqlite_code, doing);
}

Status Connection::Prepare(const char* sql, sqlite3_stmt** statement) {
  if (fork_generation_ != ForkGeneration()) return ForkedChild();
  const auto [entry, inserted] = statements_.try_emplace(sql, nullptr);
  if (inserted) {
    const int result =
        sqlite3_prepare_v3(db_, sql, -1, SQLITE_PREPARE_PERSISTENT, &entry->second, nullptr);
    if (result != SQLITE_OK) {
      statements_.erase(entry);
      return LastError(result, sql);
    }
  } else if (sqlite3_stmt_busy(entry->second) != 0) {
    return Status(Code::kInternal, std::string("a statement is in use already: ") + sql);
  }
  *statement = entry->second;
  return Status::Ok();
}

Query::Query(Connection& connection, const char* sql) : connection_(connection), sql_(sql) {
  status_ = connection_.Prepare(sql, &statement_);
}

Query::~Query() {
  Reset();
}

void Query::Bound(int result) {
  if (result != SQLITE_OK && status_.ok()) status_ = connection_.LastError(result, sql_);
}

void Query::BindOne(int index, int64_t value) {
  if (statement_ != nullptr) Bound(sqlite3_bind_int64(statement_, index, value));
}

void Query::BindOne(int index, double value) {
  if (statement_ != nullptr) Bound(sqlite3_bind_double(statement_, index, value));
}

void Query::BindOne(int index, std::string_view text) {
  // A null pointer would bind NULL: an empty view need not point anywhere.
  const char* data = text.empty() ? "" : text.data();
  if (statement_ == nullptr) return;
  Bound(sqlite3_bind_text64(statement_, index, data, text.size(), SQLITE_STATIC, SQLITE_UTF8));
}

void Query::BindOne(int index, const Blob& blob) {
  const char* data = blob.bytes.empty() ? "" : blob.bytes.data();
  if (statement_ == nullptr) return;
  Bound(sqlite3_bind_blob64(statement_, index, data, blob.bytes.size(), SQLITE_STATIC));
}

void Query::BindOne(int index, std::nullptr_t) {
  if (statement_ != nullptr) Bound(sqlite3_bind_null(statement_, index));
}

Status Query::Step(bool* row) {
  *row = false;
  if (!status_.ok()) return status_;
  const int result = sqlite3_step(statement_);
  if (result == SQLITE_ROW) {
    *row = true;
    return Status::Ok();
  }
  if (result == SQLITE_DONE) return Status::Ok();
  return connection_.LastError(result, sql_);
}

Status Query::Run() {
  bool row = true;
  Status status;
  while (status.ok() && row) status = Step(&row);
  Reset();
  return status;
}

void Query::Reset() {
  if (statement_ == nullptr) return;
  // The answer of sqlite3_reset repeats the error that Step() has reported.
  sqlite3_reset(statement_);
  // Bound memory is the caller's; nothing may point to it when it is gone.
  sqlite3_clear_bindings(statement_);
}

int64_t Query::Int(int column) const {
  return sqlite3_column_int64(statement_, column);
}

double Query::Real(int column) const {
  return sqlite3_column_double(statement_, column);
}

std::string_view Query::Text(int column) const {
  const auto* text = reinterpret_cast<const char*>(sqlite3_column_text(statement_, column));
  if (text == nullptr) return {};
  return {text, static_cast<size_t>(sqlite3_column_bytes(statement_, column))};
}

std::string_view Query::BlobBytes(int column) const {
  const auto* bytes = static_cast<const char*>(sqlite3_column_blob(statement_, column));
  if (bytes == nullptr) return {};
  return {bytes, static_cast<size_t>(sqlite3_column_bytes(statement_, column))};
}

bool Query::IsNull(int column) const {
  return sqlite3_column_type(statement_, column) == SQLITE_NULL;
}

}  // namespace millrace::store
