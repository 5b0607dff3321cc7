// What the end of jobs means to those that wait for them.
#ifndef MILLRACE_FLOWS_RESOLVE_H_
#define MILLRACE_FLOWS_RESOLVE_H_

#include <cstdint>
#include <vector>

#include "jobs/ledger.h"
#include "millrace/status.h"
#include "store/connection.h"

namespace millrace::flows {

// Works off what the ledger has noted (Ledger::NoteFlow) until nothing follows from it any more:
// jobs that waited become ready, complete, fail, are cancelled or removed, by the policies of their
// dependencies, and so on to those that wait for them. No recursion. Costs nothing without notes.
Status Resolve(jobs::Ledger& ledger);

// Where one of those that wait is damaged, it must not hold up the others: the jobs that wait for
// one, and what a note means to one of them alone, with all that follows from that.
Result<std::vector<int64_t>> Dependents(store::Connection& connection, int64_t row);
Status ResolveFor(jobs::Ledger& ledger, const jobs::Ledger::FlowNote& note, int64_t dependent);

}  // namespace millrace::flows

#endif  // MILLRACE_FLOWS_RESOLVE_H_
