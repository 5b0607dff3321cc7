// What `doctor` mends through the engine, and what it says of it.
#include <nlohmann/json.hpp>

#include "catch.h"
#include "engine/engine_test_util.h"
#include "store/connection.h"

namespace millrace::testing {
namespace {

using Json = nlohmann::json;

void Spoil(const std::string& path, const char* sql) {
  auto connection = Must(store::Connection::Open({.path = path}));
  Must(connection->Exec(sql));
}

Json Doctor(Engine& engine, bool repair) {
  return Json::parse(Must(engine.DoctorJson(repair)));
}

std::string Repaired(const Json& doctor, const std::string& name) {
  for (const Json& check : doctor["checks"]) {
    if (check["name"] == name) return check.value("repaired", "");
  }
  return "no such check";
}

}  // namespace

TEST_CASE("doctor mends a store at work and tells what it did", "[engine][doctor]") {
  TempDir dir;
  auto engine = Must(Engine::Open({.path = dir.file()}));
  auto session = Must(engine->OpenSession({.queues = {"q"}, .slots = 1, .paused = true}));
  for (int i = 0; i < 5; ++i) {
    JobSpec spec = Spec();
    spec.id = std::to_string(i);
    Add(*engine, spec);
  }
  CHECK(Doctor(*engine, true)["ok"] == true);
  CHECK(Repaired(Doctor(*engine, true), "counts").empty());
  Spoil(dir.file(), "DELETE FROM ready WHERE seq = (SELECT job FROM jobs WHERE custom_id = '2')");
  Spoil(dir.file(), "DELETE FROM jobs WHERE custom_id = '3'");
  Spoil(dir.file(), "INSERT INTO quarantine VALUES (NULL, 0, 1, 9, 'a broken thing')");
  CHECK(Doctor(*engine, false)["ok"] == false);
  const Json mended = Doctor(*engine, true);
  CAPTURE(mended.dump());
  CHECK(mended["ok"] == true);
  CHECK(Repaired(mended, "one_place") == "1 jobs were put in one place");
  CHECK(Repaired(mended, "totals").find("1 places without a job were deleted") == 0);
  CHECK(Repaired(mended, "counts") == "1 queues were counted again");
  CHECK(Repaired(mended, "quarantine") == "1 records were told and deleted");
  CHECK(Must(engine->Counts("q")).ready == 4);
  session->Resume();
  for (const char* id : {"0", "1", "2", "4"}) {
    const LeasedJob job = TakeOne(*session);
    CHECK(job.spec.id == id);
    CHECK(SettleAndWait(*session, job.token, Completed()).status.ok());
  }
  CHECK(Doctor(*engine, false)["ok"] == true);
}

}  // namespace millrace::testing
