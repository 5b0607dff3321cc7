#include "store/guarded_sql.h"

#include <sqlite3.h>

#include <algorithm>
#include <cctype>
#include <climits>
#include <memory>
#include <string_view>

#include "base/macros.h"
#include "base/text.h"
#include "sql_statements.h"
#include "store/connection.h"
#include "store/errors.h"

namespace millrace::store {
namespace {

// How many instructions of SQLite's machine run between two looks at the clock: some 10 us.
constexpr int kProgressOps = 1'000;

constexpr char kOnlyOwn[] =
    "; in a transaction a statement may use tables, indexes, views and triggers whose names begin "
    "with app_, and nothing else";

std::string Lower(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return lower;
}

bool IsOwn(const char* name) {
  return name != nullptr && Lower(name).starts_with("app_");
}

// Unique and primary key constraints have indexes that SQLite names.
bool IsOwnIndex(const char* name) {
  return IsOwn(name) || (name != nullptr && Lower(name).starts_with("sqlite_autoindex_app_"));
}

bool IsCatalog(const std::string& lower) {
  return lower == "sqlite_master" || lower == "sqlite_schema";
}

struct Finalize {
  void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
};

// The first word, in upper case; comments before it are skipped.
std::string FirstWord(std::string_view sql) {
  size_t at = 0;
  while (at < sql.size()) {
    if (std::isspace(static_cast<unsigned char>(sql[at])) != 0) {
      ++at;
    } else if (sql.substr(at, 2) == "--") {
      at = std::min(sql.find('\n', at), sql.size());
    } else if (sql.substr(at, 2) == "/*") {
      const size_t end = sql.find("*/", at + 2);
      at = end == std::string_view::npos ? sql.size() : end + 2;
    } else {
      break;
    }
  }
  std::string word;
  for (; at < sql.size() && std::isalpha(static_cast<unsigned char>(sql[at])) != 0; ++at)
    word += static_cast<char>(std::toupper(static_cast<unsigned char>(sql[at])));
  return word;
}

int BindValue(sqlite3_stmt* statement, int index, const SqlValue& value) {
  if (const auto* integer = std::get_if<int64_t>(&value))
    return sqlite3_bind_int64(statement, index, *integer);
  if (const auto* real = std::get_if<double>(&value))
    return sqlite3_bind_double(statement, index, *real);
  if (const auto* text = std::get_if<std::string>(&value))
    return sqlite3_bind_text64(statement, index, text->c_str(), text->size(), SQLITE_STATIC,
                               SQLITE_UTF8);
  if (const auto* blob = std::get_if<SqlBlob>(&value))
    return sqlite3_bind_blob64(statement, index, blob->bytes.c_str(), blob->bytes.size(),
                               SQLITE_STATIC);
  return sqlite3_bind_null(statement, index);
}

SqlValue ColumnValue(sqlite3_stmt* statement, int column) {
  const auto size = [&] { return static_cast<size_t>(sqlite3_column_bytes(statement, column)); };
  switch (sqlite3_column_type(statement, column)) {
    case SQLITE_INTEGER:
      return int64_t{sqlite3_column_int64(statement, column)};
    case SQLITE_FLOAT:
      return sqlite3_column_double(statement, column);
    case SQLITE_TEXT: {
      const auto* text = reinterpret_cast<const char*>(sqlite3_column_text(statement, column));
      return text == nullptr ? std::string() : std::string(text, size());
    }
    case SQLITE_BLOB: {
      const auto* bytes = static_cast<const char*>(sqlite3_column_blob(statement, column));
      return SqlBlob{bytes == nullptr ? std::string() : std::string(bytes, size())};
    }
    default:
      return std::monostate();
  }
}

int64_t BytesOf(const SqlValue& value) {
  constexpr int64_t kOfAny = sizeof(SqlValue);
  if (const auto* text = std::get_if<std::string>(&value))
    return kOfAny + static_cast<int64_t>(text->size());
  if (const auto* blob = std::get_if<SqlBlob>(&value))
    return kOfAny + static_cast<int64_t>(blob->bytes.size());
  return kOfAny;
}

const char* NameOfAction(int action) {
  switch (action) {
    case SQLITE_PRAGMA:
      return "PRAGMA ";
    case SQLITE_ATTACH:
      return "ATTACH ";
    case SQLITE_DETACH:
      return "DETACH ";
    case SQLITE_TRANSACTION:
      return "";  // BEGIN, COMMIT, ROLLBACK
    case SQLITE_SAVEPOINT:
      return "SAVEPOINT: ";
    case SQLITE_FUNCTION:
      return "the function ";
    case SQLITE_CREATE_VTABLE:
    case SQLITE_DROP_VTABLE:
      return "the virtual table ";
    case SQLITE_CREATE_INDEX:
    case SQLITE_DROP_INDEX:
    case SQLITE_REINDEX:
      return "the index ";
    case SQLITE_CREATE_TRIGGER:
    case SQLITE_DROP_TRIGGER:
      return "the trigger ";
    case SQLITE_CREATE_VIEW:
    case SQLITE_DROP_VIEW:
      return "the view ";
    default:
      return "the table ";
  }
}

}  // namespace

// While the user's statement compiles and runs.
class SqlGuard::Active {
 public:
  explicit Active(SqlGuard& guard) : guard_(guard) {
    guard_.active_ = true;
    sqlite3_progress_handler(guard_.db_, kProgressOps, &SqlGuard::Progress, &guard_);
    length_ = sqlite3_limit(guard_.db_, SQLITE_LIMIT_LENGTH, static_cast<int>(kMaxBytes));
  }
  ~Active() {
    sqlite3_limit(guard_.db_, SQLITE_LIMIT_LENGTH, length_);
    sqlite3_progress_handler(guard_.db_, 0, nullptr, nullptr);
    guard_.active_ = false;
  }
  Active(const Active&) = delete;
  Active& operator=(const Active&) = delete;

