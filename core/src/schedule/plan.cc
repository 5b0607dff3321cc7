#include "schedule/plan.h"

#include <algorithm>

namespace millrace::schedule {
namespace {

// How many of the newest slots are fired.
int64_t CountToFire(const std::vector<int64_t>& newest, int64_t now_ms, CatchUp catch_up,
                    int64_t catch_up_max) {
  const auto on_time = std::count_if(newest.begin(), newest.end(),
                                     [&](int64_t slot) { return now_ms - slot < kOnTimeMs; });
  if (catch_up == CatchUp::kAll) {
    return std::max<int64_t>(on_time, std::min<int64_t>(std::ssize(newest), catch_up_max));
  }
  if (on_time > 0 || newest.empty()) return on_time;
  const bool newest_counts = catch_up == CatchUp::kLast || now_ms - newest.back() < kLateMs;
  return newest_counts ? 1 : 0;
}

}  // namespace

Plan PlanSlots(const Slots& slots, int64_t due_ms, int64_t now_ms, CatchUp catch_up,
               int64_t catch_up_max) {
  Plan plan;
  int64_t passed = 0;
  const int64_t most = catch_up == CatchUp::kAll ? std::max(catch_up_max, kOnTimeMs) : kOnTimeMs;
  const std::vector<int64_t> newest = slots.Newest(due_ms, now_ms, most, &passed);
  const int64_t count = CountToFire(newest, now_ms, catch_up, catch_up_max);
  plan.slots.assign(newest.end() - count, newest.end());
  plan.passed_by = passed - count;
  plan.newest_ms = newest.empty() ? due_ms : newest.back();
  plan.next = slots.Next(now_ms);
  return plan;
}

int64_t JitterOf(std::string_view id, int64_t slot_ms, int64_t jitter_ms) {
  if (jitter_ms <= 0) return 0;
  uint64_t hash = 0xcbf29ce484222325;  // FNV-1a of the id ...
  for (const char c : id) hash = (hash ^ static_cast<uint8_t>(c)) * 0x100000001b3;
  hash += static_cast<uint64_t>(slot_ms) * 0x9e3779b97f4a7c15;
  hash = (hash ^ (hash >> 30)) * 0xbf58476d1ce4e5b9;  // ... mixed with the slot as splitmix64 does
  hash = (hash ^ (hash >> 27)) * 0x94d049bb133111eb;
  hash ^= hash >> 31;
  return static_cast<int64_t>(hash % (static_cast<uint64_t>(jitter_ms) + 1));
}

}  // namespace millrace::schedule
