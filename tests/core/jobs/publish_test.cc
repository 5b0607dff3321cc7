#include "jobs/publish.h"

#include "base/seal.h"
#include "jobs/jobs_test_util.h"
#include "jobs/payloads.h"

namespace millrace::jobs {
namespace {

Status Publish(JobsFixture& f, const CustomEvent& event) {
  return f.Do([&](Ledger& ledger) { return PublishEvent(ledger, event); });
}

TEST_CASE("a caller's event stands in the log of its queue", "[jobs][events]") {
  JobsFixture f;
  f.AddId("a");
  RequireOk(Publish(f, {.queue = "q", .name = "deployed", .data = R"({"to":"here"})"}));
  RequireOk(Publish(f, {.queue = "q", .name = "added", .job_id = "a"}));
  RequireOk(Publish(f, {.queue = "new", .name = "n"}));
  const std::vector<Event> events = f.Events();
  REQUIRE(events.size() == 3);
  CHECK(events[1].type == EventType::kCustom);
  CHECK(events[1].name == "deployed");
  CHECK(events[1].data == R"({"to":"here"})");
  CHECK(events[1].job_id.empty());
  CHECK(events[2].type == EventType::kCustom);
  CHECK(events[2].name == "added");
  CHECK(events[2].data.empty());
  CHECK(events[2].job_id == "a");
  CHECK(f.Events("new").size() == 1);
  f.CheckInvariants();
}

TEST_CASE("an event is about a job of its queue or of none", "[jobs][events]") {
  JobsFixture f;
  f.AddId("a", "other");
  RequireError(Publish(f, {.queue = "q", .name = "n", .job_id = "a"}), Code::kNotFound, "a");
  CHECK(f.Events("q").empty());
}

TEST_CASE("what is no event is refused", "[jobs][events]") {
  const int64_t max = 1 << 24;
  RequireError(CheckEvent({.queue = "", .name = "n"}, max), Code::kInvalidArgument, "queue");
  RequireError(CheckEvent({.queue = "q", .name = "a\nb"}, max), Code::kInvalidArgument, "name");
  RequireError(CheckEvent({.queue = "q", .name = "n", .data = "{"}, max), Code::kInvalidArgument,
               "data");
  RequireError(CheckEvent({.queue = "q", .name = "n", .job_id = std::string(256, 'x')}, max),
               Code::kInvalidArgument, "job_id");
  const std::string long_text = '"' + std::string(kEventDataMaxBytes, 'x') + '"';
  RequireError(CheckEvent({.queue = "q", .name = "n", .data = long_text}, max), Code::kTooLarge,
               "data");
  RequireError(CheckEvent({.queue = "q", .name = "n", .data = "123456"}, 5), Code::kTooLarge,
               "at most 5");
  RequireOk(CheckEvent({.queue = "q", .name = "n", .data = "12345"}, 5));
}

TEST_CASE("a store with keys seals the data of events", "[jobs][events]") {
  const auto keyring = RequireOk(Keyring::Create(
      {.keys = {{.id = "k", .secret = std::string(32, 's')}}, .mode = Sealing::kEncrypt}));
  JobsFixture f({.keyring = keyring.get()});
  RequireOk(Publish(f, {.queue = "q", .name = "n", .data = R"("secret")"}));
  std::vector<Event> events = f.Events();
  REQUIRE(events.size() == 1);
  CHECK(events[0].data.find("secret") == std::string::npos);
  ShowEvents(*keyring, &events);
  CHECK(events[0].data == R"("secret")");
}

}  // namespace
}  // namespace millrace::jobs
