#include "jobs/read.h"

#include "jobs/bulk.h"
#include "jobs/change.h"
#include "jobs/finish.h"
#include "jobs/jobs_test_util.h"
#include "jobs/process.h"

namespace millrace::jobs {
namespace {

using Kind = Outcome::Kind;

std::vector<std::string> Ids(const std::vector<JobInfo>& jobs) {
  std::vector<std::string> ids;
  for (const JobInfo& job : jobs) ids.push_back(job.spec.id);
  return ids;
}

using Names = std::vector<std::string>;

TEST_CASE("a job is read back as it was enqueued", "[jobs][read]") {
  JobsFixture f;
  JobSpec spec = Spec("order-1");
  spec.data = R"({"url":"é"})";
  spec.headers = R"({"trace":"1"})";
  spec.priority = -5;
  spec.lifo = true;
  spec.delay_ms = 1'000;
  spec.expires_in_ms = 9'000;
  spec.retry = {
      .max_attempts = 4,
      .backoff = {
          .kind = Backoff::Kind::kExponential, .delay_ms = 10, .max_ms = 100, .jitter = 0.5}};
  spec.max_crashes = 1;
  spec.time_limit_ms = 60'000;
  spec.soft_time_limit_ms = 50'000;
  spec.keep_logs = 7;
  spec.keep_completed = Keep{.age_ms = 1, .count = 2};
  spec.keep_failed = Keep{.age_ms = 3, .count = 4};
  f.Add(spec);
  const JobInfo job = f.Read("order-1", "q");
  CHECK(job.spec.id == "order-1");
  CHECK(job.spec.queue == "q");
  CHECK(job.spec.name == "task");
  CHECK(job.spec.data == spec.data);
  CHECK(job.spec.headers == spec.headers);
  CHECK(job.spec.priority == -5);
  CHECK(job.spec.lifo);
  CHECK(job.spec.expires_at_ms == f.clock.WallMs() + 9'000);
  CHECK(job.spec.retry.max_attempts == 4);
  CHECK(job.spec.retry.backoff.kind == Backoff::Kind::kExponential);
  CHECK(job.spec.retry.backoff.max_ms == 100);
  CHECK(job.spec.retry.backoff.jitter == 0.5);
  CHECK(job.spec.max_crashes == 1);
  CHECK(job.spec.time_limit_ms == 60'000);
  CHECK(job.spec.soft_time_limit_ms == 50'000);
  CHECK(job.spec.keep_logs == 7);
  CHECK(job.spec.keep_completed->count == 2);
  CHECK(job.spec.keep_failed->age_ms == 3);
  CHECK(job.state == JobState::kScheduled);
  CHECK(job.due_at_ms == f.clock.WallMs() + 1'000);
  CHECK(job.created_at_ms == f.clock.WallMs());
  CHECK(job.attempts_started == 0);
}

TEST_CASE("a job's life shows in what is read of it", "[jobs][read]") {
  JobsFixture f;
  JobSpec spec = Spec();
  spec.retry.max_attempts = 3;
  const std::string id = f.Add(spec).id;
  f.clock.Advance(10);
  f.Settle(f.ClaimOne(), Kind::kFailed, R"({"n":1})");
  JobInfo job = f.Read(id);
  CHECK(job.attempts_started == 1);
  CHECK(job.attempts_made == 1);
  CHECK(job.attempt_errors == Names{R"({"n":1})"});
  f.clock.Advance(10);
  const Lease lease = f.ClaimOne();
  const int64_t started = f.clock.WallMs();
  RequireOk(f.connection().Exec("INSERT INTO processes VALUES (1000000, 3, 42, 'host', 0)"));
  job = f.Read(id);
  CHECK(job.state == JobState::kActive);
  CHECK(job.attempts_started == 2);
  CHECK(job.started_at_ms == started);
  CHECK(job.worker == "host:42");
  RequireOk(f.connection().Exec(
      "INSERT INTO sessions VALUES (1, 1000000, 'painter', 'python', '[\"q\"]', 4, 0)"));
  CHECK(f.Read(id).worker == "painter");
  f.clock.Advance(10);
  f.Settle(lease, Kind::kCompleted, R"("done")");
  job = f.Read(id);
  CHECK(job.state == JobState::kCompleted);
  CHECK(*job.result == R"("done")");
  CHECK(job.error.empty());
  CHECK(job.attempts_started == 2);
  CHECK(job.attempts_made == 2);
  CHECK(job.started_at_ms == started);
  CHECK(job.finished_at_ms == f.clock.WallMs());
  CHECK(job.worker == "painter");
  const JobOutcome outcome = RequireOk(ReadOutcome(f.connection(), {id, ""}));
  CHECK(outcome.state == JobState::kCompleted);
  CHECK(*outcome.result == R"("done")");
  CHECK(outcome.attempts_made == 2);
  CHECK(outcome.finished_at_ms == f.clock.WallMs());
}

TEST_CASE("crashes and releases are starts, not attempts", "[jobs][read]") {
  JobsFixture f;
  JobSpec spec = Spec("a");
  spec.max_crashes = 1;
  f.Add(spec);
  bool lost = false;
  f.MustDo([&](Ledger& ledger) { return RescueJob(ledger, Lease{.key = {.row = 1}}, "", &lost); });
  CHECK(lost);
  const Lease first = f.ClaimOne();
  f.MustDo([&](Ledger& ledger) { return RescueJob(ledger, first, "its worker died", &lost); });
  JobInfo job = f.Read("a");
  CHECK(job.crashes == 1);
  CHECK(job.attempts_started == 1);
  CHECK(job.attempts_made == 0);
  CHECK(job.attempt_errors.size() == 1);
  const Lease second = f.ClaimOne();
  f.MustDo([&](Ledger& ledger) { return RescueJob(ledger, second, "its worker died", &lost); });
  job = f.Read("a");
  CHECK(job.state == JobState::kFailed);
  CHECK(job.crashes == 2);
  CHECK(job.attempts_started == 2);
  CHECK(job.error.find("WorkerLost") != std::string::npos);
}

TEST_CASE("starts within one millisecond are all counted", "[jobs][read]") {
  JobsFixture f;
  JobSpec spec = Spec("a");
  spec.retry.max_attempts = 3;
  f.Add(spec);
  for (int started = 1; started <= 3; ++started) {
    f.Settle(f.ClaimOne(), Kind::kFailed, "{}");
    CHECK(f.Read("a").attempts_started == started);
    CHECK(f.Read("a").attempts_made == started);
  }
  CHECK(f.StateOf("a") == JobState::kFailed);
  f.Add(Spec("b"));  // ended by nobody's attempt
  CancelResult result{};
  f.MustDo([&](Ledger& ledger) { return CancelJob(ledger, {"b", ""}, "", &result); });
  CHECK(f.Read("b").attempts_started == 0);
  spec.id = "c";
  f.Add(spec);
  f.Settle(f.ClaimOne(), Kind::kFailed, "{}");
  f.MustDo([&](Ledger& ledger) { return CancelJob(ledger, {"c", ""}, "", &result); });
  CHECK(f.Read("c").attempts_started == 1);
}

TEST_CASE("an id is looked for in one queue or in all", "[jobs][read]") {
  JobsFixture f;
  f.AddId("same", "q1");
  f.AddId("same", "q2");
  CHECK(f.Read("same", "q1").spec.queue == "q1");
  CHECK(f.Read("same").spec.queue == "q2");
  const std::string generated = f.AddId("", "q1");
  CHECK(f.Read(generated).spec.id == generated);
  RequireError(ReadJob(f.connection(), {generated, "q2"}).status(), Code::kNotFound,
               "in queue \"q2\"");
  RequireError(ReadJob(f.connection(), {"x", "nowhere"}).status(), Code::kNotFound,
               R"(no job "x" in queue "nowhere")");
  RequireError(ReadOutcome(f.connection(), {"x", ""}).status(), Code::kNotFound,
               R"(no job "x" in any queue)");
  RequireError(ReadJob(f.connection(), {"", ""}).status(), Code::kInvalidArgument, "id");
  RequireError(ReadJob(f.connection(), {"a\n", ""}).status(), Code::kInvalidArgument, "id");
  // An id of this store's form, made elsewhere: the same row, another salt.
  std::string foreign = generated;
  foreign.back() = foreign.back() == '0' ? '1' : '0';
  CHECK(ReadJob(f.connection(), {foreign, ""}).status().code() == Code::kNotFound);
}

TEST_CASE("an id that looks like a generated one is found as a user's", "[jobs][read]") {
  JobsFixture f;
  const std::string id = "018bcfe5-687b-7000-8000-000000400000";
  f.AddId(id);
  CHECK(f.Read(id).spec.id == id);
}

TEST_CASE("listings go in the order of the state, either way", "[jobs][read]") {
  JobsFixture f;
  const auto list = [&](JobState state, bool descending, int64_t offset = 0, int64_t limit = 100) {
    return Ids(RequireOk(ListJobs(f.connection(), {.queue = "q",
                                                   .state = state,
                                                   .offset = offset,
                                                   .limit = limit,
                                                   .descending = descending})));
  };
  for (const char* id : {"a", "b", "c"}) f.AddId(id);
  JobSpec spec = Spec("first");
  spec.priority = -1;
  f.Add(spec);
  spec = Spec("lifo");
  spec.lifo = true;
  f.Add(spec);
  CHECK(list(JobState::kReady, false) == Names{"first", "lifo", "a", "b", "c"});
  CHECK(list(JobState::kReady, true) == Names{"c", "b", "a", "lifo", "first"});
  CHECK(list(JobState::kReady, false, 1, 2) == Names{"lifo", "a"});
  CHECK(list(JobState::kReady, false, 99).empty());
  f.Add(Delayed(Spec("late"), 500));
  f.Add(Delayed(Spec("soon"), 100));
  CHECK(list(JobState::kScheduled, false) == Names{"soon", "late"});
  CHECK(list(JobState::kScheduled, true) == Names{"late", "soon"});
  const std::vector<Claimed> claimed = f.Claim(3);
  CHECK(list(JobState::kActive, false) == Names{"first", "lifo", "a"});
  CHECK(list(JobState::kActive, true) == Names{"a", "lifo", "first"});
  for (const Claimed& job : {claimed[2], claimed[0], claimed[1]}) {
    f.clock.Advance(1);
    f.Settle(job.lease, Kind::kCompleted);
  }
  CHECK(list(JobState::kCompleted, false) == Names{"a", "first", "lifo"});
  CHECK(list(JobState::kCompleted, true) == Names{"lifo", "first", "a"});
  CHECK(list(JobState::kFailed, false).empty());
  CHECK(list(JobState::kBlocked, false).empty());
}

TEST_CASE("listings look for a name, and refuse what they cannot do", "[jobs][read]") {
  JobsFixture f;
  f.AddId("a");
  JobSpec spec = Spec("b");
  spec.name = "other";
  f.Add(spec);
  CHECK(Ids(RequireOk(ListJobs(f.connection(), {.queue = "q", .name = "other"}))) == Names{"b"});
  CHECK(RequireOk(ListJobs(f.connection(), {.queue = "nowhere"})).empty());
  RequireError(ListJobs(f.connection(), {.queue = ""}).status(), Code::kInvalidArgument, "queue");
  RequireError(ListJobs(f.connection(), {.queue = "q", .offset = -1}).status(),
               Code::kInvalidArgument, "offset is -1");
  RequireError(ListJobs(f.connection(), {.queue = "q", .limit = 0}).status(),
               Code::kInvalidArgument, "limit is 0; 1 to 10000 is accepted");
  RequireError(ListJobs(f.connection(), {.queue = "q", .limit = 10'001}).status(),
               Code::kInvalidArgument, "limit");
  RequireError(ListJobs(f.connection(), {.queue = "q", .state = static_cast<JobState>(9)}).status(),
               Code::kInvalidArgument, "state is 9");
}

TEST_CASE("queues are listed with their counts", "[jobs][read]") {
  JobsFixture f;
  CHECK(RequireOk(ListQueues(f.connection())).empty());
  CHECK(f.Counts("nowhere").queue == "nowhere");
  CHECK(f.Counts("nowhere").ready == 0);
  JobSpec spec = Spec("", "b");
  spec.priority = 3;
  f.Add(spec);
  f.AddId("", "b");
  f.AddId("", "a");
  f.MustDo([](Ledger& ledger) { return PauseQueue(ledger, "c"); });
  const std::vector<QueueCounts> queues = RequireOk(ListQueues(f.connection()));
  REQUIRE(queues.size() == 3);
  CHECK(queues[0].queue == "a");
  CHECK(queues[1].queue == "b");
  CHECK(queues[1].ready == 2);
  CHECK(queues[1].prioritized == 1);
  CHECK(queues[2].queue == "c");
  CHECK(queues[2].paused);
}

TEST_CASE("a job without a place is reported, not hidden", "[jobs][read]") {
  JobsFixture f;
  f.AddId("a");
  RequireOk(f.connection().Exec("DELETE FROM ready"));
  RequireError(ReadJob(f.connection(), {"a", ""}).status(), Code::kCorrupt,
               "job a has a body and no place");
}

}  // namespace
}  // namespace millrace::jobs
