#include "jobs/event_merge.h"

#include "jobs/jobs_test_util.h"

namespace millrace::jobs {
namespace {

// One commit with `count` events in each of the queues.
void Commit(JobsFixture& f, const std::vector<std::string>& queues, int count = 1) {
  f.MustDo([&](Ledger& ledger) {
    for (const std::string& queue : queues) {
      const int64_t queue_id = RequireOk(ledger.QueueId(queue));
      for (int i = 0; i < count; ++i) ledger.Log(queue_id, {.type = EventType::kPaused});
    }
    return Status::Ok();
  });
}

std::vector<Event> ReadAll(JobsFixture& f, const EventQuery& query) {
  std::vector<Event> events;
  const std::vector<LogQueue> queues = RequireOk(QueuesOf(f.connection(), query));
  for (EventPosition from;;) {
    EventPage page = RequireOk(ReadEventPage(f.connection(), queues, query, from));
    for (Event& event : page.events) events.push_back(std::move(event));
    const EventPosition next = RequireOk(ParseEventId(page.next, "next"));
    if (next.seq == from.seq && next.n == from.n) return events;
    from = next;
  }
}

TEST_CASE("the logs of several queues are read as one, in the order of the commits",
          "[jobs][events]") {
  JobsFixture f;
  // One busy queue, so that its rows are looked up several times; others now and then.
  for (int i = 0; i < 200; ++i) {
    Commit(f, {"busy"}, i % 3 + 1);
    if (i % 50 == 0) Commit(f, {"a", "busy", "b"});
  }
  Commit(f, {"last"});
  const std::vector<Event> all = ReadAll(f, {.limit = 7});
  size_t busy = 0;
  for (size_t i = 0; i < all.size(); ++i) {
    if (i > 0) CHECK(EventIdLess(all[i - 1].id, all[i].id));
    if (all[i].queue == "busy") ++busy;
  }
  CHECK(busy == f.Events("busy").size());
  CHECK(all.size() == busy + 4 + 4 + 1);
  CHECK(all.back().queue == "last");

  const std::vector<Event> two = ReadAll(f, {.queues = {"b", "a", "b", "unknown"}, .limit = 3});
  REQUIRE(two.size() == 8);
  CHECK(two[0].queue == "a");
  CHECK(two[1].queue == "b");
  CHECK(ReadAll(f, {.queues = {"unknown"}, .limit = 3}).empty());
}

TEST_CASE("a position in the merged log is one in each queue's own", "[jobs][events]") {
  JobsFixture f;
  Commit(f, {"a", "b"}, 2);
  Commit(f, {"b", "a"}, 2);
  const std::vector<Event> all = ReadAll(f, {.limit = 100});
  REQUIRE(all.size() == 8);
  const std::vector<LogQueue> queues = RequireOk(QueuesOf(f.connection(), {}));
  for (size_t i = 0; i < all.size(); ++i) {
    const EventPosition from = RequireOk(ParseEventId(all[i].id, "id"));
    const EventQuery query{.limit = 100};
    CHECK(RequireOk(ReadEventPage(f.connection(), queues, query, from)).events.size() ==
          all.size() - i - 1);
  }
  const EventPosition newest = RequireOk(NewestEvent(f.connection(), queues));
  CHECK(FormatEventId(newest.seq, newest.n) == all.back().id);
  CHECK(RequireOk(EndOfLog(f.connection())) >= newest.seq);
}

TEST_CASE("a merge without queues, or behind the end, has no row", "[jobs][events]") {
  JobsFixture f;
  const std::vector<LogQueue> none;
  EventMerge::Row row;
  CHECK_FALSE(RequireOk(EventMerge(f.connection(), none, 0).Next(&row)));
  Commit(f, {"a"});
  const std::vector<LogQueue> queues = RequireOk(QueuesOf(f.connection(), {}));
  EventMerge merge(f.connection(), queues, 0);
  REQUIRE(RequireOk(merge.Next(&row)));
  CHECK_FALSE(RequireOk(merge.Next(&row)));
  CHECK_FALSE(RequireOk(EventMerge(f.connection(), queues, row.seq + 1).Next(&row)));
}

}  // namespace
}  // namespace millrace::jobs
