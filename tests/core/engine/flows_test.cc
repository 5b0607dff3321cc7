// Flows through the engine: sessions, the clock of others, durability memory.
#include <nlohmann/json.hpp>

#include "catch.h"
#include "engine/engine_test_util.h"

namespace millrace::testing {
namespace {

JobSpec Named(const std::string& id) {
  JobSpec spec = Spec();
  spec.id = id;
  return spec;
}

std::unique_ptr<Engine> Open(const TempDir& dir, Durability durability = Durability::kProcess) {
  return Must(Engine::Open({.path = dir.file(), .durability = durability}));
}

TEST_CASE("a worker runs a flow to its end", "[engine][flows]") {
  const TempDir dir;
  const auto engine = Open(dir);
  std::vector<JobSpec> jobs;
  JobSpec parent = Named("parent");
  for (int32_t i = 0; i < 10; ++i) {
    jobs.push_back(Spec());
    parent.after.push_back({.index = i, .name = "n" + std::to_string(i)});
  }
  jobs.push_back(parent);
  Must(engine->Enqueue(jobs, {}));
  const auto session = Must(engine->OpenSession({.queues = {"q"}, .slots = 4}));
  for (int i = 0; i < 10; ++i) {
    const LeasedJob job = TakeOne(*session);
    CHECK(job.spec.id != "parent");
    Must(session->Settle(job.token, Completed(std::to_string(i))));
  }
  const LeasedJob last = TakeOne(*session);
  CHECK(last.spec.id == "parent");
  CHECK(last.dependency_count == 10);
  REQUIRE(last.dependencies.size() == 10);
  CHECK(last.dependencies[3].name == "n3");
  CHECK(last.dependencies[3].state == JobState::kCompleted);
  CHECK(last.dependencies[3].result.has_value());
  Must(session->Settle(last.token, Completed("\"end\"")));
  CHECK(*Must(engine->WaitFinished({.id = "parent"}, 10'000)).result == "\"end\"");
  CHECK(Must(engine->Dependencies({.job = {.id = "parent"}})).dependencies.size() == 10);
}

TEST_CASE("a job that another queue's job waits for wakes that queue's worker", "[engine][flows]") {
  const TempDir dir;
  const auto engine = Open(dir);
  const auto first = Must(engine->OpenSession({.queues = {"q"}}));
  const auto second = Must(engine->OpenSession({.queues = {"other"}}));
  JobSpec after = Named("after");
  after.queue = "other";
  after.after.push_back({.index = 0});
  Must(engine->Enqueue({Named("before"), after}, {}));
  const LeasedJob job = TakeOne(*first);
  Must(first->Settle(job.token, Completed("1")));
  CHECK(TakeOne(*second).dependencies[0].result == "1");
}

TEST_CASE("outcomes add jobs, wait for them and are replaced by them", "[engine][flows]") {
  const TempDir dir;
  const auto engine = Open(dir);
  Add(*engine, Named("parent"));
  const auto session = Must(engine->OpenSession({.queues = {"q"}}));
  LeasedJob job = TakeOne(*session);
  Outcome waiting;
  waiting.kind = Outcome::Kind::kWaiting;
  waiting.jobs = {Named("child")};
  Settled settled = SettleAndWait(*session, job.token, waiting);
  CHECK(settled.state == JobState::kBlocked);
  REQUIRE(settled.added.size() == 1);
  CHECK(settled.added[0].id == "child");
  job = TakeOne(*session);
  CHECK(job.spec.id == "child");
  SettleAndWait(*session, job.token, Completed("1"));
  job = TakeOne(*session);
  CHECK(job.spec.id == "parent");
  CHECK(job.dependencies[0].result == "1");
  Outcome replaced;
  replaced.kind = Outcome::Kind::kReplaced;
  CHECK(session->Settle(job.token, replaced).code() == Code::kInvalidArgument);
  replaced.jobs = {Named("instead")};
  replaced.jobs[0].queue = "";
  CHECK(session->Settle(job.token, replaced).code() == Code::kInvalidArgument);
  replaced.jobs[0].queue = "q";
  SettleAndWait(*session, job.token, replaced);
  job = TakeOne(*session);
  CHECK(job.spec.id == "instead");
  SettleAndWait(*session, job.token, Completed("2"));
  CHECK(*Must(engine->GetOutcome({.id = "parent"})).result == "2");
}

TEST_CASE("a flow is acknowledged at durability memory, one that needs the store is not",
          "[engine][flows]") {
  const TempDir dir;
  const auto engine = Open(dir, Durability::kMemory);
  JobSpec after = Spec();
  after.after.push_back({.index = 0});
  std::vector<EnqueueAck> acks = Must(engine->Enqueue({Spec(), after}, {}));
  CHECK(acks[0].durability == Durability::kMemory);
  CHECK(acks[1].state == JobState::kBlocked);
  CHECK(Must(engine->Dependencies({.job = {.id = acks[1].id}})).dependencies[0].id == acks[0].id);
  JobSpec named = Spec();
  named.after.push_back({.job = {.id = acks[0].id}});
  acks = Must(engine->Enqueue({named}, {}));
  CHECK(acks[0].durability == Durability::kProcess);
}

TEST_CASE("results and errors pass through a flow of sealed jobs", "[engine][flows]") {
  const TempDir dir;
  OpenOptions options{.path = dir.file(), .durability = Durability::kProcess};
  options.security = {.keys = {{.id = "k", .secret = std::string(32, 's')}}, .require = true};
  const auto engine = Must(Engine::Open(std::move(options)));
  std::vector<JobSpec> jobs = {Named("good"),  Named("bad"),   Named("all"),
                               Named("first"), Named("fails"), Named("reads")};
  for (size_t i = 2; i < jobs.size(); ++i) {
    jobs[i].after.push_back({.index = 0, .policy = DependencyPolicy::kIgnore});
    if (i != 3) jobs[i].after.push_back({.index = 1, .policy = DependencyPolicy::kIgnore});
  }
  jobs[2].join = JoinKind::kCollect;
  jobs[3].join = JoinKind::kForward;
  jobs[4].after[1].policy = DependencyPolicy::kFail;
  jobs[0].keep_completed = Keep{.count = 0};
  Must(engine->Enqueue(jobs, {}));
  const auto session = Must(engine->OpenSession({.queues = {"q"}}));
  Must(session->Settle(TakeOne(*session).token, Completed("\"secret\"")));
  Must(session->Settle(TakeOne(*session).token, Failed("broken")));
  CHECK(*Must(engine->WaitFinished({.id = "all"}, 10'000)).result == R"(["secret",null])");
  CHECK(*Must(engine->WaitFinished({.id = "first"}, 10'000)).result == "\"secret\"");
  CHECK(Must(engine->WaitFinished({.id = "fails"}, 10'000)).error.find("failed: broken") !=
        std::string::npos);
  const LeasedJob job = TakeOne(*session);
  REQUIRE(job.dependencies.size() == 2);
  CHECK(job.dependencies[0].result == "\"secret\"");
  CHECK(job.dependencies[1].error.find("broken") != std::string::npos);
  const auto page = Must(engine->Dependencies({.job = {.id = "reads"}}));
  CHECK(page.dependencies[0].result == "\"secret\"");
}

TEST_CASE("a flow's tree and its cancellation go through the engine", "[engine][flows]") {
  const TempDir dir;
  const auto engine = Open(dir);
  JobSpec after = Named("top");
  after.after.push_back({.index = 0});
  Must(engine->Enqueue({Named("below"), after}, {}));
  const auto tree = nlohmann::json::parse(Must(engine->FlowJson({.id = "top"}, 10, 10)));
  CHECK(tree["children"][0]["id"] == "below");
  CHECK(Must(engine->Cancel({.id = "top"}, "", {})) == CancelResult::kCancelled);
  CHECK(StateOf(*engine, "below") == JobState::kCancelled);
  CHECK(engine->Dependencies({.job = {.id = "nobody"}}).status().code() == Code::kNotFound);
  CHECK(engine->Enqueue({after}, {}).status().code() == Code::kInvalidArgument);
}

}  // namespace
}  // namespace millrace::testing
