#include "engine/operation.h"

#include "base/macros.h"
#include "flows/resolve.h"
#include "jobs/dedup.h"
#include "jobs/quarantine.h"
#include "jobs/read.h"
#include "jobs/retention.h"

namespace millrace::engine {

Status Conclude(jobs::Ledger& ledger) {
  // What is set free or fails by the end of others may end too, and what goes may set others free.
  do {
    RETURN_IF_ERROR(flows::Resolve(ledger));
    RETURN_IF_ERROR(jobs::CleanNoted(ledger));
  } while (ledger.has_flow_notes());
  return jobs::SweepNoted(ledger);
}

namespace {

// What is damaged in it is left to `doctor`.
Status SetAside(jobs::Ledger& ledger, int64_t row, const Status& failed) {
  ASSIGN_OR_RETURN(const int64_t queue_id, jobs::QueueOfJob(ledger.connection(), row));
  return jobs::Quarantine(
      ledger, queue_id, row,
      "a job that it waits for has ended, but it cannot be moved on: " + failed.ToString());
}

// One change without a Conclude of its own.
template <typename F>
Status RunAlone(store::Writer& writer, jobs::Ledger& ledger, F apply) {
  LedgerOp<F> op(ledger, std::move(apply));
  op.concludes = false;
  op.durability = Durability::kProcess;
  return writer.Run(&op, true);
}

}  // namespace

void ConcludeApart(store::Writer& writer, jobs::Ledger& ledger,
                   const std::vector<jobs::Ledger::FlowNote>& notes) {
  for (const jobs::Ledger::FlowNote& note : notes) {
    const Status whole = RunAlone(writer, ledger, [&](jobs::Ledger& l) {
      l.NoteFlow(note);
      return flows::Resolve(l);
    });
    if (whole.ok() || !jobs::IsDamage(whole)) continue;
    std::vector<int64_t> rows;
    const Status read = RunAlone(writer, ledger, [&](jobs::Ledger& l) -> Status {
      ASSIGN_OR_RETURN(rows, flows::Dependents(l.connection(), note.row));
      return Status::Ok();
    });
    if (!read.ok()) continue;
    for (const int64_t row : rows) {
      const Status one = RunAlone(writer, ledger,
                                  [&](jobs::Ledger& l) { return flows::ResolveFor(l, note, row); });
      if (!jobs::IsDamage(one)) continue;
      (void)RunAlone(writer, ledger, [&](jobs::Ledger& l) { return SetAside(l, row, one); });
    }
  }
}

}  // namespace millrace::engine
