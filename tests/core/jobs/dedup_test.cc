#include "jobs/dedup.h"

#include "base/macros.h"
#include "jobs/bulk.h"
#include "jobs/change.h"
#include "jobs/enqueue.h"
#include "jobs/finish.h"
#include "jobs/jobs_test_util.h"
#include "jobs/retention.h"

namespace millrace::jobs {
namespace {

using Kind = Outcome::Kind;
using Mode = Deduplication::Mode;

JobSpec Keyed(Mode mode, const std::string& id, int64_t ttl_ms = 0, uint32_t states = 0) {
  JobSpec spec = Spec(id);
  spec.dedup = {.key = "k", .mode = mode, .ttl_ms = ttl_ms, .states = states};
  return spec;
}

constexpr uint32_t Bit(JobState state) {
  return 1U << static_cast<uint32_t>(state);
}

std::string Holder(JobsFixture& f) {
  return RequireOk(ReadHolder(f.connection(), "q", "k", f.clock.WallMs()));
}

// The ack of a newcomer that must be dropped for the sake of `holder`.
void CheckDropped(JobsFixture& f, const JobSpec& spec, const std::string& holder, JobState state) {
  const EnqueueAck ack = f.Add(spec);
  CHECK(ack.existing);
  CHECK(ack.id == holder);
  CHECK(ack.state == state);
  CHECK(ack.replaced_id.empty());
  CHECK_FALSE(f.Exists(spec.id));
}

void CheckAdded(JobsFixture& f, const JobSpec& spec) {
  const EnqueueAck ack = f.Add(spec);
  CHECK_FALSE(ack.existing);
  CHECK(ack.id == spec.id);
  CHECK(Holder(f) == spec.id);
}

TEST_CASE("as long as the holder is unfinished, others are dropped", "[jobs][dedup]") {
  JobsFixture f;
  CheckAdded(f, Keyed(Mode::kUnfinished, "a"));
  CheckDropped(f, Keyed(Mode::kUnfinished, "b"), "a", JobState::kReady);
  const Lease lease = f.ClaimOne();
  CheckDropped(f, Keyed(Mode::kUnfinished, "c"), "a", JobState::kActive);
  JobSpec elsewhere = Keyed(Mode::kUnfinished, "d");
  elsewhere.queue = "other";
  CHECK_FALSE(f.Add(elsewhere).existing);
  f.Settle(lease, Kind::kCompleted);
  CHECK(Holder(f).empty());
  CheckAdded(f, Keyed(Mode::kUnfinished, "e"));
  f.CheckInvariants();
}

TEST_CASE("a job is read back with its key, whatever else it has", "[jobs][dedup]") {
  JobsFixture f;
  JobSpec spec = Keyed(Mode::kStates, "", 7, Bit(JobState::kFailed));
  for (const int32_t max_crashes : {spec.max_crashes, 9}) {
    spec.max_crashes = max_crashes;
    spec.dedup.key += "x";
    const Deduplication read = f.Read(f.Add(spec).id).spec.dedup;
    CHECK(read.key == spec.dedup.key);
    CHECK(read.mode == Mode::kStates);
    CHECK(read.ttl_ms == 7);
    CHECK(read.states == Bit(JobState::kFailed));
    CHECK(f.Claim(1)[0].job.spec.dedup.key == spec.dedup.key);
  }
  CHECK(f.Read(f.Add(Spec()).id).spec.dedup.key.empty());
}

TEST_CASE("an event says which job was dropped, and for whom", "[jobs][dedup]") {
  JobsFixture f;
  const std::string id = f.Add(Keyed(Mode::kUnfinished, "")).id;
  f.Add(Keyed(Mode::kUnfinished, "b"));
  f.Add(Keyed(Mode::kUnfinished, ""));
  const std::vector<Event> events = f.Events("q", {EventType::kDuplicate});
  REQUIRE(events.size() == 2);
  CHECK(events[0].job_id == id);
  CHECK(events[0].data == R"({"dedup_key":"k","dropped_id":"b"})");
  CHECK(events[1].data == R"({"dedup_key":"k","dropped_id":null})");
}

TEST_CASE("a throttled key is held for its time, whatever becomes of the job", "[jobs][dedup]") {
  JobsFixture f({.keep_completed = {.age_ms = -1, .count = 0}});
  CheckAdded(f, Keyed(Mode::kThrottle, "a", 100));
  f.Settle(f.ClaimOne(), Kind::kCompleted);
  REQUIRE_FALSE(f.Exists("a"));
  f.clock.Advance(99);
  CheckDropped(f, Keyed(Mode::kThrottle, "b", 100), "a", JobState::kCompleted);
  CheckDropped(f, Keyed(Mode::kUnfinished, "c"), "a", JobState::kCompleted);
  CHECK(Holder(f) == "a");
  f.clock.Advance(1);
  CHECK(Holder(f).empty());
  CheckAdded(f, Keyed(Mode::kThrottle, "d", -1));
  f.MustDo([](Ledger& ledger) { return RemoveJob(ledger, {"d", ""}); });
  f.clock.Advance(1'000'000'000);
  CheckDropped(f, Keyed(Mode::kThrottle, "e", -1), "d", JobState::kCompleted);
  f.CheckInvariants();
}

TEST_CASE("a generated id of a holder that is gone is still told", "[jobs][dedup]") {
  JobsFixture f;
  const std::string id = f.Add(Keyed(Mode::kThrottle, "", 100)).id;
  f.MustDo([&](Ledger& ledger) { return RemoveJob(ledger, {id, ""}); });
  CheckDropped(f, Keyed(Mode::kThrottle, "b", 100), id, JobState::kCompleted);
}

TEST_CASE("keys of which the time has passed are swept as others come", "[jobs][dedup]") {
  JobsFixture f;
  for (int i = 0; i < 20; ++i) {
    JobSpec spec = Spec();
    spec.dedup = {.key = std::to_string(i), .mode = Mode::kThrottle, .ttl_ms = 10};
    f.Add(spec);
  }
  f.Add(Keyed(Mode::kThrottle, "ever", -1));
  f.clock.Advance(10);
  f.MustDo([](Ledger& ledger) -> Status {
    EnqueueAck ack;
    JobSpec spec = Spec();
    spec.dedup = {.key = "new", .mode = Mode::kThrottle, .ttl_ms = 10};
    RETURN_IF_ERROR(EnqueueJob(ledger, spec, &ack));
    return SweepNoted(ledger);
  });
  CHECK(f.Int("SELECT count(*) FROM dedup_keys") == 22 - 10);
  f.MustDo([](Ledger& ledger) -> Status {
    CHECK(RequireOk(SweepKeys(ledger, 3)) == 3);
    CHECK(RequireOk(SweepKeys(ledger, 100)) == 7);
    return SweepNoted(ledger);  // no new key, nothing to do
  });
  CHECK(f.Int("SELECT count(*) FROM dedup_keys") == 2);
  f.CheckInvariants();
}

TEST_CASE("a debounced job takes the place of one that waits for its time", "[jobs][dedup]") {
  JobsFixture f;
  f.Add(Delayed(Keyed(Mode::kDebounce, "a"), 100));
  f.clock.Advance(60);
  const EnqueueAck ack = f.Add(Delayed(Keyed(Mode::kDebounce, "b"), 100));
  CHECK_FALSE(ack.existing);
  CHECK(ack.id == "b");
  CHECK(ack.replaced_id == "a");
  CHECK_FALSE(f.Exists("a"));
  CHECK(Holder(f) == "b");
  const std::vector<Event> events =
      f.Events("q", {EventType::kRemoved, EventType::kDuplicate, EventType::kAdded});
  REQUIRE(events.size() == 4);
  CHECK(events[1].type == EventType::kRemoved);
  CHECK(events[1].job_id == "a");
  CHECK(events[2].job_id == "b");
  CHECK(events[2].data == R"({"dedup_key":"k","dropped_id":"a"})");
  CHECK(events[3].type == EventType::kAdded);
  f.clock.Advance(60);
  CHECK(f.Claim(1).empty());
  f.clock.Advance(40);
  const Lease lease = f.ClaimOne();
  CheckDropped(f, Delayed(Keyed(Mode::kDebounce, "c"), 100), "b", JobState::kActive);
  f.Settle(lease, Kind::kCompleted);
  f.Add(Delayed(Keyed(Mode::kDebounce, "d"), 100));
  CHECK(Holder(f) == "d");
  f.CheckInvariants();
}

TEST_CASE("a key may be held in chosen states and for a time", "[jobs][dedup]") {
  JobsFixture f;
  const uint32_t states = Bit(JobState::kReady) | Bit(JobState::kCompleted);
  CheckAdded(f, Keyed(Mode::kStates, "a", 100, states));
  CheckDropped(f, Keyed(Mode::kStates, "b", 100, states), "a", JobState::kReady);
  const Lease lease = f.ClaimOne();
  CHECK(Holder(f).empty());
  f.Settle(lease, Kind::kCompleted);
  CheckDropped(f, Keyed(Mode::kStates, "c", 100, states), "a", JobState::kCompleted);
  CHECK(Holder(f) == "a");
  f.clock.Advance(100);
  CheckAdded(f, Keyed(Mode::kStates, "d", 100, states));
  f.clock.Advance(1'000'000);
  CheckDropped(f, Keyed(Mode::kStates, "e", 0, states), "d", JobState::kReady);
  f.MustDo([](Ledger& ledger) { return RemoveJob(ledger, {"d", ""}); });
  CHECK(Holder(f).empty());
  CHECK(f.Int("SELECT count(*) FROM dedup_keys") == 0);
  CheckAdded(f, Keyed(Mode::kStates, "f", 0, states));
  f.CheckInvariants();
}

TEST_CASE("retention frees the keys of the jobs that it removes", "[jobs][dedup]") {
  JobsFixture f({.keep_completed = {.age_ms = -1, .count = 0}});
  CheckAdded(f, Keyed(Mode::kUnfinished, "a"));
  f.Settle(f.ClaimOne(), Kind::kCompleted);
  CHECK(f.Int("SELECT count(*) FROM dedup_keys") == 0);
  f.CheckInvariants();
}

TEST_CASE("a redriven job holds its key again if that is free", "[jobs][dedup]") {
  JobsFixture f;
  CheckAdded(f, Keyed(Mode::kUnfinished, "a"));
  f.Settle(f.ClaimOne(), Kind::kFailed);
  const auto redrive = [&] {
    f.MustDo([](Ledger& ledger) { return RedriveJob(ledger, {"a", ""}); });
  };
  SECTION("nobody has taken it") {
    redrive();
    CHECK(Holder(f) == "a");
  }
  SECTION("it was released meanwhile") {
    f.MustDo([](Ledger& ledger) { return ReleaseKey(ledger, "q", "k").status(); });
    redrive();
    CHECK(Holder(f) == "a");
  }
  SECTION("another one had it") {
    CheckAdded(f, Keyed(Mode::kUnfinished, "b"));
    f.Settle(f.ClaimOne(), Kind::kFailed);
    redrive();
    CHECK(Holder(f) == "a");
  }
  SECTION("another one has it") {
    CheckAdded(f, Keyed(Mode::kUnfinished, "b"));
    redrive();
    CHECK(Holder(f) == "b");
  }
  SECTION("it is throttled") {
    CheckDropped(f, Keyed(Mode::kThrottle, "b", 100), "a", JobState::kFailed);
    f.clock.Advance(100);
    CheckAdded(f, Keyed(Mode::kThrottle, "b", 100));
    redrive();
    CHECK(Holder(f) == "b");
  }
  f.CheckInvariants();
}

TEST_CASE("a key is released by a call", "[jobs][dedup]") {
  JobsFixture f;
  const auto release = [&](const std::string& queue) {
    bool released = false;
    f.MustDo([&](Ledger& ledger) -> Status {
      ASSIGN_OR_RETURN(released, ReleaseKey(ledger, queue, "k"));
      return Status::Ok();
    });
    return released;
  };
  CHECK_FALSE(release("q"));
  CheckAdded(f, Keyed(Mode::kUnfinished, "a"));
  CHECK_FALSE(release("other"));
  CHECK(release("q"));
  CHECK_FALSE(release("q"));
  CHECK(Holder(f).empty());
  CheckAdded(f, Keyed(Mode::kUnfinished, "b"));
  f.Settle(f.ClaimOne(), Kind::kCompleted);
  f.Settle(f.ClaimOne(), Kind::kCompleted);
  CHECK_FALSE(release("q"));
  RequireError(ReadHolder(f.connection(), "", "k", 0).status(), Code::kInvalidArgument, "queue");
  RequireError(ReadHolder(f.connection(), "q", "", 0).status(), Code::kInvalidArgument, "key");
  f.CheckInvariants();
}

TEST_CASE("a queue that is obliterated leaves no key behind", "[jobs][dedup]") {
  JobsFixture f;
  f.Add(Keyed(Mode::kUnfinished, "a"));
  JobSpec throttled = Spec("b");
  throttled.dedup = {.key = "other", .mode = Mode::kThrottle, .ttl_ms = -1};
  f.Add(throttled);
  BulkCursor cursor;
  for (SliceResult result{.more = true}; result.more;) {
    f.MustDo(
        [&](Ledger& ledger) { return ObliterateSlice(ledger, "q", true, 10, &cursor, &result); });
  }
  CHECK(f.Int("SELECT count(*) FROM dedup_keys") == 0);
}

TEST_CASE("a holder that is damaged holds nobody up", "[jobs][dedup]") {
  JobsFixture f;
  CheckAdded(f, Keyed(Mode::kUnfinished, "a"));
  RequireOk(f.connection().Exec("DELETE FROM ready"));
  CHECK(Holder(f).empty());
  CheckAdded(f, Keyed(Mode::kUnfinished, "b"));
}

TEST_CASE("what a key can be is checked", "[jobs][dedup]") {
  const auto refused = [](Deduplication dedup, const char* says) {
    RequireError(CheckDeduplication(dedup), Code::kInvalidArgument, says);
  };
  RequireOk(CheckDeduplication({}));
  RequireOk(CheckDeduplication({.key = "k", .mode = Mode::kThrottle, .ttl_ms = -1}));
  RequireOk(CheckDeduplication({.key = "k", .mode = Mode::kStates, .states = 1 << 7}));
  refused({.key = std::string(256, 'k')}, "dedup.key");
  refused({.ttl_ms = 1}, "dedup.key is empty");
  refused({.key = "k", .mode = static_cast<Mode>(5)}, "dedup.mode is 5; 0 to 4");
  refused({.key = "k", .ttl_ms = 1}, "dedup.ttl_ms is 1; 0 to 0");
  refused({.key = "k", .mode = Mode::kThrottle}, "dedup.ttl_ms is 0; 1 to");
  refused({.key = "k", .mode = Mode::kThrottle, .ttl_ms = -2}, "or -1 for ever");
  refused({.key = "k", .mode = Mode::kThrottle, .ttl_ms = 1, .states = 2}, "dedup.states is 2; 0");
  refused({.key = "k", .mode = Mode::kStates}, "dedup.states is 0; a set");
  refused({.key = "k", .mode = Mode::kStates, .states = 1}, "dedup.states is 1; a set");
  refused({.key = "k", .mode = Mode::kStates, .ttl_ms = -1, .states = 2}, "dedup.ttl_ms is -1");
}

// A batch of jobs with these keys, one of each name.
std::vector<JobSpec> Batch(const std::vector<std::string>& keys, Mode mode = Mode::kUnfinished) {
  std::vector<JobSpec> specs;
  for (const std::string& key : keys) {
    JobSpec spec = Spec();
    spec.dedup = {.key = key, .mode = mode};
    specs.push_back(spec);
  }
  return specs;
}

TEST_CASE("a batch of keys means what its jobs mean one by one", "[jobs][dedup]") {
  std::vector<std::string> keys;
  for (int i = 0; i < 25; ++i) keys.push_back("k" + std::to_string(i));
  keys[7] = "k3";   // twice in one statement
  keys[14] = "k3";  // and in another
  for (const Mode mode : {Mode::kUnfinished, Mode::kDebounce, Mode::kFollowUp}) {
    JobsFixture together;
    JobsFixture apart;
    std::vector<EnqueueAck> acks[2];
    for (int round = 0; round < 3; ++round) {
      acks[0] = together.AddAll(Batch(keys, mode));
      acks[1].clear();
      for (const JobSpec& spec : Batch(keys, mode)) acks[1].push_back(apart.Add(spec));
      CAPTURE(static_cast<int>(mode), round);
      for (size_t i = 0; i < keys.size(); ++i) {
        CAPTURE(i);
        CHECK(acks[0][i].existing == acks[1][i].existing);
        CHECK(acks[0][i].state == acks[1][i].state);
        CHECK(acks[0][i].replaced_id.empty() == acks[1][i].replaced_id.empty());
      }
      CHECK(together.Counts().ready == apart.Counts().ready);
      for (JobsFixture* f : {&together, &apart}) {
        // Some end: their keys have rows, and are free.
        for (const Claimed& job : f->Claim(9)) f->Settle(job.lease, Kind::kCompleted);
        f->CheckInvariants();
      }
    }
  }
}

TEST_CASE("jobs of a batch with keys keep their order", "[jobs][dedup]") {
  JobsFixture f;
  std::vector<std::string> keys;
  for (int i = 0; i < 32; ++i) keys.push_back("k" + std::to_string(i));
  std::vector<JobSpec> specs = Batch(keys);
  for (size_t i = 0; i < specs.size(); ++i) specs[i].name = "n" + std::to_string(i);
  f.AddAll(specs);
  const std::vector<Claimed> claimed = f.Claim(32);
  REQUIRE(claimed.size() == 32);
  for (size_t i = 0; i < claimed.size(); ++i) CHECK(claimed[i].lease.name == specs[i].name);
}

}  // namespace
}  // namespace millrace::jobs
