// Limits and groups through the engine: who waits is woken when a limit ends, by time or by a
// finish.
#include "catch.h"
#include "engine/engine_test_util.h"

namespace millrace::testing {
namespace {

constexpr int64_t kStart = 1'700'000'000'000;

struct Fixture {
  Fixture() { engine = Must(Engine::Open({.path = dir.file(), .clock = clock})); }
  std::unique_ptr<Session> Open(int32_t slots = 1, const std::string& queue = "q") {
    return Must(engine->OpenSession({.queues = {queue}, .slots = slots, .prefetch = 0}));
  }
  TempDir dir;
  std::shared_ptr<ManualClock> clock = std::make_shared<ManualClock>(kStart);
  std::unique_ptr<Engine> engine;
};

Limit QueueLimit(int64_t concurrency, Rate rate = {}) {
  return {.scope = LimitScope::kQueue, .queue = "q", .concurrency = concurrency, .rate = rate};
}

JobSpec InGroup(const std::string& group) {
  JobSpec spec = Spec();
  spec.group = group;
  return spec;
}

// Nothing comes while a session that could take it is idle: heard from the session itself.
bool NothingComes(Session& session) {
  return Must(session.Take(1, 50)).empty();
}

}  // namespace

TEST_CASE("a rate's next token starts the next job", "[engine][limits]") {
  Fixture f;
  Must(f.engine->SetLimit(QueueLimit(0, {.count = 1, .period_ms = 3'600'000}), {}));
  const auto session = f.Open(4);
  for (int i = 0; i < 3; ++i) Add(*f.engine, Spec());
  TakeOne(*session);
  CHECK(NothingComes(*session));
  f.clock->Advance(3'599'999);
  CHECK(NothingComes(*session));
  f.clock->Advance(1);
  TakeOne(*session);
  f.clock->Advance(3'600'000);
  TakeOne(*session);
}

TEST_CASE("a session on a queue that is closed from its opening is drained", "[engine][limits]") {
  Fixture f;
  const auto drained = [](Session& session) { return Must(session.Drain(10'000)).drained; };
  Add(*f.engine, Spec());
  SECTION("by a rate") {
    Must(f.engine->SetLimit(QueueLimit(0, {.count = 1, .period_ms = 3'600'000}), {}));
    const auto first = f.Open();
    TakeOne(*first);
    Add(*f.engine, Spec());
    const auto second = f.Open();
    CHECK(drained(*second));
    f.clock->Advance(3'600'000);
    TakeOne(*second);
  }
  SECTION("by a throttle") {
    Must(f.engine->Throttle({.scope = LimitScope::kStore}, 1'000, {}));
    const auto session = f.Open();
    CHECK(drained(*session));
    f.clock->Advance(1'000);
    const LeasedJob job = TakeOne(*session);
    Must(session->Settle(job.token, Completed()));
    Notices notices;
    do {
      notices = Must(session->Drain(10'000));
    } while (!notices.drained);
    CHECK(notices.settled.size() == 1);
  }
  SECTION("because it is paused") {
    Must(f.engine->Pause("q", {}));
    const auto session = f.Open();
    CHECK(drained(*session));
    Must(f.engine->Resume("q", {}));
    TakeOne(*session);
  }
  SECTION("because it is empty") {
    const auto session = f.Open(1, "another");
    CHECK(drained(*session));
    CHECK_FALSE(Must(session->Drain(0)).drained);  // told once
  }
}

TEST_CASE("an idle session hears that another one's job has ended", "[engine][limits]") {
  Fixture f;
  Must(f.engine->SetLimit({.scope = LimitScope::kStore, .concurrency = 1}, {}));
  const auto first = f.Open();
  Add(*f.engine, Spec());
  const LeasedJob job = TakeOne(*first);
  JobSpec other = Spec();
  other.queue = "other";
  const auto second = f.Open(1, "other");
  Add(*f.engine, other);
  CHECK(NothingComes(*second));
  Must(first->Settle(job.token, Completed()));
  CHECK(TakeOne(*second).spec.queue == "other");
  CHECK(Must(f.engine->ListLimits()).front().active == 1);
}

TEST_CASE("a task's limit wakes a worker of another queue", "[engine][limits]") {
  Fixture f;
  Must(f.engine->SetLimit({.scope = LimitScope::kTask, .task = "task", .concurrency = 1}, {}));
  const auto first = f.Open();
  Add(*f.engine, Spec());
  const LeasedJob job = TakeOne(*first);
  JobSpec other = Spec();
  other.queue = "other";
  const auto second = f.Open(1, "other");
  Add(*f.engine, other);
  CHECK(NothingComes(*second));
  Must(first->Settle(job.token, Failed("boom")));
  TakeOne(*second);
}

TEST_CASE("a group that is resumed, or whose time has come, starts at once", "[engine][limits]") {
  Fixture f;
  const auto session = f.Open(4);
  Must(f.engine->PauseGroup("q", "g", true, {}));
  Add(*f.engine, InGroup("g"));
  CHECK(NothingComes(*session));
  Must(f.engine->PauseGroup("q", "g", false, {}));
  TakeOne(*session);
  Must(f.engine->Throttle({.scope = LimitScope::kGroup, .queue = "q", .group = "g"}, 60'000, {}));
  Add(*f.engine, InGroup("g"));
  CHECK(NothingComes(*session));
  f.clock->Advance(60'000);
  TakeOne(*session);
  Must(f.engine->SetLimit({.scope = LimitScope::kGroup, .queue = "q", .concurrency = 2, .rate = {}},
                          {}));
  Add(*f.engine, InGroup("g"));
  CHECK(NothingComes(*session));
  Must(f.engine->SetLimit({.scope = LimitScope::kGroup, .queue = "q"}, {}));
  TakeOne(*session);
  const std::vector<GroupInfo> groups = Must(f.engine->ListGroups("q", "", 10));
  REQUIRE(groups.size() == 1);
  CHECK(groups[0].active == 3);
}

TEST_CASE("a worker that is told to wait holds its like back", "[engine][limits]") {
  Fixture f;
  const auto session = f.Open(4);
  const std::string id = Add(*f.engine, Spec("api")).id;
  Outcome outcome;
  outcome.kind = Outcome::Kind::kReleased;
  outcome.throttle = Throttle{.scope = LimitScope::kGroup, .ms = 1'000};
  const LeasedJob job = TakeOne(*session);
  CHECK(session->Settle(job.token, outcome).code() == Code::kInvalidArgument);  // it has no group
  outcome.throttle->scope = LimitScope::kTask;
  const Settled settled = SettleAndWait(*session, job.token, outcome);
  CHECK(settled.state == JobState::kReady);
  Add(*f.engine, Spec("api"));
  Add(*f.engine, Spec("free"));
  CHECK(TakeOne(*session).spec.name == "free");
  CHECK(NothingComes(*session));
  f.clock->Advance(1'000);
  const LeasedJob again = TakeOne(*session);
  CHECK(again.spec.id == id);
  CHECK(again.attempt == 1);
}

TEST_CASE("several sessions keep to one limit", "[engine][limits]") {
  Fixture f;
  Must(f.engine->SetLimit(QueueLimit(3), {}));
  Must(f.engine->SetLimit({.scope = LimitScope::kGroup, .queue = "q", .concurrency = 1, .rate = {}},
                          {}));
  std::vector<std::unique_ptr<Session>> sessions;
  for (int i = 0; i < 4; ++i) sessions.push_back(f.Open(2));
  std::vector<JobSpec> jobs;
  for (int i = 0; i < 60; ++i) jobs.push_back(InGroup("g" + std::to_string(i % 5)));
  Must(f.engine->Enqueue(std::move(jobs), {}));
  int done = 0;
  while (done < 60) {
    for (const auto& session : sessions) {
      for (const LeasedJob& job : Must(session->Take(2, 1))) {
        CHECK(Must(f.engine->Counts("q")).active <= 3);
        for (const GroupInfo& group : Must(f.engine->ListGroups("q", "", 10))) {
          CHECK(group.active <= 1);
        }
        Must(session->Settle(job.token, Completed()));
        ++done;
      }
    }
  }
  for (const auto& session : sessions) Must(session->Close(-1));
  CHECK(Must(f.engine->ListGroups("q", "", 10)).empty());
  CHECK(Must(f.engine->DoctorJson()).rfind(R"({"ok":true)", 0) == 0);
}

}  // namespace millrace::testing
