// The engine as a whole: durability levels, waiting, events, several engines and processes on one
// file.
#include <signal.h>
#include <sys/wait.h>

#include <atomic>
#include <chrono>
#include <thread>

#include "catch.h"
#include "engine/engine_test_util.h"
#include "store/store.h"
#include "wake/child_process.h"

namespace millrace::testing {

TEST_CASE("the level of durability is named in the answer", "[engine]") {
  TempDir dir;
  auto engine = Must(Engine::Open({.path = dir.file()}));
  CHECK(Add(*engine, Spec()).durability == Durability::kPower);
  auto ack = Must(engine->Enqueue({Spec()}, {.durability = Durability::kProcess})).front();
  CHECK(ack.durability == Durability::kProcess);
}

TEST_CASE("durability memory answers at once and writes soon", "[engine]") {
  TempDir dir;
  auto engine = Must(Engine::Open({.path = dir.file()}));
  const auto ack = Must(engine->Enqueue({Spec()}, {.durability = Durability::kMemory})).front();
  CHECK(ack.durability == Durability::kMemory);
  CHECK(ack.id.size() == 36);
  Must(engine->Close());
  auto again = Must(Engine::Open({.path = dir.file()}));
  CHECK(StateOf(*again, ack.id) == JobState::kReady);

  JobSpec own = Spec();
  own.id = "mine";
  CHECK(Must(again->Enqueue({own}, {.durability = Durability::kMemory})).front().durability ==
        Durability::kProcess);
}

TEST_CASE("a job acknowledged at durability memory can be read and awaited at once", "[engine]") {
  TempDir dir;
  auto engine = Must(Engine::Open({.path = dir.file()}));
  for (int i = 0; i < 100; ++i) {
    const auto ack = Must(engine->Enqueue({Spec()}, {.durability = Durability::kMemory})).front();
    const JobRef job{.id = ack.id, .queue = i % 2 == 0 ? "q" : ""};
    if (i % 3 == 0) {
      CHECK(Must(engine->GetJob(job)).state == JobState::kReady);
    } else if (i % 3 == 1) {
      CHECK(Must(engine->GetOutcome(job)).state == JobState::kReady);
    } else {
      CHECK(engine->WaitFinished(job, 0).status().code() == Code::kTimeout);
    }
  }
  CHECK(engine->GetJob({.id = "none", .queue = ""}).status().code() == Code::kNotFound);
}

TEST_CASE("a store in memory has the same API", "[engine]") {
  auto engine = Must(Engine::Open({.path = ":memory:"}));
  CHECK(engine->durability() == Durability::kMemory);
  auto session = Must(engine->OpenSession({.queues = {"q"}}));
  const std::string id = Add(*engine, Spec()).id;
  const LeasedJob job = TakeOne(*session);
  CHECK(SettleAndWait(*session, job.token, Completed("7")).status.ok());
  CHECK(Must(engine->WaitFinished({.id = id, .queue = ""}, -1)).result == "7");
  CHECK(Must(engine->ListWorkers()).size() == 1);
}

TEST_CASE("an id that exists answers with the existing job", "[engine]") {
  TempDir dir;
  auto engine = Must(Engine::Open({.path = dir.file()}));
  JobSpec spec = Spec("a");
  spec.id = "order-1";
  CHECK_FALSE(Add(*engine, spec).existing);
  spec.name = "b";
  CHECK(Add(*engine, spec).existing);
  CHECK(Must(engine->GetJob({.id = "order-1", .queue = ""})).spec.name == "a");
  spec.queue = "other";
  CHECK_FALSE(Add(*engine, spec).existing);
  CHECK(Must(engine->GetJob({.id = "order-1", .queue = "other"})).spec.name == "b");
  CHECK(Must(engine->GetJob({.id = "order-1", .queue = "q"})).spec.name == "a");
}

TEST_CASE("many are enqueued together or not at all", "[engine]") {
  TempDir dir;
  auto engine = Must(Engine::Open({.path = dir.file()}));
  std::vector<JobSpec> jobs(3, Spec());
  jobs[2].priority = 3'000'000;
  const auto refused = engine->Enqueue(jobs, {});
  REQUIRE_FALSE(refused.ok());
  CHECK(refused.status().message() ==
        "jobs[2]: priority is 3000000; -2097152 to 2097152 is accepted");
  CHECK(Must(engine->Counts("q")).ready == 0);
  jobs[2].priority = 3;
  CHECK(Must(engine->Enqueue(jobs, {})).size() == 3);
  CHECK(Must(engine->Counts("q")).ready == 3);
  CHECK(Must(engine->Counts("q")).prioritized == 1);
}

TEST_CASE("asynchronous enqueues answer each batch", "[engine]") {
  TempDir dir;
  auto engine = Must(Engine::Open({.path = dir.file(), .writer_queue_ops = 16}));
  constexpr size_t kBatches = 500;  // far more than the queue holds
  std::vector<std::vector<JobSpec>> batches(kBatches, {Spec()});
  batches[7][0].name = "";
  std::atomic<bool> answered{false};
  std::vector<Result<std::vector<EnqueueAck>>> answers;
  engine->EnqueueManyAsync(batches, {}, [&](auto all) {
    answers = std::move(all);
    answered = true;
    answered.notify_all();
  });
  answered.wait(false);
  REQUIRE(answers.size() == kBatches);
  CHECK(answers[7].status().code() == Code::kInvalidArgument);
  CHECK(answers[8].ok());
  CHECK(Must(engine->Counts("q")).ready == static_cast<int64_t>(kBatches) - 1);
}

TEST_CASE("waiting for a job ends with its end", "[engine]") {
  TempDir dir;
  auto engine = Must(Engine::Open({.path = dir.file()}));
  auto other = Must(Engine::Open({.path = dir.file()}));
  const std::string id = Add(*engine, Spec()).id;
  CHECK(engine->WaitFinished({.id = id, .queue = ""}, 1).status().code() == Code::kTimeout);
  CHECK(engine->WaitFinished({.id = "none", .queue = ""}, 1).status().code() == Code::kNotFound);
  auto session = Must(other->OpenSession({.queues = {"q"}}));
  std::thread worker([&] { Must(session->Settle(TakeOne(*session).token, Completed("1"))); });
  CHECK(Must(engine->WaitFinished({.id = id, .queue = ""}, -1)).result == "1");
  worker.join();
}

TEST_CASE("events are followed in order and resumed by id", "[engine]") {
  TempDir dir;
  auto engine = Must(Engine::Open({.path = dir.file()}));
  auto live = Must(engine->Subscribe({.query = {.queue = "q"}}));
  auto session = Must(engine->OpenSession({.queues = {"q"}}));
  const std::string id = Add(*engine, Spec("resize")).id;
  Must(session->Settle(TakeOne(*session).token, Completed("5")));
  std::vector<Event> events;
  while (events.empty() || events.back().type != EventType::kCompleted) {
    for (Event& event : Must(live->Next(10'000)).events) events.push_back(std::move(event));
  }
  REQUIRE(events.size() == 4);
  CHECK(events[0].type == EventType::kAdded);
  CHECK(events[0].name == "resize");
  CHECK(events[1].type == EventType::kActive);
  CHECK(events[2].type == EventType::kDrained);
  CHECK(events[3].job_id == id);
  CHECK(events[3].data == "5");
  for (size_t i = 1; i < events.size(); ++i) CHECK(EventIdLess(events[i - 1].id, events[i].id));
  const EventPage rest = Must(engine->ReadEvents({.queue = "q", .after = events[1].id}));
  REQUIRE(rest.events.size() == 2);
  CHECK(rest.events[1].id == events[3].id);
  CHECK(engine->ReadEvents({.queue = "q", .after = "x"}).status().code() == Code::kInvalidArgument);
  live->Close();
  CHECK(live->Next(-1).status().code() == Code::kClosed);
}

TEST_CASE("an engine that was closed says so", "[engine]") {
  TempDir dir;
  auto engine = Must(Engine::Open({.path = dir.file()}));
  Must(engine->Close());
  Must(engine->Close());
  CHECK(engine->Enqueue({Spec()}, {}).status().code() == Code::kClosed);
  CHECK(engine->Counts("q").status().code() == Code::kClosed);
}

TEST_CASE("two engines on one file count together", "[engine]") {
  TempDir dir;
  auto one = Must(Engine::Open({.path = dir.file()}));
  auto two = Must(Engine::Open({.path = dir.file()}));
  auto session = Must(two->OpenSession({.queues = {"q"}, .slots = 4, .prefetch = 0}));
  constexpr int kJobs = 200;
  for (int i = 0; i < kJobs; ++i) Add(i % 2 == 0 ? *one : *two, Spec(i % 4 == 0 ? "a" : "b"));
  for (int i = 0; i < kJobs; ++i) {
    CHECK(SettleAndWait(*session, TakeOne(*session).token, Completed()).status.ok());
  }
  Must(session->Close(-1));
  Must(two->Close());
  Must(one->Close());
  auto engine = Must(Engine::Open({.path = dir.file()}));
  const std::vector<TaskCounters> counters = Must(engine->ReadCounters("q"));
  REQUIRE(counters.size() == 2);
  CHECK(counters[0].queue == "q");
  CHECK(counters[0].task == "a");
  CHECK(counters[0].enqueued == kJobs / 4);
  CHECK(counters[0].completed == kJobs / 4);
  CHECK(counters[1].started >= kJobs * 3 / 4);  // what nobody takes in time is given back
  int64_t runs = 0;
  for (const int64_t n : counters[1].run_ms) runs += n;
  CHECK(runs == kJobs * 3 / 4);
  CHECK(Must(engine->ReadCounters("other")).empty());
  CHECK(Must(engine->ReadCounters("")).size() == 2);
}

TEST_CASE("what a process counts is seen by others while it is idle", "[engine]") {
  TempDir dir;
  auto one = Must(Engine::Open({.path = dir.file()}));
  auto two = Must(Engine::Open({.path = dir.file()}));
  auto session = Must(one->OpenSession({.queues = {"elsewhere"}}));
  Add(*one, Spec("a"));
  CHECK(Must(one->ReadCounters("q")).front().enqueued == 1);
  for (int i = 0; i < 10'000 && Must(two->ReadCounters("q")).empty(); ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  CHECK(Must(two->ReadCounters("q")).front().enqueued == 1);
}

// A worker process: takes a job, says so, and never ends it.
TEST_CASE("engine child: holds a job", "[.child]") {
  auto engine = Must(Engine::Open({.path = wake::ChildArguments().at(0)}));
  auto session = Must(engine->OpenSession({.queues = {"q"}, .slots = 2}));
  wake::ChildWriteLine(TakeOne(*session).spec.id);
  wake::ChildReadLine();
}

TEST_CASE("the jobs of a killed worker are taken back at once", "[engine]") {
  TempDir dir;
  auto engine = Must(Engine::Open({.path = dir.file()}));
  const std::string id = Add(*engine, Spec()).id;
  wake::ChildProcess child("engine child: holds a job", {dir.file()});
  REQUIRE(child.ReadLine() == id);
  REQUIRE(StateOf(*engine, id) == JobState::kActive);
  auto session = Must(engine->OpenSession({.queues = {"q"}}));
  child.Signal(SIGKILL);
  const LeasedJob job = TakeOne(*session);
  CHECK(job.spec.id == id);
  CHECK(job.crashes == 1);
  CHECK(job.attempt == 1);
  CHECK(SettleAndWait(*session, job.token, Completed()).status.ok());
  CHECK(Must(engine->ListWorkers()).size() == 1);
}

TEST_CASE("a job whose workers die too often is a dead letter", "[engine]") {
  TempDir dir;
  auto engine = Must(Engine::Open({.path = dir.file()}));
  JobSpec spec = Spec();
  spec.max_crashes = 1;
  const std::string id = Add(*engine, spec).id;
  auto watcher = Must(engine->OpenSession({.queues = {"elsewhere"}}));
  for (int i = 0; i < 2; ++i) {
    wake::ChildProcess child("engine child: holds a job", {dir.file()});
    REQUIRE(child.ReadLine() == id);
    child.Signal(SIGKILL);
    child.Join();
  }
  const JobOutcome outcome = Must(engine->WaitFinished({.id = id, .queue = ""}, 10'000));
  CHECK(outcome.state == JobState::kFailed);
  CHECK(outcome.error.find("WorkerLost") != std::string::npos);
}

TEST_CASE("a job delivered at most once is lost with its killed worker", "[engine]") {
  TempDir dir;
  auto engine = Must(Engine::Open({.path = dir.file()}));
  JobSpec spec = Spec();
  spec.delivery = Delivery::kAtMostOnce;
  const std::string id = Add(*engine, spec).id;
  auto session = Must(engine->OpenSession({.queues = {"elsewhere"}}));
  wake::ChildProcess child("engine child: holds a job", {dir.file()});
  REQUIRE(child.ReadLine() == id);
  child.Signal(SIGKILL);
  const JobOutcome outcome = Must(engine->WaitFinished({.id = id, .queue = ""}, 10'000));
  CHECK(outcome.state == JobState::kFailed);
  CHECK(outcome.error.find("JobLost") != std::string::npos);
}

TEST_CASE("a stopped worker keeps its job until the job's time limit", "[engine]") {
  TempDir dir;
  auto engine = Must(Engine::Open({.path = dir.file()}));
  JobSpec spec = Spec();
  spec.time_limit_ms = 200;
  const std::string id = Add(*engine, spec).id;
  auto watcher = Must(engine->OpenSession({.queues = {"elsewhere"}}));
  wake::ChildProcess child("engine child: holds a job", {dir.file()});
  REQUIRE(child.ReadLine() == id);
  {
    // Not in the middle of a commit: a process that is stopped there keeps every writer waiting.
    auto store = Must(store::Store::Open({.path = dir.file()}));
    Must(store->LockWriter());
    child.Signal(SIGSTOP);
    int status = 0;
    REQUIRE(waitpid(child.pid(), &status, WUNTRACED) == child.pid());
    REQUIRE(WIFSTOPPED(status));
    store->UnlockWriter();
  }
  const JobOutcome outcome = Must(engine->WaitFinished({.id = id, .queue = ""}, 30'000));
  CHECK(outcome.state == JobState::kFailed);
  CHECK(outcome.error.find("TimeLimitExceeded") != std::string::npos);
}

}  // namespace millrace::testing
