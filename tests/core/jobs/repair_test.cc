// Each thing that doctor finds is broken once, and mended.
#include "jobs/repair.h"

#include <map>

#include "flows/enqueue.h"
#include "jobs/change.h"
#include "jobs/jobs_test_util.h"

namespace millrace::jobs {
namespace {

using Kind = Outcome::Kind;

// All steps, as the engine does them; what each has mended, by its check.
std::map<std::string, int64_t> Repair(JobsFixture& f) {
  std::map<std::string, int64_t> mended;
  for (const RepairStep& step : RepairSteps()) {
    RepairCursor cursor;
    for (bool more = true; more;) {
      f.MustDo([&](Ledger& ledger) {
        more = false;
        return step.mend(ledger, &cursor, &more);
      });
    }
    if (cursor.mended != 0) mended[step.check] += cursor.mended;
  }
  return mended;
}

struct Broken {
  explicit Broken(std::initializer_list<const char*> statements) {
    for (const char* id : {"a", "b", "c"}) f.AddId(id);
    f.Add(Delayed(Spec("later"), 1'000));
    JobSpec grouped = Spec("grouped");
    grouped.group = "g";
    f.Add(grouped);
    JobSpec once = Spec("once");
    once.delivery = Delivery::kAtMostOnce;
    once.dedup.key = "k";
    f.Add(once);
    f.Settle(f.ClaimOne(), Kind::kCompleted);
    f.MustDo([](Ledger& ledger) { return SetProgress(ledger, {"a", ""}, "1", 100); });
    f.CheckInvariants();
    for (const char* sql : statements) RequireOk(f.connection().Exec(sql));
    mended = Repair(f);
    f.CheckInvariants();
    CHECK(Repair(f).empty());
  }
  JobsFixture f;
  std::map<std::string, int64_t> mended;
};

TEST_CASE("a sound store is left as it is", "[jobs][repair]") {
  CHECK(Broken({}).mended.empty());
}

TEST_CASE("a job without a place is put back", "[jobs][repair]") {
  Broken broken({"DELETE FROM ready", "DELETE FROM scheduled", "DELETE FROM group_ready",
                 "DELETE FROM finished"});
  CHECK(broken.mended["one_place"] == 6);
  CHECK(broken.f.StateOf("a") == JobState::kReady);
  CHECK(broken.f.StateOf("later") == JobState::kReady);
  CHECK(broken.f.StateOf("grouped") == JobState::kReady);
  CHECK(broken.f.StateOf("once") == JobState::kFailed);
  CHECK(broken.f.Read("once").error.find("JobLost") != std::string::npos);
  CHECK(broken.f.Read("a").progress == "1");
  CHECK(broken.f.Claim(10).size() == 5);
}

TEST_CASE("a job in several places keeps the surest", "[jobs][repair]") {
  Broken broken({"INSERT INTO ready VALUES (1, 0, 1, 1)",
                 "INSERT INTO active SELECT job, queue_id, 9, 1000000, 0, job, 0, 0, NULL, 0, NULL "
                 "FROM jobs WHERE custom_id IN ('a', 'later')"});
  CHECK(broken.f.StateOf("a") == JobState::kCompleted);
  CHECK(broken.mended["one_place"] == 2);
  CHECK(broken.mended["leases"] == 1);  // its holder is unknown, too
  CHECK(broken.f.Read("later").crashes == 1);
}

TEST_CASE("what belongs to no job is deleted", "[jobs][repair]") {
  Broken broken({"DELETE FROM jobs WHERE custom_id IN ('a', 'b', 'once')",
                 "INSERT INTO ready VALUES (1, 7, 3, 0)",
                 "INSERT INTO job_logs VALUES (999, 1, 0, x'')",
                 "INSERT INTO group_limits VALUES (999, 1, 0, 0, 0)"});
  CHECK(broken.mended["totals"] == 4 + 3);
  CHECK(broken.mended["references"] == 3);
  CHECK(broken.mended["dedup_keys"] == 1);
  CHECK(broken.mended["counts"] == 1);
  CHECK_FALSE(broken.f.Exists("b"));
  CHECK(broken.f.Counts().ready == 2);
}

TEST_CASE("counts, keys, marks and numbers are set right", "[jobs][repair]") {
  Broken broken({"UPDATE queue_counts SET ready = 77, failed = -3, events = 0",
                 "UPDATE finished SET flags = 0", "DELETE FROM job_keys WHERE custom_id = 'c'",
                 "UPDATE sequence SET next = 2",
                 "INSERT INTO task_counters (queue_id, task, failed) VALUES (1, 't', -1)",
                 "INSERT INTO quarantine VALUES (1, 0, 1, 9, 'a broken thing')"});
  CHECK(broken.mended["counts"] == 1);
  CHECK(broken.mended["gathered"] == 1);
  CHECK(broken.mended["ids"] == 1);
  CHECK(broken.mended["sequence"] == 1);
  CHECK(broken.mended["counters"] == 1);
  CHECK(broken.mended["quarantine"] == 1);
}

TEST_CASE("groups are counted and put in line again", "[jobs][repair]") {
  Broken broken({"UPDATE groups SET ready = 5, active = 2", "DELETE FROM turns"});
  CHECK(broken.mended["groups"] == 1);
  CHECK(broken.f.Claim(10).size() == 4);
}

TEST_CASE("blocked jobs wait for what is there", "[jobs][repair]") {
  JobsFixture f;
  const auto wait_for = [&](const char* id, const char* other) {
    JobSpec spec = Spec(id);
    spec.after = {{.job = {.id = other}, .policy = DependencyPolicy::kIgnore}};
    std::vector<EnqueueAck> acks;
    f.MustDo([&](Ledger& ledger) { return flows::EnqueueJobs(ledger, {spec}, &acks); });
    REQUIRE(acks[0].state == JobState::kBlocked);
  };
  for (const char* id : {"a", "b", "c"}) f.AddId(id);
  wait_for("miscounted", "a");
  wait_for("unmarked", "a");
  wait_for("told nothing", "b");
  wait_for("lost", "c");
  f.CheckInvariants();
  for (const char* sql :
       {"UPDATE blocked SET pending = 7 WHERE job = (SELECT job FROM jobs WHERE custom_id = "
        "'miscounted')",
        "UPDATE blocked SET flags = 0 WHERE job = (SELECT job FROM jobs WHERE custom_id = "
        "'unmarked')",
        "DELETE FROM ready WHERE seq = (SELECT job FROM jobs WHERE custom_id IN ('b'))",
        "INSERT INTO finished SELECT job, queue_id, 5, 0, 0, 1, 0, 2, 0, x'' FROM jobs "
        "WHERE custom_id = 'b'",
        "DELETE FROM ready WHERE seq = (SELECT job FROM jobs WHERE custom_id = 'c')",
        "DELETE FROM jobs WHERE custom_id = 'c'"}) {
    RequireOk(f.connection().Exec(sql));
  }
  std::map<std::string, int64_t> mended = Repair(f);
  CHECK(mended["pending"] == 1);
  CHECK(mended["marked"] == 1);
  CHECK(mended["awaited"] == 2);
  f.CheckInvariants();
  CHECK(f.StateOf("miscounted") == JobState::kBlocked);
  CHECK(f.StateOf("told nothing") == JobState::kReady);
  CHECK(f.StateOf("lost") == JobState::kReady);
  CHECK(f.Claim(10).size() == 3);
}

TEST_CASE("leases of a process that nobody knows go back", "[jobs][repair]") {
  JobsFixture f;
  f.AddId("a");
  f.AddId("b");
  f.Claim(2);
  CHECK(Repair(f)["leases"] == 2);
  CHECK(f.Counts().ready == 2);
  f.CheckInvariants();
}

}  // namespace
}  // namespace millrace::jobs
