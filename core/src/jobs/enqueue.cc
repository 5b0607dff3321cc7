#include "jobs/enqueue.h"

#include <algorithm>

#include "base/macros.h"
#include "jobs/job_row.h"
#include "jobs/locate.h"
#include "sql_statements.h"

namespace millrace::jobs {
namespace {

using store::Query;

// Answers for an id that exists in the queue already.
Status AckExisting(Ledger& ledger, const Location& found, const JobSpec& spec, EnqueueAck* ack) {
  ack->id = spec.id;
  ack->existing = true;
  ack->state = found.state;
  ledger.Log(found.queue_id,
             {.type = EventType::kDuplicate, .state = found.state, .job = &found.key});
  return Status::Ok();
}

// What a deduplication key that has a holder says of the job, before anything of it is written.
Status JudgeNew(Ledger& ledger, int64_t queue_id, const JobSpec& spec, NewJob* job,
                EnqueueAck* ack) {
  bool taken = job->took_key.value_or(false);
  // One of a group may still be refused, and nothing must be written before.
  if (!job->took_key && spec.group.empty())
    RETURN_IF_ERROR(TryTakeKey(ledger, queue_id, spec.dedup, job->key, &taken));
  if (taken) return Status::Ok();
  job->dedup.emplace();
  RETURN_IF_ERROR(JudgeKey(ledger, queue_id, spec.dedup, job->key.row, &*job->dedup));
  if (job->dedup->kind == DedupVerdict::Kind::kTaken) {
    job->dedup.reset();
    return Status::Ok();
  }
  job->added = job->dedup->kind != DedupVerdict::Kind::kDrop;
  if (!job->added) {
    job->key = job->dedup->holder;
    AckDropped(ledger, queue_id, spec, *job->dedup, ack);
  }
  return Status::Ok();
}

// Gives the job its key; whom it takes the place of is removed.
Status SettleKey(Ledger& ledger, int64_t queue_id, const JobSpec& spec, const NewJob& job,
                 EnqueueAck* ack) {
  const DedupVerdict& verdict = *job.dedup;
  if (verdict.kind == DedupVerdict::Kind::kReplace || verdict.replaces) {
    const Location& replaced = verdict.replaces ? verdict.replaced : verdict.at;
    RETURN_IF_ERROR(RemoveReplaced(ledger, replaced, spec.dedup.key, job.key, ack));
  }
  if (verdict.kind == DedupVerdict::Kind::kFollow) {
    return TakeFollowUp(ledger, queue_id, spec.dedup, verdict, job.key);
  }
  return TakeKey(ledger, queue_id, spec.dedup, job.key);
}

}  // namespace

int64_t DueAt(const JobSpec& spec, int64_t now_ms) {
  const int64_t due_at_ms = spec.due_at_ms != 0  ? spec.due_at_ms
                            : spec.delay_ms != 0 ? now_ms + spec.delay_ms
                                                 : 0;
  return due_at_ms > now_ms ? due_at_ms : 0;
}

Status AddBody(Ledger& ledger, const JobSpec& spec, NewJob* job, EnqueueAck* ack) {
  ASSIGN_OR_RETURN(const int64_t queue_id, ledger.QueueId(spec.queue));
  job->added = true;
  if (!spec.id.empty()) {
    Location found;
    bool exists = false;
    RETURN_IF_ERROR(Locate(ledger.connection(), spec.id, queue_id, &found, &exists));
    job->added = !exists;
    job->key = found.key;
    if (exists) return AckExisting(ledger, found, spec, ack);
  }
  const JobKey& key = job->key = {.row = job->row != 0 ? job->row : ledger.NextNumber(),
                                  .created_at_ms = ledger.now_ms(),
                                  .salt = RandomBits34(),
                                  .custom_id = spec.id};
  if (!spec.dedup.key.empty()) RETURN_IF_ERROR(JudgeNew(ledger, queue_id, spec, job, ack));
  if (!job->added) return Status::Ok();
  if (!spec.group.empty() && !job->has_room) {
    RETURN_IF_ERROR(ledger.groups().CheckRoom(queue_id, spec.queue, spec.group));
  }
  const int64_t due_at_ms = DueAt(spec, ledger.now_ms());
  const int64_t expires_at_ms =
      spec.expires_in_ms != 0 ? ledger.now_ms() + spec.expires_in_ms : spec.expires_at_ms;
  RETURN_IF_ERROR(InsertBody(ledger.connection(), key, queue_id, spec, due_at_ms, expires_at_ms));
  if (!spec.id.empty()) {
    Query q(ledger.connection(), sql::jobs::kInsertKey);
    q.Bind(spec.id, queue_id, key.row);
    RETURN_IF_ERROR(q.Run());
  }
  if (job->dedup) RETURN_IF_ERROR(SettleKey(ledger, queue_id, spec, *job, ack));
  job->place = {.queue_id = queue_id,
                .row = key.row,
                .due_at_ms = due_at_ms,
                .seq = SequenceOf(key.row, spec.lifo),
                .priority = spec.priority,
                .group = spec.group};
  ack->id = key.PublicId();
  ack->existing = false;
  ledger.counters().Add(queue_id, spec.name, Counters::What::kEnqueued);
  return Status::Ok();
}

void LogAdded(Ledger& ledger, const JobSpec& spec, const NewJob& job, JobState state) {
  ledger.Log(job.place.queue_id, {.type = EventType::kAdded,
                                  .state = state,
                                  .job = &job.key,
                                  .due_at_ms = job.place.due_at_ms,
                                  .name = spec.name});
}

namespace {

Status Enqueue(Ledger& ledger, const JobSpec& spec, NewJob job, EnqueueAck* ack) {
  RETURN_IF_ERROR(AddBody(ledger, spec, &job, ack));
  if (!job.added) return Status::Ok();
  if (job.dedup && job.dedup->kind == DedupVerdict::Kind::kFollow) {
    return Status(Code::kInternal, "a job that follows another is to be added as a flow");
  }
  const bool later = job.place.due_at_ms != 0;
  ack->state = later ? JobState::kScheduled : JobState::kReady;
  RETURN_IF_ERROR((later ? PutScheduled : PutReady)(ledger, job.place, kNowhere, Cause::kEnqueue));
  LogAdded(ledger, spec, job, ack->state);
  return Status::Ok();
}

// Whether the first jobs can take their keys in one statement: each would try to, and none of them
// may be refused.
bool TakeKeysTogether(std::span<const JobSpec> specs) {
  if (specs.size() < kKeysTogether || specs[0].dedup.key.empty()) return false;
  const JobSpec& first = specs[0];
  if (first.dedup.mode == Deduplication::Mode::kThrottle) return false;
  const auto same = [&](const JobSpec& spec) {
    return !spec.dedup.key.empty() && spec.dedup.mode == first.dedup.mode && spec.id.empty() &&
           spec.group.empty() && spec.queue == first.queue;
  };
  return std::ranges::all_of(specs.first(kKeysTogether), same);
}

}  // namespace

Status EnqueueJob(Ledger& ledger, const JobSpec& spec, EnqueueAck* ack) {
  return Enqueue(ledger, spec, {}, ack);
}

Status EnqueueJobs(Ledger& ledger, std::span<const JobSpec> specs, std::vector<EnqueueAck>* acks) {
  acks->assign(specs.size(), {});
  for (size_t at = 0; at < specs.size();) {
    if (!TakeKeysTogether(specs.subspan(at))) {
      RETURN_IF_ERROR(EnqueueJob(ledger, specs[at], &(*acks)[at]));
      ++at;
      continue;
    }
    ASSIGN_OR_RETURN(const int64_t queue_id, ledger.QueueId(specs[at].queue));
    const int64_t first_row = ledger.NextNumber();
    for (size_t i = 1; i < kKeysTogether; ++i) ledger.NextNumber();
    bool all = false;
    RETURN_IF_ERROR(TryTakeKeys(ledger, queue_id, specs.subspan(at), first_row, &all));
    for (size_t i = 0; i < kKeysTogether; ++i, ++at) {
      const NewJob job{.row = first_row + static_cast<int64_t>(i), .took_key = all};
      RETURN_IF_ERROR(Enqueue(ledger, specs[at], job, &(*acks)[at]));
    }
  }
  return Status::Ok();
}

}  // namespace millrace::jobs
