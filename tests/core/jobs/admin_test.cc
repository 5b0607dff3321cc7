#include "jobs/admin.h"

#include <nlohmann/json.hpp>

#include "jobs/bulk.h"
#include "jobs/change.h"
#include "jobs/jobs_test_util.h"

namespace millrace::jobs {
namespace {

using Json = nlohmann::json;
using Kind = Outcome::Kind;

Json Parse(const Result<std::string>& answer) {
  return Json::parse(RequireOk(answer));
}

TEST_CASE("inspect shows the store, its queues and its workers", "[jobs][admin]") {
  JobsFixture f;
  f.AddId("a");
  f.MustDo([](Ledger& ledger) { return PauseQueue(ledger, "b"); });
  f.MustDo([](Ledger& ledger) { return SetQueueRetention(ledger, "b", Keep{5, 6}, Keep{7, 8}); });
  // Two processes had slot 3, of which the newer lives; slot 4 is not held.
  RequireOk(f.connection().Exec(
      "INSERT INTO processes VALUES (11, 3, 41, 'h', 0), (12, 3, 42, 'h', 0), (13, 4, 43, 'h', 0);"
      "INSERT INTO sessions VALUES (1, 11, 'old', 'python', '[\"a\"]', 1, 5), "
      "(2, 12, 'new', 'node', '[\"a\",\"b\"]', 2, 6), (3, 13, 'gone', 'c++', '[]', 3, 7)"));
  StoreFacts facts = f.Facts();
  facts.alive = [](int slot) { return slot == 3; };
  const Json json = Parse(InspectJson(f.connection(), facts));
  CHECK(json["store"]["path"] == facts.path);
  CHECK(json["store"]["durability"] == "power");
  CHECK(json["store"]["bytes"].get<int64_t>() > 0);
  REQUIRE(json["queues"].size() == 2);
  CHECK(json["queues"][1]["queue"] == "q");
  CHECK(json["queues"][1]["ready"] == 1);
  CHECK(json["queues"][1]["paused"] == false);
  CHECK(json["queues"][1]["keep_completed"].is_null());
  CHECK(json["queues"][0]["paused"] == true);
  CHECK(json["queues"][0]["keep_failed"]["count"] == 8);
  REQUIRE(json["workers"].size() == 3);
  CHECK(json["workers"][0]["alive"] == false);
  CHECK(json["workers"][1]["alive"] == true);
  CHECK(json["workers"][1]["queues"] == Json({"a", "b"}));
  CHECK(json["workers"][2]["alive"] == false);
}

TEST_CASE("a job in full embeds JSON and shows other bytes", "[jobs][admin]") {
  JobsFixture f;
  JobSpec spec = Spec("a");
  spec.data = R"({"deep":[1,2]})";
  spec.headers = R"({"k":"v"})";
  f.Add(spec);
  f.MustDo([](Ledger& ledger) { return AppendLog(ledger, {"a", ""}, "a \"line\""); });
  f.Settle(f.ClaimOne(), Kind::kFailed, R"({"type":"E"})");
  Json json = Parse(JobJson(f.connection(), Keyring::Off(), {"a", ""}));
  CHECK(json["id"] == "a");
  CHECK(json["state"] == "failed");
  CHECK(json["data"]["deep"][1] == 2);
  CHECK(json["headers"]["k"] == "v");
  CHECK(json["error"]["type"] == "E");
  CHECK(json["result"].is_null());
  CHECK(json["due_at_ms"].is_null());
  CHECK(json["logs"][0]["text"] == "a \"line\"");
  CHECK(json["options"]["max_attempts"] == 1);
  spec = Spec("bytes");
  spec.data = std::string("\x00\xff", 2);
  spec.content_type = ContentType::kBytes;
  f.Add(spec);
  json = Parse(JobJson(f.connection(), Keyring::Off(), {"bytes", ""}));
  CHECK(json["data"]["hex"] == "00ff");
  CHECK(json["content_type"] == "bytes");
  spec = Spec("broken");
  spec.data = "{\"not json";
  f.Add(spec);
  CHECK(Parse(JobJson(f.connection(), Keyring::Off(), {"broken", ""}))["data"] == "{\"not json");
  spec = Spec("deep");
  spec.data = std::string(100'000, '[') + std::string(100'000, ']');
  f.Add(spec);
  CHECK(Parse(JobJson(f.connection(), Keyring::Off(), {"deep", ""}))["data"].is_string());
  CHECK(JobJson(f.connection(), Keyring::Off(), {"nobody", ""}).status().code() == Code::kNotFound);
}

TEST_CASE("dead letters are listed newest first, of one queue or all", "[jobs][admin]") {
  JobsFixture f;
  for (const char* id : {"1", "2", "3", "4"}) {
    JobSpec spec = Spec(id, id[0] % 2 == 0 ? "even" : "odd");
    spec.name = id[0] < '3' ? "low" : "high";
    f.Add(spec);
    f.clock.Advance(1);
    f.Settle(f.ClaimOne(spec.queue), Kind::kFailed, "{}");
  }
  const auto ids = [](const Json& json) {
    std::string all;
    for (const Json& job : json["jobs"]) all += job["id"].get<std::string>();
    return all;
  };
  Json json = Parse(DeadJson(f.connection(), Keyring::Off(), "", "", 10));
  CHECK(json["total"] == 4);
  CHECK(ids(json) == "4321");
  json = Parse(DeadJson(f.connection(), Keyring::Off(), "", "", 3));
  CHECK(json["total"] == 4);
  CHECK(ids(json) == "432");
  json = Parse(DeadJson(f.connection(), Keyring::Off(), "odd", "", 10));
  CHECK(json["total"] == 2);
  CHECK(ids(json) == "31");
  json = Parse(DeadJson(f.connection(), Keyring::Off(), "", "low", 10));
  CHECK(json["total"] == 2);
  CHECK(ids(json) == "21");
  CHECK(Parse(DeadJson(f.connection(), Keyring::Off(), "nowhere", "", 10))["total"] == 0);
  RequireError(DeadJson(f.connection(), Keyring::Off(), "", "", 0).status(), Code::kInvalidArgument,
               "limit is 0");
}

}  // namespace
}  // namespace millrace::jobs
