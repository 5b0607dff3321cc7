#include "jobs/enqueue.h"

#include "jobs/jobs_test_util.h"

namespace millrace::jobs {
namespace {

TEST_CASE("an id that its queue has is not enqueued again", "[jobs][enqueue]") {
  JobsFixture f;
  CHECK_FALSE(f.Add(Spec("a")).existing);
  f.ClaimOne();
  JobSpec other = Spec("a");
  other.name = "other";
  const EnqueueAck ack = f.Add(other);
  CHECK(ack.existing);
  CHECK(ack.id == "a");
  CHECK(ack.state == JobState::kActive);
  CHECK(f.Read("a").spec.name == "task");
  CHECK_FALSE(f.Add(Spec("a", "another")).existing);
  const std::vector<Event> events = f.Events("q", {EventType::kDuplicate});
  REQUIRE(events.size() == 1);
  CHECK(events[0].job_id == "a");
  CHECK(events[0].state == JobState::kActive);
  f.CheckInvariants();
}

TEST_CASE("an id is free again when its job is gone", "[jobs][enqueue]") {
  JobsFixture f({.keep_completed = {.age_ms = -1, .count = 0}});
  f.Add(Spec("a"));
  f.Settle(f.ClaimOne(), Outcome::Kind::kCompleted);
  CHECK_FALSE(f.Add(Spec("a")).existing);
  f.CheckInvariants();
}

TEST_CASE("one transaction enqueues all or nothing", "[jobs][enqueue]") {
  JobsFixture f;
  f.AddId("before");
  const Status status = f.Do([](Ledger& ledger) {
    EnqueueAck ack;
    for (const char* queue : {"q", "new"}) {
      const Status added = EnqueueJob(ledger, Spec("", queue), &ack);
      if (!added.ok()) return added;
    }
    return Status(Code::kInternal, "changed its mind");
  });
  CHECK(status.code() == Code::kInternal);
  CHECK(f.Counts().ready == 1);
  CHECK(f.Int("SELECT count(*) FROM queues") == 1);
  // The number that the queue would have had was forgotten with it.
  f.AddId("", "third");
  f.AddId("", "new");
  CHECK(f.Counts("new").ready == 1);
  CHECK(f.Counts("third").ready == 1);
  f.CheckInvariants();
}

TEST_CASE("a due time that has passed is now", "[jobs][enqueue]") {
  JobsFixture f;
  JobSpec spec = Spec("late");
  spec.due_at_ms = f.clock.WallMs();
  CHECK(f.Add(spec).state == JobState::kReady);
  spec = Spec("due");
  spec.due_at_ms = f.clock.WallMs() + 1;
  CHECK(f.Add(spec).state == JobState::kScheduled);
  CHECK(f.Read("due").due_at_ms == f.clock.WallMs() + 1);
}

TEST_CASE("an added job rings for one worker, a scheduled one if it is the first",
          "[jobs][enqueue]") {
  JobsFixture f;
  f.AddId("a");
  REQUIRE(f.new_jobs.size() == 1);
  CHECK(f.new_jobs.begin()->second == 1);
  f.new_jobs.clear();
  f.Add(Delayed(Spec("b"), 100));
  CHECK(f.new_jobs.begin()->second == 1);
  f.new_jobs.clear();
  f.Add(Delayed(Spec("later"), 200));
  CHECK(f.new_jobs.empty());
  f.Add(Delayed(Spec("sooner"), 50));
  CHECK(f.new_jobs.begin()->second == 1);
}

TEST_CASE("an added job's event says what it is", "[jobs][enqueue]") {
  JobsFixture f;
  JobSpec spec = Delayed(Spec(), 100);
  const std::string id = f.Add(spec).id;
  const std::vector<Event> events = f.Events();
  REQUIRE(events.size() == 1);
  CHECK(events[0].type == EventType::kAdded);
  CHECK(events[0].job_id == id);
  CHECK(events[0].name == "task");
  CHECK(events[0].state == JobState::kScheduled);
  CHECK(events[0].due_at_ms == f.clock.WallMs() + 100);
  CHECK(events[0].at_ms == f.clock.WallMs());
}

}  // namespace
}  // namespace millrace::jobs
