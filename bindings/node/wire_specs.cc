// A job's specification, both ways. Mirrored by node/src/wire.ts and job-model.ts: change all of
// them together.
#include <cmath>
#include <limits>
#include <utility>

#include "wire.h"

namespace millrace::node {
namespace {

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
constexpr size_t kJobsMax = 1 << 20;  // in one crossing

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

// What few jobs have: apart from the fixed options, so that the others do not pay for it.
void ReadModel(NumberReader* numbers, FieldReader* fields, JobSpec* spec) {
  spec->join = static_cast<JoinKind>(numbers->Integer());
  spec->delivery = static_cast<Delivery>(numbers->Integer());
  spec->sealing = static_cast<Sealing>(numbers->Integer());
  spec->dedup.mode = static_cast<Deduplication::Mode>(numbers->Integer());
  spec->dedup.ttl_ms = numbers->Integer();
  spec->dedup.states = static_cast<uint32_t>(numbers->Integer());
  spec->group = fields->Next();
  spec->dedup.key = fields->Next();
  spec->after.resize(numbers->Count(kJobsMax));
  for (Dependency& after : spec->after) {
    after.index = static_cast<int32_t>(numbers->Integer());
    after.policy = static_cast<DependencyPolicy>(numbers->Integer());
    after.job.id = fields->Next();
    after.job.queue = fields->Next();
    after.name = fields->Next();
  }
  if (numbers->Next() == 0) return;
  ParentLink& parent = spec->parent.emplace();
  parent.token = numbers->Integer();
  parent.policy = static_cast<DependencyPolicy>(numbers->Integer());
  parent.job.id = fields->Next();
  parent.job.queue = fields->Next();
  parent.name = fields->Next();
}

void PackModel(const JobSpec& spec, Packed* out) {
  const bool has_model = spec.join != JoinKind::kRun || spec.delivery != Delivery::kAtLeastOnce ||
                         spec.sealing != Sealing::kDefault || !spec.group.empty() ||
                         !spec.dedup.key.empty();
  out->Number(has_model ? 1 : 0);
  if (!has_model) return;
  out->Number(static_cast<double>(spec.join));
  out->Number(static_cast<double>(spec.delivery));
  out->Number(static_cast<double>(spec.sealing));
  out->Text(spec.group);
  out->Text(spec.dedup.key);
}

}  // namespace

// JSON travels as text; anything else as bytes.
void PackBody(const std::string& body, ContentType type, Packed* out) {
  if (type == ContentType::kJson) {
    out->Text(body);
  } else {
    out->Bytes(body);
  }
}

void PackResult(const std::optional<std::string>& result, ContentType type, Packed* out) {
  out->Number(result ? static_cast<double>(type) : kNone);
  PackBody(result.value_or(""), result ? type : ContentType::kJson, out);
}

void ReadOptions(NumberReader* numbers, FieldReader* fields, JobSpec* spec) {
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
  const bool has_model = numbers->Next() != 0;
  spec->queue = fields->Next();
  spec->headers = fields->Next();
  if (has_model) ReadModel(numbers, fields, spec);
}

std::vector<std::vector<JobSpec>> ReadBatches(NumberReader* numbers, FieldReader* fields) {
  const size_t set_count = numbers->Count(kJobsMax);
  const size_t batch_count = numbers->Count(kJobsMax);
  std::vector<JobSpec> sets(set_count);
  for (JobSpec& set : sets) ReadOptions(numbers, fields, &set);
  std::vector<std::vector<JobSpec>> batches(batch_count);
  for (std::vector<JobSpec>& batch : batches) {
    const size_t job_count = numbers->Count(kJobsMax);
    batch.reserve(job_count);
    for (size_t i = 0; i < job_count; ++i) {
      const size_t set = numbers->Count(set_count - 1);
      JobSpec& job = batch.emplace_back(sets[set]);
      job.name = fields->Next();
      job.data = fields->Next();
      job.id = fields->Next();
    }
  }
  return batches;
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
  PackModel(spec, out);
}

}  // namespace millrace::node
