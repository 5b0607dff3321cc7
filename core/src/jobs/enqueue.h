// Adding jobs.
#ifndef MILLRACE_JOBS_ENQUEUE_H_
#define MILLRACE_JOBS_ENQUEUE_H_

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "jobs/dedup.h"
#include "jobs/job_id.h"
#include "jobs/ledger.h"
#include "jobs/place.h"
#include "millrace/status.h"
#include "millrace/types.h"

namespace millrace::jobs {

// Adds one job (checked before: CheckJobSpec). An id that the queue has already, or a deduplication
// key that is held, changes nothing, is logged, and answers with the job that is there. A job that
// is to follow another (Deduplication::Mode::kFollowUp) is a flow: see AddBody.
Status EnqueueJob(Ledger& ledger, const JobSpec& spec, EnqueueAck* ack);
// The same for several, in their order.
Status EnqueueJobs(Ledger& ledger, std::span<const JobSpec> specs, std::vector<EnqueueAck>* acks);

// A job on its way in.
struct NewJob {
  bool has_room = false;                   // its group was looked at already, it is not refused
  int64_t row = 0;                         // its number, if that is drawn already
  std::optional<bool> took_key = {};       // whether its key was free, if that was tried already
  bool added = false;                      // false: another one counts, and the ack says which
  JobKey key;                              // if it was not added, of the one that counts
  Place place;                             // with its due time
  std::optional<DedupVerdict> dedup = {};  // of a key that is not simply its own
};
// When a job is due; 0 if it may start now.
int64_t DueAt(const JobSpec& spec, int64_t now_ms);
// The first half of it: everything but a place, and the ack but for its state. The caller puts the
// job somewhere and calls LogAdded.
Status AddBody(Ledger& ledger, const JobSpec& spec, NewJob* job, EnqueueAck* ack);
void LogAdded(Ledger& ledger, const JobSpec& spec, const NewJob& job, JobState state);

}  // namespace millrace::jobs

#endif  // MILLRACE_JOBS_ENQUEUE_H_
