#include "schedule/fire.h"

#include <nlohmann/json.hpp>

#include "schedule/plan.h"
#include "schedule/schedule_test_util.h"

namespace millrace::schedule {
namespace {

using Kind = Outcome::Kind;

TEST_CASE("a slot has one job, however often somebody fires", "[schedule][fire]") {
  ScheduleFixture f;
  ScheduleSpec spec = EveryMinute();
  spec.job.headers = R"({"trace":"t"})";
  CHECK(f.Put(spec).next_at_ms == kStartMs + kMinuteMs);
  CHECK(f.Fire().jobs == 0);
  CHECK(f.FireAt(kStartMs + kMinuteMs - 1).jobs == 0);
  const Fired fired = f.FireAt(kStartMs + kMinuteMs);
  CHECK(fired.jobs == 1);
  CHECK(fired.next_at_ms == kStartMs + 2 * kMinuteMs);
  CHECK(f.Fire().jobs == 0);
  CHECK(f.Counts().ready == 1);

  const ScheduleInfo info = f.Get();
  CHECK(info.fired == 1);
  CHECK(info.last_at_ms == kStartMs + kMinuteMs);
  CHECK(info.next_at_ms == kStartMs + 2 * kMinuteMs);
  const JobInfo job = f.Read(info.last_job_id);
  const auto headers = nlohmann::json::parse(job.spec.headers);
  CHECK(headers["trace"] == "t");
  CHECK(headers["millrace-schedule"] == "s");
  CHECK(headers["millrace-slot"] == std::to_string(kStartMs + kMinuteMs));
  f.CheckSound();
}

TEST_CASE("catch-up makes the jobs of missed slots by its policy", "[schedule][fire]") {
  ScheduleFixture f;
  ScheduleSpec none = EveryMinute("none");
  none.catch_up = CatchUp::kNone;
  ScheduleSpec last = EveryMinute("last");
  ScheduleSpec all = EveryMinute("all");
  all.catch_up = CatchUp::kAll;
  all.catch_up_max = 7;
  for (const auto& spec : {none, last, all}) f.Put(spec);
  f.FireAt(kStartMs + 10 * kMinuteMs + 30'000);
  CHECK(f.Get("none").fired == 0);
  CHECK(f.Get("none").skipped == 10);
  CHECK(f.Get("last").fired == 1);
  CHECK(f.Get("last").skipped == 9);
  CHECK(f.Get("all").fired == 7);
  CHECK(f.Get("all").skipped == 3);
  for (const char* id : {"none", "last", "all"}) {
    CHECK(f.Get(id).next_at_ms == kStartMs + 11 * kMinuteMs);
    CHECK(f.Get(id).last_at_ms == kStartMs + 10 * kMinuteMs);
  }
  f.CheckSound();
}

TEST_CASE("a schedule ends at its limit and at its end", "[schedule][fire]") {
  ScheduleFixture f;
  ScheduleSpec limited = EveryMinute("limited");
  limited.limit = 2;
  ScheduleSpec ending = EveryMinute("ending");
  ending.timing.end_at_ms = kStartMs + 2 * kMinuteMs;
  ScheduleSpec many = EveryMinute("many");
  many.limit = 2;
  many.catch_up = CatchUp::kAll;
  f.Put(limited);
  f.Put(ending);
  for (int i = 1; i <= 4; ++i) f.FireAt(kStartMs + i * kMinuteMs);
  for (const char* id : {"limited", "ending"}) {
    CHECK(f.Get(id).fired == 2);
    CHECK(f.Get(id).next_at_ms == 0);
  }
  f.Put(many);
  f.FireAt(kStartMs + 20 * kMinuteMs);
  CHECK(f.Get("many").fired == 2);
  CHECK(f.Get("many").next_at_ms == 0);
  CHECK(f.Fire().next_at_ms == std::nullopt);
  f.CheckSound();
}

TEST_CASE("jitter and delay move a job's due time, not its slot", "[schedule][fire]") {
  ScheduleFixture f;
  ScheduleSpec spec = EveryMinute();
  spec.jitter_ms = 30'000;
  spec.job.delay_ms = 5'000;
  f.Put(spec);
  const int64_t slot = kStartMs + kMinuteMs;
  f.FireAt(slot);
  const JobInfo job = f.Read(f.Get().last_job_id);
  CHECK(job.due_at_ms == slot + 5'000 + JitterOf("s", slot, 30'000));
  CHECK(f.Get().next_at_ms == slot + kMinuteMs);
}

TEST_CASE("with overlap skip a slot is passed by while a job is unfinished", "[schedule][fire]") {
  ScheduleFixture f;
  ScheduleSpec spec = EveryMinute();
  spec.overlap = Overlap::kSkip;
  f.Put(spec);
  CHECK(f.FireAt(kStartMs + kMinuteMs).jobs == 1);
  CHECK(f.FireAt(kStartMs + 2 * kMinuteMs).jobs == 0);  // it waits
  const auto lease = f.ClaimOne();
  CHECK(f.FireAt(kStartMs + 3 * kMinuteMs).jobs == 0);  // it runs
  f.Settle(lease, Kind::kFailed, R"({"type":"E","message":"m","stack":""})");
  CHECK(f.FireAt(kStartMs + 4 * kMinuteMs).jobs == 1);  // it has ended
  CHECK(f.Get().skipped == 2);
  CHECK(f.Get().fired == 2);
  f.CheckSound();
}

TEST_CASE("with overlap queue one a single job waits for the running one", "[schedule][fire]") {
  ScheduleFixture f;
  ScheduleSpec spec = EveryMinute();
  spec.overlap = Overlap::kQueueOne;
  f.Put(spec);
  f.FireAt(kStartMs + kMinuteMs);
  const std::string first = f.Get().last_job_id;
  const auto lease = f.ClaimOne();
  CHECK(f.FireAt(kStartMs + 2 * kMinuteMs).jobs == 1);
  const std::string second = f.Get().last_job_id;
  CHECK(f.StateOf(second) == JobState::kBlocked);
  CHECK(f.FireAt(kStartMs + 3 * kMinuteMs).jobs == 0);  // one waits already
  CHECK(f.Get().skipped == 1);
  f.Settle(lease, Kind::kFailed, R"({"type":"E","message":"m","stack":""})");
  CHECK(f.StateOf(second) == JobState::kReady);         // whatever became of the first
  CHECK(f.FireAt(kStartMs + 4 * kMinuteMs).jobs == 0);  // it still waits for a worker
  const auto next = f.ClaimOne();
  CHECK(f.FireAt(kStartMs + 5 * kMinuteMs).jobs == 1);
  CHECK(f.StateOf(f.Get().last_job_id) == JobState::kBlocked);
  CHECK(f.Get().fired == 3);
  f.CheckSound();
}

TEST_CASE("a slot whose job is refused is passed by", "[schedule][fire]") {
  ScheduleFixture f;
  f.Put(EveryMinute());
  f.GoTo(kStartMs + kMinuteMs);
  const EnqueueJobFn full = [](Ledger&, const JobSpec&, EnqueueAck*) {
    return Status(Code::kGroupFull, "the group is full");
  };
  const EnqueueJobFn held = [](Ledger&, const JobSpec&, EnqueueAck* ack) {
    ack->existing = true;
    return Status::Ok();
  };
  Fired fired;
  f.MustDo([&](Ledger& ledger) { return FireDue(ledger, full, &fired); });
  CHECK(fired.jobs == 0);
  f.GoTo(kStartMs + 2 * kMinuteMs);
  f.MustDo([&](Ledger& ledger) { return FireDue(ledger, held, &fired); });
  CHECK(f.Get().fired == 0);
  CHECK(f.Get().skipped == 2);
  CHECK(f.Get().next_at_ms == kStartMs + 3 * kMinuteMs);
}

TEST_CASE("trouble with the store undoes a whole firing", "[schedule][fire]") {
  ScheduleFixture f;
  f.Put(EveryMinute("a"));
  f.Put(EveryMinute("b"));
  f.GoTo(kStartMs + kMinuteMs);
  int calls = 0;
  const EnqueueJobFn breaks = [&](Ledger& ledger, const JobSpec& spec, EnqueueAck* ack) {
    if (++calls == 2) return Status(Code::kDiskFull, "no room");
    return engine::EnqueueScheduled(ledger, spec, ack);
  };
  Fired fired;
  RequireError(f.Do([&](Ledger& ledger) { return FireDue(ledger, breaks, &fired); }),
               Code::kDiskFull, "no room");
  CHECK(f.Get("a").fired + f.Get("b").fired == 0);
  CHECK(f.Counts().ready == 0);
  CHECK(f.Fire().jobs == 2);
}

TEST_CASE("a commit of firing is bounded, and the rest comes with the next", "[schedule][fire]") {
  ScheduleFixture f;
  for (int i = 0; i < kFireSchedulesMax + 5; ++i) f.Put(EveryMinute("s" + std::to_string(i)));
  ScheduleSpec all = EveryMinute("z");
  all.timing.every_ms = 100;
  all.catch_up = CatchUp::kAll;
  all.catch_up_max = kCatchUpMax;
  f.GoTo(kStartMs + kMinuteMs);
  Fired fired = f.Fire();
  CHECK(fired.schedules == kFireSchedulesMax);
  CHECK(fired.next_at_ms == kStartMs + kMinuteMs);
  fired = f.Fire();
  CHECK(fired.schedules == 5);
  f.Put(all);
  f.GoTo(kStartMs + 5 * kMinuteMs);
  fired = f.Fire();
  CHECK(fired.jobs >= kFireJobsMax);
  CHECK(fired.schedules < kFireSchedulesMax);
}

TEST_CASE("a damaged schedule is stopped, and the others go on", "[schedule][fire]") {
  ScheduleFixture f;
  for (const char* id : {"a", "b", "c", "d"}) f.Put(EveryMinute(id));
  RequireOk(f.connection().Exec("UPDATE schedules SET cron = '* *', every_ms = 0 WHERE id = 'a'"));
  RequireOk(
      f.connection().Exec("UPDATE schedule_jobs SET job = x'ff' WHERE schedule = "
                          "(SELECT schedule FROM schedules WHERE id = 'b')"));
  RequireOk(
      f.connection().Exec("DELETE FROM schedule_jobs WHERE schedule = "
                          "(SELECT schedule FROM schedules WHERE id = 'c')"));
  CHECK(f.FireAt(kStartMs + kMinuteMs).jobs == 1);
  CHECK(f.Get("d").fired == 1);
  CHECK(f.Int("SELECT count(*) FROM quarantine WHERE what LIKE 'schedule _: %'") == 3);
  CHECK(f.FireAt(kStartMs + 2 * kMinuteMs).schedules == 1);
}

TEST_CASE("a damaged last job counts as gone", "[schedule][fire]") {
  ScheduleFixture f;
  ScheduleSpec skip = EveryMinute("skip");
  skip.overlap = Overlap::kSkip;
  ScheduleSpec queue_one = EveryMinute("queue_one");
  queue_one.overlap = Overlap::kQueueOne;
  for (const auto& spec : {skip, queue_one, EveryMinute("other")}) f.Put(spec);
  CHECK(f.FireAt(kStartMs + kMinuteMs).jobs == 3);
  RequireOk(f.connection().Exec("DELETE FROM ready"));  // bodies without a place
  CHECK(f.FireAt(kStartMs + 2 * kMinuteMs).jobs == 3);
  for (const char* id : {"skip", "queue_one", "other"}) CHECK(f.Get(id).fired == 2);
  CHECK(f.StateOf(f.Get("queue_one").last_job_id) == JobState::kReady);  // it waits for nothing
}

TEST_CASE("a put with another queue leaves the overlap policy its last job", "[schedule][fire]") {
  ScheduleFixture f;
  ScheduleSpec spec = EveryMinute();
  spec.overlap = Overlap::kQueueOne;
  f.Put(spec);
  f.FireAt(kStartMs + kMinuteMs);
  const auto lease = f.ClaimOne();
  spec.job.queue = "other";
  f.Put(spec);
  CHECK(f.FireAt(kStartMs + 2 * kMinuteMs).jobs == 1);
  CHECK(f.Get().skipped == 0);
  const std::string second = f.Get().last_job_id;
  CHECK(f.StateOf(second) == JobState::kBlocked);
  f.Settle(lease, Kind::kCompleted);
  CHECK(f.StateOf(second) == JobState::kReady);
  CHECK(f.Read(second).spec.queue == "other");
  f.CheckSound();
}

TEST_CASE("a schedule whose job cannot be made is passed by for a minute", "[schedule][fire]") {
  ScheduleFixture f;
  ScheduleSpec often = EveryMinute("a");
  often.timing.every_ms = 7'000;
  f.Put(often);
  f.Put(EveryMinute("b"));
  f.GoTo(kStartMs + 2 * kMinuteMs);
  const Status damage(Code::kCorrupt, "a row is missing");
  const EnqueueJobFn breaks = [&](Ledger&, const JobSpec&, EnqueueAck*) { return damage; };
  Fired fired;
  RequireError(f.Do([&](Ledger& ledger) { return FireDue(ledger, breaks, &fired); }),
               Code::kCorrupt, "a row is missing");
  f.MustDo([&](Ledger& ledger) { return PassByFirst(ledger, damage, &fired); });
  REQUIRE(fired.faults.size() == 1);
  CHECK(fired.faults[0].find("schedule \"a\": its job cannot be made") == 0);
  CHECK(fired.faults[0].find("a row is missing") != std::string::npos);
  const ScheduleInfo info = f.Get("a");
  CHECK(info.fired == 0);
  CHECK(info.skipped > 0);
  CHECK(info.next_at_ms > kStartMs + 3 * kMinuteMs);
  CHECK(info.next_at_ms <= kStartMs + 3 * kMinuteMs + 7'000);
  CHECK(f.Int("SELECT count(*) FROM quarantine") == 1);
  f.MustDo([&](Ledger& ledger) {
    return FireDue(ledger, engine::EnqueueScheduled, &fired, /*most=*/1);
  });
  CHECK(fired.schedules == 1);
  CHECK(f.Get("b").fired == 1);
  RequireOk(f.connection().Exec("DELETE FROM quarantine"));  // what doctor would tell
  f.CheckSound();
  RequireError(f.Do([&](Ledger& ledger) { return PassByFirst(ledger, damage, &fired); }),
               Code::kCorrupt, "a row is missing");  // nothing is due
}

}  // namespace
}  // namespace millrace::schedule
