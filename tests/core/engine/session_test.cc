// What a worker session does with the jobs that it leases.
#include <atomic>
#include <thread>

#include "catch.h"
#include "engine/engine_test_util.h"

namespace millrace::testing {
namespace {

constexpr int64_t kStart = 1'700'000'000'000;

struct Fixture {
  explicit Fixture(SessionOptions options = {}) {
    engine = Must(Engine::Open({.path = dir.file(), .clock = clock}));
    if (options.queues.empty()) options.queues = {"q"};
    session = Must(engine->OpenSession(std::move(options)));
  }
  TempDir dir;
  std::shared_ptr<ManualClock> clock = std::make_shared<ManualClock>(kStart);
  std::unique_ptr<Engine> engine;
  std::unique_ptr<Session> session;
};

}  // namespace

TEST_CASE("a job goes through its whole life", "[session]") {
  Fixture f;
  const EnqueueAck ack = Add(*f.engine, Spec("add", R"({"a":1})"));
  CHECK(ack.durability == Durability::kPower);
  CHECK_FALSE(ack.existing);
  const LeasedJob job = TakeOne(*f.session);
  CHECK(job.spec.id == ack.id);
  CHECK(job.spec.name == "add");
  CHECK(job.spec.data == R"({"a":1})");
  CHECK(job.attempt == 1);
  CHECK(StateOf(*f.engine, ack.id) == JobState::kActive);
  const Settled settled = SettleAndWait(*f.session, job.token, Completed("3"));
  CHECK(settled.status.ok());
  CHECK(settled.id == ack.id);
  CHECK(settled.queue == "q");
  const JobOutcome outcome = Must(f.engine->WaitFinished({.id = ack.id, .queue = ""}, 0));
  CHECK(outcome.state == JobState::kCompleted);
  CHECK(outcome.result == "3");
}

TEST_CASE("a failed attempt is retried after its back-off, then dead", "[session]") {
  Fixture f;
  JobSpec spec = Spec();
  spec.retry = {.max_attempts = 2, .backoff = {.kind = Backoff::Kind::kFixed, .delay_ms = 60'000}};
  const std::string id = Add(*f.engine, spec).id;
  Settled settled = SettleAndWait(*f.session, TakeOne(*f.session).token, Failed("first"));
  CHECK(settled.state == JobState::kScheduled);
  CHECK(settled.due_at_ms == kStart + 60'000);
  CHECK(Must(f.session->Take(1, 0)).empty());
  f.clock->Advance(60'000);
  const LeasedJob second = TakeOne(*f.session);
  CHECK(second.attempt == 2);
  settled = SettleAndWait(*f.session, second.token, Failed("second"));
  CHECK(settled.state == JobState::kFailed);
  const JobInfo info = Must(f.engine->GetJob({.id = id, .queue = ""}));
  CHECK(info.attempts_made == 2);
  CHECK(info.error.find("second") != std::string::npos);
  REQUIRE(info.attempt_errors.size() == 1);
  CHECK(info.attempt_errors[0].find("first") != std::string::npos);
}

TEST_CASE("a handler's own policy and delay replace the job's", "[session]") {
  Fixture f;
  Add(*f.engine, Spec());
  Outcome retry = Failed();
  retry.kind = Outcome::Kind::kRetry;
  retry.delay_ms = 5'000;
  retry.policy = RetryPolicy{.max_attempts = 3, .backoff = {}};
  const Settled settled = SettleAndWait(*f.session, TakeOne(*f.session).token, retry);
  CHECK(settled.state == JobState::kScheduled);
  CHECK(settled.due_at_ms == kStart + 5'000);
}

TEST_CASE("a quiet session tells only what must be acted on", "[session]") {
  Fixture f({.queues = {"q"}, .slots = 2, .quiet = true});
  const std::string good = Add(*f.engine, Spec()).id;
  const LeasedJob first = TakeOne(*f.session);
  Must(f.session->Settle(first.token, Completed()));
  CHECK(Must(f.engine->WaitFinished({.id = good, .queue = "q"}, 10'000)).state ==
        JobState::kCompleted);
  // The next one is too late: that is told, and nothing else.
  JobSpec spec = Spec();
  spec.time_limit_ms = 1'000;
  const std::string late = Add(*f.engine, spec).id;
  const LeasedJob second = TakeOne(*f.session);
  f.clock->Advance(1'000);
  const Notices limit = Must(f.session->Drain(10'000));
  REQUIRE(limit.signals.size() == 1);
  CHECK(limit.settled.empty());
  CHECK_FALSE(limit.drained);
  Must(f.session->Settle(second.token, Completed()));
  std::vector<Settled> settled;
  while (settled.empty()) {
    Notices notices = Must(f.session->Drain(10'000));
    CHECK_FALSE(notices.drained);
    settled = std::move(notices.settled);
  }
  REQUIRE(settled.size() == 1);
  CHECK(settled[0].id == late);
  CHECK(settled[0].status.code() == Code::kLeaseLost);
}

TEST_CASE("a released job keeps its attempts and its place", "[session]") {
  Fixture f({.queues = {"q"}, .slots = 1, .prefetch = 0});
  const std::string first = Add(*f.engine, Spec()).id;
  Add(*f.engine, Spec());
  const LeasedJob job = TakeOne(*f.session);
  REQUIRE(job.spec.id == first);
  Outcome release;
  release.kind = Outcome::Kind::kReleased;
  Must(f.session->Settle(job.token, release));
  const LeasedJob again = TakeOne(*f.session);
  CHECK(again.spec.id == first);
  CHECK(again.attempt == 1);
}

TEST_CASE("only as many jobs are claimed as there are slots", "[session]") {
  Fixture f({.queues = {"q"}, .slots = 2, .prefetch = 0});
  for (int i = 0; i < 5; ++i) Add(*f.engine, Spec());
  CHECK(TakeOne(*f.session).token != TakeOne(*f.session).token);
  CHECK(Must(f.session->Take(5, 0)).empty());
  const QueueCounts counts = Must(f.engine->Counts("q"));
  CHECK(counts.active == 2);
  CHECK(counts.ready == 3);
}

TEST_CASE("a cancel request reaches the handler of a running job", "[session]") {
  Fixture f;
  const std::string id = Add(*f.engine, Spec()).id;
  const LeasedJob job = TakeOne(*f.session);
  CHECK(Must(f.engine->Cancel({.id = id, .queue = ""}, "not needed", {})) ==
        CancelResult::kRequested);
  const Signal signal = NextSignal(*f.session);
  CHECK(signal.kind == Signal::Kind::kCancel);
  CHECK(signal.token == job.token);
  CHECK(signal.reason == "not needed");
  SECTION("the handler honours it") {
    Outcome outcome;
    outcome.kind = Outcome::Kind::kCancelled;
    CHECK(SettleAndWait(*f.session, job.token, outcome).state == JobState::kCancelled);
  }
  SECTION("the handler fails: it is not retried") {
    Outcome failed = Failed();
    failed.policy = RetryPolicy{.max_attempts = 5, .backoff = {}};
    CHECK(SettleAndWait(*f.session, job.token, failed).state == JobState::kCancelled);
  }
  SECTION("the handler completes first: it is completed") {
    CHECK(SettleAndWait(*f.session, job.token, Completed()).state == JobState::kCompleted);
  }
}

TEST_CASE("time limits: a warning, then the attempt fails under the handler", "[session]") {
  Fixture f;
  JobSpec spec = Spec();
  spec.soft_time_limit_ms = 1'000;
  spec.time_limit_ms = 2'000;
  const std::string id = Add(*f.engine, spec).id;
  const LeasedJob job = TakeOne(*f.session);
  f.clock->Advance(1'000);
  CHECK(NextSignal(*f.session).kind == Signal::Kind::kSoftLimit);
  f.clock->Advance(1'000);
  CHECK(NextSignal(*f.session).kind == Signal::Kind::kHardLimit);
  CHECK(StateOf(*f.engine, id) == JobState::kFailed);
  CHECK(SettleAndWait(*f.session, job.token, Completed()).status.code() == Code::kLeaseLost);
  CHECK(StateOf(*f.engine, id) == JobState::kFailed);
}

TEST_CASE("a jump of the wall clock ends no lease", "[session]") {
  Fixture f;
  JobSpec spec = Spec();
  spec.time_limit_ms = 60'000;
  const std::string id = Add(*f.engine, spec).id;
  const LeasedJob job = TakeOne(*f.session);
  f.clock->JumpWall(86'400'000);
  f.clock->JumpWall(-3 * 86'400'000);
  CHECK(SettleAndWait(*f.session, job.token, Completed()).state == JobState::kCompleted);
}

TEST_CASE("pause gives back what was not taken, resume goes on", "[session]") {
  Fixture f({.queues = {"q"}, .slots = 4, .prefetch = 0});
  for (int i = 0; i < 4; ++i) Add(*f.engine, Spec());
  const LeasedJob running = TakeOne(*f.session);
  f.session->Pause();
  CHECK(SettleAndWait(*f.session, running.token, Completed()).status.ok());
  CHECK(Must(f.session->Take(4, 0)).empty());
  CHECK(Must(f.engine->Counts("q")).ready == 3);
  f.session->Resume();
  TakeOne(*f.session);
}

TEST_CASE("a paused queue gives no job until it is resumed", "[session]") {
  Fixture f;
  Must(f.engine->Pause("q", {}));
  Add(*f.engine, Spec());
  CHECK(Must(f.session->Take(1, 0)).empty());
  Must(f.engine->Resume("q", {}));
  TakeOne(*f.session);
}

TEST_CASE("progress and log lines are kept with the job", "[session]") {
  Fixture f;
  const std::string id = Add(*f.engine, Spec()).id;
  const LeasedJob job = TakeOne(*f.session);
  Must(f.session->Progress(job.token, R"({"percent":50})"));
  Must(f.session->Log(job.token, "half way"));
  CHECK(SettleAndWait(*f.session, job.token, Completed()).status.ok());
  CHECK(Must(f.engine->GetJob({.id = id, .queue = ""})).progress == R"({"percent":50})");
  const std::vector<LogLine> lines = Must(f.engine->GetLogs({.id = id, .queue = ""}, 0, 10));
  REQUIRE(lines.size() == 1);
  CHECK(lines[0].text == "half way");
  CHECK(f.session->Progress(job.token, "1").code() == Code::kNotFound);
}

TEST_CASE("a checkpoint comes back with the job until it ends", "[session]") {
  Fixture f;
  JobSpec spec = Spec();
  spec.retry = {.max_attempts = 2, .backoff = {}};
  const std::string id = Add(*f.engine, spec).id;
  LeasedJob job = TakeOne(*f.session);
  CHECK(job.checkpoint.empty());
  Must(f.session->Checkpoint(job.token, "1"));
  Must(f.session->Checkpoint(job.token, R"({"row":2})"));
  CHECK(f.session->Checkpoint(job.token, "{").message() ==
        R"(checkpoint is "{"; JSON text of at most 500 levels is accepted)");
  CHECK(SettleAndWait(*f.session, job.token, Failed()).state == JobState::kReady);
  CHECK(Must(f.engine->GetJob({.id = id, .queue = ""})).checkpoint == R"({"row":2})");
  job = TakeOne(*f.session);
  CHECK(job.checkpoint == R"({"row":2})");
  CHECK(job.progress.empty());
  CHECK(SettleAndWait(*f.session, job.token, Failed()).state == JobState::kFailed);
  CHECK(Must(f.engine->GetJob({.id = id, .queue = ""})).checkpoint.empty());
  Must(f.engine->Redrive({.id = id, .queue = ""}, {}, {}));
  job = TakeOne(*f.session);
  CHECK(job.checkpoint.empty());
  Must(f.session->Checkpoint(job.token, "3"));
  Must(f.session->Close(0));  // gives the job back
  auto next = Must(f.engine->OpenSession({.queues = {"q"}}));
  job = TakeOne(*next);
  CHECK(job.checkpoint == "3");
  CHECK(SettleAndWait(*next, job.token, Completed()).status.ok());
  CHECK(Must(f.engine->GetJob({.id = id, .queue = ""})).checkpoint.empty());
}

TEST_CASE(
    "a job delivered at most once is given back unstarted, but never taken away and restarted",
    "[session]") {
  Fixture f({.queues = {"q"}, .slots = 2, .prefetch = 0});
  JobSpec spec = Spec();
  spec.delivery = Delivery::kAtMostOnce;
  const std::string started = Add(*f.engine, spec).id;
  const std::string waiting = Add(*f.engine, spec).id;
  const LeasedJob job = TakeOne(*f.session);
  REQUIRE(job.spec.id == started);
  for (int i = 0; i < 10'000 && Must(f.engine->Counts("q")).active != 2; ++i)
    std::this_thread::yield();
  Must(f.session->Close(0));
  CHECK(StateOf(*f.engine, waiting) == JobState::kReady);
  CHECK(StateOf(*f.engine, started) == JobState::kFailed);
  CHECK(Must(f.engine->GetJob({.id = started, .queue = ""})).error.find("JobLost") !=
        std::string::npos);
}

TEST_CASE("what nobody takes goes back to the queue", "[session]") {
  Fixture f({.queues = {"q"}, .slots = 1, .prefetch = 3});
  for (int i = 0; i < 4; ++i) Add(*f.engine, Spec());
  const LeasedJob job = TakeOne(*f.session);
  // The one slot is busy; the three behind it must not wait for it once the patience of the session
  // is over.
  for (int i = 0; i < 10'000 && Must(f.engine->Counts("q")).ready != 3; ++i) {
    f.clock->Advance(10);
    std::this_thread::yield();
  }
  CHECK(Must(f.engine->Counts("q")).ready == 3);
  CHECK(SettleAndWait(*f.session, job.token, Completed()).status.ok());
  TakeOne(*f.session);
}

TEST_CASE("a taker that is slow to wake up gets its jobs", "[session]") {
  Fixture f({.queues = {"q"}, .slots = 2, .prefetch = 2});
  constexpr int kJobs = 300;
  std::atomic<bool> done{false};
  // Time flies for this worker: every job has waited too long by the time that anybody can look at
  // it.
  std::thread time([&] {
    while (!done) {
      f.clock->Advance(60);
      std::this_thread::yield();
    }
  });
  std::thread worker([&] {
    for (int i = 0; i < kJobs; ++i) Must(f.session->Settle(TakeOne(*f.session).token, Completed()));
    done = true;
  });
  JobSpec spec = Spec();
  spec.keep_completed = Keep{};  // for ever: days pass here, and retention would clean the jobs
  for (int i = 0; i < kJobs; ++i) Add(*f.engine, spec);
  worker.join();
  time.join();
  Must(f.session->Close(-1));
  CHECK(Must(f.engine->Counts("q")).completed == kJobs);
}

TEST_CASE("a changed number of slots is shown in the listing", "[session]") {
  Fixture f({.queues = {"q"}, .slots = 2});
  f.session->SetSlots(7);
  for (int i = 0; i < 10'000 && Must(f.engine->ListWorkers()).front().slots != 7; ++i)
    std::this_thread::yield();
  CHECK(Must(f.engine->ListWorkers()).front().slots == 7);
}

TEST_CASE("closing releases what still runs", "[session]") {
  Fixture f;
  const std::string id = Add(*f.engine, Spec()).id;
  const LeasedJob job = TakeOne(*f.session);
  Must(f.session->Close(0));
  CHECK(StateOf(*f.engine, id) == JobState::kReady);
  CHECK(f.session->Settle(job.token, Completed()).code() == Code::kNotFound);
  CHECK(f.session->Take(1, 0).status().code() == Code::kClosed);
}

TEST_CASE("closing waits for a handler that ends", "[session]") {
  Fixture f;
  const std::string id = Add(*f.engine, Spec()).id;
  const LeasedJob job = TakeOne(*f.session);
  std::thread closer([&] { Must(f.session->Close(-1)); });
  Must(f.session->Settle(job.token, Completed("1")));
  closer.join();
  CHECK(StateOf(*f.engine, id) == JobState::kCompleted);
}

TEST_CASE("bad arguments are refused before anything changes", "[session]") {
  Fixture f;
  CHECK(f.engine->OpenSession({}).status().code() == Code::kInvalidArgument);
  CHECK(f.engine->OpenSession({.queues = {"a", "a"}}).status().message().find("twice") !=
        std::string::npos);
  CHECK(
      f.engine->OpenSession({.queues = {"a"}, .slots = 0}).status().message().find("slots is 0") ==
      0);
  CHECK(f.session->Take(0, 0).status().code() == Code::kInvalidArgument);
  CHECK(f.session->Settle(12345, Completed()).code() == Code::kNotFound);
  Add(*f.engine, Spec());
  const LeasedJob job = TakeOne(*f.session);
  CHECK(f.session->Settle(job.token, Completed("\xff")).code() == Code::kInvalidArgument);
  CHECK(f.session->Settle(job.token, Completed(std::string(17 << 20, 'x'))).code() ==
        Code::kTooLarge);
  CHECK(SettleAndWait(*f.session, job.token, Completed()).status.ok());
}

}  // namespace millrace::testing
