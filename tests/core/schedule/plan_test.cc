#include "schedule/plan.h"

#include <set>

#include "base/utc.h"
#include "catch.h"
#include "store/store_test_util.h"

namespace millrace::schedule {
namespace {

using List = std::vector<int64_t>;

constexpr int64_t kMinute = 60'000;

Slots Minutes() {
  return store::RequireOk(Slots::Create({.cron = "* * * * *"}));
}

TEST_CASE("a slot that comes on time is fired by every policy", "[schedule][plan]") {
  const int64_t due = Utc("2024-05-01T10:00");
  for (const CatchUp policy : {CatchUp::kNone, CatchUp::kLast, CatchUp::kAll}) {
    for (const int64_t late : {0, 3, 999}) {
      const Plan plan = PlanSlots(Minutes(), due, due + late, policy, 100);
      CHECK(plan.slots == List{due});
      CHECK(plan.passed_by == 0);
      CHECK(plan.newest_ms == due);
      CHECK(plan.next == due + kMinute);
    }
  }
}

TEST_CASE("slots that were missed are treated as the policy says", "[schedule][plan]") {
  const int64_t due = Utc("2024-05-01T10:00");
  const int64_t now = due + 60 * kMinute + 30'000;  // 61 slots, the newest half a minute ago
  const int64_t newest = due + 60 * kMinute;
  Plan plan = PlanSlots(Minutes(), due, now, CatchUp::kNone, 100);
  CHECK(plan.slots.empty());
  CHECK(plan.passed_by == 61);
  CHECK(plan.newest_ms == newest);
  CHECK(plan.next == newest + kMinute);

  plan = PlanSlots(Minutes(), due, now, CatchUp::kLast, 100);
  CHECK(plan.slots == List{newest});
  CHECK(plan.passed_by == 60);

  plan = PlanSlots(Minutes(), due, now, CatchUp::kAll, 100);
  CHECK(plan.slots.size() == 61);
  CHECK(plan.slots.front() == due);
  CHECK(plan.passed_by == 0);

  plan = PlanSlots(Minutes(), due, now, CatchUp::kAll, 3);
  CHECK(plan.slots == List{newest - 2 * kMinute, newest - kMinute, newest});
  CHECK(plan.passed_by == 58);
}

TEST_CASE("a slot on time stands for those that were missed", "[schedule][plan]") {
  const int64_t due = Utc("2024-05-01T10:00");
  const int64_t newest = due + 5 * kMinute;
  CHECK(PlanSlots(Minutes(), due, newest + 10, CatchUp::kLast, 100).slots == List{newest});
  CHECK(PlanSlots(Minutes(), due, newest + 10, CatchUp::kNone, 100).slots == List{newest});
}

TEST_CASE("a busy machine does not cost a schedule without catch-up its slot", "[schedule][plan]") {
  const int64_t due = Utc("2024-05-01T10:00");
  CHECK(PlanSlots(Minutes(), due, due + 9'999, CatchUp::kNone, 100).slots == List{due});
  CHECK(PlanSlots(Minutes(), due, due + 10'000, CatchUp::kNone, 100).slots.empty());
}

TEST_CASE("every slot of the last second is fired", "[schedule][plan]") {
  const Slots slots = store::RequireOk(Slots::Create({.every_ms = 100}));
  const int64_t due = Utc("2024-05-01T10:00");
  for (const CatchUp policy : {CatchUp::kNone, CatchUp::kLast}) {
    CHECK(PlanSlots(slots, due, due + 350, policy, 1).slots.size() == 4);
    CHECK(PlanSlots(slots, due, due + 5'000, policy, 1).slots.size() == 10);
  }
  CHECK(PlanSlots(slots, due, due + 350, CatchUp::kAll, 1).slots.size() == 4);
}

TEST_CASE("a slot's jitter is always the same, and spread", "[schedule][plan]") {
  CHECK(JitterOf("a", 1'000, 0) == 0);
  std::set<int64_t> seen;
  for (int64_t slot = 0; slot < 10'000; slot += 10) {
    const int64_t jitter = JitterOf("a", slot, 100);
    CHECK((jitter >= 0 && jitter <= 100));
    CHECK(JitterOf("a", slot, 100) == jitter);
    seen.insert(jitter);
  }
  CHECK(seen.size() > 90);
  CHECK(JitterOf("a", 5'000, 1'000'000) != JitterOf("b", 5'000, 1'000'000));
}

}  // namespace
}  // namespace millrace::schedule
