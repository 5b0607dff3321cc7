// Between a JobSpec and its row in jobs.
#ifndef MILLRACE_JOBS_JOB_ROW_H_
#define MILLRACE_JOBS_JOB_ROW_H_

#include <cstdint>

#include "jobs/job_id.h"
#include "millrace/types.h"
#include "store/connection.h"

namespace millrace::jobs {

// A body as read back: its key, and the spec without queue and id (the caller knows or makes
// those).
struct Body {
  JobKey key;
  int64_t queue_id = 0;
  JobSpec spec;
};

// Writes the body row. `due_at_ms` and `expires_at_ms` are absolute (0: none).
Status InsertBody(store::Connection& connection, const JobKey& key, int64_t queue_id,
                  const JobSpec& spec, int64_t due_at_ms, int64_t expires_at_ms);

// Writes the row of a body that exists anew, always with options.
Status ReplaceBody(store::Connection& connection, const JobKey& key, int64_t queue_id,
                   const JobSpec& spec, int64_t due_at_ms, int64_t expires_at_ms);

// Reads the columns of select_body (or the tail of select_claim), of which the first is at
// `column`.
Body ReadBody(const store::Query& q, int column);

// One body by its row. *found is false if there is none.
Status LoadBody(store::Connection& connection, int64_t row, Body* body, bool* found);

// Where a job stands in the order of its priority: its row, or the negative of it for LIFO.
inline int64_t SequenceOf(int64_t row, bool lifo) {
  return lifo ? -row : row;
}

}  // namespace millrace::jobs

#endif  // MILLRACE_JOBS_JOB_ROW_H_
