#include "jobs/bulk.h"

#include <array>
#include <limits>
#include <span>
#include <string>

#include "base/macros.h"
#include "base/text.h"
#include "jobs/bulk_slice.h"
#include "jobs/change.h"
#include "jobs/locate.h"
#include "jobs/validate.h"

namespace millrace::jobs {
namespace {

// A change of change.h; a job without a body is passed by (`doctor` reports it).
template <typename F>
ChangeJob Located(Ledger& ledger, F change) {
  return [&ledger, change](const Scanned& job, int64_t* work) -> Status {
    Location at;
    bool found = false;
    RETURN_IF_ERROR(LocateRow(ledger.connection(), job.place.row, &at, &found));
    *work = found ? 1 : 0;
    return found ? change(ledger, at) : Status::Ok();
  };
}

}  // namespace

Status CheckBulkQuery(const BulkQuery& query) {
  RETURN_IF_ERROR(CheckName(query.queue, "queue"));
  if (!query.name.empty()) RETURN_IF_ERROR(CheckName(query.name, "name"));
  RETURN_IF_ERROR(CheckRange(static_cast<int>(query.state), static_cast<int>(JobState::kScheduled),
                             static_cast<int>(JobState::kCancelled), "state"));
  RETURN_IF_ERROR(CheckRange(query.before_at_ms, 0, kTimeMaxMs, "before_at_ms"));
  return CheckRange(query.limit, 0, std::numeric_limits<int64_t>::max(), "limit");
}

Status RedriveSlice(Ledger& ledger, const BulkQuery& query, int64_t limit, BulkCursor* cursor,
                    SliceResult* result) {
  return RedriveKeeping(ledger, query, {}, limit, cursor, result);
}

Status RedriveKeeping(Ledger& ledger, const BulkQuery& query, const RedriveOptions& options,
                      int64_t limit, BulkCursor* cursor, SliceResult* result) {
  *result = {};
  RETURN_IF_ERROR(CheckBulkQuery(query));
  RETURN_IF_ERROR(CheckSliceLimit(limit));
  if (query.state < JobState::kCompleted) {
    return Status(Code::kInvalidArgument,
                  std::string("state is \"") + JobStateName(query.state) +
                      "\"; \"completed\", \"failed\" or \"cancelled\" is accepted");
  }
  ASSIGN_OR_RETURN(const int64_t queue_id, ledger.FindQueueId(query.queue));
  if (queue_id == 0) return Status::Ok();
  RETURN_IF_ERROR(StartCursor(ledger, queue_id, query.state, true, cursor));
  return ChangeSlice(
      ledger, queue_id, query.state, {query.name, query.before_at_ms}, limit,
      Located(ledger,
              [&options](Ledger& l, const Location& at) { return RedriveAt(l, at, options); }),
      cursor, result);
}

Status PromoteSlice(Ledger& ledger, const BulkQuery& query, int64_t limit, BulkCursor* cursor,
                    SliceResult* result) {
  *result = {};
  RETURN_IF_ERROR(CheckBulkQuery(query));
  RETURN_IF_ERROR(CheckSliceLimit(limit));
  ASSIGN_OR_RETURN(const int64_t queue_id, ledger.FindQueueId(query.queue));
  if (queue_id == 0) return Status::Ok();
  RETURN_IF_ERROR(StartCursor(ledger, queue_id, JobState::kScheduled, true, cursor));
  return ChangeSlice(ledger, queue_id, JobState::kScheduled, {query.name, query.before_at_ms},
                     limit, Located(ledger, PromoteAt), cursor, result);
}

Status RemoveSlice(Ledger& ledger, const BulkQuery& query, int64_t limit, BulkCursor* cursor,
                   SliceResult* result, Companions* companions) {
  *result = {};
  RETURN_IF_ERROR(CheckBulkQuery(query));
  RETURN_IF_ERROR(CheckSliceLimit(limit));
  if (query.state == JobState::kActive) {
    return Status(Code::kInvalidArgument,
                  "state is \"active\"; \"scheduled\", \"ready\", \"blocked\", \"completed\", "
                  "\"failed\" or \"cancelled\" is accepted");
  }
  ASSIGN_OR_RETURN(const int64_t queue_id, ledger.FindQueueId(query.queue));
  if (queue_id == 0) return Status::Ok();
  RETURN_IF_ERROR(StartCursor(ledger, queue_id, query.state, false, cursor));
  return RemoveFiltered(ledger, queue_id, query.state, {query.name, query.before_at_ms}, limit,
                        companions, cursor, result);
}

Status DrainSlice(Ledger& ledger, const std::string& queue, bool scheduled, int64_t limit,
                  BulkCursor* cursor, SliceResult* result, Companions* companions) {
  static constexpr std::array kWaiting{JobState::kReady, JobState::kScheduled};
  *result = {};
  RETURN_IF_ERROR(CheckName(queue, "queue"));
  RETURN_IF_ERROR(CheckSliceLimit(limit));
  ASSIGN_OR_RETURN(const int64_t queue_id, ledger.FindQueueId(queue));
  if (queue_id == 0) return Status::Ok();
  RETURN_IF_ERROR(StartCursor(ledger, queue_id, JobState::kReady, false, cursor));
  return RemoveStates(ledger, queue_id, std::span(kWaiting).first(scheduled ? 2 : 1), limit,
                      companions, cursor, result);
}

}  // namespace millrace::jobs
