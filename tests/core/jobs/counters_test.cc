#include "jobs/counters.h"

#include <map>
#include <numeric>

#include "base/macros.h"
#include "jobs/change.h"
#include "jobs/enqueue.h"
#include "jobs/finish.h"
#include "jobs/jobs_test_util.h"
#include "sql_statements.h"

namespace millrace::jobs {
namespace {

using Kind = Outcome::Kind;

// Of the queue "q", by task; the ledger's own pending ones included.
std::map<std::string, TaskCounters> Read(JobsFixture& f) {
  std::map<std::string, TaskCounters> by_task;
  std::vector<int64_t> queue_ids;
  Counters* counters = nullptr;
  f.MustDo([&](Ledger& ledger) {
    counters = &ledger.counters();
    return Status::Ok();
  });
  for (TaskCounters& one : RequireOk(counters->Read(f.connection(), 0, &queue_ids))) {
    by_task[one.task] = std::move(one);
  }
  return by_task;
}

int64_t Sum(const std::vector<int64_t>& histogram) {
  return std::accumulate(histogram.begin(), histogram.end(), int64_t{0});
}

int64_t Rows(JobsFixture& f) {
  return f.Int("SELECT count(*) FROM task_counters");
}

JobSpec Task(const std::string& name, const std::string& id = "") {
  JobSpec spec = Spec(id);
  spec.name = name;
  return spec;
}

TEST_CASE("a time is counted under its power of two", "[jobs][counters]") {
  CHECK(Counters::Bucket(-5) == 0);
  CHECK(Counters::Bucket(0) == 0);
  CHECK(Counters::Bucket(1) == 1);
  CHECK(Counters::Bucket(2) == 2);
  CHECK(Counters::Bucket(3) == 2);
  CHECK(Counters::Bucket(4) == 3);
  CHECK(Counters::Bucket(1'023) == 10);
  CHECK(Counters::Bucket(1'024) == 11);
  CHECK(Counters::Bucket(INT64_MAX) == Counters::kBuckets - 1);
}

TEST_CASE("every way of a job is counted for its task", "[jobs][counters]") {
  JobsFixture f;
  JobSpec spec = Task("a");
  spec.retry = {.max_attempts = 2, .backoff = {.kind = Backoff::Kind::kFixed, .delay_ms = 50}};
  spec.max_crashes = 5;
  f.Add(spec);
  f.clock.Advance(3);
  Lease lease = f.ClaimOne();  // waited 3 ms
  f.clock.Advance(10);
  f.Settle(lease, Kind::kFailed);  // ran 10 ms
  f.clock.Advance(57);
  lease = f.ClaimOne();  // waited 7 ms beyond its back-off
  bool lost = false;
  f.MustDo([&](Ledger& ledger) { return RescueJob(ledger, lease, "died", &lost); });
  lease = f.ClaimOne();  // nobody knows since when it could have started
  f.Settle(lease, Kind::kReleased);
  lease = f.ClaimOne();
  f.clock.Advance(1);
  f.Settle(lease, Kind::kCompleted);
  f.Add(Task("b"));
  f.Settle(f.ClaimOne(), Kind::kFailed);
  f.Add(Task("b", "cancelled"));
  CancelResult result{};
  f.MustDo([&](Ledger& ledger) { return CancelJob(ledger, {"cancelled", ""}, "", &result); });
  auto counters = Read(f);
  const TaskCounters& a = counters["a"];
  CHECK(a.enqueued == 1);
  CHECK(a.started == 4);
  CHECK(a.completed == 1);
  CHECK(a.failed == 0);
  CHECK(a.retried == 1);
  CHECK(a.crashed == 1);
  CHECK(a.wait_ms[2] == 1);
  CHECK(a.wait_ms[3] == 1);
  CHECK(Sum(a.wait_ms) == 2);
  CHECK(a.run_ms[4] == 1);
  CHECK(a.run_ms[1] == 1);
  CHECK(Sum(a.run_ms) == 2);
  const TaskCounters& b = counters["b"];
  CHECK(b.enqueued == 2);
  CHECK(b.started == 1);
  CHECK(b.failed == 1);
  CHECK(b.cancelled == 1);
  CHECK(b.wait_ms[0] == 1);
}

TEST_CASE("counters ride along with later commits", "[jobs][counters]") {
  JobsFixture f;
  f.Add(Task("a"));
  f.clock.Advance(Counters::kFlushMs - 1);
  f.Add(Task("a"));
  CHECK(Rows(f) == 0);
  CHECK(Read(f)["a"].enqueued == 2);
  f.clock.Advance(1);
  f.Add(Task("a"));
  CHECK(Rows(f) == 1);
  CHECK(f.Int("SELECT enqueued FROM task_counters") == 3);
  CHECK(Read(f)["a"].enqueued == 3);
  f.Add(Task("b"));
  CHECK(Rows(f) == 1);
  f.MustDo([](Ledger& ledger) {
    ledger.counters().FlushNow();
    return Status::Ok();
  });
  CHECK(Rows(f) == 2);
  CHECK(Read(f)["b"].enqueued == 1);
}

TEST_CASE("what is rolled back is not counted, flushed or not", "[jobs][counters]") {
  JobsFixture f;
  f.Add(Task("a"));
  for (const bool flush : {false, true}) {
    if (flush) f.clock.Advance(Counters::kFlushMs);
    CHECK_FALSE(f.Do([](Ledger& ledger) -> Status {
                   EnqueueAck ack;
                   RETURN_IF_ERROR(EnqueueJob(ledger, Task("a"), &ack));
                   // A failure between the flush and the end of its transaction.
                   if (ledger.now_ms() % 250 == 0) {
                     RETURN_IF_ERROR(ledger.Flush(ledger.connection()));
                   }
                   return Status(Code::kInternal, "");
                 }).ok());
    CHECK(Read(f)["a"].enqueued == 1);
  }
  f.Add(Task("a"));
  CHECK(Read(f)["a"].enqueued == 2);
}

TEST_CASE("damaged counters cost nobody a job", "[jobs][counters]") {
  JobsFixture f;
  f.Add(Task("a"));
  SECTION("a histogram that cannot be read begins anew") {
    RequireOk(f.connection().Exec(
        "INSERT INTO task_counters (queue_id, task, wait_ms) VALUES (1, 'a', x'ffffffffff')"));
    f.ClaimOne();
    f.clock.Advance(Counters::kFlushMs);
    f.Add(Task("a"));
    CHECK(Sum(Read(f)["a"].wait_ms) == 1);
    CHECK(Read(f)["a"].enqueued == 2);
  }
  SECTION("a table that cannot be written is left alone") {
    RequireOk(f.connection().Exec("DROP TABLE task_counters"));
    f.clock.Advance(Counters::kFlushMs);
    CHECK(f.Add(Task("a", "b")).id == "b");
    CHECK(f.Add(Task("a", "c")).id == "c");
    CHECK(f.Counts().ready == 3);
  }
}

TEST_CASE("tasks beyond the bound are counted together", "[jobs][counters]") {
  JobsFixture f;
  f.MustDo([](Ledger& ledger) -> Status {
    ASSIGN_OR_RETURN(const int64_t queue_id, ledger.QueueId("q"));
    for (size_t i = 0; i < Counters::kTasksMax + 5; ++i) {
      ledger.counters().Add(queue_id, "task-" + std::to_string(i), Counters::What::kEnqueued);
    }
    return Status::Ok();
  });
  auto counters = Read(f);
  CHECK(counters.size() == Counters::kTasksMax + 1);
  CHECK(counters[""].enqueued == 5);
}

TEST_CASE("one queue's counters are found without those of others", "[counters]") {
  JobsFixture f;
  for (const char* queue : {"a", "b"}) {
    JobSpec spec = Task("x");
    spec.queue = queue;
    f.Add(spec);
  }
  f.MustDo([](Ledger& ledger) {
    ledger.counters().FlushNow();
    return Status::Ok();
  });
  Counters* counters = nullptr;
  int64_t b = 0;
  f.MustDo([&](Ledger& ledger) -> Status {
    counters = &ledger.counters();
    ASSIGN_OR_RETURN(b, ledger.FindQueueId("b"));
    return Status::Ok();
  });
  std::vector<int64_t> queue_ids;
  CHECK(RequireOk(counters->Read(f.connection(), b, &queue_ids)).size() == 1);
  CHECK(queue_ids == std::vector<int64_t>{b});
  CHECK(RequireOk(counters->Read(f.connection(), 0, &queue_ids)).size() == 2);

  const std::string explain = std::string("EXPLAIN QUERY PLAN ") + sql::counters::kListCounters;
  store::Query q(f.connection(), explain.c_str());
  q.Bind(b);
  bool row = false;
  RequireOk(q.Step(&row));
  REQUIRE(row);
  CHECK(std::string(q.Text(3)).find("SEARCH task_counters USING PRIMARY KEY") == 0);
}

}  // namespace
}  // namespace millrace::jobs
