// What `doctor --repair` does with what `doctor` finds. Only what must always hold is mended, from
// what is sure: bodies of jobs, then where they stand, then what is counted of that.
#ifndef MILLRACE_JOBS_REPAIR_H_
#define MILLRACE_JOBS_REPAIR_H_

#include <cstdint>
#include <span>

#include "jobs/ledger.h"
#include "millrace/status.h"

namespace millrace::jobs {

// How far a step of the repair has come.
struct RepairCursor {
  int64_t after = 0;
  int64_t mended = 0;  // in all calls
};

// One step. Call `mend` until `more` is false, each time as an operation that is alone in its
// transaction (store::WriteOp::alone) and with a copy of the cursor that the last call left.
struct RepairStep {
  const char* check;  // the check of `doctor` of which it mends the faults
  const char* did;    // "jobs that stood nowhere were put back"
  Status (*mend)(Ledger& ledger, RepairCursor* cursor, bool* more);
};
// In the order in which they are to be done.
std::span<const RepairStep> RepairSteps();

}  // namespace millrace::jobs

#endif  // MILLRACE_JOBS_REPAIR_H_
