// What callers change from outside the workers: single jobs, many jobs, queues and their events. A
// part of the engine (millrace/engine.h): what is said there of threads, blocking, durability and
// errors holds here too.
#ifndef MILLRACE_CHANGES_H_
#define MILLRACE_CHANGES_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "millrace/options.h"
#include "millrace/status.h"
#include "millrace/types.h"

namespace millrace {

// Selects finished or waiting jobs for a bulk change.
struct BulkQuery {
  std::string queue = {};  // required
  JobState state = JobState::kFailed;
  std::string name = {};     // empty: all names
  int64_t before_at_ms = 0;  // only jobs finished (or enqueued) before; 0: all
  // 0: all, in slices of about 1,000 a commit. What goes with a removed one (Remove()) is counted
  // in the answer, but not here.
  int64_t limit = 0;
};

enum class CancelResult : uint8_t {
  kCancelled,  // it was waiting and will not run
  kRequested,  // it runs: its handler was told
  kFinished,   // too late: it had ended already
  kUnknown,    // of a list: there is no such job
};

// What a redriven job keeps of its earlier life; its errors go with the attempts made.
struct RedriveOptions {
  bool keep_attempts_started = false;
  bool keep_attempts_made = false;  // then only those that its policy has left are retried
};

// What is to be another in a job; what is not given stays.
struct JobChange {
  // Of a job in any state. One that runs has been given the old data: the next attempt gets this.
  // Sealed as the job asks.
  std::optional<std::string> data = {};
  ContentType content_type = ContentType::kJson;  // of data
  // Of a scheduled, ready or blocked job. What is due later is scheduled, what is not is ready; a
  // blocked one stays so, and waits for both.
  std::optional<int32_t> priority = {};
  std::optional<bool> lifo = {};
  std::optional<int64_t> due_at_ms = {};  // 0, or a time that has passed: at once
  std::optional<int64_t> delay_ms = {};   // the same from now; not with due_at_ms
  std::optional<JobState> in_state = {};  // changed only if it is in this state, else kWrongState
};

// An event of the caller's own.
struct CustomEvent {
  std::string queue = {};  // 1..255 bytes, as a job's
  std::string name = {};   // 1..255 bytes, no control characters; may be that of an event type
  std::string data =
      {};  // JSON text of at most 1 MiB, and of the store's max_payload_bytes; empty: none
  std::string job_id = {};  // a job of the queue that it is about; empty: none
};

class Changes {
 public:
  virtual ~Changes() = default;

  // --- Change single jobs (kNotFound, kWrongState) ---
  virtual Result<CancelResult> Cancel(const JobRef& job, const std::string& reason,
                                      const WriteOptions& options) = 0;
  // Cancel() takes the unfinished jobs that it waits for, and nobody else, with it; so does
  // Remove().
  // The same for at most 10,000 jobs in one commit; the answers are in their order.
  virtual Result<std::vector<CancelResult>> CancelJobs(const std::vector<JobRef>& jobs,
                                                       const std::string& reason,
                                                       const WriteOptions& options) = 0;
  // A completed, failed or cancelled job runs again, from its first attempt unless its count is
  // kept. One whose dependencies are not done is blocked again.
  virtual Status Redrive(const JobRef& job, const RedriveOptions& redrive,
                         const WriteOptions& options) = 0;
  // A scheduled job becomes ready now.
  virtual Status Promote(const JobRef& job, const WriteOptions& options) = 0;
  // Deletes a job with everything about it. kWrongState if active.
  virtual Status Remove(const JobRef& job, const WriteOptions& options) = 0;
  // The same, but those that it waits for stay and go their own way.
  virtual Status RemoveAlone(const JobRef& job, const WriteOptions& options) = 0;
  // JobInfo::spec shows what has been changed. Another time is a kScheduled or kReady event.
  virtual Status UpdateJob(const JobRef& job, const JobChange& change,
                           const WriteOptions& options) = 0;
  // From outside its worker; any state.
  virtual Status SetProgress(const JobRef& job, const std::string& json,
                             const WriteOptions& options) = 0;
  // Answers how many lines there are now.
  virtual Result<int64_t> AddLog(const JobRef& job, const std::string& line,
                                 const WriteOptions& options) = 0;
  // Deletes its log lines but the newest `keep`; answers how many.
  virtual Result<int64_t> ClearLogs(const JobRef& job, int64_t keep,
                                    const WriteOptions& options) = 0;

  // --- What jobs wait for ---
  // A job no longer waits for another; false if it did not (any more). The other goes its own way.
  // What is done already can still be read.
  virtual Result<bool> RemoveDependency(const JobRef& job, const JobRef& depends_on,
                                        const WriteOptions& options) = 0;
  // Removes those jobs that a job waits for and that are scheduled, ready or blocked, as Remove()
  // does; it waits for the others. In slices of 1,000 a commit. Answers how many.
  virtual Result<int64_t> RemoveUnprocessed(const JobRef& job, const WriteOptions& options) = 0;

  // --- Change many: answer how many were changed ---
  // Those that remove take the unfinished members of flows with them, as Remove() does, and count
  // them.
  virtual Result<int64_t> RedriveMany(const BulkQuery& query, const RedriveOptions& redrive,
                                      const WriteOptions& options) = 0;
  virtual Result<int64_t> PromoteMany(const BulkQuery& query, const WriteOptions& options) = 0;
  virtual Result<int64_t> RemoveMany(const BulkQuery& query, const WriteOptions& options) = 0;
  // Removes all ready jobs, and scheduled ones too if asked: what Celery calls purge and BullMQ
  // drain.
  virtual Result<int64_t> Drain(const std::string& queue, bool scheduled,
                                const WriteOptions& options) = 0;
  // Removes the queue and all that is in it, and the schedules that fill it. kWrongState if jobs
  // are active and !force; with force their leases are lost. Answers how many jobs were removed.
  virtual Result<int64_t> Obliterate(const std::string& queue, bool force,
                                     const WriteOptions& options) = 0;

  // --- Queues ---
  virtual Status Pause(const std::string& queue, const WriteOptions& options) = 0;
  virtual Status Resume(const std::string& queue, const WriteOptions& options) = 0;
  // Replaces the queue's retention rules from now on; one that is not given stays.
  virtual Status SetRetention(const std::string& queue, const std::optional<Keep>& completed,
                              const std::optional<Keep>& failed, const WriteOptions& options) = 0;

  // --- Deduplication keys ---
  // The holder's id; empty: the key is free.
  virtual Result<std::string> DedupHolder(const std::string& queue, const std::string& key) = 0;
  // Frees a key; false if it was free.
  virtual Result<bool> ReleaseDedup(const std::string& queue, const std::string& key,
                                    const WriteOptions& options) = 0;

  // --- Events ---
  // Adds a kCustom event to the queue's log, which is made if it is missing. Sealed as the store
  // seals what says nothing else. kNotFound: no such job in the queue.
  virtual Status PublishEvent(const CustomEvent& event, const WriteOptions& options) = 0;
  // Deletes the oldest events of a queue while at least the newest `keep` are left; somewhat more
  // may be left, as those of one commit go together. In slices; answers how many went.
  virtual Result<int64_t> TrimEvents(const std::string& queue, int64_t keep,
                                     const WriteOptions& options) = 0;
};

}  // namespace millrace

#endif  // MILLRACE_CHANGES_H_
