#include "schedule/change.h"

#include "schedule/schedule_test_util.h"
#include "schedule/slots.h"

namespace millrace::schedule {
namespace {

std::string Refusal(const ScheduleSpec& spec) {
  return CheckSchedule(spec, 1 << 20).message();
}

bool Says(const std::string& message, const std::string& part) {
  return message.find(part) != std::string::npos;
}

TEST_CASE("the schedules of a queue are removed with it", "[schedule][change]") {
  ScheduleFixture f;
  constexpr int kOthers = 1'500;  // more than one slice
  ScheduleSpec spec = EveryMinute();
  spec.job.queue = "other";
  for (int i = 0; i < kOthers; ++i) {
    spec.id = "other-" + std::to_string(i);
    f.Put(spec);
    if (i % 500 == 0) f.Put(EveryMinute("q-" + std::to_string(i)));
  }
  int64_t after = 0;
  bool done = false;
  int calls = 0;
  for (; !done; ++calls) {
    f.MustDo([&](Ledger& ledger) { return RemoveOfQueue(ledger, "q", &after, &done); });
  }
  CHECK(calls == 2);
  CHECK(f.Int("SELECT count(*) FROM schedules") == kOthers);
  CHECK(f.Int("SELECT count(*) FROM schedule_jobs") == kOthers);
  CHECK(GetSchedule(f.connection(), "q-1000").status().code() == Code::kNotFound);
  CHECK(f.Get("other-1499").spec.job.queue == "other");
  f.CheckSound();
}

TEST_CASE("a schedule that cannot be is refused by the name of its argument",
          "[schedule][change]") {
  CHECK(Refusal(EveryMinute()).empty());
  ScheduleSpec spec = EveryMinute("");
  CHECK(Says(Refusal(spec), "id is empty"));
  spec = EveryMinute();
  spec.timing.cron = "* * * * *";
  CHECK(Says(Refusal(spec), "timing has several"));
  spec = EveryMinute();
  spec.job.id = "x";
  CHECK(Refusal(spec) == "job.id was given; the job of a schedule is accepted without it");
  spec = EveryMinute();
  spec.job.due_at_ms = 5;
  CHECK(Says(Refusal(spec), "job.due_at_ms was given"));
  spec = EveryMinute();
  spec.job.after.push_back({});
  CHECK(Says(Refusal(spec), "job.after was given"));
  spec = EveryMinute();
  spec.job.join = JoinKind::kCollect;
  CHECK(Says(Refusal(spec), "job.join was given"));
  spec = EveryMinute();
  spec.job.parent.emplace();
  CHECK(Says(Refusal(spec), "job.parent was given"));
  spec = EveryMinute();
  spec.job.queue = "";
  CHECK(Says(Refusal(spec), "job: queue is empty"));
  spec = EveryMinute();
  spec.job.data = std::string(2 << 20, 'x');
  CHECK(CheckSchedule(spec, 1 << 20).code() == Code::kTooLarge);
  spec = EveryMinute();
  spec.job.headers = R"({"a":1})";
  CHECK(Says(Refusal(spec), "headers hold a value that is not a string"));
  spec = EveryMinute();
  spec.limit = -1;
  CHECK(Says(Refusal(spec), "limit is -1"));
  spec = EveryMinute();
  spec.jitter_ms = -1;
  CHECK(Says(Refusal(spec), "jitter_ms is -1"));
  spec = EveryMinute();
  spec.overlap = static_cast<Overlap>(3);
  CHECK(Says(Refusal(spec), "overlap is 3; 0 to 2 is accepted"));
  spec = EveryMinute();
  spec.catch_up = static_cast<CatchUp>(9);
  CHECK(Says(Refusal(spec), "catch_up is 9"));
  spec = EveryMinute();
  spec.catch_up_max = 10'001;
  CHECK(Says(Refusal(spec), "catch_up_max is 10001; 1 to 10000 is accepted"));
}

TEST_CASE("an unchanged timing keeps the slot that has come and the counters",
          "[schedule][change]") {
  ScheduleFixture f;
  f.Put(EveryMinute());
  f.FireAt(kStartMs + kMinuteMs);
  f.GoTo(kStartMs + 2 * kMinuteMs + 5'000);  // a deployment: nobody fired in between
  ScheduleSpec spec = EveryMinute();
  spec.job.name = "renamed";
  const ScheduleInfo info = f.Put(spec);
  CHECK(info.next_at_ms == kStartMs + 2 * kMinuteMs);
  CHECK(info.fired == 1);
  CHECK(info.last_job_id == f.Get().last_job_id);
  CHECK(f.Fire().jobs == 1);
  CHECK(f.Read(f.Get().last_job_id).spec.name == "renamed");
  f.CheckSound();
}

TEST_CASE("a changed timing begins anew", "[schedule][change]") {
  ScheduleFixture f;
  f.Put(EveryMinute());
  f.FireAt(kStartMs + kMinuteMs);
  ScheduleSpec spec = EveryMinute();
  spec.timing.every_ms = 10 * kMinuteMs;
  const ScheduleInfo info = f.Put(spec);
  CHECK(info.fired == 0);
  CHECK(info.last_at_ms == 0);
  CHECK(info.next_at_ms == kStartMs + 6 * kMinuteMs);  // 22:20
  CHECK(f.Int("SELECT count(*) FROM schedules") == 1);
  CHECK(f.Int("SELECT count(*) FROM schedule_jobs") == 1);
}

TEST_CASE("a schedule that stands still goes on with a slot, for one of several",
          "[schedule][change]") {
  ScheduleFixture f;
  const auto once = [](int64_t slot_ms) {
    return Timing{.every_ms = kEveryMaxMs,
                  .offset_ms = slot_ms % kEveryMaxMs,
                  .start_at_ms = slot_ms,
                  .end_at_ms = slot_ms};
  };
  const auto go_on = [&](int64_t after_ms, const Timing& timing, const std::string& id = "s") {
    return f.Do([&](Ledger& ledger) { return ContinueSchedule(ledger, id, after_ms, timing); })
        .code();
  };
  const int64_t first = kStartMs + 7;
  const int64_t second = kStartMs + 5 * kMinuteMs;
  CHECK(go_on(first, once(second)) == Code::kNotFound);
  ScheduleSpec spec = EveryMinute();
  spec.timing = once(first);
  spec.limit = 3;
  spec.job.name = "kept";
  f.Put(spec);
  CHECK(go_on(0, once(second)) == Code::kWrongState);  // its slot is to come
  f.FireAt(first);
  CHECK(f.Get().next_at_ms == 0);
  CHECK(go_on(first + 1, once(second)) == Code::kWrongState);
  CHECK(go_on(first, {}) == Code::kInvalidArgument);
  CHECK(go_on(first, once(second)) == Code::kOk);
  CHECK(go_on(first, once(second + 1)) == Code::kWrongState);  // somebody else was faster
  CHECK(f.Get().next_at_ms == second);
  CHECK(f.Get().last_at_ms == first);
  f.FireAt(second);
  CHECK(f.Get().fired == 2);
  CHECK(f.Read(f.Get().last_job_id).spec.name == "kept");
  CHECK(go_on(second, once(second + 9)) == Code::kOk);
  f.FireAt(second + 9);
  CHECK(go_on(second + 9, once(second + 20)) == Code::kOk);  // its limit is reached: no slot comes
  CHECK(f.Get().next_at_ms == 0);
  // One whose first slot had passed when it was put goes on with it all the same.
  spec.id = "late";
  spec.timing = once(second);
  f.Put(spec);
  CHECK(f.Get("late").next_at_ms == 0);
  CHECK(go_on(0, once(second), "late") == Code::kOk);
  CHECK(f.Fire().jobs == 1);
  CHECK(f.Get("late").last_at_ms == second);
  f.CheckSound();
}

TEST_CASE("a raised limit lets an ended schedule go on", "[schedule][change]") {
  ScheduleFixture f;
  ScheduleSpec spec = EveryMinute();
  spec.limit = 1;
  f.Put(spec);
  f.FireAt(kStartMs + kMinuteMs);
  CHECK(f.Put(spec).next_at_ms == 0);
  spec.limit = 2;
  CHECK(f.Put(spec).next_at_ms == kStartMs + 2 * kMinuteMs);
  spec.limit = 1;
  CHECK(f.Put(spec).next_at_ms == 0);
}

TEST_CASE("immediately makes one job when the schedule is new, and only then",
          "[schedule][change]") {
  ScheduleFixture f;
  ScheduleSpec spec = EveryMinute();
  spec.immediately = true;
  const ScheduleInfo info = f.Put(spec);
  CHECK(info.fired == 1);
  CHECK(f.StateOf(info.last_job_id) == JobState::kReady);
  CHECK(info.next_at_ms == kStartMs + kMinuteMs);
  CHECK(f.Put(spec).fired == 1);
  spec.timing.every_ms = 5'000;
  CHECK(f.Put(spec).fired == 0);
  CHECK(f.Counts().ready == 1);
}

TEST_CASE("a put says which job it made at once", "[schedule][change]") {
  ScheduleFixture f;
  ScheduleSpec spec = EveryMinute();
  CHECK(f.Put(spec).added_job_id.empty());
  spec.id = "now";
  spec.immediately = true;
  const ScheduleInfo info = f.Put(spec);
  CHECK(info.added_job_id == info.last_job_id);
  CHECK(f.StateOf(info.added_job_id) == JobState::kReady);
  CHECK(f.Put(spec).added_job_id.empty());
}

TEST_CASE("an interval counts from its start if asked, and goes on as it did",
          "[schedule][change]") {
  ScheduleFixture f;
  const int64_t now_ms = kStartMs + 7'001;
  f.FireAt(now_ms);
  ScheduleSpec spec = EveryMinute();
  spec.from_start = true;
  const ScheduleInfo first = f.Put(spec);
  CHECK(first.next_at_ms == now_ms + kMinuteMs);
  CHECK(first.spec.timing.offset_ms == now_ms % kMinuteMs);
  f.FireAt(now_ms + 1'000);
  CHECK(f.Put(spec).next_at_ms == first.next_at_ms);
  spec.timing.every_ms = 10'000;
  CHECK(f.Put(spec).next_at_ms == now_ms + 11'000);
  spec.id = "later";
  spec.timing.start_at_ms = now_ms + 3'456;
  CHECK(f.Put(spec).next_at_ms == now_ms + 3'456);
  spec.timing.every_ms = 0;
  spec.timing.cron = "* * * * *";
  CHECK(CheckSchedule(spec, 1'000).message() ==
        "from_start was given; it is accepted with every_ms only");
}

TEST_CASE("a paused schedule has no slots, and forgets those meanwhile", "[schedule][change]") {
  ScheduleFixture f;
  f.Put(EveryMinute());
  const auto pause = [&](bool paused) {
    f.MustDo([&](Ledger& ledger) { return PauseSchedule(ledger, "s", paused); });
  };
  pause(true);
  CHECK(f.Get().next_at_ms == 0);
  CHECK(f.Get().spec.paused);
  CHECK(f.FireAt(kStartMs + 5 * kMinuteMs).jobs == 0);
  pause(true);
  pause(false);
  CHECK(f.Get().next_at_ms == kStartMs + 6 * kMinuteMs);
  pause(false);
  CHECK(f.FireAt(kStartMs + 6 * kMinuteMs).jobs == 1);
  CHECK(f.Get().skipped == 0);
  ScheduleSpec spec = EveryMinute();
  spec.paused = true;
  CHECK(f.Put(spec).next_at_ms == 0);
  f.CheckSound();
}

TEST_CASE("a removed schedule is gone, and its jobs stay", "[schedule][change]") {
  ScheduleFixture f;
  f.Put(EveryMinute());
  f.FireAt(kStartMs + kMinuteMs);
  f.MustDo([](Ledger& ledger) { return RemoveSchedule(ledger, "s"); });
  CHECK(f.FireAt(kStartMs + 2 * kMinuteMs).schedules == 0);
  CHECK(f.Counts().ready == 1);
  CHECK(f.Int("SELECT count(*) FROM schedule_jobs") == 0);
  RequireError(f.Do([](Ledger& ledger) { return RemoveSchedule(ledger, "s"); }), Code::kNotFound,
               "there is no schedule \"s\"");
  RequireError(f.Do([](Ledger& ledger) { return PauseSchedule(ledger, "s", true); }),
               Code::kNotFound, "there is no schedule \"s\"");
  CHECK(GetSchedule(f.connection(), "s").status().code() == Code::kNotFound);
}

TEST_CASE("schedules are listed by id, in pages", "[schedule][change]") {
  ScheduleFixture f;
  for (const char* id : {"b", "c", "a"}) f.Put(EveryMinute(id));
  auto page = RequireOk(ListSchedules(f.connection(), "", 2));
  REQUIRE(page.size() == 2);
  CHECK(page[0].spec.id == "a");
  CHECK(page[1].spec.id == "b");
  CHECK(page[1].spec.job.queue == "q");
  page = RequireOk(ListSchedules(f.connection(), "b", 10));
  REQUIRE(page.size() == 1);
  CHECK(page[0].spec.id == "c");
  RequireOk(f.connection().Exec("UPDATE schedule_jobs SET job = x'ff'"));
  CHECK(RequireOk(ListSchedules(f.connection(), "", 10)).empty());
  CHECK(GetSchedule(f.connection(), "a").status().code() == Code::kCorrupt);
}

TEST_CASE("everything that a schedule says is kept", "[schedule][change]") {
  ScheduleFixture f;
  ScheduleSpec spec;
  spec.id = "full";
  spec.timing = {.solar = "sunset",
                 .latitude = 51.5,
                 .longitude = -0.12,
                 .start_at_ms = kStartMs,
                 .end_at_ms = kStartMs + 9'000'000'000};
  spec.job = jobs::Spec();
  spec.job.priority = 7;
  spec.limit = 3;
  spec.jitter_ms = 4;
  spec.overlap = Overlap::kQueueOne;
  spec.catch_up = CatchUp::kAll;
  spec.catch_up_max = 5;
  f.Put(spec);
  const ScheduleInfo info = f.Get("full");
  CHECK(SameTiming(info.spec.timing, spec.timing));
  CHECK(info.spec.job.priority == 7);
  CHECK(info.spec.limit == 3);
  CHECK(info.spec.jitter_ms == 4);
  CHECK(info.spec.overlap == Overlap::kQueueOne);
  CHECK(info.spec.catch_up == CatchUp::kAll);
  CHECK(info.spec.catch_up_max == 5);
  spec.timing = {.cron = "0 9 * * mon", .time_zone = "Australia/Lord_Howe"};
  f.Put(spec);
  CHECK(SameTiming(f.Get("full").spec.timing, spec.timing));
  f.CheckSound();
}

}  // namespace
}  // namespace millrace::schedule
