// Following several queues, and all.
#include "catch.h"
#include "engine/engine_test_util.h"

namespace millrace {
namespace {

using namespace testing;  // NOLINT: the helpers of these tests

JobSpec InQueue(const std::string& queue) {
  JobSpec spec = Spec();
  spec.queue = queue;
  return spec;
}

std::vector<Event> Follow(Subscription& subscription, size_t count) {
  std::vector<Event> events;
  while (events.size() < count) {
    EventPage page = Must(subscription.Next(10'000));
    if (page.events.empty()) throw std::runtime_error("no event came within 10 s");
    for (Event& event : page.events) events.push_back(std::move(event));
  }
  return events;
}

TEST_CASE("a follower of all queues hears of those that come later, from any process",
          "[engine][events]") {
  TempDir dir;
  auto engine = Must(Engine::Open({.path = dir.file()}));
  auto other = Must(Engine::Open({.path = dir.file()}));
  auto all = Must(engine->Subscribe({.query = {.after = "$"}}));
  std::vector<Event> events = Must(all->Next(0)).events;
  CHECK(events.empty());
  for (const std::string queue : {"one", "two", "one", "three"}) {
    Add(*other, InQueue(queue));
    events = Follow(*all, 1);
    REQUIRE(events.size() == 1);
    CHECK(events[0].queue == queue);
    CHECK(events[0].type == EventType::kAdded);
  }
  Must(other->PublishEvent({.queue = "four", .name = "hello", .data = "1"}, {}));
  events = Follow(*all, 1);
  CHECK(events[0].type == EventType::kCustom);
  CHECK(events[0].name == "hello");
  CHECK(events[0].data == "1");
  CHECK(Must(engine->ReadEvents({})).events.size() == 5);
}

TEST_CASE("a follower of some queues hears of them alone", "[engine][events]") {
  TempDir dir;
  auto engine = Must(Engine::Open({.path = dir.file()}));
  int rings = 0;
  auto some = Must(engine->Subscribe({.query = {.queues = {"a", "b"}, .types = {EventType::kAdded}},
                                      .on_ready = [&] { ++rings; }}));
  for (const std::string queue : {"c", "a", "c", "b", "d"}) Add(*engine, InQueue(queue));
  const std::vector<Event> events = Follow(*some, 2);
  REQUIRE(events.size() == 2);
  CHECK(events[0].queue == "a");
  CHECK(events[1].queue == "b");
  CHECK(Must(some->Next(0)).events.empty());
  some->Close();
}

TEST_CASE("a follower is asked for queues in one way only", "[engine][events]") {
  TempDir dir;
  auto engine = Must(Engine::Open({.path = dir.file()}));
  CHECK(engine->ReadEvents({.queue = "a", .queues = {"b"}}).status().code() ==
        Code::kInvalidArgument);
  const Status empty = engine->Subscribe({.query = {.queues = {"a", ""}}}).status();
  CHECK(empty.code() == Code::kInvalidArgument);
  CHECK(empty.message().find("queues[1]") != std::string::npos);
}

}  // namespace
}  // namespace millrace
