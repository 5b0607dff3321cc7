// What the bulk changes share: one slice over the jobs of a state. See bulk.h.
#ifndef MILLRACE_JOBS_BULK_SLICE_H_
#define MILLRACE_JOBS_BULK_SLICE_H_

#include <cstdint>
#include <functional>
#include <span>
#include <string>

#include "jobs/bulk.h"
#include "jobs/ledger.h"
#include "jobs/place.h"
#include "millrace/status.h"

namespace millrace::jobs {

// One job that a slice came by, and its position in the order of its state.
struct Scanned {
  int64_t major = 0;
  int64_t minor = 0;
  int64_t part = 0;  // as in BulkCursor
  int64_t lane = 0;  // of a job that a limit holds back: the limit
  std::string name;  // empty for a place without a body
  int64_t at_ms = 0;
  Place place;
  int64_t process_id = 0;
  int64_t token = 0;
};

// Which jobs of a state are meant.
struct JobFilter {
  std::string name;          // empty: all
  int64_t before_at_ms = 0;  // 0: all

  bool Matches(const Scanned& job) const {
    if (before_at_ms != 0 && job.at_ms >= before_at_ms) return false;
    return name.empty() || name == job.name;
  }
};

// A queue's count of a state as this transaction leaves it so far.
Result<int64_t> CountNow(Ledger& ledger, int64_t queue_id, JobState state);

// First slice only: fixes what the change is about. `comes_back`: what it does may bring a job into
// the same state again, ahead of the cursor; then no more are looked at than there were.
Status StartCursor(Ledger& ledger, int64_t queue_id, JobState state, bool comes_back,
                   BulkCursor* cursor);

// *work is 1 before the call: how much of the slice's limit the job has taken, 0 if it was passed
// by.
using ChangeJob = std::function<Status(const Scanned& job, int64_t* work)>;
// Changes jobs of a state that match, up to the one with which the limit is reached.
Status ChangeSlice(Ledger& ledger, int64_t queue_id, JobState state, const JobFilter& filter,
                   int64_t limit, const ChangeJob& change, BulkCursor* cursor, SliceResult* result);
// The same, removing them, damaged or not.
Status RemoveFiltered(Ledger& ledger, int64_t queue_id, JobState state, const JobFilter& filter,
                      int64_t limit, Companions* companions, BulkCursor* cursor,
                      SliceResult* result);
// Removes all jobs of the states in turn, one slice a call; `more` stays true until the last is
// done.
Status RemoveStates(Ledger& ledger, int64_t queue_id, std::span<const JobState> states,
                    int64_t limit, Companions* companions, BulkCursor* cursor, SliceResult* result);

Status CheckSliceLimit(int64_t limit);

}  // namespace millrace::jobs

#endif  // MILLRACE_JOBS_BULK_SLICE_H_
