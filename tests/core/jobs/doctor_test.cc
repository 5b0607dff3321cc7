// Each thing that must always hold is broken once, and `doctor` says so.
#include <nlohmann/json.hpp>

#include "jobs/admin.h"
#include "jobs/change.h"
#include "jobs/jobs_test_util.h"

namespace millrace::jobs {
namespace {

using Json = nlohmann::json;
using Kind = Outcome::Kind;

Json Parse(const Result<std::string>& answer) {
  return Json::parse(RequireOk(answer));
}

Json Check(const Json& doctor, const std::string& name) {
  for (const Json& check : doctor["checks"]) {
    if (check["name"] == name) return check;
  }
  FAIL("doctor has no check " + name);
  return {};
}

// -------------------------------------------------------------------------------

void Breaks(const char* sql, const char* check, const std::string& detail) {
  JobsFixture f;
  for (const char* id : {"a", "b", "c"}) f.AddId(id);
  f.Add(Delayed(Spec("later"), 1'000));
  f.Settle(f.ClaimOne(), Kind::kCompleted);
  f.MustDo([](Ledger& ledger) { return SetProgress(ledger, {"a", ""}, "1", 100); });
  f.CheckInvariants();
  RequireOk(f.connection().Exec(sql));
  const Json doctor = Parse(DoctorJson(f.connection(), f.Facts()));
  CAPTURE(sql, doctor.dump());
  CHECK(doctor["ok"] == false);
  CHECK(Check(doctor, check)["ok"] == false);
  CHECK(Check(doctor, check)["detail"].get<std::string>().find(detail) != std::string::npos);
}

TEST_CASE("doctor finds what is broken", "[jobs][admin]") {
  Breaks("DELETE FROM ready WHERE seq = 3", "one_place",
         "job number 3 does not stand in exactly one place");
  Breaks("INSERT INTO ready VALUES (1, 0, 1, 0)", "one_place", "job number 1");
  Breaks("INSERT INTO ready VALUES (1, 0, 999, 0)", "totals", "4 jobs have 5 places");
  Breaks("DELETE FROM job_keys WHERE custom_id = 'b'", "ids", "is not found under its id");
  Breaks("DELETE FROM job_keys WHERE custom_id = 'b'", "totals",
         "4 jobs with an id of their own have 3 ids");
  Breaks("UPDATE queue_counts SET ready = 7", "counts", "queue \"q\" has 2 ready and counts 7");
  Breaks("UPDATE queue_counts SET events = 0", "counts", "events and counts 0");
  Breaks("DELETE FROM jobs WHERE job = 1", "references", "refers to nothing in jobs");
  Breaks("UPDATE finished SET flags = 0", "gathered", "job number 1");
  Breaks("UPDATE sequence SET next = 2", "sequence", "the next number is 2");
  Breaks("INSERT INTO groups (group_id, queue_id, name, paused) VALUES (5000, 1, 'g', 1)",
         "sequence", "5000 is in use");
  Breaks("INSERT INTO quarantine VALUES (1, 0, 1, 9, 'a broken thing')", "quarantine",
         "a broken thing");
  Breaks("INSERT INTO active VALUES (3, 1, 5, 77, 0, 3, 0, 0, NULL, 0, NULL)", "leases",
         "process 77, which is not registered");
  Breaks("PRAGMA user_version = 99", "schema", "the file has schema 99");
  Breaks("PRAGMA application_id = 5", "application_id", "the application id is 5");
}

TEST_CASE("jobs of a dead process are no fault: the next worker takes them back", "[jobs][admin]") {
  JobsFixture f;
  f.AddId("a");
  const Lease lease = f.ClaimOne();
  RequireOk(f.connection().Exec("DELETE FROM processes"));
  RequireOk(f.connection().Exec(
      ("INSERT INTO processes VALUES (" + std::to_string(lease.process_id) + ", 7, 1, 'vm', 0)")
          .c_str()));
  StoreFacts facts = f.Facts();
  facts.alive = [](int64_t) { return false; };
  const Json doctor = Parse(DoctorJson(f.connection(), facts));
  CAPTURE(doctor.dump());
  CHECK(Check(doctor, "leases")["ok"] == true);
  CHECK(Check(doctor, "leases")["detail"] ==
        "1 active jobs, 1 of them of processes that are dead: the next worker takes them back");
}

TEST_CASE("doctor answers what the engine has found with its own", "[jobs][admin]") {
  JobsFixture f;
  f.AddId("a");
  StoreFacts facts = f.Facts();
  facts.checks.push_back({.name = "locks", .ok = true, .detail = "fine"});
  Json doctor = Parse(DoctorJson(f.connection(), facts));
  CHECK(doctor["ok"] == true);
  CHECK(doctor["checks"][0]["name"] == "locks");
  CHECK(Check(doctor, "journal")["detail"] == "wal");
  CHECK(doctor["versions"]["millrace"] == MILLRACE_VERSION);
  facts.checks[0].ok = false;
  doctor = Parse(DoctorJson(f.connection(), facts));
  CHECK(doctor["ok"] == false);
}

}  // namespace
}  // namespace millrace::jobs