 private:
  SqlGuard& guard_;
  int length_;
};

SqlGuard::SqlGuard(sqlite3* db) : db_(db) {
  sqlite3_set_authorizer(db_, &SqlGuard::Authorize, this);
}

int SqlGuard::Progress(void* self) {
  const auto& guard = *static_cast<SqlGuard*>(self);
  const Bounds& bounds = guard.bounds_;
  if (!guard.active_) return 0;  // our own statements are never given up
  const bool stop = bounds.stop != nullptr && bounds.stop->load(std::memory_order_relaxed);
  return stop || std::chrono::steady_clock::now() >= bounds.deadline ? 1 : 0;
}

// --- What a statement may touch

int SqlGuard::Authorize(void* self, int action, const char* first, const char* second,
                        const char* database, const char* through) {
  auto& guard = *static_cast<SqlGuard*>(self);
  if (!guard.active_ || guard.Allows(action, first, second, database)) return SQLITE_OK;
  if (guard.seen_.refused.empty() && database != nullptr && Lower(database) == "temp")
    guard.seen_.refused = "the temporary database";
  guard.NoteRefused(action, first, second, through);
  return SQLITE_DENY;
}

bool SqlGuard::Define(bool own, bool alteration) {
  seen_.definition = seen_.definition || own;
  seen_.alteration = seen_.alteration || (own && alteration);
  return own;
}

bool SqlGuard::Allows(int action, const char* first, const char* second, const char* database) {
  switch (action) {
    case SQLITE_SELECT:
    case SQLITE_RECURSIVE:
    case SQLITE_FUNCTION:  // loading extensions is not compiled in
      return true;
    case SQLITE_READ:
    case SQLITE_INSERT:
    case SQLITE_UPDATE:
    case SQLITE_DELETE:
      return AllowsTable(first, second, database);
    case SQLITE_CREATE_TABLE:
      // AUTOINCREMENT makes SQLite create its own table of counters.
      if (seen_.definition && Lower(first) == "sqlite_sequence") return true;
      return Define(IsOwn(first));
    case SQLITE_CREATE_VIEW:
    case SQLITE_DROP_TABLE:
    case SQLITE_DROP_VIEW:
      return Define(IsOwn(first));
    case SQLITE_CREATE_INDEX:
    case SQLITE_DROP_INDEX:
      return Define(IsOwnIndex(first) && IsOwn(second));
    case SQLITE_CREATE_TRIGGER:
    case SQLITE_DROP_TRIGGER:
      return Define(IsOwn(first) && IsOwn(second));
    case SQLITE_REINDEX:
      return Define(IsOwnIndex(first));
    case SQLITE_ALTER_TABLE:  // first: the database
      return Define(IsOwn(second), /*alteration=*/true);
    case SQLITE_PRAGMA:  // ALTER TABLE ... ADD COLUMN looks at the rows that are there
      return seen_.alteration && Lower(first) == "quick_check";
    default:
      return false;
  }
}

bool SqlGuard::AllowsTable(const char* name, const char* column, const char* database) {
  if (name == nullptr) return false;
  const std::string lower = Lower(name);
  // The functions that read JSON look like tables, and ALTER TABLE's check of the rows too.
  if (lower == "json_each" || lower == "json_tree") return true;
  if (seen_.alteration && (lower == "pragma_quick_check" || lower == "sqlite_temp_master"))
    return true;
  if (database != nullptr && Lower(database) != "main") return false;
  if (IsOwn(name)) return true;
  const bool of_no_column = database == nullptr && column != nullptr && *column == '\0';
  if (of_no_column && !lower.starts_with("sqlite_") && !lower.starts_with("pragma_")) {
    seen_.unknown.emplace_back(name);
    return true;
  }
  if (!IsCatalog(lower) && lower != "sqlite_sequence") return false;
  // To define something is to write the catalog. It is asked about first: Prepare() looks whether
  // there was a definition.
  seen_.catalog = true;
  return true;
}

void SqlGuard::NoteRefused(int action, const char* first, const char* second, const char* through) {
  if (!seen_.refused.empty()) return;
  const char* name = action == SQLITE_ALTER_TABLE ? second : first;
  if ((action == SQLITE_CREATE_INDEX || action == SQLITE_CREATE_TRIGGER) && IsOwn(first))
    seen_.refused = "the table " + std::string(second != nullptr ? second : "?");
  else
    seen_.refused = NameOfAction(action) + std::string(name != nullptr ? name : "?");
  if (through != nullptr) seen_.refused += " (through " + std::string(through) + ")";
}

// --- Running

Status SqlGuard::Error(int result, const std::string& doing) const {
  switch (result & 0xff) {
    case SQLITE_AUTH:
      return Status(Code::kPermissionDenied, "sql touches " + seen_.refused + kOnlyOwn);
    case SQLITE_INTERRUPT:
      return Status(Code::kTimeout, doing + ": it took longer than the transaction may");
    case SQLITE_TOOBIG:
      return Status(Code::kTooLarge,
                    doing + ": a value has more than " + std::to_string(kMaxBytes) + " bytes");
    case SQLITE_ERROR:
    case SQLITE_CONSTRAINT:
    case SQLITE_MISMATCH:
    case SQLITE_RANGE:
    case SQLITE_SCHEMA:
    case SQLITE_LOCKED:
      return Status(Code::kInvalidArgument, doing + ": " + sqlite3_errmsg(db_));
    default:
      return SqliteStatus(db_, result, doing);
  }
}

// Where no column of a table is read (count(*)), SQLite gives only the name that stands in the
// text.
Status SqlGuard::CheckUnknown(Connection& connection) {
  active_ = false;
  Status status;
  for (const std::string& name : seen_.unknown) {
    Query q(connection, sql::transaction::kFindObject);
    q.Bind(name);
    bool row = false;
    status = q.Step(&row);
    if (status.ok() && row && seen_.refused.empty()) seen_.refused = "the table " + name;
    if (!status.ok() || row) break;
  }
  active_ = true;
  if (status.ok() && !seen_.refused.empty()) return Error(SQLITE_AUTH, "sql");
  return status;
}

// One statement: after it only blanks and comments.
Status SqlGuard::CheckTail(const std::string& sql, const char* tail) {
  const char* const end = sql.c_str() + sql.size();
  while (tail < end) {
    sqlite3_stmt* more = nullptr;
    const char* const rest = tail;
    const int left = static_cast<int>(end - rest);
    const int result = sqlite3_prepare_v3(db_, rest, left, 0, &more, &tail);
    const bool several = result != SQLITE_OK || more != nullptr;
    sqlite3_finalize(more);
    if (several) {
      return Status(Code::kInvalidArgument,
                    "sql holds several statements; one is accepted, and what follows it is " +
                        Quoted(std::string(rest, static_cast<size_t>(std::min(left, 40)))));
    }
    if (tail == rest) break;
  }
  return Status::Ok();
}

Result<sqlite3_stmt*> SqlGuard::Prepare(Connection& connection, const std::string& sql) {
  sqlite3_stmt* raw = nullptr;
  const char* tail = nullptr;
  const int result =
      sqlite3_prepare_v3(db_, sql.c_str(), static_cast<int>(sql.size()) + 1, 0, &raw, &tail);
  std::unique_ptr<sqlite3_stmt, Finalize> statement(raw);
  if (result != SQLITE_OK) {
    const std::string_view message = sqlite3_errmsg(db_);
    if (message.find("load_extension") != std::string_view::npos)
      seen_.refused = "the function load_extension";
    else if (message.find("may not be modified") != std::string_view::npos)
      seen_.refused = "the catalog sqlite_schema";
    else if (seen_.catalog && !seen_.definition && seen_.refused.empty())
      seen_.refused = "the catalog sqlite_schema";
    if (!seen_.refused.empty()) return Error(SQLITE_AUTH, "sql");
    return Error(result, "sql");
  }
  if (seen_.catalog && !seen_.definition) {
    seen_.refused = "the catalog sqlite_schema";
    return Error(SQLITE_AUTH, "sql");
  }
  if (!statement) return Status(Code::kInvalidArgument, "sql holds no statement; one is accepted");
  if (!seen_.unknown.empty()) RETURN_IF_ERROR(CheckUnknown(connection));
  const Seen seen = seen_;  // of the statement, not of what may follow it
  const Status single = CheckTail(sql, tail);
  seen_ = seen;
  RETURN_IF_ERROR(single);
  return statement.release();
}

Result<SqlResult> SqlGuard::Run(Connection& connection, const std::string& sql,
                                const std::vector<SqlValue>& parameters, const Bounds& bounds) {
  seen_ = {};
  bounds_ = bounds;
  if (sql.size() > kMaxSqlBytes) {
    return Status(Code::kTooLarge, "sql has " + std::to_string(sql.size()) + " bytes; at most " +
                                       std::to_string(kMaxSqlBytes) + " are accepted");
  }
  if (sql.find('\0') != std::string::npos)
    return Status(Code::kInvalidArgument, "sql holds a NUL character; text without is accepted");
  // Of these SQLite does not ask, or names only a table of its own.
  if (const std::string word = FirstWord(sql); word == "VACUUM" || word == "ANALYZE") {
    seen_.refused = word;
    return Error(SQLITE_AUTH, "sql");
  }
  SqlResult result;
  const Active active(*this);
  ASSIGN_OR_RETURN(sqlite3_stmt* const prepared, Prepare(connection, sql));
  const std::unique_ptr<sqlite3_stmt, Finalize> statement(prepared);
  const int expected = sqlite3_bind_parameter_count(prepared);
  if (parameters.size() != static_cast<size_t>(expected)) {
    return Status(Code::kInvalidArgument, "parameters has " + std::to_string(parameters.size()) +
                                              " elements; the statement takes " +
                                              std::to_string(expected));
  }
  for (int i = 0; i < expected; ++i) {
    const int bound = BindValue(prepared, i + 1, parameters[static_cast<size_t>(i)]);
    if (bound != SQLITE_OK) return Error(bound, "parameters[" + std::to_string(i) + "]");
  }
  RETURN_IF_ERROR(RunPrepared(connection, prepared, &result));
  return result;
}

Status SqlGuard::RunPrepared(Connection& connection, sqlite3_stmt* statement, SqlResult* result) {
  if (sqlite3_stmt_readonly(statement) != 0) return Rows(statement, result);
  // Our own statements around it are not asked about.
  const auto own = [&](const char* sql) {
    active_ = false;
    Status status = Query(connection, sql).Run();
    active_ = true;
    return status;
  };
  const auto foreign_objects = [&](int64_t* count) {
    active_ = false;
    Query q(connection, sql::transaction::kCountForeignObjects);
    bool row = false;
    Status status = q.Step(&row);
    *count = q.Int(0);
    active_ = true;
    return status;
  };
  int64_t before = 0;
  if (seen_.alteration) RETURN_IF_ERROR(foreign_objects(&before));
  RETURN_IF_ERROR(own(sql::transaction::kSavePoint));
  // What an insert of ours left there is none of the user's business.
  sqlite3_set_last_insert_rowid(db_, 0);
  Status status = Rows(statement, result);
  sqlite3_reset(statement);
  if (status.ok() && seen_.alteration) {
    int64_t after = 0;
    status = foreign_objects(&after);
    if (status.ok() && after != before) {
      seen_.refused = "a name that does not begin with app_ (ALTER TABLE)";
      status = Error(SQLITE_AUTH, "sql");
    }
  }
  if (!connection.in_transaction()) {
    return Status(status.ok() ? Code::kInvalidArgument : status.code(),
                  status.message() + " (the statement rolled the whole transaction back)");
  }
  if (!status.ok()) RETURN_IF_ERROR(own(sql::transaction::kRollBackToSavePoint));
  RETURN_IF_ERROR(own(sql::transaction::kReleaseSavePoint));
  RETURN_IF_ERROR(status);
  result->changes = seen_.definition ? 0 : sqlite3_changes64(db_);
  result->last_insert_rowid = sqlite3_last_insert_rowid(db_);
  return Status::Ok();
}

Status SqlGuard::Rows(sqlite3_stmt* statement, SqlResult* result) {
  const int columns = sqlite3_column_count(statement);
  for (int i = 0; i < columns; ++i) {
    const char* name = sqlite3_column_name(statement, i);
    result->columns.emplace_back(name != nullptr ? name : "");
  }
  int64_t bytes = 0;
  for (;;) {
    const int stepped = sqlite3_step(statement);
    if (stepped == SQLITE_DONE) return Status::Ok();
    if (stepped != SQLITE_ROW) return Error(stepped, "sql");
    if (result->rows.size() == kMaxRows) {
      return Status(Code::kTooLarge, "sql gives more than " + std::to_string(kMaxRows) +
                                         " rows; take them in portions with LIMIT");
    }
    std::vector<SqlValue>& row = result->rows.emplace_back();
    row.reserve(static_cast<size_t>(columns));
    for (int i = 0; i < columns; ++i) bytes += BytesOf(row.emplace_back(ColumnValue(statement, i)));
    if (bytes > kMaxBytes) {
      return Status(Code::kTooLarge, "sql gives more than " + std::to_string(kMaxBytes) +
                                         " bytes; take the rows in portions with LIMIT");
    }
  }
}

}  // namespace millrace::store
