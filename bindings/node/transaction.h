// Transaction: jobs and the user's own tables in one commit. Each of its calls may wait for the
// disk or for other processes, and runs on a thread of its own: on libuv's pool, which has few,
// those who wait for the writer could keep the one who has it from going on.
#ifndef MILLRACE_BINDINGS_NODE_TRANSACTION_H_
#define MILLRACE_BINDINGS_NODE_TRANSACTION_H_

#include <memory>

#include "async_call.h"
#include "environment.h"
#include "millrace/engine.h"
#include "napi_env.h"
#include "registry.h"

namespace millrace::node {

// A transaction with the share in its engine, which must outlive it.
struct OwnedTransaction {
  OwnedTransaction(std::shared_ptr<EngineShare> owner, std::unique_ptr<Transaction> owned)
      : share(std::move(owner)), transaction(std::move(owned)) {}

  std::shared_ptr<EngineShare> share;
  std::unique_ptr<Transaction> transaction;  // destroyed first
};

class TransactionObject : public Napi::ObjectWrap<TransactionObject>, private Ending {
 public:
  static Napi::Function Define(Napi::Env env);
  static Napi::Value Create(Napi::Env env, std::shared_ptr<OwnedTransaction> owned);
  explicit TransactionObject(const Napi::CallbackInfo& info);

 private:
  using Info = const Napi::CallbackInfo&;

  // execute(sql, values) -> Promise of { columns, rows, changes, lastInsertRowid }
  Napi::Value Execute(Info info);
  // enqueue(numbers, text) -> Promise of the packed acknowledgements
  Napi::Value Enqueue(Info info);
  // commit(), rollback() -> Promise
  Napi::Value Commit(Info info);
  Napi::Value Rollback(Info info);
  Napi::Value Run(Info info, const char* name, std::function<Result<Answer>(Transaction&)> call);
  void EndWithEnvironment() override;

  std::shared_ptr<OwnedTransaction> owned_;  // empty: it has ended
  bool rolled_back_ = false;
};

// CallAsync() on a thread of its own.
Napi::Value CallOnThread(Napi::Env env, const char* name, BlockingWork work);

}  // namespace millrace::node

#endif  // MILLRACE_BINDINGS_NODE_TRANSACTION_H_
