// Dependencies, counters, limits, groups and schedules. Mirrored by node/src/wire-model.ts: change
// both together.
#include <utility>

#include "wire.h"

namespace millrace::node {

void PackDependency(const DependencyInfo& dependency, Packed* out) {
  out->Text(dependency.name);
  out->Text(dependency.id);
  out->Text(dependency.queue);
  out->Number(static_cast<double>(dependency.policy));
  out->Number(static_cast<double>(dependency.state));
  out->Number(dependency.done ? 1 : 0);
  PackResult(dependency.result, dependency.result_type, out);
  out->Text(dependency.error);
}

void PackDependencies(const DependencyPage& page, Packed* out) {
  out->Number(static_cast<double>(page.total));
  out->Number(static_cast<double>(page.pending));
  out->Number(static_cast<double>(page.dependencies.size()));
  for (const DependencyInfo& each : page.dependencies) PackDependency(each, out);
}

void PackCounters(const TaskCounters& counters, Packed* out) {
  out->Text(counters.queue);
  out->Text(counters.task);
  for (const int64_t value :
       {counters.enqueued, counters.started, counters.completed, counters.failed,
        counters.cancelled, counters.retried, counters.crashed}) {
    out->Number(static_cast<double>(value));
  }
  for (const std::vector<int64_t>* histogram : {&counters.wait_ms, &counters.run_ms}) {
    out->Number(static_cast<double>(histogram->size()));
    for (const int64_t count : *histogram) out->Number(static_cast<double>(count));
  }
}

Limit ReadLimit(NumberReader* numbers, FieldReader* fields) {
  Limit limit;
  limit.scope = static_cast<LimitScope>(numbers->Integer());
  limit.concurrency = numbers->Integer();
  limit.rate.count = numbers->Integer();
  limit.rate.period_ms = numbers->Integer();
  limit.max_size = numbers->Integer();
  limit.queue = fields->Next();
  limit.task = fields->Next();
  limit.group = fields->Next();
  return limit;
}

void PackLimit(const LimitInfo& info, Packed* out) {
  const Limit& limit = info.limit;
  out->Number(static_cast<double>(limit.scope));
  for (const int64_t value : {limit.concurrency, limit.rate.count, limit.rate.period_ms,
                              limit.max_size, info.active, info.limited_until_ms}) {
    out->Number(static_cast<double>(value));
  }
  out->Text(limit.queue);
  out->Text(limit.task);
  out->Text(limit.group);
}

void PackGroup(const GroupInfo& group, Packed* out) {
  out->Text(group.queue);
  out->Text(group.group);
  out->Number(group.paused ? 1 : 0);
  out->Number(static_cast<double>(group.ready));
  out->Number(static_cast<double>(group.active));
  out->Number(static_cast<double>(group.limited_until_ms));
}

Timing ReadTiming(NumberReader* numbers, FieldReader* fields) {
  Timing timing;
  timing.every_ms = numbers->Integer();
  timing.offset_ms = numbers->Integer();
  timing.latitude = numbers->Next();
  timing.longitude = numbers->Next();
  timing.start_at_ms = numbers->Integer();
  timing.end_at_ms = numbers->Integer();
  timing.cron = fields->Next();
  timing.time_zone = fields->Next();
  timing.solar = fields->Next();
  return timing;
}

ScheduleSpec ReadSchedule(NumberReader* numbers, FieldReader* fields) {
  ScheduleSpec schedule;
  schedule.id = fields->Next();
  schedule.timing = ReadTiming(numbers, fields);
  schedule.limit = numbers->Integer();
  schedule.jitter_ms = numbers->Integer();
  schedule.overlap = static_cast<Overlap>(numbers->Integer());
  schedule.catch_up = static_cast<CatchUp>(numbers->Integer());
  schedule.catch_up_max = numbers->Integer();
  schedule.paused = numbers->Next() != 0;
  schedule.immediately = numbers->Next() != 0;
  schedule.from_start = numbers->Next() != 0;
  for (std::vector<JobSpec>& batch : ReadBatches(numbers, fields)) {
    for (JobSpec& job : batch) schedule.job = std::move(job);  // one
  }
  return schedule;
}

void PackSchedule(const ScheduleInfo& info, Packed* out) {
  const ScheduleSpec& spec = info.spec;
  PackSpec(spec.job, out);
  const Timing& timing = spec.timing;
  out->Text(spec.id);
  out->Text(timing.cron);
  out->Text(timing.time_zone);
  out->Text(timing.solar);
  out->Text(info.last_job_id);
  for (const double value :
       {static_cast<double>(timing.every_ms), static_cast<double>(timing.offset_ms),
        timing.latitude, timing.longitude, static_cast<double>(timing.start_at_ms),
        static_cast<double>(timing.end_at_ms), static_cast<double>(spec.limit),
        static_cast<double>(spec.jitter_ms), static_cast<double>(spec.overlap),
        static_cast<double>(spec.catch_up), static_cast<double>(spec.catch_up_max),
        spec.paused ? 1.0 : 0.0, static_cast<double>(info.next_at_ms),
        static_cast<double>(info.last_at_ms), static_cast<double>(info.fired),
        static_cast<double>(info.skipped)}) {
    out->Number(value);
  }
}

}  // namespace millrace::node
