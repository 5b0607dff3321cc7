// What is told of jobs, queues, workers and sessions. Mirrored by node/src/wire.ts and
// wire-reports.ts: change both together.
#include "wire.h"

namespace millrace::node {
namespace {

void PackState(JobState state, Packed* out) {
  out->Number(static_cast<double>(state));
}

// The queue is left out where it is that of the event before.
void PackEvent(const Event& event, const std::string* queue_before, Packed* out) {
  out->Text(event.id);
  out->Text(queue_before && *queue_before == event.queue ? std::string_view() : event.queue);
  out->Text(event.job_id);
  out->Text(event.name);
  out->Text(event.data);
  out->Number(static_cast<double>(event.type));
  out->Number(static_cast<double>(event.at_ms));
  PackState(event.state, out);
  PackState(event.prev, out);
  out->Number(event.attempt);
  out->Number(static_cast<double>(event.due_at_ms));
  out->Number(static_cast<double>(event.count));
}

void PackParent(const std::optional<ParentLink>& parent, Packed* out) {
  out->Number(parent ? 1 : 0);
  if (!parent) return;
  out->Text(parent->job.id);
  out->Text(parent->job.queue);
  out->Number(static_cast<double>(parent->policy));
}

}  // namespace

void PackLeased(const LeasedJob& job, Packed* out) {
  PackSpec(job.spec, out);
  out->Text(job.progress);
  out->Number(static_cast<double>(job.token));
  out->Number(job.attempt);
  out->Number(job.crashes);
  out->Number(static_cast<double>(job.created_at_ms));
  out->Number(static_cast<double>(job.started_at_ms));
  const bool has_more = !job.checkpoint.empty() || job.dependency_count > 0 || job.parent;
  out->Number(has_more ? 1 : 0);
  if (!has_more) return;
  out->Text(job.checkpoint);
  out->Number(static_cast<double>(job.dependency_count));
  out->Number(static_cast<double>(job.dependencies.size()));
  for (const DependencyInfo& each : job.dependencies) PackDependency(each, out);
  PackParent(job.parent, out);
}

void PackInfo(const JobInfo& job, Packed* out) {
  PackSpec(job.spec, out);
  PackState(job.state, out);
  out->Number(static_cast<double>(job.created_at_ms));
  out->Number(static_cast<double>(job.due_at_ms));
  out->Number(static_cast<double>(job.started_at_ms));
  out->Number(static_cast<double>(job.finished_at_ms));
  out->Number(job.attempts_started);
  out->Number(job.attempts_made);
  out->Number(job.crashes);
  out->Number(job.cancel_requested ? 1 : 0);
  out->Text(job.worker);
  out->Text(job.progress);
  PackResult(job.result, job.result_type, out);
  out->Text(job.error);
  out->Number(static_cast<double>(job.attempt_errors.size()));
  for (const std::string& error : job.attempt_errors) out->Text(error);
  out->Text(job.checkpoint);
  out->Number(static_cast<double>(job.dependencies));
  out->Number(static_cast<double>(job.pending));
  PackParent(job.parent, out);
}

void PackOutcome(const JobOutcome& outcome, Packed* out) {
  PackState(outcome.state, out);
  out->Number(static_cast<double>(outcome.finished_at_ms));
  out->Number(outcome.attempts_made);
  out->Text(outcome.progress);
  PackResult(outcome.result, outcome.result_type, out);
  out->Text(outcome.error);
}

void PackCounts(const QueueCounts& counts, Packed* out) {
  out->Text(counts.queue);
  out->Number(counts.paused ? 1 : 0);
  for (const int64_t value : {counts.ready, counts.prioritized, counts.scheduled, counts.blocked,
                              counts.active, counts.completed, counts.failed, counts.cancelled}) {
    out->Number(static_cast<double>(value));
  }
}

void PackWorker(const WorkerInfo& worker, Packed* out) {
  out->Text(worker.name);
  out->Text(worker.language);
  out->Text(worker.host);
  out->Number(static_cast<double>(worker.process_id));
  out->Number(static_cast<double>(worker.pid));
  out->Number(static_cast<double>(worker.started_at_ms));
  out->Number(worker.alive ? 1 : 0);
  out->Number(worker.slots);
  out->Number(static_cast<double>(worker.active));
  out->Number(static_cast<double>(worker.queues.size()));
  for (const std::string& queue : worker.queues) out->Text(queue);
}

void PackPage(const EventPage& page, Packed* out) {
  out->Text(page.next);
  out->Number(static_cast<double>(page.events.size()));
  const std::string* queue = nullptr;
  for (const Event& event : page.events) {
    PackEvent(event, queue, out);
    queue = &event.queue;
  }
}

void PackAck(const EnqueueAck& ack, Packed* out) {
  out->Text(ack.id);
  out->Text(ack.replaced_id);
  PackState(ack.state, out);
  out->Number(ack.existing ? 1 : 0);
  out->Number(static_cast<double>(ack.durability));
}

void PackNotices(const Notices& notices, Packed* out) {
  out->Number(notices.drained ? 1 : 0);
  out->Number(static_cast<double>(notices.settled.size()));
  out->Number(static_cast<double>(notices.signals.size()));
  out->Number(static_cast<double>(notices.rescued.size()));
  out->Number(static_cast<double>(notices.errors.size()));
  for (const Settled& settled : notices.settled) {
    out->Number(static_cast<double>(settled.token));
    PackState(settled.state, out);
    out->Number(static_cast<double>(settled.due_at_ms));
    out->Number(static_cast<double>(settled.status.code()));
    if (!settled.status.ok()) {
      out->Text(CodeName(settled.status.code()));
      out->Text(settled.status.message());
    }
    out->Number(static_cast<double>(settled.added.size()));
    for (const EnqueueAck& ack : settled.added) PackAck(ack, out);
  }
  for (const Signal& signal : notices.signals) {
    out->Number(static_cast<double>(signal.kind));
    out->Number(static_cast<double>(signal.token));
    out->Text(signal.reason);
  }
  for (const std::string& id : notices.rescued) out->Text(id);
  for (const Status& error : notices.errors) {
    out->Text(CodeName(error.code()));
    out->Text(error.message());
  }
}

}  // namespace millrace::node
