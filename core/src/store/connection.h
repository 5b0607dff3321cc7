// One SQLite connection and its prepared statements. This header hides sqlite3.h from the layers
// above.
#ifndef MILLRACE_STORE_CONNECTION_H_
#define MILLRACE_STORE_CONNECTION_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <unordered_map>

#include "millrace/status.h"

struct sqlite3;
struct sqlite3_stmt;

namespace millrace::store {

class SqlGuard;

// Bytes to bind as a BLOB (a string_view binds as TEXT). The memory must live until the Query is
// reset or gone.
struct Blob {
  std::string_view bytes;
};

// Not thread-safe: one thread at a time (the writer's lock, or a borrowed reader).
class Connection {
 public:
  struct Options {
    std::string path;        // or ":memory:"
    bool read_only = false;  // opened read-write but with PRAGMA query_only
    bool create = false;
    int64_t busy_timeout_ms = 10'000;
    int64_t cache_kib = 2048;  // of pages; the writer has more
    std::string vfs;           // empty: Millrace's own unix VFS with the lock shim
  };
  static Result<std::unique_ptr<Connection>> Open(const Options& options);
  ~Connection();

  // Runs one or several statements without parameters or results.
  Status Exec(const char* sql);
  // First column of the first row of a statement without parameters. Not cached: for rare use. NULL
  // is 0 or "".
  Result<int64_t> QueryInt(const char* sql);
  Result<std::string> QueryText(const char* sql);

  int64_t changes() const;        // rows changed by the last statement
  int64_t total_changes() const;  // rows changed since the connection was opened
  bool in_transaction() const;
  // What SQLite says of its last error, as a Status (kDiskFull, kIoError, kCorrupt, kBusy, ... with
  // errno text).
  Status LastError(int sqlite_code, const char* doing) const;
  // The WAL stays as it is even if this is the last connection to close.
  void KeepWalOnClose();
  // For statements that are not ours; installed by the first call.
  SqlGuard& guard();
  sqlite3* raw() { return db_; }  // for core/src/store only

 private:
  friend class Query;
  explicit Connection(sqlite3* db);
  Status FirstRow(const char* sql, const std::function<void(sqlite3_stmt*)>& read);
  // The prepared statement of a text from sql_statements.h, cached by the text's address.
  Status Prepare(const char* sql, sqlite3_stmt** statement);

  sqlite3* db_;
  const uint32_t fork_generation_;  // in a forked child every call answers kForkedChild
  std::unordered_map<const char*, sqlite3_stmt*> statements_;
  std::unique_ptr<SqlGuard> guard_;
};

// A prepared statement in use: binds, steps, and resets itself when it goes out of scope. One Query
// of the same text at a time per connection.
//   Query q(conn, sql::jobs::kInsertJob);
//   q.Bind(queue_id, name, Blob{data});
//   RETURN_IF_ERROR(q.Run());
class Query {
 public:
  Query(Connection& connection, const char* sql);
  ~Query();
  Query(const Query&) = delete;
  Query& operator=(const Query&) = delete;

  // Binds ?1, ?2, ... in order. Accepts integers, enums' integers, double,
  // std::string_view/std::string/const char*, Blob, std::nullptr_t, and std::optional of these.
  // Text is not copied: it must live until Reset().
  template <typename... Args>
  void Bind(Args&&... args) {
    static_assert(!(std::is_same_v<Args, std::string> || ...), "this text would be gone by Step()");
    int index = 0;
    (BindOne(++index, args), ...);
  }
  void BindOne(int index, int64_t value);
  void BindOne(int index, int value) { BindOne(index, static_cast<int64_t>(value)); }
  void BindOne(int index, bool value) { BindOne(index, static_cast<int64_t>(value)); }
  void BindOne(int index, double value);
  void BindOne(int index, std::string_view text);
  void BindOne(int index, const std::string& text) { BindOne(index, std::string_view(text)); }
  void BindOne(int index, const char* text) { BindOne(index, std::string_view(text)); }
  void BindOne(int index, const Blob& blob);
  void BindOne(int index, std::nullptr_t);
  template <typename T>
  void BindOne(int index, const std::optional<T>& value) {
    if (value) {
      BindOne(index, *value);
    } else {
      BindOne(index, nullptr);
    }
  }

  // Goes to the next row. *row is false when there is none left. Errors of preparing and binding
  // are reported here.
  Status Step(bool* row);
  // Steps a statement that returns no rows (or of which the rows do not matter) to its end, then
  // resets it.
  Status Run();
  // Makes it ready for new bindings; the old ones are forgotten. Errors of a failed step were
  // reported by that step.
  void Reset();

  // Columns of the current row, from 0. Text and Blob stay valid until the next Step or Reset.
  int64_t Int(int column) const;
  double Real(int column) const;
  std::string_view Text(int column) const;
  std::string_view BlobBytes(int column) const;
  bool IsNull(int column) const;

 private:
  void Bound(int sqlite_code);

  Connection& connection_;
  sqlite3_stmt* statement_ = nullptr;
  const char* sql_;
  Status status_;  // the first error of preparing or binding
};

}  // namespace millrace::store

#endif  // MILLRACE_STORE_CONNECTION_H_
