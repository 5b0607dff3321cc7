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
  // From the first call's start on the writer (nobody else writes meanwhile), in real time whatever
  // the store's clock: when it has passed, the transaction is rolled back and every further call
  // answers kTimeout. 1 .. 60,000.
  int64_t timeout_ms = 5'000;
  std::optional<Durability> durability = {};  // empty: the store's; kMemory counts as kProcess
  // A write through the engine itself would wait for the open transaction: for the thread that is
  // inside it (of its latest call) that is an endless wait, and it is refused with kWrongState.
  // False where the calls come from a pool whose threads serve others in between: then such a write
  // waits until the transaction has ended.
  bool thread_bound = true;
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
// Commit(), or open when its engine closes: rolled back.
//
// Tables (and indexes, views, triggers) of the user's own have names that begin with `app_`. A
// statement that reads or writes anything else, also through a view or a trigger, PRAGMA, ATTACH,
// BEGIN, COMMIT, SAVEPOINT, VACUUM, ANALYZE, virtual and temporary tables and load_extension are
// refused with kPermissionDenied, before they change anything. Foreign keys are not enforced.
class Transaction {
 public:
  virtual ~Transaction() = default;
  // Runs one statement with `?` parameters. A statement that fails changes nothing, and the
  // transaction goes on (unless the statement itself says ROLLBACK on a conflict: that ends it).
  // kInvalidArgument (syntax, wrong number of parameters, several statements), kPermissionDenied,
  // kTooLarge (rows and values), kTimeout, kClosed, and constraint violations as kInvalidArgument.
  virtual Result<SqlResult> Execute(const std::string& sql,
                                    const std::vector<SqlValue>& parameters) = 0;
  // Adds jobs in this transaction; the acks' ids are final if it commits. A failure that has
  // changed something already dooms the transaction: only Rollback() is left.
  virtual Result<std::vector<EnqueueAck>> Enqueue(std::vector<JobSpec> jobs) = 0;
  // Returns when it is as durable as asked. kTimeout, kClosed (ended already), kWrongState
  // (doomed); after an error nothing is there, except that a failed sync leaves open what survives.
  virtual Status Commit() = 0;
  // Idempotent; kClosed after a commit.
  virtual Status Rollback() = 0;
};

}  // namespace millrace

#endif  // MILLRACE_TRANSACTION_H_
