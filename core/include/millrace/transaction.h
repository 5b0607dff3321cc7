// One transaction of the user's over jobs and over tables of the user's own in the store's file.
#ifndef MILLRACE_TRANSACTION_H_
#define MILLRACE_TRANSACTION_H_

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "millrace/options.h"
#include "millrace/status.h"
#include "millrace/types.h"

namespace millrace {

struct TransactionOptions {
  // From the first statement (nobody else writes meanwhile): when it has passed, the transaction is
  // rolled back and every further call answers kTimeout. 1 .. 60,000.
  int64_t timeout_ms = 5'000;
  std::optional<Durability> durability = {};  // empty: the store's
};

struct SqlBlob {
  std::string bytes = {};
};
using SqlValue = std::variant<std::monostate, int64_t, double, std::string, SqlBlob>;

struct SqlResult {
  std::vector<std::string> columns = {};
  std::vector<std::vector<SqlValue>> rows = {};  // at most 100,000: more is kTooLarge
  int64_t changes = 0;                           // rows changed by this statement
  int64_t last_insert_rowid = 0;
};

// A transaction holds the store's writer: keep it short. Thread-safe; one call at a time. From
// Engine::Begin, which does not block; the first call waits for the writer. Destroyed without
// Commit(): rolled back.
//
// Tables (and indexes, views, triggers) of the user's own have names that begin with `app_`. A
// statement that reads or writes anything else, PRAGMA, ATTACH, BEGIN, COMMIT, VACUUM and
// load_extension are refused with kPermissionDenied, before they run.
class Transaction {
 public:
  virtual ~Transaction() = default;
  // Runs one statement with `?` parameters. A statement that fails changes nothing, and the
  // transaction goes on. kInvalidArgument (syntax, wrong number of parameters, several statements),
  // kPermissionDenied, kTimeout, kClosed, and constraint violations as kInvalidArgument.
  virtual Result<SqlResult> Execute(const std::string& sql,
                                    const std::vector<SqlValue>& parameters) = 0;
  // Adds jobs in this transaction; the acks' ids are final if it commits. A failure that has
  // changed something already dooms the transaction: only Rollback() is left.
  virtual Result<std::vector<EnqueueAck>> Enqueue(std::vector<JobSpec> jobs) = 0;
  // Returns when it is as durable as asked. kTimeout, kClosed (ended already).
  virtual Status Commit() = 0;
  // Idempotent.
  virtual Status Rollback() = 0;
};

}  // namespace millrace

#endif  // MILLRACE_TRANSACTION_H_
