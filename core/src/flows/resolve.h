// What the end of jobs means to those that wait for them.
#ifndef MILLRACE_FLOWS_RESOLVE_H_
#define MILLRACE_FLOWS_RESOLVE_H_

#include "jobs/ledger.h"
#include "millrace/status.h"

namespace millrace::flows {

// Works off what the ledger has noted (Ledger::NoteFlow) until nothing follows from it any more:
// jobs that waited become ready, complete, fail, are cancelled or removed, by the policies of their
// dependencies, and so on to those that wait for them. No recursion. Costs nothing without notes.
Status Resolve(jobs::Ledger& ledger);

}  // namespace millrace::flows

#endif  // MILLRACE_FLOWS_RESOLVE_H_
