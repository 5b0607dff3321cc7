// Short ways to put and fire schedules in tests below the engine.
#ifndef MILLRACE_TESTS_CORE_SCHEDULE_SCHEDULE_TEST_UTIL_H_
#define MILLRACE_TESTS_CORE_SCHEDULE_SCHEDULE_TEST_UTIL_H_

#include <string>

#include "engine/schedule_timer.h"
#include "jobs/jobs_test_util.h"
#include "schedule/change.h"
#include "schedule/examine.h"
#include "schedule/fire.h"
#include "schedule/read.h"

namespace millrace::schedule {

using jobs::Ledger;
using store::RequireError;
using store::RequireOk;

// One minute past the hour, so that hours and minutes are easy to read: 2023-11-14 22:14:00.
inline constexpr int64_t kStartMs = 1'700'000'040'000;
inline constexpr int64_t kMinuteMs = 60'000;

inline ScheduleSpec EveryMinute(const std::string& id = "s") {
  ScheduleSpec spec;
  spec.id = id;
  spec.timing.every_ms = kMinuteMs;
  spec.job = jobs::Spec();
  return spec;
}

class ScheduleFixture : public jobs::JobsFixture {
 public:
  ScheduleFixture() { GoTo(kStartMs); }

  void GoTo(int64_t ms) { clock.Advance(ms - clock.WallMs()); }
  ScheduleInfo Put(const ScheduleSpec& spec) {
    RequireOk(CheckSchedule(spec, 1 << 20));
    ScheduleInfo info;
    MustDo(
        [&](Ledger& ledger) { return PutSchedule(ledger, spec, engine::EnqueueScheduled, &info); });
    return info;
  }
  Fired Fire() {
    Fired fired;
    MustDo([&](Ledger& ledger) { return FireDue(ledger, engine::EnqueueScheduled, &fired); });
    return fired;
  }
  Fired FireAt(int64_t ms) {
    GoTo(ms);
    return Fire();
  }
  ScheduleInfo Get(const std::string& id = "s") { return RequireOk(GetSchedule(connection(), id)); }
  void CheckSound() {
    CheckInvariants();
    const auto check = RequireOk(Examine(connection()));
    INFO(check.detail);
    CHECK(check.ok);
  }
};

}  // namespace millrace::schedule

#endif  // MILLRACE_TESTS_CORE_SCHEDULE_SCHEDULE_TEST_UTIL_H_
