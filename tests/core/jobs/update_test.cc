#include "jobs/update.h"

#include "base/seal.h"
#include "flows/flows_test_util.h"
#include "jobs/jobs_test_util.h"
#include "jobs/limit_rules.h"
#include "jobs/payloads.h"

namespace millrace::jobs {
namespace {

using Kind = Outcome::Kind;

Status Update(JobsFixture& f, const std::string& id, const JobChange& change) {
  return f.Do([&](Ledger& ledger) { return UpdateJob(ledger, {id, ""}, change); });
}

std::vector<std::string> Order(JobsFixture& f) {
  std::vector<std::string> ids;
  for (const Claimed& claimed : f.Claim(10)) ids.push_back(claimed.lease.key.PublicId());
  return ids;
}

TEST_CASE("another priority is another place in the order", "[jobs][update]") {
  JobsFixture f;
  for (const char* id : {"a", "b", "c", "d"}) f.AddId(id);
  RequireOk(Update(f, "a", {.priority = 5}));
  RequireOk(Update(f, "c", {.priority = -1}));
  RequireOk(Update(f, "d", {.lifo = true}));
  CHECK(f.Counts().ready == 4);
  CHECK(f.Counts().prioritized == 2);
  CHECK(f.Read("a").spec.priority == 5);
  CHECK(f.Read("d").spec.lifo);
  CHECK(f.Read("d").spec.max_crashes == JobSpec{}.max_crashes);
  CHECK(f.Read("d").spec.retry.max_attempts == 1);
  CHECK(f.Events("q", {EventType::kReady, EventType::kScheduled}).empty());
  f.CheckInvariants();
  RequireOk(Update(f, "c", {.priority = 0}));
  CHECK(f.Counts().prioritized == 1);
  RequireOk(Update(f, "c", {.priority = -1, .lifo = false}));
  CHECK(Order(f) == std::vector<std::string>{"c", "d", "b", "a"});
  f.CheckInvariants();
}

TEST_CASE("another time moves a job between scheduled and ready", "[jobs][update]") {
  JobsFixture f;
  f.Add(Delayed(Spec("a"), 1'000));
  RequireOk(Update(f, "a", {.delay_ms = 5'000}));
  CHECK(f.Read("a").due_at_ms == f.clock.WallMs() + 5'000);
  CHECK(f.Read("a").spec.due_at_ms == f.clock.WallMs() + 5'000);
  RequireOk(Update(f, "a", {.priority = 3}));
  CHECK(f.Read("a").due_at_ms == f.clock.WallMs() + 5'000);
  RequireOk(Update(f, "a", {.due_at_ms = f.clock.WallMs() - 1}));
  CHECK(f.StateOf("a") == JobState::kReady);
  CHECK(f.Counts().prioritized == 1);
  RequireOk(Update(f, "a", {.priority = 0, .delay_ms = 10}));
  CHECK(f.StateOf("a") == JobState::kScheduled);
  CHECK(f.Counts().prioritized == 0);
  CHECK(f.Counts().scheduled == 1);
  const std::vector<Event> events = f.Events("q", {EventType::kReady, EventType::kScheduled});
  REQUIRE(events.size() == 3);
  CHECK(events[0].type == EventType::kScheduled);
  CHECK(events[0].due_at_ms == f.clock.WallMs() + 5'000);
  CHECK(events[0].prev == JobState::kScheduled);
  CHECK(events[1].type == EventType::kReady);
  CHECK(events[1].prev == JobState::kScheduled);
  CHECK(events[2].prev == JobState::kReady);
  f.CheckInvariants();
  f.clock.Advance(10);
  CHECK(Order(f) == std::vector<std::string>{"a"});
  f.CheckInvariants();
}

TEST_CASE("a retry's time can be changed too", "[jobs][update]") {
  JobsFixture f;
  JobSpec spec = Spec("a");
  spec.retry = {.max_attempts = 3, .backoff = {.kind = Backoff::Kind::kFixed, .delay_ms = 1'000}};
  f.Add(spec);
  f.Settle(f.ClaimOne(), Kind::kFailed, R"({"type":"E","message":"m","stack":""})");
  RequireOk(Update(f, "a", {.delay_ms = 7}));
  CHECK(f.Read("a").due_at_ms == f.clock.WallMs() + 7);
  f.clock.Advance(7);
  const std::vector<Claimed> claimed = f.Claim();
  REQUIRE(claimed.size() == 1);
  CHECK(claimed[0].job.attempt == 2);
  f.CheckInvariants();
}

TEST_CASE("data can be changed in any state; a running job is not told", "[jobs][update]") {
  JobsFixture f;
  JobSpec spec = Spec("a");
  spec.retry.max_attempts = 2;
  f.Add(spec);
  RequireOk(Update(f, "a", {.data = R"({"n":1})"}));
  std::vector<Claimed> claimed = f.Claim();
  REQUIRE(claimed.size() == 1);
  CHECK(claimed[0].job.spec.data == R"({"n":1})");
  RequireOk(Update(f, "a", {.data = "\x01\x02", .content_type = ContentType::kBytes}));
  RequireError(Update(f, "a", {.priority = 1}), Code::kWrongState, "job a is active");
  f.Settle(claimed[0].lease, Kind::kFailed, R"({"type":"E","message":"m","stack":""})");
  claimed = f.Claim();
  REQUIRE(claimed.size() == 1);
  CHECK(claimed[0].job.spec.data == "\x01\x02");
  CHECK(claimed[0].job.spec.content_type == ContentType::kBytes);
  f.Settle(claimed[0].lease, Kind::kCompleted);
  RequireOk(Update(f, "a", {.data = "3"}));
  CHECK(f.Read("a").spec.data == "3");
  RequireError(Update(f, "a", {.delay_ms = 1}), Code::kWrongState, "job a is completed");
  f.CheckInvariants();
}

TEST_CASE("sealed data stays sealed", "[jobs][update]") {
  const auto keyring = RequireOk(Keyring::Create(
      {.keys = {{.id = "k", .secret = std::string(32, 's')}}, .mode = Sealing::kNone}));
  JobsFixture f({.keyring = keyring.get()});
  JobSpec spec = Spec("a");
  spec.sealing = Sealing::kEncrypt;
  SealSpec(*keyring, &spec);
  f.Add(spec);
  RequireOk(Update(f, "a", {.data = R"("secret")", .priority = 1}));
  JobInfo job = f.Read("a");
  CHECK(job.spec.data.find("secret") == std::string::npos);
  RequireOk(OpenJob(*keyring, &job));
  CHECK(job.spec.data == R"("secret")");
}

TEST_CASE("a blocked job stays blocked, and waits for its new time too", "[jobs][update]") {
  flows::FlowsFixture f;
  f.AddAll({Spec("a"), flows::After(Spec("b"), {0}), flows::After(Spec("c"), {0})});
  RequireOk(Update(f, "b", {.priority = 2, .delay_ms = 100}));
  RequireOk(Update(f, "c", {.priority = -1}));
  CHECK(f.StateOf("b") == JobState::kBlocked);
  f.CheckInvariants();
  f.Run("a");
  CHECK(f.StateOf("b") == JobState::kScheduled);
  f.Add(Spec("later"));
  CHECK(Order(f) == std::vector<std::string>{"c", "later"});
  f.clock.Advance(100);
  CHECK(Order(f) == std::vector<std::string>{"b"});
  f.CheckInvariants();
}

TEST_CASE("jobs of groups, and those that a limit holds back, move as others do",
          "[jobs][update]") {
  JobsFixture f;
  for (const char* id : {"a", "b"}) {
    JobSpec spec = Spec(id);
    spec.group = "g";
    f.Add(spec);
  }
  RequireOk(Update(f, "b", {.priority = -1}));
  f.CheckInvariants();
  CHECK(Order(f) == std::vector<std::string>{"b", "a"});

  f.MustDo([](Ledger& ledger) {
    return SetLimit(ledger, {.scope = LimitScope::kTask, .task = "limited", .concurrency = 1});
  });
  for (const char* id : {"x", "y", "z"}) {
    JobSpec spec = Spec(id);
    spec.name = "limited";
    f.Add(spec);
  }
  const Lease x = f.ClaimOne();
  CHECK(f.Claim(5).empty());  // parks the others
  RequireOk(Update(f, "z", {.priority = -1}));
  RequireOk(Update(f, "y", {.delay_ms = 10}));
  f.CheckInvariants();
  CHECK(f.Claim(5).empty());
  f.Settle(x, Kind::kCompleted);
  CHECK(Order(f) == std::vector<std::string>{"z"});
  f.CheckInvariants();
}

TEST_CASE("a change that is no change, or of another state, is refused", "[jobs][update]") {
  JobsFixture f;
  f.AddId("a");
  RequireError(CheckChange({}, 100), Code::kInvalidArgument, "nothing to change");
  RequireError(CheckChange({.due_at_ms = 1, .delay_ms = 1}, 100), Code::kInvalidArgument,
               "due_at_ms and delay_ms");
  RequireError(CheckChange({.priority = 2'097'153}, 100), Code::kInvalidArgument, "priority");
  RequireError(CheckChange({.delay_ms = -1}, 100), Code::kInvalidArgument, "delay_ms");
  RequireError(CheckChange({.data = std::string(101, '1')}, 100), Code::kTooLarge, "data");
  RequireError(Update(f, "a", {.delay_ms = 1, .in_state = JobState::kScheduled}), Code::kWrongState,
               "job a is ready; scheduled is accepted");
  RequireError(Update(f, "none", {.priority = 1}), Code::kNotFound, "none");
  RequireOk(Update(f, "a", {.delay_ms = 1, .in_state = JobState::kReady}));
}

}  // namespace
}  // namespace millrace::jobs
