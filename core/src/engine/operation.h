// A function of the ledger as a write operation, run to its end.
#ifndef MILLRACE_ENGINE_OPERATION_H_
#define MILLRACE_ENGINE_OPERATION_H_

#include <utility>

#include "base/macros.h"
#include "jobs/ledger.h"
#include "store/writer.h"

namespace millrace::engine {

// The end of every operation that moves jobs: what others waited for has ended, and what is beyond
// the retention rules goes. (A function of the domains; LedgerOp calls it itself.)
Status Conclude(jobs::Ledger& ledger);

// Applies `apply(ledger)`; what it writes into its captures must be set from the start by each
// call.
template <typename F>
class LedgerOp : public store::WriteOp {
 public:
  LedgerOp(jobs::Ledger& ledger, F apply) : ledger_(ledger), apply_(std::move(apply)) {}
  Status Apply(store::Connection&) override {
    RETURN_IF_ERROR(apply_(ledger_));
    return Conclude(ledger_);
  }
  void Done(const Status&) override {}

 private:
  jobs::Ledger& ledger_;
  F apply_;
};

// Runs one change and returns when it is as durable as asked.
template <typename F>
Status RunChange(store::Writer& writer, jobs::Ledger& ledger, Durability durability,
                 bool wait_if_full, F apply) {
  LedgerOp<F> op(ledger, std::move(apply));
  op.durability = durability;
  return writer.Run(&op, wait_if_full);
}

}  // namespace millrace::engine

#endif  // MILLRACE_ENGINE_OPERATION_H_
