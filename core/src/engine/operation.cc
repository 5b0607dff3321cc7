#include "engine/operation.h"

#include "base/macros.h"
#include "jobs/dedup.h"
#include "jobs/retention.h"

namespace millrace::engine {

Status Conclude(jobs::Ledger& ledger) {
  // Flows resolve here first: their jobs may end too.
  RETURN_IF_ERROR(jobs::SweepNoted(ledger));
  return jobs::CleanNoted(ledger);
}

}  // namespace millrace::engine
