// The payloads of a session's jobs: opened when a job is taken, sealed when something is said of
// it. On the threads of those who take and settle, without the session's lock.
#include "base/macros.h"
#include "engine/session.h"
#include "jobs/payloads.h"

namespace millrace::engine {

// Leaves out those that cannot be opened: they have failed.
void SessionCore::OpenTaken(std::vector<LeasedJob>* jobs) {
  std::erase_if(*jobs, [this](LeasedJob& job) {
    const Status status = jobs::OpenLeased(*context_.keyring, &job);
    if (!status.ok()) Refuse(job, status);
    return !status.ok();
  });
}

// Fails a job for good, unseen by its taker: with the key it can be redriven. No notice of an
// error: whoever can write the file must not be able to trouble a worker by it.
void SessionCore::Refuse(const LeasedJob& job, const Status& why) {
  Outcome outcome;
  outcome.kind = Outcome::Kind::kFailed;
  outcome.body = jobs::UnreadableError(why);
  outcome.retryable = false;
  Lock lock(mutex_);
  auto it = running_.find(job.token);
  if (it == running_.end()) return;  // its time limit has passed, or the session was closed
  notes_.push_back({.kind = Note::Kind::kSettle,
                    .running = std::move(it->second),
                    .outcome = std::move(outcome),
                    .text = {},
                    .quiet = true});
  running_.erase(it);
  (void)Kick(std::move(lock));
  context_.log.Line("not run: " + why.ToString());
}

void SessionCore::SealFor(int64_t token, SealField field, std::string* payload) {
  if (context_.keyring->empty()) {
    *payload = PlainForm(std::move(*payload));
    return;
  }
  std::shared_ptr<Running> running;
  {
    const Lock lock(mutex_);
    auto it = running_.find(token);
    if (it == running_.end()) return;  // the caller finds out, too
    running = it->second;
  }
  const std::string queue = QueueName(running->lease.place.queue_id);
  *payload = context_.keyring->Seal(running->sealing,
                                    {.field = field, .queue = queue, .name = running->name},
                                    std::move(*payload));
}

Status SessionCore::SealOutcome(int64_t token, Outcome* outcome) {
  for (const JobSpec& spec : outcome->jobs) {
    RETURN_IF_ERROR(context_.keyring->CheckSealing(spec.sealing));
  }
  jobs::SealSpecs(*context_.keyring, &outcome->jobs);
  const bool completed = outcome->kind == Outcome::Kind::kCompleted;
  if (!outcome->body.empty() || completed)
    SealFor(token, completed ? SealField::kResult : SealField::kError, &outcome->body);
  if (!outcome->progress.empty()) SealFor(token, SealField::kProgress, &outcome->progress);
  return Status::Ok();
}

void SessionCore::SealNote(int64_t token, Note::Kind kind, std::string* text) {
  const SealField field = kind == Note::Kind::kProgress     ? SealField::kProgress
                          : kind == Note::Kind::kCheckpoint ? SealField::kCheckpoint
                                                            : SealField::kLog;
  SealFor(token, field, text);
}

// Whoever asked for the cancel may have had a key that is not here.
std::string SessionCore::OpenReason(const Running& running, std::string stored) const {
  const std::string queue = QueueName(running.lease.place.queue_id);
  auto opened =
      context_.keyring->Open({.field = SealField::kError, .queue = queue}, std::move(stored));
  return opened.ok() ? std::move(*opened) : std::string();
}

}  // namespace millrace::engine
