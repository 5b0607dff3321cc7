// Pausing, resuming and the rules of a queue.
#include <algorithm>

#include "base/macros.h"
#include "base/text.h"
#include "jobs/bulk.h"
#include "jobs/bulk_slice.h"
#include "jobs/validate.h"
#include "sql_statements.h"

namespace millrace::jobs {
namespace {

using store::Query;

// Who sleeps beside a paused queue is woken when it goes on; more processes cannot be registered.
constexpr int64_t kWakesMax = 1'024;

Status SetPaused(Ledger& ledger, int64_t queue_id, bool paused, bool* changed) {
  Query q(ledger.connection(), sql::change::kSetPaused);
  q.Bind(queue_id, paused);
  RETURN_IF_ERROR(q.Run());
  *changed = ledger.connection().changes() == 1;
  ledger.ForgetRules(queue_id);
  return Status::Ok();
}

}  // namespace

Status PauseQueue(Ledger& ledger, const std::string& queue) {
  RETURN_IF_ERROR(CheckName(queue, "queue"));
  ASSIGN_OR_RETURN(const int64_t queue_id, ledger.QueueId(queue));
  bool changed = false;
  RETURN_IF_ERROR(SetPaused(ledger, queue_id, true, &changed));
  if (changed) ledger.Log(queue_id, {.type = EventType::kPaused});
  return Status::Ok();
}

Status ResumeQueue(Ledger& ledger, const std::string& queue) {
  RETURN_IF_ERROR(CheckName(queue, "queue"));
  ASSIGN_OR_RETURN(const int64_t queue_id, ledger.FindQueueId(queue));
  if (queue_id == 0) return Status::Ok();
  bool changed = false;
  RETURN_IF_ERROR(SetPaused(ledger, queue_id, false, &changed));
  if (!changed) return Status::Ok();
  ledger.Log(queue_id, {.type = EventType::kResumed});
  // Nobody was told of what came in meanwhile: one slot is woken for each job that waits, for the
  // scheduled ones too, since who sleeps beside a paused queue has set no timer.
  ASSIGN_OR_RETURN(const int64_t ready, CountNow(ledger, queue_id, JobState::kReady));
  ASSIGN_OR_RETURN(const int64_t scheduled, CountNow(ledger, queue_id, JobState::kScheduled));
  for (int64_t i = std::min(ready + scheduled, kWakesMax); i > 0; --i) ledger.WakeFor(queue_id);
  return Status::Ok();
}

Status SetQueueRetention(Ledger& ledger, const std::string& queue,
                         const std::optional<Keep>& completed, const std::optional<Keep>& failed) {
  RETURN_IF_ERROR(CheckName(queue, "queue"));
  if (completed) RETURN_IF_ERROR(CheckKeep(*completed, "completed"));
  if (failed) RETURN_IF_ERROR(CheckKeep(*failed, "failed"));
  ASSIGN_OR_RETURN(const int64_t queue_id, ledger.QueueId(queue));
  Query q(ledger.connection(), sql::change::kSetRetention);
  using Bound = std::optional<int64_t>;
  const auto age = [](const std::optional<Keep>& k) { return k ? Bound(k->age_ms) : Bound(); };
  const auto count = [](const std::optional<Keep>& k) { return k ? Bound(k->count) : Bound(); };
  q.Bind(queue_id, age(completed), count(completed), age(failed), count(failed));
  RETURN_IF_ERROR(q.Run());
  ledger.ForgetRules(queue_id);
  return Status::Ok();
}

}  // namespace millrace::jobs
