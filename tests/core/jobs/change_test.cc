#include "jobs/change.h"

#include <string>
#include <tuple>
#include <utility>

#include "jobs/finish.h"
#include "jobs/jobs_test_util.h"
#include "jobs/read.h"

namespace millrace::jobs {
namespace {

using Kind = Outcome::Kind;

// RedriveJob as the other changes are.
Status Redrive(Ledger& ledger, const JobRef& job) {
  return RedriveJob(ledger, job);
}

Status Fails(JobsFixture& f, Status (*change)(Ledger&, const JobRef&), const std::string& id) {
  return f.Do([&](Ledger& ledger) { return change(ledger, {id, ""}); });
}

TEST_CASE("a change of a job that does not exist names it", "[jobs][change]") {
  JobsFixture f;
  f.AddId("a");
  RequireError(Fails(f, Redrive, "b"), Code::kNotFound, R"(there is no job "b" in any queue)");
  RequireError(Fails(f, RemoveJob, ""), Code::kInvalidArgument, "id");
  const Status status = f.Do([](Ledger& ledger) { return PromoteJob(ledger, {"a", "other"}); });
  RequireError(status, Code::kNotFound, R"(there is no job "a" in queue "other")");
  f.CheckInvariants();
}

TEST_CASE("a change in a wrong state says where the job stands", "[jobs][change]") {
  JobsFixture f;
  f.AddId("a");
  RequireError(Fails(f, Redrive, "a"), Code::kWrongState,
               "job a is ready; completed, failed and cancelled");
  RequireError(Fails(f, PromoteJob, "a"), Code::kWrongState, "job a is ready; scheduled jobs");
  f.ClaimOne();
  RequireError(Fails(f, RemoveJob, "a"), Code::kWrongState, "job a is active");
  RequireError(Fails(f, Redrive, "a"), Code::kWrongState, "job a is active");
  CHECK(f.StateOf("a") == JobState::kActive);
  f.CheckInvariants();
}

TEST_CASE("a cancelled job keeps the reason as its error", "[jobs][change]") {
  JobsFixture f;
  f.AddId("a");
  CancelResult result{};
  f.MustDo(
      [&](Ledger& ledger) { return CancelJob(ledger, {"a", "q"}, "not \"needed\"", &result); });
  const JobInfo job = f.Read("a");
  CHECK(job.error == R"({"type":"JobCancelled","message":"not \"needed\"","stack":""})");
  CHECK(job.started_at_ms == 0);
  CHECK(job.attempts_started == 0);
  CHECK(job.finished_at_ms == f.clock.WallMs());
  const std::vector<Event> events = f.Events("q", {EventType::kCancelled});
  REQUIRE(events.size() == 1);
  CHECK(events[0].prev == JobState::kReady);
  CHECK(events[0].data == job.error);
  const std::string too_long(kReasonMaxBytes + 1, 'x');
  RequireError(
      f.Do([&](Ledger& ledger) { return CancelJob(ledger, {"a", ""}, too_long, &result); }),
      Code::kTooLarge, "reason has 16385 bytes; at most 16384");
  RequireError(f.Do([&](Ledger& ledger) { return CancelJob(ledger, {"a", ""}, "\xff", &result); }),
               Code::kInvalidArgument, "reason is not valid UTF-8");
  f.CheckInvariants();
}

TEST_CASE("a cancelled job follows its own rule of retention", "[jobs][change]") {
  JobsFixture f;
  JobSpec spec = Spec("a");
  spec.keep_failed = Keep{.age_ms = -1, .count = 0};
  f.Add(spec);
  CancelResult result{};
  f.MustDo([&](Ledger& ledger) { return CancelJob(ledger, {"a", ""}, "", &result); });
  CHECK(result == CancelResult::kCancelled);
  CHECK_FALSE(f.Exists("a"));
  CHECK(f.Counts().cancelled == 0);
  f.CheckInvariants();
}

TEST_CASE("a running job is told that it is to stop, and ends as cancelled", "[jobs][change]") {
  JobsFixture f;
  f.AddId("a");
  const Lease lease = f.ClaimOne();
  CancelResult result{};
  f.MustDo([&](Ledger& ledger) { return CancelJob(ledger, {"a", ""}, "stop", &result); });
  CHECK(result == CancelResult::kRequested);
  CHECK(f.Read("a").cancel_requested);
  CHECK(f.controlled.size() == 1);
  // The handler did not see it and failed: that is no reason to start it again.
  CHECK(f.Settle(lease, Kind::kFailed, "{}").state == JobState::kCancelled);
  f.CheckInvariants();
}

TEST_CASE("a job that nobody has begun keeps the reason, too", "[jobs][change]") {
  JobsFixture f;
  f.AddId("a");
  const Lease lease = f.ClaimOne();
  CancelResult result{};
  const char* reason = nullptr;
  const char* message = nullptr;
  std::tie(reason, message) = GENERATE(std::pair("not \"needed\"", "not \\\"needed\\\""),
                                       std::pair("", "the job was cancelled"));
  f.MustDo([&](Ledger& ledger) { return CancelJob(ledger, {"a", ""}, reason, &result); });
  CHECK(result == CancelResult::kRequested);
  CHECK(f.Settle(lease, Kind::kReleased, "").state == JobState::kCancelled);
  CHECK(f.Read("a").error ==
        R"({"type":"JobCancelled","message":")" + std::string(message) + R"(","stack":""})");
  f.CheckInvariants();
}

TEST_CASE("a redriven job starts as if it were new, and keeps its log", "[jobs][change]") {
  JobsFixture f;
  JobSpec spec = Spec("a");
  spec.retry.max_attempts = 2;
  spec.expires_in_ms = 1'000;
  f.Add(spec);
  Lease lease = f.ClaimOne();
  f.MustDo([&](Ledger& ledger) { return SetLeaseProgress(ledger, lease, "50"); });
  f.MustDo([&](Ledger& ledger) { return AppendLeaseLog(ledger, lease, "first", -1); });
  lease.place.flags |= kHasRun;
  f.Settle(lease, Kind::kFailed, R"({"n":1})");
  f.Settle(f.ClaimOne(), Kind::kFailed, R"({"n":2})");
  JobInfo job = f.Read("a");
  CHECK(job.attempts_started == 2);
  CHECK(job.attempts_made == 2);
  CHECK(job.attempt_errors == std::vector<std::string>{R"({"n":1})"});
  CHECK(job.error == R"({"n":2})");
  CHECK(job.progress == "50");
  f.clock.Advance(5'000);
  f.MustDo([](Ledger& ledger) { return RedriveJob(ledger, {"a", ""}); });
  job = f.Read("a");
  CHECK(job.state == JobState::kReady);
  CHECK(job.attempts_started == 0);
  CHECK(job.attempts_made == 0);
  CHECK(job.started_at_ms == 0);
  CHECK(job.finished_at_ms == 0);
  CHECK(job.attempt_errors.empty());
  CHECK(job.error.empty());
  CHECK(job.progress.empty());
  CHECK(RequireOk(ReadLogs(f.connection(), {"a", ""}, 0, 10)).size() == 1);
  const std::vector<Claimed> claimed = f.Claim();  // its expiry has passed, but somebody wants it
  REQUIRE(claimed.size() == 1);
  CHECK(claimed[0].job.attempt == 1);
  f.Settle(claimed[0].lease, Kind::kCompleted);
  f.CheckInvariants();
}

TEST_CASE("a redriven job takes its old place before newer ones", "[jobs][change]") {
  JobsFixture f;
  f.AddId("old");
  f.Settle(f.ClaimOne(), Kind::kFailed, "{}");
  f.AddId("new");
  f.MustDo([](Ledger& ledger) { return RedriveJob(ledger, {"old", ""}); });
  CHECK(f.ClaimOne().key.custom_id == "old");
}

TEST_CASE("progress may be set in any state, and goes with the job", "[jobs][change]") {
  JobsFixture f;
  const auto set = [&](const std::string& id, const std::string& json) {
    f.MustDo([&](Ledger& ledger) { return SetProgress(ledger, {id, ""}, json, 1'000); });
    CHECK(f.Read(id).progress == json);
    CHECK(RequireOk(ReadOutcome(f.connection(), {id, ""})).progress == json);
    f.CheckInvariants();
  };
  f.Add(Delayed(Spec("a"), 1'000));
  set("a", "1");
  f.clock.Advance(1'000);
  const Lease lease = f.ClaimOne();
  set("a", "[2]");
  f.Settle(lease, Kind::kCompleted);
  set("a", R"({"three":3})");
  f.AddId("b");
  set("b", "4");
  CHECK(f.Claim()[0].job.progress == "4");
  f.AddId("c");
  const Lease unaware = f.ClaimOne();
  REQUIRE_FALSE(unaware.place.has(kHasRun));
  set("c", "5");  // from outside, while its holder knows nothing of it
  f.Settle(unaware, Kind::kCompleted);
  CHECK(f.Read("c").progress == "5");
  f.MustDo([](Ledger& ledger) { return RemoveJob(ledger, {"c", ""}); });
  f.CheckInvariants();
  const std::vector<Event> events = f.Events("q", {EventType::kProgress});
  REQUIRE(events.size() == 5);
  CHECK(events[2].data == R"({"three":3})");
  CHECK(events[2].state == JobState::kCompleted);
}

TEST_CASE("progress that is not JSON, too deep or too large is refused", "[jobs][change]") {
  JobsFixture f;
  f.AddId("a");
  const auto set = [&](const std::string& json) {
    return f.Do([&](Ledger& ledger) { return SetProgress(ledger, {"a", ""}, json, 10'000); });
  };
  RequireError(set("{"), Code::kInvalidArgument,
               R"(progress is "{"; JSON text of at most 500 levels is accepted)");
  RequireError(set(""), Code::kInvalidArgument, "progress is \"\"");
  RequireError(set(std::string(501, '[') + std::string(501, ']')), Code::kInvalidArgument,
               "500 levels");
  RequireError(set(std::string(10'001, '1')), Code::kTooLarge,
               "progress has 10001 bytes; at most 10000");
  CHECK(f.Read("a").progress.empty());
}

TEST_CASE("a lost lease cannot report", "[jobs][change]") {
  JobsFixture f;
  f.AddId("a");
  const Lease lost = f.ClaimOne();
  f.Settle(lost, Kind::kReleased);
  const Lease held = f.ClaimOne();
  RequireError(f.Do([&](Ledger& ledger) { return SetLeaseProgress(ledger, lost, "1"); }),
               Code::kLeaseLost, "job a");
  RequireError(f.Do([&](Ledger& ledger) { return AppendLeaseLog(ledger, lost, "x", -1); }),
               Code::kLeaseLost, "");
  CHECK(f.Read("a").progress.empty());
  f.MustDo([&](Ledger& ledger) { return SetLeaseProgress(ledger, held, "2"); });
  CHECK(f.Read("a").progress == "2");
  f.CheckInvariants();
}

TEST_CASE("a log keeps the newest lines that the job asks for", "[jobs][change]") {
  JobsFixture f;
  JobSpec spec = Spec("a");
  spec.keep_logs = 3;
  f.Add(spec);
  for (int i = 0; i < 5; ++i) {
    f.MustDo(
        [&](Ledger& ledger) { return AppendLog(ledger, {"a", ""}, "line " + std::to_string(i)); });
  }
  std::vector<LogLine> lines = RequireOk(ReadLogs(f.connection(), {"a", ""}, 0, 10));
  REQUIRE(lines.size() == 3);
  CHECK(lines[0].text == "line 2");
  CHECK(lines[2].text == "line 4");
  CHECK(lines[2].at_ms == f.clock.WallMs());
  lines = RequireOk(ReadLogs(f.connection(), {"a", ""}, 1, 1));
  REQUIRE(lines.size() == 1);
  CHECK(lines[0].text == "line 3");
  spec = Spec("none");
  spec.keep_logs = 0;
  f.Add(spec);
  f.MustDo([&](Ledger& ledger) { return AppendLog(ledger, {"none", ""}, "x"); });
  CHECK(RequireOk(ReadLogs(f.connection(), {"none", ""}, 0, 10)).empty());
  RequireError(f.Do([&](Ledger& ledger) {
    return AppendLog(ledger, {"a", ""}, std::string(kLogLineMaxBytes + 1, 'x'));
  }),
               Code::kTooLarge, "line has 65537 bytes");
  RequireError(f.Do([](Ledger& ledger) { return AppendLog(ledger, {"a", ""}, "\xc3"); }),
               Code::kInvalidArgument, "line is not valid UTF-8");
  f.CheckInvariants();
}

TEST_CASE("the store bounds the log of a job that asks for all lines", "[jobs][change]") {
  JobsFixture f;
  f.AddId("a");
  f.MustDo([](Ledger& ledger) {
    for (int64_t i = 0; i < kLogLinesMax + 5; ++i) {
      const Status status = AppendLog(ledger, {"a", ""}, std::to_string(i));
      if (!status.ok()) return status;
    }
    return Status::Ok();
  });
  const std::vector<LogLine> lines =
      RequireOk(ReadLogs(f.connection(), {"a", ""}, 0, kListLimitMax));
  REQUIRE(std::ssize(lines) == kLogLinesMax);
  CHECK(lines[0].text == "5");
}

TEST_CASE("a removed job leaves nothing", "[jobs][change]") {
  JobsFixture f;
  JobSpec spec = Spec("a");
  spec.retry.max_attempts = 2;
  f.Add(spec);
  f.Settle(f.ClaimOne(), Kind::kFailed, "{}");
  f.MustDo([](Ledger& ledger) { return AppendLog(ledger, {"a", ""}, "x"); });
  f.Settle(f.ClaimOne(), Kind::kFailed, "{}");
  f.MustDo([](Ledger& ledger) { return RemoveJob(ledger, {"a", ""}); });
  for (const char* table :
       {"jobs", "job_keys", "job_runs", "attempt_errors", "job_logs", "finished", "ready"}) {
    CAPTURE(table);
    CHECK(f.Int(("SELECT count(*) FROM " + std::string(table)).c_str()) == 0);
  }
  const std::vector<Event> events = f.Events("q", {EventType::kRemoved});
  REQUIRE(events.size() == 1);
  CHECK(events[0].prev == JobState::kFailed);
  f.CheckInvariants();
}

TEST_CASE("a redriven job goes on with the counts that it keeps", "[jobs][change]") {
  for (const bool made : {false, true}) {
    for (const bool started : {false, true}) {
      JobsFixture f;
      JobSpec spec = Spec("a");
      spec.retry.max_attempts = 3;
      f.Add(spec);
      Outcome postponed = MakeOutcome(Kind::kReleased, "");
      postponed.delay_ms = 1;
      f.Settle(f.ClaimOne(), postponed);
      f.clock.Advance(1);
      f.Settle(f.ClaimOne(), Kind::kFailed, R"({"type":"E","message":"m","stack":""})");
      f.clock.Advance(1);
      f.Settle(f.ClaimOne(), Kind::kCompleted);
      CHECK(f.Read("a").attempts_started == 3);
      CHECK(f.Read("a").attempts_made == 2);
      f.MustDo([&](Ledger& ledger) {
        return RedriveJob(ledger, {"a", ""},
                          {.keep_attempts_started = started, .keep_attempts_made = made});
      });
      CHECK(f.Read("a").attempts_started == (started ? 3 : 0));
      CHECK(f.Read("a").attempts_made == (made ? 2 : 0));
      CHECK(f.Read("a").attempt_errors.size() == (made ? 1 : 0));
      f.CheckInvariants();
      const std::vector<Claimed> claimed = f.Claim();
      REQUIRE(claimed.size() == 1);
      CHECK(claimed[0].job.attempt == (made ? 3 : 1));
      f.Settle(claimed[0].lease, Kind::kFailed, R"({"type":"E","message":"m","stack":""})");
      CHECK(f.StateOf("a") == (made ? JobState::kFailed : JobState::kReady));
      f.CheckInvariants();
    }
  }
}

TEST_CASE("a job that ran once and never failed keeps its count too", "[jobs][change]") {
  JobsFixture f;
  f.AddId("a");
  f.Settle(f.ClaimOne(), Kind::kCompleted);
  f.MustDo([](Ledger& ledger) {
    return RedriveJob(ledger, {"a", ""},
                      {.keep_attempts_started = true, .keep_attempts_made = true});
  });
  CHECK(f.Read("a").attempts_made == 1);
  f.Settle(f.ClaimOne(), Kind::kCompleted);
  CHECK(f.Read("a").attempts_made == 2);
  CHECK(f.Read("a").attempts_started == 2);
  f.CheckInvariants();
}

}  // namespace
}  // namespace millrace::jobs
