#include "jobs/trim.h"

#include <algorithm>
#include <limits>

#include "base/macros.h"
#include "base/text.h"
#include "jobs/locate.h"
#include "jobs/read.h"
#include "jobs/validate.h"
#include "sql_statements.h"

namespace millrace::jobs {
namespace {

using store::Query;

// Rows of an event log that one slice deletes.
constexpr int64_t kEventRows = 1'000;

Result<int64_t> EventsOf(Ledger& ledger, int64_t queue_id) {
  Query q(ledger.connection(), sql::ledger::kReadCounts);
  q.Bind(queue_id);
  bool row = false;
  RETURN_IF_ERROR(q.Step(&row));
  return row ? q.Int(8) : int64_t{0};
}

Status CheckKept(int64_t keep) {
  return CheckRange(keep, 0, std::numeric_limits<int64_t>::max(), "keep");
}

}  // namespace

Status ClearLogs(Ledger& ledger, const JobRef& job, int64_t keep, int64_t* dropped) {
  *dropped = 0;
  RETURN_IF_ERROR(CheckKept(keep));
  ASSIGN_OR_RETURN(const Location at, FindJob(ledger.connection(), job));
  RunRecord run;
  RETURN_IF_ERROR(LoadRun(ledger.connection(), at.key.row, &run));
  if (run.log_lines <= keep) return Status::Ok();
  Query q(ledger.connection(), sql::change::kTrimLog);
  q.Bind(at.key.row, run.log_lines - keep);
  RETURN_IF_ERROR(q.Run());
  *dropped = ledger.connection().changes();
  return Status::Ok();
}

Status TrimEventsSlice(Ledger& ledger, const std::string& queue, int64_t keep,
                       SliceResult* result) {
  *result = {};
  RETURN_IF_ERROR(CheckName(queue, "queue"));
  RETURN_IF_ERROR(CheckKept(keep));
  ASSIGN_OR_RETURN(const int64_t queue_id, ledger.FindQueueId(queue));
  if (queue_id == 0) return Status::Ok();
  ASSIGN_OR_RETURN(const int64_t stored, EventsOf(ledger, queue_id));
  int64_t rows = 0;
  int64_t last_seq = 0;
  {
    Query q(ledger.connection(), sql::ledger::kOldestEvents);
    q.Bind(queue_id, kEventRows);
    for (bool row = true;; ++rows) {
      RETURN_IF_ERROR(q.Step(&row));
      if (!row || stored - result->changed - q.Int(1) < keep) break;
      last_seq = q.Int(0);
      result->changed += q.Int(1);
    }
  }
  result->more = rows == kEventRows;
  if (rows == 0) return Status::Ok();
  {
    Query q(ledger.connection(), sql::ledger::kDeleteEventsUpTo);
    q.Bind(queue_id, last_seq);
    RETURN_IF_ERROR(q.Run());
  }
  Query q(ledger.connection(), sql::bulk::kSubtractEvents);
  q.Bind(queue_id, result->changed);
  return q.Run();
}

}  // namespace millrace::jobs
