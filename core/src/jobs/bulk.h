// Changes to many jobs, a slice of bounded work in each transaction, so that no commit of others
// waits long.
#ifndef MILLRACE_JOBS_BULK_H_
#define MILLRACE_JOBS_BULK_H_

#include <cstdint>
#include <string>

#include "jobs/ledger.h"
#include "millrace/engine.h"
#include "millrace/status.h"
#include "millrace/types.h"

namespace millrace::jobs {

// Jobs that one slice changes at most; it looks at some times as many when a filter passes them by.
inline constexpr int64_t kSliceMax = 1'000;

// How far a bulk change has come. Jobs that are enqueued, or that end, after its first slice are
// not its business, so that it ends however fast others add.
struct BulkCursor {
  bool started = false;
  int64_t end_row = 0;    // jobs numbered from here on are too new
  int64_t remaining = 0;  // older jobs not yet looked at, at most
  int64_t phase = 0;      // of those that go through several states
  // Ready jobs are looked for among those without a group (0), those that a limit holds back (1)
  // and those of groups (2), lane after lane: a limit, a group.
  int64_t part = 0;
  int64_t lane = 0;
  std::string group = {};
  // Obliterating: how far the store's schedules were looked through, by number.
  int64_t schedule = 0;
  bool schedules_done = false;
  bool at_begin = true;  // of the part; else behind the job of the two numbers:
  int64_t major = 0;
  int64_t minor = 0;
};

// What goes with jobs that a slice removes: the members of their flows (flows/members.h). One for
// each transaction.
class Companions {
 public:
  virtual ~Companions() = default;
  // Before a job that waits or has waited for others is removed. *count is how many go with it.
  virtual Status Note(Ledger& ledger, int64_t row, JobState state, int64_t* count) = 0;
  // At the end of the slice: those that are still there go. *count is how many did.
  virtual Status Remove(Ledger& ledger, int64_t* count) = 0;
};

// What one slice did.
struct SliceResult {
  int64_t changed = 0;
  int64_t companions = 0;  // removed beside them (Companions)
  bool more = false;
};

// Call until `more` is false or enough is changed, each call in a transaction of its own, each with
// a cursor that an earlier call left (keep a copy: a call that is rolled back must be repeated with
// what it was given). `limit` is how many jobs this call may change, 1 .. kSliceMax. An unknown
// queue has nothing to change.
//
// The query's state: completed, failed or cancelled.
Status RedriveSlice(Ledger& ledger, const BulkQuery& query, int64_t limit, BulkCursor* cursor,
                    SliceResult* result);
Status RedriveKeeping(Ledger& ledger, const BulkQuery& query, const RedriveOptions& options,
                      int64_t limit, BulkCursor* cursor, SliceResult* result);
// Scheduled jobs, whatever the query's state says.
Status PromoteSlice(Ledger& ledger, const BulkQuery& query, int64_t limit, BulkCursor* cursor,
                    SliceResult* result);
// The query's state: all but active. Logs one kCleaned event a slice, with the count
// and in `prev` the state. Each job goes with all its companions (null: it has none): a slice ends
// when both together reach the limit.
Status RemoveSlice(Ledger& ledger, const BulkQuery& query, int64_t limit, BulkCursor* cursor,
                   SliceResult* result, Companions* companions = nullptr);
// Ready jobs, and scheduled ones if asked.
Status DrainSlice(Ledger& ledger, const std::string& queue, bool scheduled, int64_t limit,
                  BulkCursor* cursor, SliceResult* result, Companions* companions = nullptr);
// Everything in the queue. kWrongState with active jobs, unless forced: then their holders lose
// them. The queue is paused meanwhile; at the end it is as if it had never been (if nobody added to
// it in the meantime).
Status ObliterateSlice(Ledger& ledger, const std::string& queue, bool force, int64_t limit,
                       BulkCursor* cursor, SliceResult* result, Companions* companions = nullptr);

// Checks a query for the slices above: kInvalidArgument.
Status CheckBulkQuery(const BulkQuery& query);

// A queue may be paused before anything was put into it. No change, no event if it is so already.
Status PauseQueue(Ledger& ledger, const std::string& queue);
Status ResumeQueue(Ledger& ledger, const std::string& queue);
// A rule that is not given stays as it is.
Status SetQueueRetention(Ledger& ledger, const std::string& queue,
                         const std::optional<Keep>& completed, const std::optional<Keep>& failed);

}  // namespace millrace::jobs

#endif  // MILLRACE_JOBS_BULK_H_
