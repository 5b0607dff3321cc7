#include "jobs/minutes.h"

#include "jobs/jobs_test_util.h"
#include "jobs/read.h"

namespace millrace::jobs {
namespace {

constexpr int64_t kMinute = Minutes::kMinuteMs;

Metrics Read(JobsFixture& f, const MetricsQuery& query, Counters* counters = nullptr) {
  Counters none;
  const int64_t queue_id = RequireOk(QueueIdOf(f.connection(), query.queue));
  return RequireOk(
      (counters ? *counters : none).ReadMetrics(f.connection(), queue_id, query, f.clock.WallMs()));
}

void Finish(JobsFixture& f, int completed, int failed = 0) {
  for (int i = 0; i < completed + failed; ++i) {
    f.AddId();
    const bool ok = i < completed;
    f.Settle(f.ClaimOne(), ok ? Outcome::Kind::kCompleted : Outcome::Kind::kFailed,
             ok ? "1" : R"({"type":"E","message":"m","stack":""})");
  }
}

// What this process has counted goes into the store.
void Flush(JobsFixture& f) {
  f.MustDo([](Ledger& ledger) {
    ledger.counters().FlushNow();
    return Status::Ok();
  });
}

TEST_CASE("ended jobs are counted by the minute", "[jobs][metrics]") {
  JobsFixture f;
  f.clock.Advance(kMinute - f.clock.WallMs() % kMinute);
  Finish(f, 3, 1);
  Flush(f);
  f.clock.Advance(2 * kMinute);
  Finish(f, 2);
  Flush(f);
  Metrics metrics = Read(f, {.queue = "q"});
  CHECK(metrics.total == 5);
  CHECK(metrics.minutes == 3);
  CHECK(metrics.minute_at_ms == f.clock.WallMs());
  CHECK(metrics.data == std::vector<int64_t>{2, 0, 3});
  metrics = Read(f, {.queue = "q", .state = JobState::kFailed});
  CHECK(metrics.total == 1);
  CHECK(metrics.data == std::vector<int64_t>{0, 0, 1});
  CHECK(Read(f, {.queue = "q", .start = 1, .end = 1}).data == std::vector<int64_t>{0});
  CHECK(Read(f, {.queue = "q", .start = 2, .end = 9}).data == std::vector<int64_t>{3});
  CHECK(Read(f, {.queue = "q", .start = 3}).data.empty());
  const Metrics none = Read(f, {.queue = "unknown"});
  CHECK(none.total == 0);
  CHECK(none.data == std::vector<int64_t>{0});
  f.CheckInvariants();
}

TEST_CASE("what is not in the store yet is counted too, and nothing twice", "[jobs][metrics]") {
  JobsFixture f;
  Counters* counters = nullptr;
  f.MustDo([&](Ledger& ledger) {
    counters = &ledger.counters();
    return Status::Ok();
  });
  Finish(f, 2);
  CHECK(f.Int("SELECT count(*) FROM minute_counts") == 0);
  CHECK(Read(f, {.queue = "q"}, counters).total == 2);
  CHECK(Read(f, {.queue = "q"}, counters).data[0] == 2);
  Flush(f);
  CHECK(Read(f, {.queue = "q"}, counters).total == 2);
  CHECK(Read(f, {.queue = "q"}, counters).data[0] == 2);
  Flush(f);
  CHECK(f.Int("SELECT sum(completed) FROM minute_counts") == 2);
}

TEST_CASE("two weeks of minutes are kept", "[jobs][metrics]") {
  JobsFixture f;
  Finish(f, 1);
  Flush(f);
  f.clock.Advance((Minutes::kKept - 1) * kMinute);
  Finish(f, 1);
  Flush(f);
  CHECK(Read(f, {.queue = "q"}).minutes == Minutes::kKept);
  CHECK(Read(f, {.queue = "q"}).data.back() == 1);
  f.clock.Advance(kMinute);
  CHECK(Read(f, {.queue = "q"}).minutes == 2);
  Finish(f, 1);
  Flush(f);
  CHECK(f.Int("SELECT count(*) FROM minute_counts") == 2);
  CHECK(Read(f, {.queue = "q"}).total == 3);
}

TEST_CASE("metrics are asked for a queue, a state and a range", "[jobs][metrics]") {
  RequireOk(CheckMetricsQuery({.queue = "q", .state = JobState::kFailed, .start = 5, .end = 3}));
  RequireError(CheckMetricsQuery({}), Code::kInvalidArgument, "queue");
  RequireError(CheckMetricsQuery({.queue = "q", .start = -1}), Code::kInvalidArgument, "start");
  RequireError(CheckMetricsQuery({.queue = "q", .state = JobState::kReady}), Code::kInvalidArgument,
               R"(state is "ready")");
}

}  // namespace
}  // namespace millrace::jobs
