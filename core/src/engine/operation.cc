#include "engine/operation.h"

#include "jobs/retention.h"

namespace millrace::engine {

Status Conclude(jobs::Ledger& ledger) {
  // Flows resolve here first: their jobs may end too.
  return jobs::CleanNoted(ledger);
}

}  // namespace millrace::engine
