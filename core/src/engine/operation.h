// A function of the ledger as a write operation, run to its end.
#ifndef MILLRACE_ENGINE_OPERATION_H_
#define MILLRACE_ENGINE_OPERATION_H_

#include <utility>
#include <vector>

#include "base/macros.h"
#include "engine/isolation.h"
#include "jobs/ledger.h"
#include "jobs/quarantine.h"
#include "store/writer.h"

namespace millrace::engine {

// The end of every operation that moves jobs: what others waited for has ended, and what is beyond
// the retention rules goes. (A function of the domains; LedgerOp calls it itself.)
Status Conclude(jobs::Ledger& ledger);

// The same in transactions of their own, where one of all failed because of damage: what `notes`
// mean to each of those that wait is one. A job that is damaged itself stays where it is, with a
// record in quarantine. (Nothing is cleaned: the next end does.)
void ConcludeApart(store::Writer& writer, jobs::Ledger& ledger,
                   const std::vector<jobs::Ledger::FlowNote>& notes);

// Applies `apply(ledger)`; what it writes into its captures must be set from the start by each
// call.
template <typename F>
class LedgerOp : public store::WriteOp {
 public:
  LedgerOp(jobs::Ledger& ledger, F apply) : ledger_(ledger), apply_(std::move(apply)) {}
  Status Apply(store::Connection&) override {
    RETURN_IF_ERROR(apply_(ledger_));
    if (concludes) return Conclude(ledger_);
    left = ledger_.TakeFlowNotes();
    return Status::Ok();
  }
  void Done(const Status&) override {}

  bool concludes = true;
  std::vector<jobs::Ledger::FlowNote> left;  // what it has not concluded

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

// Work on many leases in slices, of which a damaged one must not hold up the others (isolation.h):
// `slice(ledger, limit)` works on the first `limit` of them, `take_away(ledger, failed)` takes away
// the first one, with what its slice had failed with. One slice a call; an error if another call
// would be in vain for now.
template <typename Slice, typename TakeAway>
Status RunIsolated(store::Writer& writer, jobs::Ledger& ledger, int64_t limit, Slice slice,
                   TakeAway take_away) {
  Isolation isolation;
  Status failed;
  for (int64_t most = limit; isolation.stage() != Isolation::Stage::kGiveUp;
       most = isolation.limit()) {
    auto apply = [&](jobs::Ledger& l) {
      return isolation.stage() == Isolation::Stage::kTakeAway ? take_away(l, failed)
                                                              : slice(l, most);
    };
    LedgerOp<decltype(apply)> op(ledger, apply);
    op.concludes = isolation.stage() == Isolation::Stage::kWhole;
    op.durability = Durability::kProcess;
    Status status = writer.Run(&op, true);
    if (status.ok()) ConcludeApart(writer, ledger, op.left);
    if (status.ok() || !jobs::IsDamage(status)) return status;
    isolation.Failed(most);
    failed = std::move(status);
  }
  return failed;
}

}  // namespace millrace::engine

#endif  // MILLRACE_ENGINE_OPERATION_H_
