#include "engine/pump.h"

#include <algorithm>
#include <chrono>

#include "base/macros.h"
#include "engine/operation.h"
#include "jobs/claim.h"
#include "jobs/dedup.h"
#include "jobs/event_log.h"
#include "jobs/process.h"
#include "jobs/retention.h"

namespace millrace::engine {
namespace {

constexpr int64_t kNever = INT64_MAX;
constexpr int64_t kNow = 0;
constexpr int64_t kSafetyCheckMs = 1'000;  // what a lost hint costs at most
constexpr int64_t kSecondNs = 1'000'000'000;
constexpr int64_t kCleanEveryNs =
    60 * kSecondNs;  // retention by age where nothing finishes any more
constexpr int64_t kCleanSlice = 500;
constexpr int64_t kHungGraceMs = 1'000;  // the holder itself acts at the limit; others after this
constexpr int64_t kHungSlice = 500;

int64_t RealNs() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

template <typename T>
void Erase(std::vector<std::shared_ptr<T>>* members, const T* member) {
  std::erase_if(*members, [&](const std::shared_ptr<T>& m) { return m.get() == member; });
}

// The newest event's row in any of the queues.
Result<int64_t> NewestOf(store::Connection& connection, const std::vector<int64_t>& queue_ids) {
  int64_t seq = 0;
  for (const int64_t queue_id : queue_ids) {
    ASSIGN_OR_RETURN(const jobs::EventPosition newest, jobs::NewestEvent(connection, queue_id));
    seq = std::max(seq, newest.seq);
  }
  return seq;
}

}  // namespace

void Pump::Add(std::shared_ptr<PumpSession> session) {
  const std::lock_guard lock(mutex_);
  members_.sessions.push_back(std::move(session));
  StartThread();
}

void Pump::Add(std::shared_ptr<PumpFollower> follower) {
  const std::lock_guard lock(mutex_);
  members_.followers.push_back(std::move(follower));
  StartThread();
}

void Pump::Remove(const PumpSession* session) {
  const std::lock_guard lock(mutex_);
  Erase(&members_.sessions, session);
}

void Pump::Remove(const PumpFollower* follower) {
  const std::lock_guard lock(mutex_);
  Erase(&members_.followers, follower);
}

void Pump::StartThread() {
  if (!thread_.joinable() && !stopping_) {
    thread_ = std::thread([this] { Loop(); });
  } else {
    Nudge();
  }
}

void Pump::Nudge() {
  if (wake::Doorbell* bell = presence_.bell()) bell->RingSelf(wake::kLocal);
}

void Pump::Stop() {
  stopping_ = true;
  std::thread thread;
  {
    const std::lock_guard lock(mutex_);
    thread = std::move(thread_);
  }
  if (!thread.joinable()) return;
  Nudge();
  thread.join();
}

Pump::Snapshot Pump::Members() {
  const std::lock_guard lock(mutex_);
  return members_;
}

void Pump::Loop() {
  wake::Doorbell* const bell = presence_.bell();
  uint32_t reasons = 0;
  while (!stopping_) {
    const uint32_t seen = bell->Seen();
    const Snapshot members = Members();
    const int64_t now_ms = clock_.MonotonicMs();
    int64_t wake_at_ms = kNever;
    for (const auto& session : members.sessions)
      wake_at_ms = std::min(wake_at_ms, session->Tick(now_ms));
    // Before looking for jobs: those that it makes are found at once.
    wake_at_ms = std::min(wake_at_ms, schedules_.Tick((reasons & wake::kControl) != 0));
    Arm(members);  // before looking, so that what comes after the look rings
    if ((reasons & wake::kJobs) != 0 && job_queues_.empty()) PassOn(members);
    if ((reasons & wake::kControl) != 0) presence_.LookForPeers();
    const int64_t due_at_ms = Look(members, (reasons & wake::kControl) != 0);
    reasons = 0;
    if (due_at_ms == kNow) {
      for (const auto& session : members.sessions) session->Feed();
      continue;  // what they want now is another matter: arm and look again
    }
    EverySecond(members);
    wake_at_ms = std::min(wake_at_ms, due_at_ms);
    int64_t wait_ms = kSafetyCheckMs;
    if (wake_at_ms != kNever) {
      wait_ms = std::min(
          wait_ms, clock_.RealWaitMs(std::max<int64_t>(wake_at_ms - clock_.MonotonicMs(), 0)));
    }
    if (!stopping_) reasons = bell->Wait(seen, wait_ms);
  }
}

// Rung for jobs that no session here has room for any more: somebody else may have.
void Pump::PassOn(const Snapshot& members) {
  std::vector<int64_t> queues;
  for (const auto& session : members.sessions) session->Queues(&queues);
  auto reader = store_.Read();
  if (!reader.ok()) return;
  for (const int64_t queue_id : queues) {
    auto claimable = jobs::HasClaimable(**reader, queue_id, clock_.WallMs());
    if (claimable.ok() && *claimable) presence_.NewJobs(queue_id, 1);
  }
}

void Pump::Arm(const Snapshot& members) {
  wake::Doorbell* const bell = presence_.bell();
  job_queues_.clear();
  int32_t hunger = 0;
  for (const auto& session : members.sessions) hunger += session->Hunger(&job_queues_);
  std::sort(job_queues_.begin(), job_queues_.end());
  job_queues_.erase(std::unique(job_queues_.begin(), job_queues_.end()), job_queues_.end());
  bell->ArmJobs(job_queues_, static_cast<uint32_t>(hunger));
  std::vector<int64_t> event_queues;
  for (const auto& follower : members.followers) {
    if (!follower->Listening()) continue;
    const std::vector<int64_t>& queues = follower->queue_ids();
    event_queues.insert(event_queues.end(), queues.begin(), queues.end());
    if (queues.empty()) event_queues.push_back(wake::Doorbell::kEveryQueue);
  }
  std::sort(event_queues.begin(), event_queues.end());
  event_queues.erase(std::unique(event_queues.begin(), event_queues.end()), event_queues.end());
  bell->ArmEvents(event_queues);
}

int64_t Pump::Look(const Snapshot& members, bool at_leases) {
  auto reader = store_.Read();
  if (!reader.ok()) {
    for (const auto& session : members.sessions) session->Fail(reader.status());
    return kNever;
  }
  LookForEvents(**reader, members);
  if (at_leases) LookAtLeases(**reader, members);
  return job_queues_.empty() ? kNever : LookForJobs(**reader, members);
}

int64_t Pump::LookForJobs(store::Connection& connection, const Snapshot& members) {
  const int64_t wall_ms = clock_.WallMs();
  int64_t due = kNever;
  for (const int64_t queue_id : job_queues_) {
    auto claimable = jobs::HasClaimable(connection, queue_id, wall_ms);
    auto earliest = jobs::EarliestDue(connection, queue_id, wall_ms);
    if (!claimable.ok() || !earliest.ok()) {
      for (const auto& session : members.sessions) {
        session->Fail(claimable.ok() ? earliest.status() : claimable.status());
      }
      return kNever;
    }
    if (*claimable) return kNow;
    if (*earliest > wall_ms) due = std::min(due, clock_.MonotonicMs() + (*earliest - wall_ms));
  }
  for (const auto& session : members.sessions) session->FindNothing();
  return due;
}

void Pump::LookForEvents(store::Connection& connection, const Snapshot& members) {
  for (const auto& follower : members.followers) {
    if (!follower->Listening()) continue;
    const std::vector<int64_t>& queues = follower->queue_ids();
    // Of all queues: where the log may end, which is as good as where it does end, and one row.
    auto newest = queues.empty() ? jobs::EndOfLog(connection) : NewestOf(connection, queues);
    if (newest.ok()) follower->Newest(*newest);
  }
}

void Pump::LookAtLeases(store::Connection& connection, const Snapshot& members) {
  bool any = false;
  for (const auto& session : members.sessions) any = session->HoldsLeases() || any;
  if (!any) return;
  auto leases = jobs::ReadLeases(connection, presence_.process_id());
  if (!leases.ok()) return;
  for (const auto& session : members.sessions) session->Hear(*leases);
}

void Pump::EverySecond(const Snapshot& members) {
  const int64_t now_ns = RealNs();
  if (now_ns < next_check_ns_) return;
  next_check_ns_ = now_ns + kSecondNs;
  presence_.CheckFiles();
  FlushCounters();
  if (members.sessions.empty()) return;
  if (auto reader = store_.Read(); reader.ok()) LookAtLeases(**reader, members);
  TimeOutHung();
  if (now_ns < next_clean_ns_) return;
  next_clean_ns_ = now_ns + (CleanExpired(members) ? kSecondNs : kCleanEveryNs);
}

// What was counted in a process that is idle now.
void Pump::FlushCounters() {
  const int64_t flushes = ledger_.counters().flushes();
  const bool busy = std::exchange(counter_flushes_, flushes) != flushes;
  if (busy || !ledger_.counters().pending()) return;
  // A failure here is no loss: the next second tries again.
  (void)RunChange(writer_, ledger_, Durability::kProcess, true, [](jobs::Ledger& ledger) {
    ledger.counters().FlushNow();
    return Status::Ok();
  });
}

void Pump::TimeOutHung() {
  {
    auto reader = store_.Read();
    if (!reader.ok()) return;
    auto any = jobs::AnyOverdue(**reader, clock_.MonotonicMs() - kHungGraceMs);
    if (!any.ok() || !*any) return;
  }
  // A failure here is no loss: the next second tries again.
  (void)RunIsolated(
      writer_, ledger_, kHungSlice,
      [](jobs::Ledger& ledger, int64_t most) {
        return jobs::TimeOutOverdue(ledger, kHungGraceMs, most);
      },
      [](jobs::Ledger& ledger, const Status& failed) {
        return jobs::TakeAwayOverdue(ledger, kHungGraceMs, failed);
      });
}

// One slice of each queue that is served here, hungry or not, and of throttled keys. True if there
// was more.
bool Pump::CleanExpired(const Snapshot& members) {
  std::vector<int64_t> queues;
  for (const auto& session : members.sessions) session->Queues(&queues);
  std::sort(queues.begin(), queues.end());
  queues.erase(std::unique(queues.begin(), queues.end()), queues.end());
  int64_t keys = 0;
  const Status swept =
      RunChange(writer_, ledger_, Durability::kProcess, true, [&](jobs::Ledger& ledger) -> Status {
        ASSIGN_OR_RETURN(keys, jobs::SweepKeys(ledger, kCleanSlice));
        return Status::Ok();
      });
  bool more = swept.ok() && keys >= kCleanSlice;
  for (const int64_t queue_id : queues) {
    int64_t removed = 0;
    const Status status =
        RunChange(writer_, ledger_, Durability::kProcess, true, [&](jobs::Ledger& ledger) {
          ASSIGN_OR_RETURN(removed, jobs::CleanExpired(ledger, queue_id, kCleanSlice));
          return Status::Ok();
        });
    more = more || (status.ok() && removed >= kCleanSlice);
  }
  return more;
}

}  // namespace millrace::engine
