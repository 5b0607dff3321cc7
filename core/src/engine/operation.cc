#include "engine/operation.h"

#include "base/macros.h"
#include "flows/resolve.h"
#include "jobs/dedup.h"
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

}  // namespace millrace::engine
