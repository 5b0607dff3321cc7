#include "engine/schedule_timer.h"

#include <chrono>

#include "engine/operation.h"
#include "flows/enqueue.h"

namespace millrace::engine {
namespace {

constexpr int64_t kNever = INT64_MAX;
constexpr int64_t kRetryMs = 1'000;
constexpr int64_t kSecondNs = 1'000'000'000;

int64_t RealNs() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

}  // namespace

Status EnqueueScheduled(jobs::Ledger& ledger, const JobSpec& job, EnqueueAck* ack) {
  return flows::EnqueueJob(ledger, job, ack);
}

int64_t ScheduleTimer::Tick(bool look) {
  if (look || RealNs() >= next_look_ns_) LookForEarliest();
  const int64_t now_ms = clock_.MonotonicMs();
  if (now_ms < retry_at_ms_) return retry_at_ms_;
  while (earliest_ms_ && *earliest_ms_ <= clock_.WallMs()) {
    // Others wake at the same slot: whoever comes later finds it gone, and need not write.
    LookForEarliest();
    if (!earliest_ms_ || *earliest_ms_ > clock_.WallMs()) break;
    if (!Fire()) return retry_at_ms_ = now_ms + kRetryMs;
  }
  if (!earliest_ms_) return kNever;
  return clock_.MonotonicMs() + (*earliest_ms_ - clock_.WallMs());
}

void ScheduleTimer::LookForEarliest() {
  next_look_ns_ = RealNs() + kSecondNs;
  auto reader = store_.Read();
  if (!reader.ok()) return Tell(reader.status());
  const auto earliest = schedule::EarliestSlot(**reader);
  if (!earliest.ok()) return Tell(earliest.status());
  earliest_ms_ = *earliest;
}

bool ScheduleTimer::Fire() {
  schedule::Fired fired;
  // At `process`: a power cut takes the jobs and what says that they were made together.
  const Status status = RunIsolated(
      writer_, ledger_, schedule::kFireSchedulesMax,
      [&](jobs::Ledger& ledger, int64_t most) {
        return schedule::FireDue(ledger, EnqueueScheduled, &fired, most);
      },
      [&](jobs::Ledger& ledger, const Status& failed) {
        return schedule::PassByFirst(ledger, failed, &fired);
      });
  Tell(status);
  if (!status.ok()) return false;
  for (const std::string& fault : fired.faults) log_.Line(fault);
  earliest_ms_ = fired.next_at_ms;
  return true;
}

// Trouble that keeps schedules from firing: each kind once, until they fire again.
void ScheduleTimer::Tell(const Status& status) {
  const bool ends = status.code() == Code::kClosed || status.code() == Code::kForkedChild;
  if (status.code() == told_ || ends) return;
  told_ = status.code();
  if (!status.ok()) log_.Line("schedules wait and are tried again: " + status.ToString());
}

}  // namespace millrace::engine
