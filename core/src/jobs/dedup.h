// Deduplication: which job of several with the same key counts.
//
// A key's row names its holder and stays until another job takes the key, the holder's body is
// removed, or (kThrottle) its time has passed. Whether the key is held is judged when somebody
// asks, from where the holder stands: so ending a job costs nothing, and a job that is redriven
// holds its key again if nobody has taken it meanwhile.
//
// Holders and newcomers may give different modes: a throttled key is held for its time against
// all, else the newcomer's mode decides.
#ifndef MILLRACE_JOBS_DEDUP_H_
#define MILLRACE_JOBS_DEDUP_H_

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "jobs/job_id.h"
#include "jobs/ledger.h"
#include "jobs/locate.h"
#include "millrace/status.h"
#include "millrace/types.h"

namespace millrace::jobs {

// kInvalidArgument.
Status CheckDeduplication(const Deduplication& dedup);

// Takes a key that has no row, which is by far the most frequent case; *taken is false, and nothing
// is written, if it has one.
Status TryTakeKey(Ledger& ledger, int64_t queue_id, const Deduplication& dedup, const JobKey& job,
                  bool* taken);

// The same for kKeysTogether jobs of one queue and one mode (not throttled) in one statement; the
// first of them has this number, the others follow. *all: each has taken its key. If not, JudgeKey
// tells which have.
inline constexpr size_t kKeysTogether = 10;
Status TryTakeKeys(Ledger& ledger, int64_t queue_id, std::span<const JobSpec> specs,
                   int64_t first_row, bool* all);

// What the key of a newcomer says.
struct DedupVerdict {
  enum class Kind : uint8_t {
    kTake,     // the key is free: add the job, then TakeKey
    kDrop,     // `holder` counts
    kReplace,  // `holder` waits for its time and goes: RemoveReplaced, add the job, then TakeKey
    kFollow,   // the job is to start after `holder` has ended: add it, then TakeFollowUp
    kTaken,    // the newcomer itself has it already
  };
  Kind kind = Kind::kTake;
  JobKey holder = {};
  // Of the holder; completed if it was removed while its key is still throttled.
  JobState state = JobState::kCompleted;
  Location at = {};       // of the holder, if it exists
  bool replaces = false;  // kFollow: an earlier follow-up goes
  Location replaced = {};
};
// Judges a newcomer with a key; `job` is its number, 0 if it has none. Only reads.
Status JudgeKey(Ledger& ledger, int64_t queue_id, const Deduplication& dedup, int64_t job,
                DedupVerdict* verdict);

struct KeyView;

// The same for jobs that are to be added one after another, before any of them is.
class KeyForecast {
 public:
  explicit KeyForecast(Ledger& ledger) : ledger_(ledger) {}

  // Judges the next one, and goes on as if it had been added where `job` says, if it would be.
  // `job` has a row that no job of the store has; later verdicts name it by that.
  Status Next(const std::string& queue, const Deduplication& dedup, const Location& job,
              DedupVerdict* verdict);

 private:
  Ledger& ledger_;
  std::map<std::pair<std::string, std::string>, std::shared_ptr<KeyView>> views_;  // by queue, key
};

// Answers for a dropped job, and logs it.
void AckDropped(Ledger& ledger, int64_t queue_id, const JobSpec& spec, const DedupVerdict& verdict,
                EnqueueAck* ack);
// Removes the job that the new one `by` takes the place of, and ends what was made for it. Logs
// both.
Status RemoveReplaced(Ledger& ledger, const Location& replaced, std::string_view dedup_key,
                      const JobKey& by, EnqueueAck* ack);

// The job holds the key from now on.
Status TakeKey(Ledger& ledger, int64_t queue_id, const Deduplication& dedup, const JobKey& job);
// The job follows the holder, which keeps the key until it ends.
Status TakeFollowUp(Ledger& ledger, int64_t queue_id, const Deduplication& dedup,
                    const DedupVerdict& verdict, const JobKey& job);
// A redriven job holds its key again if that is free.
Status RetakeKey(Ledger& ledger, const Location& at);

// A job's body is deleted: it holds nothing any more, unless its key is throttled still.
Status ForgetHolder(Ledger& ledger, int64_t queue_id, std::string_view dedup_key, int64_t row);

// Deletes throttled keys of which the time has passed, at most `limit`. Answers how many.
Result<int64_t> SweepKeys(Ledger& ledger, int64_t limit);
// The same as often as keys were made in this operation, and somewhat more.
Status SweepNoted(Ledger& ledger);
// Deletes keys of a queue, at most `limit`. *more is true if there may be others.
Status DeleteKeysOf(Ledger& ledger, int64_t queue_id, int64_t limit, bool* more);

// As Engine::DedupHolder and Engine::ReleaseDedup.
Result<std::string> ReadHolder(store::Connection& connection, const std::string& queue,
                               const std::string& key, int64_t now_ms);
Result<bool> ReleaseKey(Ledger& ledger, const std::string& queue, const std::string& key);

}  // namespace millrace::jobs

#endif  // MILLRACE_JOBS_DEDUP_H_
