// A file of an older schema is brought up to date when it is opened, with all that is in it.
#include "store/migrate.h"

#include "base/id.h"
#include "engine/engine_test_util.h"
#include "sql_statements.h"
#include "store/file_format.h"
#include "store/store_test_util.h"

namespace millrace::store {
namespace {

constexpr int64_t kNowMs = 1'780'000'000'000;

// A file as the first version wrote it: two ready jobs (one with options and a log), one scheduled,
// one whose worker died, one completed, one failed.
constexpr const char* kContent = R"sql(
UPDATE sequence SET next = 100;
INSERT INTO queues (queue_id, name) VALUES (1, 'mail');
INSERT INTO queue_counts (queue_id, ready, prioritized, scheduled, active, completed, failed)
  VALUES (1, 2, 1, 1, 1, 1, 1);
INSERT INTO jobs (job, queue_id, name, created_at_ms, salt, priority, data) VALUES (1, 1, 'send',
  1780000000000, 11, 0, CAST('{"n":1}' AS BLOB)), (3, 1, 'send', 1780000000000, 13, 0,
  CAST('{"n":3}' AS BLOB)), (4, 1, 'send', 1780000000000, 14, 0, CAST('{"n":4}' AS BLOB)), (5, 1,
  'send', 1780000000000, 15, 0, CAST('{"n":5}' AS BLOB)), (6, 1, 'send', 1780000000000, 16, 0,
  CAST('{"n":6}' AS BLOB));
INSERT INTO jobs VALUES (2, 1, 'send', 1780000000000, 12, 7, 1, 'mine', '{"a":"b"}', 0, 1, 0, 0,
  3, 2, 1000, 60000, 0.5, 2, 9000, 8000, 5, 60000, 10, 70000, 20, CAST('{"n":2}' AS BLOB));
INSERT INTO job_keys VALUES ('mine', 1, 2);
INSERT INTO ready VALUES (1, 0, 1, 0), (1, 7, -2, 1);
INSERT INTO job_runs (job, attempts_started, attempts_made, progress, log_lines) VALUES (2, 1, 1,
  CAST('50' AS BLOB), 1);
INSERT INTO job_logs VALUES (2, 1, 1780000000001, CAST('a line' AS BLOB));
INSERT INTO scheduled VALUES (1, 1780000100000, 3, 0, 0);
UPDATE jobs SET options = 1, content_type = 0, lifo = 0, due_at_ms = 1780000100000, expires_at_ms
  = 0, max_attempts = 1, backoff_kind = 0, backoff_delay_ms = 0, backoff_max_ms = 0,
  backoff_jitter = 0, max_crashes = 3, time_limit_ms = 0, soft_time_limit_ms = 0, keep_logs = -1
  WHERE job = 3;
INSERT INTO active (job, queue_id, token, process_id, priority, seq, run, started_at_ms) VALUES
  (4, 1, 50, 40, 0, 4, 0, 1780000000002);
INSERT INTO processes VALUES (40, 3, 99999, 'gone', 1780000000000);
INSERT INTO finished VALUES (5, 1, 5, 1780000000003, 1780000000002, 1, 40, 0, 0, CAST('"done"' AS
  BLOB)), (6, 1, 6, 1780000000004, 1780000000002, 1, 40, 0, 0,
  CAST('{"type":"E","message":"m","stack":""}' AS BLOB));
)sql";

void MakeFirstVersion(const std::string& path) {
  auto connection = RequireOk(Connection::Open({.path = path, .create = true}));
  RequireOk(connection->Exec("PRAGMA page_size=4096; PRAGMA journal_mode=WAL"));
  RequireOk(connection->Exec(sql::kMigrations[0].text));
  RequireOk(connection->Exec(kContent));
  const std::string marks = "PRAGMA application_id=" + std::to_string(kApplicationId) +
                            "; PRAGMA user_version=1; PRAGMA wal_checkpoint(TRUNCATE)";
  RequireOk(connection->Exec(marks.c_str()));
}

void RequireSound(Engine& engine) {
  const std::string report = RequireOk(engine.DoctorJson());
  INFO(report);
  CHECK(report.find("\"ok\":false") == std::string::npos);
}

std::string IdOf(int64_t row) {
  return FormatId({.at_ms = kNowMs, .row = row, .salt = static_cast<uint64_t>(row + 10)});
}

}  // namespace

TEST_CASE("a file of the first version opens with all its jobs", "[store][migrate]") {
  TemporaryDirectory directory;
  const std::string path = directory.File("jobs.db");
  MakeFirstVersion(path);
  OpenOptions options;
  options.path = path;
  options.clock = std::make_shared<ManualClock>(kNowMs + 1'000);
  auto engine = RequireOk(Engine::Open(options));
  RequireSound(*engine);

  const JobInfo mine = RequireOk(engine->GetJob({.id = "mine", .queue = "mail"}));
  CHECK(mine.state == JobState::kReady);
  CHECK(mine.spec.lifo);
  CHECK(mine.spec.priority == 7);
  CHECK(mine.spec.retry.max_attempts == 3);
  CHECK(mine.spec.keep_failed->count == 20);
  CHECK(mine.spec.data == R"({"n":2})");
  CHECK(mine.progress == "50");
  CHECK(RequireOk(engine->GetLogs({.id = "mine"}, 0, 10)).at(0).text == "a line");
  CHECK(RequireOk(engine->GetJob({.id = IdOf(3)})).due_at_ms == kNowMs + 100'000);
  CHECK(*RequireOk(engine->GetJob({.id = IdOf(5)})).result == "\"done\"");
  CHECK(RequireOk(engine->GetJob({.id = IdOf(6)})).state == JobState::kFailed);

  // The dead process's job comes back, and all that is ready runs.
  auto session = RequireOk(engine->OpenSession({.queues = {"mail"}, .slots = 10}));
  int taken = 0;
  while (taken < 3) {
    for (LeasedJob& job : RequireOk(session->Take(10, 10'000))) {
      ++taken;
      if (job.spec.id == "mine") CHECK(job.attempt == 2);
      if (job.spec.id == IdOf(4)) CHECK(job.crashes == 1);
      RequireOk(session->Settle(job.token, {.body = "null"}));
    }
  }
  RequireOk(session->Close(10'000));
  const QueueCounts counts = RequireOk(engine->Counts("mail"));
  CHECK(counts.completed == 4);
  CHECK(counts.scheduled == 1);
  CHECK(counts.active == 0);
  RequireSound(*engine);
}

}  // namespace millrace::store
