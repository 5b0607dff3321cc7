// Damaged records do not hold up the others.
#include "engine/isolation.h"

#include <csignal>
#include <map>

#include "catch.h"
#include "engine/engine_test_util.h"
#include "store/connection.h"
#include "wake/child_process.h"

namespace millrace::testing {
namespace {

using engine::Isolation;

constexpr const char* kEnded =
    "INSERT INTO finished SELECT job, queue_id, 5, created_at_ms, 0, 1, 0, 0, 0, x'' FROM jobs "
    "WHERE ";

// A second connection that knows no rule.
void Spoil(const std::string& path, const std::string& sql) {
  auto connection = Must(store::Connection::Open({.path = path}));
  Must(connection->Exec(sql.c_str()));
}

int64_t Count(const std::string& path, const char* sql) {
  return Must(Must(store::Connection::Open({.path = path}))->QueryInt(sql));
}

}  // namespace

TEST_CASE("work is halved until the damaged piece is alone", "[isolation]") {
  Isolation isolation;
  CHECK_FALSE(isolation.active());
  isolation.Failed(9);
  CHECK(isolation.limit() == 4);
  isolation.Succeeded();
  CHECK(isolation.limit() == 8);
  isolation.Failed(2);
  CHECK(isolation.limit() == 1);
  CHECK(isolation.stage() == Isolation::Stage::kWhole);
  isolation.Failed(1);
  CHECK(isolation.stage() == Isolation::Stage::kAlone);
  isolation.Failed(1);
  CHECK(isolation.stage() == Isolation::Stage::kTakeAway);
  isolation.Succeeded();
  CHECK(isolation.stage() == Isolation::Stage::kWhole);
  isolation.End();
  CHECK_FALSE(isolation.active());
  isolation.Failed(1);  // one piece, but with other work beside it
  CHECK(isolation.active());
  CHECK(isolation.stage() == Isolation::Stage::kWhole);
}

TEST_CASE("a damaged job holds up no settle but its own", "[isolation]") {
  TempDir dir;
  auto engine = Must(Engine::Open({.path = dir.file()}));
  auto session = Must(engine->OpenSession({.queues = {"q"}, .slots = 10, .prefetch = 0}));
  std::map<std::string, int64_t> tokens;
  for (int i = 0; i < 10; ++i) {
    JobSpec spec = Spec();
    spec.id = std::to_string(i);
    Add(*engine, spec);
  }
  while (tokens.size() < 10) {
    const LeasedJob job = TakeOne(*session);
    tokens[job.spec.id] = job.token;
  }
  Spoil(dir.file(), std::string(kEnded) + "custom_id IN ('3', '7')");
  std::vector<std::pair<int64_t, Outcome>> outcomes;
  for (const auto& [id, token] : tokens) outcomes.emplace_back(token, Completed(id));
  Must(session->SettleMany(std::move(outcomes), nullptr));
  std::map<std::string, Status> settled;
  while (settled.size() < 10) {
    for (const Settled& one : Must(session->Drain(10'000)).settled) settled[one.id] = one.status;
  }
  for (const auto& [id, status] : settled) {
    CAPTURE(id);
    const bool damaged = id == "3" || id == "7";
    CHECK(status.ok() != damaged);
    if (!damaged) CHECK(StateOf(*engine, id) == JobState::kCompleted);
    if (damaged) CHECK(status.code() == Code::kCorrupt);
    if (damaged) CHECK(status.message().find("job " + id + " is damaged") == 0);
  }
  CHECK(Must(engine->Counts("q")).active == 0);
  CHECK(Must(engine->Counts("q")).completed == 8);
  CHECK(Count(dir.file(), "SELECT count(*) FROM quarantine") == 2);
  // The session goes on as ever.
  Add(*engine, Spec());
  CHECK(SettleAndWait(*session, TakeOne(*session).token, Completed()).status.ok());
}

TEST_CASE("damage in what a step cleans is not the job's fault", "[isolation]") {
  TempDir dir;
  auto engine = Must(Engine::Open({.path = dir.file(), .keep_completed = {.count = 1}}));
  auto session = Must(engine->OpenSession({.queues = {"q"}, .slots = 2, .prefetch = 0}));
  Add(*engine, Spec());
  CHECK(SettleAndWait(*session, TakeOne(*session).token, Completed()).status.ok());
  // Whoever removes the old job fails.
  Spoil(dir.file(),
        "CREATE TRIGGER app_stop BEFORE DELETE ON jobs "
        "BEGIN SELECT RAISE(ABORT, 'CHECK constraint failed: spoilt'); END");
  const std::string id = Add(*engine, Spec()).id;
  CHECK(SettleAndWait(*session, TakeOne(*session).token, Completed()).status.ok());
  CHECK(StateOf(*engine, id) == JobState::kCompleted);
  CHECK(Count(dir.file(), "SELECT count(*) FROM quarantine") == 0);
}

// A flow of which one of those that wait for "a" can never become ready.
void AddSpoiltFlow(Engine& engine, const std::string& path, Delivery delivery) {
  std::vector<JobSpec> jobs;
  for (const char* id : {"a", "spoilt", "b", "c"}) {
    JobSpec spec = Spec();
    spec.id = id;
    if (!jobs.empty()) {
      spec.after = {{.index = id == std::string("c") ? 2 : 0, .policy = DependencyPolicy::kIgnore}};
    }
    spec.delivery = jobs.empty() ? delivery : Delivery::kAtLeastOnce;
    jobs.push_back(spec);
  }
  Must(engine.Enqueue(jobs, {}));
  Spoil(path,
        "CREATE TRIGGER app_stop BEFORE INSERT ON ready WHEN abs(new.seq) = "
        "(SELECT job FROM job_keys WHERE custom_id = 'spoilt') "
        "BEGIN SELECT RAISE(ABORT, 'CHECK constraint failed: spoilt'); END");
}

void CheckOthersGoOn(Engine& engine, Session& session, const std::string& path) {
  for (const char* id : {"b", "c"}) {
    const LeasedJob job = TakeOne(session);
    CHECK(job.spec.id == id);
    CHECK(SettleAndWait(session, job.token, Completed()).status.ok());
  }
  CHECK(StateOf(engine, "spoilt") == JobState::kBlocked);
  CHECK(Count(path, "SELECT count(*) FROM quarantine") == 1);
  Spoil(path, "DROP TRIGGER app_stop");
  CHECK(Must(engine.DoctorJson(true)).find("\"repaired\"") != std::string::npos);
  CHECK(TakeOne(session).spec.id == "spoilt");
}

TEST_CASE("a damaged job holds up no other that waits for the same one", "[isolation]") {
  TempDir dir;
  auto engine = Must(Engine::Open({.path = dir.file()}));
  AddSpoiltFlow(*engine, dir.file(), Delivery::kAtLeastOnce);
  auto session = Must(engine->OpenSession({.queues = {"q"}, .slots = 1, .prefetch = 0}));
  CHECK(SettleAndWait(*session, TakeOne(*session).token, Completed("1")).status.ok());
  CHECK(StateOf(*engine, "a") == JobState::kCompleted);
  CheckOthersGoOn(*engine, *session, dir.file());
}

TEST_CASE("isolation child: holds one job", "[.child]") {
  auto engine = Must(Engine::Open({.path = wake::ChildArguments().at(0)}));
  auto session = Must(engine->OpenSession({.queues = {"q"}, .slots = 1, .prefetch = 0}));
  TakeOne(*session);
  wake::ChildWriteLine("held");
  wake::ChildReadLine();
}

TEST_CASE("nor does one that waits for a job of a dead worker", "[isolation]") {
  TempDir dir;
  auto engine = Must(Engine::Open({.path = dir.file()}));
  AddSpoiltFlow(*engine, dir.file(), Delivery::kAtMostOnce);
  auto elsewhere = Must(engine->OpenSession({.queues = {"elsewhere"}}));
  wake::ChildProcess child("isolation child: holds one job", {dir.file()});
  REQUIRE(child.ReadLine() == "held");
  child.Signal(SIGKILL);
  child.Join();
  CHECK(Must(engine->WaitFinished({.id = "a", .queue = ""}, 10'000)).state == JobState::kFailed);
  auto session = Must(engine->OpenSession({.queues = {"q"}, .slots = 1, .prefetch = 0}));
  CheckOthersGoOn(*engine, *session, dir.file());
}

TEST_CASE("isolation child: holds all jobs", "[.child]") {
  auto engine = Must(Engine::Open({.path = wake::ChildArguments().at(0)}));
  auto session = Must(engine->OpenSession({.queues = {"q"}, .slots = 6, .prefetch = 0}));
  for (int i = 0; i < 6; ++i) TakeOne(*session);
  wake::ChildWriteLine("held");
  wake::ChildReadLine();
}

TEST_CASE("a damaged job of a dead worker holds up none of its others", "[isolation]") {
  TempDir dir;
  auto engine = Must(Engine::Open({.path = dir.file()}));
  for (int i = 0; i < 6; ++i) {
    JobSpec spec = Spec();
    spec.id = std::to_string(i);
    spec.delivery = i < 3 ? Delivery::kAtMostOnce : Delivery::kAtLeastOnce;
    Add(*engine, spec);
  }
  auto session = Must(engine->OpenSession({.queues = {"elsewhere"}}));
  wake::ChildProcess child("isolation child: holds all jobs", {dir.file()});
  REQUIRE(child.ReadLine() == "held");
  Spoil(dir.file(), std::string(kEnded) + "custom_id = '1'");  // it cannot be failed any more
  Spoil(dir.file(), "DELETE FROM jobs WHERE custom_id = '4'");
  child.Signal(SIGKILL);
  child.Join();
  CHECK(Must(engine->WaitFinished({.id = "2", .queue = ""}, 10'000)).state == JobState::kFailed);
  auto worker = Must(engine->OpenSession({.queues = {"q"}, .slots = 2}));
  CHECK(TakeOne(*worker).spec.id == "3");
  CHECK(TakeOne(*worker).spec.id == "5");
  CHECK(Must(engine->Counts("q")).active == 2);
  CHECK(Count(dir.file(), "SELECT count(*) FROM quarantine") == 2);
}

}  // namespace millrace::testing
