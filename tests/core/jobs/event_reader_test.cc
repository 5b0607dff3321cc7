// Reading the event log of a store, page by page.
#include "jobs/change.h"
#include "jobs/event_log.h"
#include "jobs/jobs_test_util.h"
#include "jobs/read.h"

namespace millrace::jobs {
namespace {

// ------------------------------------------------------------------------------------------------

EventPage Page(JobsFixture& f, const EventQuery& query, const std::string& after = "",
               std::vector<Status>* damaged = nullptr) {
  const std::vector<LogQueue> queues = RequireOk(QueuesOf(f.connection(), query));
  const EventPosition from = RequireOk(ParseEventId(after, "after"));
  return RequireOk(ReadEventPage(f.connection(), queues, query, from, damaged));
}

TEST_CASE("a log is read in pages that cut a commit's row anywhere", "[jobs][events]") {
  JobsFixture f;
  f.MustDo([&](Ledger& ledger) {
    EnqueueAck ack;
    for (int i = 0; i < 20; ++i)
      ledger.Log(RequireOk(ledger.QueueId("q")), {.type = EventType::kCleaned, .count = i + 1});
    return Status::Ok();
  });
  f.AddId("a");
  const EventQuery query{.queue = "q", .limit = 3};
  std::vector<Event> all;
  std::string after;
  for (;;) {
    EventPage page = Page(f, query, after);
    if (page.events.empty()) {
      CHECK(page.next == after);
      break;
    }
    for (const Event& event : page.events) {
      if (!all.empty()) CHECK(EventIdLess(all.back().id, event.id));
      all.push_back(event);
    }
    after = page.next;
    CHECK(after == all.back().id);
  }
  REQUIRE(all.size() == 21);
  CHECK(all[19].count == 20);
  CHECK(all[20].type == EventType::kAdded);
  CHECK(RequireOk(NewestEvent(f.connection(), RequireOk(QueueIdOf(f.connection(), "q")))).n == 0);
}

TEST_CASE("a filter passes events by and moves on", "[jobs][events]") {
  JobsFixture f;
  f.AddId("a");
  f.AddId("b");
  f.Settle(f.ClaimOne(), Outcome::Kind::kCompleted, R"("done")");
  EventPage page = Page(f, {.queue = "q", .types = {EventType::kCompleted}, .limit = 10});
  REQUIRE(page.events.size() == 1);
  CHECK(page.events[0].job_id == "a");
  CHECK(page.events[0].data == R"("done")");
  page = Page(f, {.queue = "q", .job_id = "b", .limit = 10});
  REQUIRE(page.events.size() == 1);
  CHECK(page.events[0].type == EventType::kAdded);
  page = Page(f, {.queue = "q", .job_id = "nobody", .limit = 10});
  CHECK(page.events.empty());
  CHECK(EventIdLess("1-0", page.next));
  CHECK(Page(f, {.queue = "q", .limit = 10}, page.next).events.empty());
}

TEST_CASE("an event shows the result of its own run only", "[jobs][events]") {
  JobsFixture f;
  f.AddId("a");
  f.Settle(f.ClaimOne(), Outcome::Kind::kCompleted, "1");
  f.clock.Advance(1);
  f.MustDo([](Ledger& ledger) { return RedriveJob(ledger, {"a", ""}); });
  f.Settle(f.ClaimOne(), Outcome::Kind::kCompleted, "2");
  const std::vector<Event> events = f.Events("q", {EventType::kCompleted});
  REQUIRE(events.size() == 2);
  CHECK(events[0].data.empty());
  CHECK(events[1].data == "2");
}

TEST_CASE("a result that is not kept stays in its event; other bytes than JSON are not shown",
          "[jobs][events]") {
  JobsFixture f({.keep_completed = {.age_ms = -1, .count = 0}});
  f.AddId("a");
  f.Settle(f.ClaimOne(), Outcome::Kind::kCompleted, R"({"kept":false})");
  CHECK_FALSE(f.Exists("a"));
  f.AddId("b");
  Outcome bytes = MakeOutcome(Outcome::Kind::kCompleted, "\xff\xfe");
  bytes.content_type = ContentType::kBytes;
  f.Settle(f.ClaimOne(), bytes);
  const std::vector<Event> events = f.Events("q", {EventType::kCompleted});
  REQUIRE(events.size() == 2);
  CHECK(events[0].data == R"({"kept":false})");
  CHECK(events[1].data.empty());
}

TEST_CASE("a damaged row is reported once and passed by", "[jobs][events]") {
  JobsFixture f;
  f.AddId("a");
  f.AddId("b");
  f.AddId("c");
  RequireOk(
      f.connection().Exec("UPDATE events SET body = x'ffffffff' WHERE seq = (SELECT seq FROM "
                          "events ORDER BY seq LIMIT 1 OFFSET 1)"));
  std::vector<Status> damaged;
  const EventPage page = Page(f, {.queue = "q", .limit = 10}, "", &damaged);
  REQUIRE(page.events.size() == 2);
  CHECK(page.events[0].job_id == "a");
  CHECK(page.events[1].job_id == "c");
  REQUIRE(damaged.size() == 1);
  CHECK(damaged[0].code() == Code::kCorrupt);
  damaged.clear();
  CHECK(Page(f, {.queue = "q", .limit = 10}, page.next, &damaged).events.empty());
  CHECK(damaged.empty());
  CHECK(RequireOk(DoctorJson(f.connection(), f.Facts())).find(R"({"name":"events","ok":false)") !=
        std::string::npos);
}

TEST_CASE("a log keeps at least its newest events and not many more", "[jobs][events]") {
  JobsFixture f({.keep_events = 50});
  for (int i = 0; i < 300; ++i) f.AddId();
  const auto kept = static_cast<int64_t>(f.Events().size());
  CHECK(kept == 50);
  CHECK(kept == f.Int("SELECT events FROM queue_counts"));
  f.CheckInvariants();
}

}  // namespace
}  // namespace millrace::jobs
