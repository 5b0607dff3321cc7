// The field orders of everything that travels packed. Mirrored by node/src/wire.ts: change both
// together.
#include <cmath>
#include <limits>
#include <utility>

#include "wire.h"

namespace millrace::node {
namespace {

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();

std::optional<Keep> ReadKeep(NumberReader* numbers) {
  const double age_ms = numbers->Next();
  const double count = numbers->Next();
  if (std::isnan(age_ms)) return std::nullopt;
  return Keep{.age_ms = static_cast<int64_t>(age_ms), .count = static_cast<int64_t>(count)};
}

void PackKeep(const std::optional<Keep>& keep, Packed* out) {
  out->Number(keep ? static_cast<double>(keep->age_ms) : kNone);
  out->Number(keep ? static_cast<double>(keep->count) : kNone);
}

// JSON travels as text; anything else as bytes.
void PackBody(const std::string& body, ContentType type, Packed* out) {
  if (type == ContentType::kJson) {
    out->Text(body);
  } else {
    out->Bytes(body);
  }
}

void PackState(JobState state, Packed* out) {
  out->Number(static_cast<double>(state));
}

void PackResult(const std::optional<std::string>& result, ContentType type, Packed* out) {
  out->Number(result ? static_cast<double>(type) : kNone);
  PackBody(result.value_or(""), result ? type : ContentType::kJson, out);
}

void PackEvent(const Event& event, Packed* out) {
  out->Text(event.id);
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

}  // namespace

void ReadOptions(NumberReader* numbers, JobSpec* spec) {
  spec->content_type = static_cast<ContentType>(numbers->Integer());
  spec->due_at_ms = numbers->Integer();
  spec->delay_ms = numbers->Integer();
  spec->expires_at_ms = numbers->Integer();
  spec->expires_in_ms = numbers->Integer();
  spec->priority = static_cast<int32_t>(numbers->Integer());
  spec->lifo = numbers->Next() != 0;
  spec->retry.max_attempts = static_cast<int32_t>(numbers->Integer());
  spec->retry.backoff.kind = static_cast<Backoff::Kind>(numbers->Integer());
  spec->retry.backoff.delay_ms = numbers->Integer();
  spec->retry.backoff.max_ms = numbers->Integer();
  spec->retry.backoff.jitter = numbers->Next();
  spec->max_crashes = static_cast<int32_t>(numbers->Integer());
  spec->time_limit_ms = numbers->Integer();
  spec->soft_time_limit_ms = numbers->Integer();
  spec->keep_logs = static_cast<int32_t>(numbers->Integer());
  spec->keep_completed = ReadKeep(numbers);
  spec->keep_failed = ReadKeep(numbers);
}

void PackSpec(const JobSpec& spec, Packed* out) {
  out->Text(spec.id);
  out->Text(spec.queue);
  out->Text(spec.name);
  PackBody(spec.data, spec.content_type, out);
  out->Text(spec.headers);
  const Backoff& backoff = spec.retry.backoff;
  for (const double value :
       {static_cast<double>(spec.content_type), static_cast<double>(spec.due_at_ms),
        static_cast<double>(spec.delay_ms), static_cast<double>(spec.expires_at_ms),
        static_cast<double>(spec.expires_in_ms), static_cast<double>(spec.priority),
        spec.lifo ? 1.0 : 0.0, static_cast<double>(spec.retry.max_attempts),
        static_cast<double>(backoff.kind), static_cast<double>(backoff.delay_ms),
        static_cast<double>(backoff.max_ms), backoff.jitter, static_cast<double>(spec.max_crashes),
        static_cast<double>(spec.time_limit_ms), static_cast<double>(spec.soft_time_limit_ms),
        static_cast<double>(spec.keep_logs)}) {
    out->Number(value);
  }
  PackKeep(spec.keep_completed, out);
  PackKeep(spec.keep_failed, out);
}

void PackLeased(const LeasedJob& job, Packed* out) {
  PackSpec(job.spec, out);
  out->Text(job.progress);
  out->Number(static_cast<double>(job.token));
  out->Number(job.attempt);
  out->Number(job.crashes);
  out->Number(static_cast<double>(job.created_at_ms));
  out->Number(static_cast<double>(job.started_at_ms));
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
  for (const Event& event : page.events) PackEvent(event, out);
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
