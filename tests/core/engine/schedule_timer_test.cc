#include "engine/schedule_timer.h"

#include <mutex>
#include <set>
#include <thread>

#include "catch.h"
#include "engine/engine_test_util.h"
#include "store/connection.h"

namespace millrace::testing {
namespace {

ScheduleSpec Every(int64_t ms, const std::string& id = "s") {
  ScheduleSpec spec;
  spec.id = id;
  spec.timing.every_ms = ms;
  spec.job = Spec();
  return spec;
}

TEST_CASE("a waiting worker fires a schedule that was put elsewhere", "[engine][schedule]") {
  TempDir dir;
  auto worker = Must(Engine::Open({.path = dir.file()}));
  auto session = Must(worker->OpenSession({.queues = {"q"}}));
  auto other = Must(Engine::Open({.path = dir.file()}));
  Must(other->PutSchedule(Every(50), {}));
  for (int i = 0; i < 3; ++i) {
    const LeasedJob job = TakeOne(*session);
    SettleAndWait(*session, job.token, Completed());
  }
  const ScheduleInfo info = Must(other->GetSchedule("s"));
  CHECK(info.fired >= 3);
  Must(other->PauseSchedule("s", true, {}));
  CHECK(Must(other->GetSchedule("s")).next_at_ms == 0);
  CHECK(Must(other->ListSchedules("", 10)).size() == 1);
  Must(other->RemoveSchedule("s", {}));
  CHECK(other->GetSchedule("s").status().code() == Code::kNotFound);
}

TEST_CASE("an obliterated queue is not filled again", "[engine][schedule]") {
  TempDir dir;
  auto clock = std::make_shared<ManualClock>(1'700'000'040'000);
  auto engine = Must(Engine::Open({.path = dir.file(), .clock = clock}));
  Must(engine->PutSchedule(Every(60'000), {}));
  ScheduleSpec other = Every(60'000, "other");
  other.job.queue = "other";
  Must(engine->PutSchedule(other, {}));
  auto session = Must(engine->OpenSession({.queues = {"q"}}));
  Add(*engine, Spec());
  const LeasedJob job = TakeOne(*session);
  // What is refused changes nothing.
  CHECK(engine->Obliterate("q", false, {}).status().code() == Code::kWrongState);
  CHECK(Must(engine->ListSchedules("", 10)).size() == 2);
  SettleAndWait(*session, job.token, Completed());
  CHECK(Must(engine->Obliterate("q", false, {})) == 1);
  CHECK(engine->GetSchedule("s").status().code() == Code::kNotFound);
  CHECK(Must(engine->ListSchedules("", 10)).size() == 1);
  CHECK(Must(engine->ListQueues()).empty());
  // Of a queue that has never had a job, too.
  CHECK(Must(engine->Obliterate("other", false, {})) == 0);
  CHECK(Must(engine->ListSchedules("", 10)).empty());
}

TEST_CASE("a manual clock moves schedules on", "[engine][schedule]") {
  auto clock = std::make_shared<ManualClock>(1'700'000'040'000);
  auto engine = Must(Engine::Open({.path = ":memory:", .clock = clock}));
  auto session = Must(engine->OpenSession({.queues = {"q"}}));
  Must(engine->PutSchedule(Every(3'600'000), {}));
  clock->Advance(3'600'000);
  const LeasedJob job = TakeOne(*session);
  CHECK(job.spec.headers.find("\"millrace-schedule\":\"s\"") != std::string::npos);
}

TEST_CASE("several processes make one job a slot", "[engine][schedule]") {
  TempDir dir;
  auto engine = Must(Engine::Open({.path = dir.file(), .durability = Durability::kProcess}));
  ScheduleSpec spec = Every(20);
  spec.catch_up = CatchUp::kAll;
  spec.catch_up_max = 10'000;
  Must(engine->PutSchedule(spec, {}));
  std::vector<std::unique_ptr<Engine>> engines;
  std::vector<std::unique_ptr<Session>> sessions;
  for (int i = 0; i < 4; ++i) {
    engines.push_back(Must(Engine::Open({.path = dir.file()})));
    sessions.push_back(Must(engines.back()->OpenSession({.queues = {"other"}})));
  }
  while (Must(engine->GetSchedule("s")).fired < 25) std::this_thread::yield();
  Must(engine->PauseSchedule("s", true, {}));
  const ScheduleInfo info = Must(engine->GetSchedule("s"));
  const auto jobs = Must(engine->ListJobs({.queue = "q", .limit = 10'000}));
  CHECK(static_cast<int64_t>(jobs.size()) == info.fired);
  std::set<std::string> slots;
  for (const JobInfo& job : jobs) slots.insert(job.spec.headers);
  CHECK(slots.size() == jobs.size());
  // Without a hole between the first and the last.
  CHECK(info.skipped == 0);
}

TEST_CASE("a preview names the next slots and reads nothing", "[engine][schedule]") {
  auto engine = Must(Engine::Open({.path = ":memory:"}));
  const Timing timing{.cron = "30 2 * * *", .time_zone = "America/New_York"};
  const auto slots = Must(engine->PreviewTiming(timing, 1'710'000'000'000, 3));
  CHECK(slots == std::vector<int64_t>{1'710'054'000'000, 1'710'138'600'000, 1'710'225'000'000});
  CHECK(Must(engine->PreviewTiming({.every_ms = 1'000}, 0, 5)).size() == 5);
  const auto refused = engine->PreviewTiming({.cron = "0 0 30 2 *"}, 0, 5);
  CHECK(refused.status().message().find("cron can never fire") == 0);
  CHECK(engine->PreviewTiming(timing, 0, 0).status().code() == Code::kInvalidArgument);
  CHECK(engine->PreviewTiming(timing, 0, 10'001).status().code() == Code::kInvalidArgument);
}

TEST_CASE("the data of a schedule's jobs are sealed", "[engine][schedule]") {
  TempDir dir;
  const Security security{.keys = {{.id = "k", .secret = std::string(32, 's')}}};
  {
    auto engine = Must(Engine::Open({.path = dir.file(), .security = security}));
    auto session = Must(engine->OpenSession({.queues = {"q"}}));
    ScheduleSpec spec = Every(50);
    spec.job.data = R"("a secret")";
    CHECK(Must(engine->PutSchedule(spec, {})).spec.job.data == spec.job.data);
    CHECK(TakeOne(*session).spec.data == spec.job.data);
    CHECK(Must(engine->GetSchedule("s")).spec.job.data == spec.job.data);
    CHECK(Must(engine->ListSchedules("", 1))[0].spec.job.data == spec.job.data);
    Must(engine->PauseSchedule("s", true, {}));
  }
  auto without = Must(Engine::Open({.path = dir.file()}));
  CHECK(without->GetSchedule("s").status().code() == Code::kPermissionDenied);
  CHECK(Must(without->ListSchedules("", 1))[0].spec.job.data == R"({"$sealed":"k"})");
}

TEST_CASE("a schedule that is refused changes nothing", "[engine][schedule]") {
  auto engine = Must(Engine::Open({.path = ":memory:"}));
  ScheduleSpec spec = Every(0);
  CHECK(engine->PutSchedule(spec, {}).status().code() == Code::kInvalidArgument);
  CHECK(Must(engine->ListSchedules("", 10)).empty());
  CHECK(engine->ListSchedules("", 0).status().code() == Code::kInvalidArgument);
  CHECK(engine->RemoveSchedule("none", {}).code() == Code::kNotFound);
  CHECK(engine->PauseSchedule("none", true, {}).code() == Code::kNotFound);
}

TEST_CASE("a schedule whose job cannot be made stops no other, and the log says so",
          "[engine][schedule]") {
  TempDir dir;
  auto clock = std::make_shared<ManualClock>(1'700'000'040'000);
  std::mutex mutex;
  std::vector<std::string> lines;
  auto engine = Must(
      Engine::Open({.path = dir.file(), .clock = clock, .on_log = [&](const std::string& line) {
                      const std::lock_guard lock(mutex);
                      lines.push_back(line);
                    }}));
  auto session = Must(engine->OpenSession({.queues = {"q"}, .slots = 20}));
  std::set<std::string> expected;
  for (int i = 0; i < 9; ++i) {
    ScheduleSpec spec = Every(60'000, "s" + std::to_string(i));
    spec.job.name = i == 4 ? "poison" : "task" + std::to_string(i);
    if (i != 4) expected.insert(spec.job.name);
    Must(engine->PutSchedule(spec, {}));
  }
  // What a damaged row or index answers an insert with.
  Must(Must(store::Connection::Open({.path = dir.file()}))
           ->Exec("CREATE TRIGGER damage BEFORE INSERT ON jobs WHEN NEW.name = 'poison' "
                  "BEGIN SELECT RAISE(ABORT, 'constraint failed'); END"));
  clock->Advance(60'000);
  std::set<std::string> ran;
  while (ran.size() < expected.size()) ran.insert(TakeOne(*session).spec.name);
  CHECK(ran == expected);
  while (Must(engine->GetSchedule("s4")).skipped == 0) std::this_thread::yield();
  const ScheduleInfo passed = Must(engine->GetSchedule("s4"));
  CHECK(passed.fired == 0);
  CHECK(passed.next_at_ms >= clock->WallMs() + 60'000);
  session.reset();
  engine->Close();
  REQUIRE(lines.size() == 1);
  CHECK(lines[0].find("schedule \"s4\": its job cannot be made") == 0);
}

}  // namespace
}  // namespace millrace::testing
