#include "schedule/examine.h"

#include "schedule/schedule_test_util.h"

namespace millrace::schedule {
namespace {

// Breaks one thing, looks, mends, and looks again.
void BreaksAndMends(const char* sql, const std::string& fault, const std::string& done) {
  ScheduleFixture f;
  for (const char* id : {"a", "b"}) f.Put(EveryMinute(id));
  f.CheckSound();
  RequireOk(f.connection().Exec(sql));
  const auto check = RequireOk(Examine(f.connection()));
  CAPTURE(sql, check.detail);
  CHECK_FALSE(check.ok);
  CHECK(check.detail.find(fault) != std::string::npos);
  std::string told;
  f.MustDo([&](Ledger& ledger) {
    const auto repaired = Repair(ledger, 100);
    if (repaired.ok()) told = *repaired;
    return repaired.status();
  });
  CHECK(told == done);
  CHECK(RequireOk(Examine(f.connection())).ok);
}

TEST_CASE("doctor finds what is wrong with schedules and mends it", "[schedule][examine]") {
  BreaksAndMends("UPDATE schedules SET next_at_ms = next_at_ms + 1 WHERE id = 'a'",
                 "schedule \"a\": waits for a time that is no slot of its own",
                 "1 schedules wait for their next slot again");
  BreaksAndMends("UPDATE schedules SET paused = 1", "is paused and waits for a slot",
                 "2 schedules wait for their next slot again");
  BreaksAndMends("UPDATE schedules SET max_jobs = 1, fired = 1 WHERE id = 'b'",
                 "schedule \"b\": has made all its jobs",
                 "1 schedules wait for their next slot again");
  BreaksAndMends("UPDATE schedules SET every_ms = 0, cron = '61 * * * *' WHERE id = 'b'",
                 "schedule \"b\": cron minute is out of range",
                 "1 schedules that cannot be read were stopped");
  BreaksAndMends("UPDATE schedule_jobs SET job = x''", "the job of a schedule cannot be read",
                 "2 schedules that cannot be read were stopped");
  BreaksAndMends("INSERT INTO schedule_jobs VALUES (999, x'00')",
                 "the job of schedule number 999 has no schedule",
                 "1 jobs without a schedule were removed");
}

TEST_CASE("nothing is mended where nothing is wrong", "[schedule][examine]") {
  ScheduleFixture f;
  f.Put(EveryMinute());
  f.MustDo([&](Ledger& ledger) {
    const auto repaired = Repair(ledger, 100);
    CHECK(repaired->empty());
    return repaired.status();
  });
  CHECK(RequireOk(Examine(f.connection())).detail == "1 schedules");
}

}  // namespace
}  // namespace millrace::schedule
