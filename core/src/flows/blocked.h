// A blocked job on its way to wherever it goes next.
#ifndef MILLRACE_FLOWS_BLOCKED_H_
#define MILLRACE_FLOWS_BLOCKED_H_

#include <cstdint>
#include <optional>
#include <string_view>

#include "jobs/job_id.h"
#include "jobs/ledger.h"
#include "jobs/place.h"
#include "millrace/flows.h"
#include "millrace/status.h"

namespace millrace::flows {

struct Blocked {
  jobs::JobKey key;
  jobs::Place place;  // due_at_ms is set if the job is not to start before a time to come
  int64_t pending = 0;
  JoinKind join = JoinKind::kRun;
  std::optional<Keep> keep_completed;
  std::optional<Keep> keep_failed;
};

// *found is false if the job is not blocked (any more).
Status LoadBlocked(jobs::Ledger& ledger, int64_t row, Blocked* blocked, bool* found);

// Nothing holds it back: it becomes ready, scheduled if it is due later, or completed if no worker
// runs it.
Status Release(jobs::Ledger& ledger, const Blocked& blocked);
// It ends as failed or cancelled because of another job. `error` is the error's JSON, not sealed.
Status EndBlocked(jobs::Ledger& ledger, const Blocked& blocked, JobState state,
                  std::string_view error);
// It is no longer wanted: all its rows go, and an event says so.
Status RemoveBlocked(jobs::Ledger& ledger, const Blocked& blocked);

}  // namespace millrace::flows

#endif  // MILLRACE_FLOWS_BLOCKED_H_
