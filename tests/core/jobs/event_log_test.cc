#include "jobs/event_log.h"

#include <random>

#include "jobs/jobs_test_util.h"

namespace millrace::jobs {
namespace {

JobKey GeneratedKey() {
  return {.row = 77, .created_at_ms = 1'700'000'000'123, .salt = 0x3ffffffff};
}

TEST_CASE("an event comes back as it was written", "[jobs][events]") {
  const JobKey generated = GeneratedKey();
  const JobKey custom{.row = 5, .custom_id = "order-é"};
  std::string body;
  AppendEvent(&body, {.type = EventType::kAdded,
                      .state = JobState::kScheduled,
                      .job = &generated,
                      .due_at_ms = 1'800'000'000'000,
                      .name = "resize"});
  AppendEvent(&body, {.type = EventType::kCompleted,
                      .state = JobState::kCompleted,
                      .prev = JobState::kActive,
                      .job = &custom,
                      .attempt = 1'000'000,
                      .data = R"({"a":"b"})"});
  AppendEvent(&body, {.type = EventType::kCleaned, .prev = JobState::kFailed, .count = 1'000});
  std::vector<Event> events;
  std::vector<int64_t> rows;
  RequireOk(DecodeEvents(body, 42, 9, "q", &events, &rows));
  REQUIRE(events.size() == 3);
  CHECK(rows == std::vector<int64_t>{77, 5, 0});
  CHECK(events[0].id == "42-0");
  CHECK(events[0].job_id == generated.PublicId());
  CHECK(events[0].name == "resize");
  CHECK(events[0].due_at_ms == 1'800'000'000'000);
  CHECK(events[0].state == JobState::kScheduled);
  CHECK(events[1].id == "42-1");
  CHECK(events[1].job_id == "order-é");
  CHECK(events[1].attempt == 1'000'000);
  CHECK(events[1].data == R"({"a":"b"})");
  CHECK(events[1].prev == JobState::kActive);
  CHECK(events[2].count == 1'000);
  CHECK(events[2].job_id.empty());
  CHECK(events[2].queue == "q");
  CHECK(events[2].at_ms == 9);
}

TEST_CASE("every cut of a row is refused, and what was before it is kept", "[jobs][events]") {
  const JobKey key = GeneratedKey();
  std::string first;
  AppendEvent(&first, {.type = EventType::kActive, .job = &key, .attempt = 3});
  std::string body = first;
  AppendEvent(&body, {.type = EventType::kFailed, .job = &key, .attempt = 300, .data = "{}"});
  for (size_t size = first.size() + 1; size < body.size(); ++size) {
    std::vector<Event> events;
    std::vector<int64_t> rows;
    const Status status =
        DecodeEvents(std::string_view(body).substr(0, size), 3, 0, "q", &events, &rows);
    RequireError(status, Code::kCorrupt,
                 "row 3 of the event log of queue \"q\" is damaged from its event 1 on");
    CHECK(events.size() == 1);
    CHECK(rows.size() == 1);
  }
}

TEST_CASE("bytes that are never written are refused", "[jobs][events]") {
  using namespace std::string_literals;
  const std::string hostile[] = {
      "\x00\x00\x02\x02"s,                  // no such type
      "\x12\x00\x02\x02"s,                  // no such type
      "\x01\x00\x08\x02"s,                  // no such state
      "\x01\x00\x02\xff"s,                  // no such state
      "\x01\x80\x02\x02"s,                  // no such field
      "\x01\x03\x02\x02\x01\x01\x01\x01"s,  // two ids
      "\x01\x02\x02\x02\x01\x05"s + "ab",   // a text longer than what is there
      "\x01\x02\x02\x02\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"s,  // the same, beyond all
                                                                        // sizes
      "\x01\x02\x02\x02\x01\x02\xff\xfe"s,                              // an id that is not UTF-8
      "\x05\x40\x02\x02\x02\xff\xfe"s,              // data that is neither UTF-8 nor sealed
      "\x01\x04\x02\x02\xff\xff\xff\xff\xff\x01"s,  // an attempt beyond its type
      "\x01\x08\x02\x02\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"s,      // a time beyond its type
      "\x01\x10\x02\x02\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01"s,  // a number without an end
  };
  for (const std::string& body : hostile) {
    std::vector<Event> events;
    std::vector<int64_t> rows;
    CAPTURE(body.size());
    CHECK(DecodeEvents(body, 1, 0, "q", &events, &rows).code() == Code::kCorrupt);
    CHECK(events.empty());
  }
}

TEST_CASE("sealed data is kept as it is", "[jobs][events][seal]") {
  const std::string data = "\xffmsl\x01\x02k1";
  std::string body;
  AppendEvent(&body, {.type = EventType::kProgress, .data = data});
  std::vector<Event> events;
  std::vector<int64_t> rows;
  RequireOk(DecodeEvents(body, 1, 0, "q", &events, &rows));
  REQUIRE(events.size() == 1);
  CHECK(events[0].data == data);
}

TEST_CASE("no bytes harm the decoder", "[jobs][events]") {
  std::mt19937_64 random(20'261'122);
  for (int round = 0; round < 20'000; ++round) {
    std::string body(random() % 64, '\0');
    for (char& c : body) c = static_cast<char>(random() % 4 == 0 ? random() % 256 : random() % 16);
    std::vector<Event> events;
    std::vector<int64_t> rows;
    const Status status = DecodeEvents(body, 1, 0, "q", &events, &rows);
    REQUIRE((status.ok() || status.code() == Code::kCorrupt));
    REQUIRE(events.size() == rows.size());
    REQUIRE(events.size() * 4 <= body.size());
  }
}

TEST_CASE("event ids order as numbers and refuse other texts", "[jobs][events]") {
  CHECK(EventIdLess("9-0", "10-0"));
  CHECK(EventIdLess("9-9", "9-10"));
  CHECK_FALSE(EventIdLess("9-10", "9-10"));
  for (const char* id :
       {"x", "1", "1-", "-1-1", "1-1x", "1--1", "99999999999999999999-0", "1-1 "}) {
    RequireError(ParseEventId(id, "after").status(), Code::kInvalidArgument, "after is ");
  }
  CHECK(RequireOk(ParseEventId("", "after")).n == -1);
}

}  // namespace
}  // namespace millrace::jobs
