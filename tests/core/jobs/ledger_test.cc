#include "jobs/ledger.h"

#include "jobs/enqueue.h"
#include "jobs/jobs_test_util.h"

namespace millrace::jobs {
namespace {

TEST_CASE("numbers are never given twice, not even after a rollback of others", "[jobs][ledger]") {
  JobsFixture f;
  std::vector<int64_t> numbers;
  const auto draw = [&](Ledger& ledger) {
    for (int i = 0; i < 3; ++i) numbers.push_back(ledger.NextNumber());
    return Status::Ok();
  };
  f.MustDo(draw);
  const size_t kept = numbers.size();
  CHECK_FALSE(f.Do([&](Ledger& ledger) {
                 RequireOk(draw(ledger));
                 return Status(Code::kInternal, "no");
               }).ok());
  numbers.resize(kept);  // nobody has seen the others
  f.MustDo(draw);
  f.AddId();
  f.MustDo(draw);
  for (size_t i = 1; i < numbers.size(); ++i) CHECK(numbers[i] > numbers[i - 1]);
  CHECK(f.Int("SELECT next FROM sequence") == numbers.back() + 1);
}

TEST_CASE("many operations of one transaction are one row of the log and one ring",
          "[jobs][ledger]") {
  JobsFixture f;
  f.MustDo([](Ledger& ledger) {
    EnqueueAck ack;
    for (int i = 0; i < 50; ++i) RequireOk(EnqueueJob(ledger, Spec(), &ack));
    return Status::Ok();
  });
  CHECK(f.Int("SELECT count(*) FROM events") == 1);
  CHECK(f.Int("SELECT n FROM events") == 50);
  CHECK(f.Counts().ready == 50);
  REQUIRE(f.new_jobs.size() == 1);
  CHECK(f.new_jobs.begin()->second == 50);
}

TEST_CASE("nothing is rung for what was rolled back", "[jobs][ledger]") {
  JobsFixture f;
  CHECK_FALSE(f.Do([](Ledger& ledger) {
                 EnqueueAck ack;
                 RequireOk(EnqueueJob(ledger, Spec(), &ack));
                 ledger.WakeOwner(7);
                 return Status(Code::kDiskFull, "full");
               }).ok());
  CHECK(f.new_jobs.empty());
  CHECK(f.controlled.empty());
  f.MustDo([](Ledger& ledger) {
    ledger.WakeOwner(8);
    return Status::Ok();
  });
  CHECK(f.controlled == std::vector<int64_t>{8});
}

TEST_CASE("a queue's rules are the store's where it has none", "[jobs][ledger]") {
  JobsFixture f(
      {.keep_completed = {.age_ms = 1, .count = 2}, .keep_failed = {.age_ms = 3, .count = 4}});
  f.AddId("a");
  RequireOk(f.connection().Exec("UPDATE queues SET keep_failed_age_ms = 5, keep_failed_count = 6"));
  f.MustDo([](Ledger& ledger) {
    const QueueRules rules = RequireOk(ledger.Rules(RequireOk(ledger.QueueId("q"))));
    CHECK_FALSE(rules.paused);
    CHECK(rules.keep_completed.count == 2);
    CHECK(rules.keep_failed.age_ms == 5);
    CHECK(rules.keep_failed.count == 6);
    return Status::Ok();
  });
}

TEST_CASE("a store without its sequence is refused, not guessed at", "[jobs][ledger]") {
  JobsFixture f;
  RequireOk(f.connection().Exec("DELETE FROM sequence"));
  RequireError(f.Do([](Ledger&) { return Status::Ok(); }), Code::kCorrupt, "millrace doctor");
}

}  // namespace
}  // namespace millrace::jobs
