// SQL of the user's on a connection of ours: it reaches the user's own tables and nothing else.
#ifndef MILLRACE_STORE_GUARDED_SQL_H_
#define MILLRACE_STORE_GUARDED_SQL_H_

#include <atomic>
#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "millrace/status.h"
#include "millrace/transaction.h"

struct sqlite3;
struct sqlite3_stmt;

namespace millrace::store {

class Connection;

// Belongs to a connection (Connection::guard()); used by the thread that uses the connection.
//
// SQLite asks the guard about every object that a statement touches while it compiles it, those in
// the bodies of views and triggers included; so a refused statement has not run. Between the user's
// statements the guard lets everything pass: it stays installed, because to install it makes every
// prepared statement of the connection compile again.
class SqlGuard {
 public:
  // When a statement is to be given up.
  struct Bounds {
    std::chrono::steady_clock::time_point deadline = {};
    const std::atomic<bool>* stop = nullptr;
  };
  static constexpr size_t kMaxSqlBytes = 1 << 20;
  static constexpr size_t kMaxRows = 100'000;
  static constexpr int64_t kMaxBytes = 256 << 20;  // of all rows, and of a value

  explicit SqlGuard(sqlite3* db);
  SqlGuard(const SqlGuard&) = delete;
  SqlGuard& operator=(const SqlGuard&) = delete;

  // Runs one statement in the open transaction; the errors are those of Transaction::Execute. After
  // an error nothing of the statement is left, unless the statement has rolled back the whole
  // transaction (Connection::in_transaction()).
  Result<SqlResult> Run(Connection& connection, const std::string& sql,
                        const std::vector<SqlValue>& parameters, const Bounds& bounds);

 private:
  // What the compiled statement was seen to touch.
  struct Seen {
    std::string refused;  // the first thing that is none of the user's
    bool catalog = false;
    // Of these SQLite does not say whether they are tables or names that WITH has made.
    std::vector<std::string> unknown;
    bool definition = false;  // it creates, alters or drops something of the user's
    bool alteration = false;
  };
  class Active;

  static int Authorize(void* self, int action, const char* first, const char* second,
                       const char* database, const char* through);
  static int Progress(void* self);
  bool Allows(int action, const char* first, const char* second, const char* database);
  bool AllowsTable(const char* name, const char* column, const char* database);
  bool Define(bool own, bool alteration = false);
  void NoteRefused(int action, const char* first, const char* second, const char* through);

  Result<sqlite3_stmt*> Prepare(Connection& connection, const std::string& sql);
  Status CheckUnknown(Connection& connection);
  Status CheckTail(const std::string& sql, const char* tail);
  Status RunPrepared(Connection& connection, sqlite3_stmt* statement, SqlResult* result);
  Status Rows(sqlite3_stmt* statement, SqlResult* result);
  Status Error(int result, const std::string& doing) const;

  sqlite3* const db_;
  bool active_ = false;
  Seen seen_;
  Bounds bounds_;
};

}  // namespace millrace::store

#endif  // MILLRACE_STORE_GUARDED_SQL_H_
