#include "schedule/job_template.h"

#include "base/id.h"
#include "base/text.h"
#include "catch.h"
#include "store/store_test_util.h"

namespace millrace::schedule {
namespace {

using store::RequireOk;

JobSpec Full() {
  JobSpec job{.queue = "q",
              .name = "task",
              .data = std::string("\0\xff bytes", 8),
              .content_type = ContentType::kBytes,
              .headers = R"({"a":"b"})",
              .delay_ms = 11,
              .expires_in_ms = 12,
              .priority = -13,
              .lifo = true,
              .retry = {.max_attempts = 14, .backoff = {Backoff::Kind::kExponential, 15, 16, 0.25}},
              .max_crashes = 17,
              .time_limit_ms = 19,
              .soft_time_limit_ms = 18,
              .keep_logs = 20,
              .keep_completed = Keep{.age_ms = 21, .count = -1},
              .keep_failed = Keep{.age_ms = -1, .count = 22},
              .group = "tenant"};
  job.dedup = {.key = "k", .mode = Deduplication::Mode::kStates, .ttl_ms = 23, .states = 24};
  job.delivery = Delivery::kAtMostOnce;
  job.sealing = Sealing::kNone;
  return job;
}

TEST_CASE("a packed job is the same when it is unpacked", "[schedule]") {
  const JobSpec job = RequireOk(UnpackJob(PackJob(Full())));
  CHECK(PackJob(job) == PackJob(Full()));
  CHECK(job.data == Full().data);
  CHECK(job.priority == -13);
  CHECK(job.retry.backoff.jitter == 0.25);
  CHECK(job.keep_completed->age_ms == 21);
  CHECK(job.keep_failed->count == 22);
  CHECK(job.dedup.states == 24);
  CHECK(job.delivery == Delivery::kAtMostOnce);
  CHECK(job.sealing == Sealing::kNone);
  const JobSpec plain{.queue = "q", .name = "t"};
  const JobSpec again = RequireOk(UnpackJob(PackJob(plain)));
  CHECK(PackJob(again) == PackJob(plain));
  CHECK_FALSE(again.keep_completed.has_value());
}

TEST_CASE("bytes that are no job are told from one", "[schedule]") {
  const std::string good = PackJob(Full());
  for (size_t i = 0; i < good.size(); ++i) {
    const auto cut = UnpackJob(std::string_view(good).substr(0, i));
    if (!cut.ok()) CHECK(cut.status().code() == Code::kCorrupt);
  }
  CHECK_FALSE(UnpackJob("").ok());
  CHECK_FALSE(UnpackJob("\x06nonsense").ok());
  for (int i = 0; i < 20'000; ++i) {
    std::string bad = good;
    for (uint64_t n = 1 + RandomBits64() % 4; n > 0; --n) {
      bad[RandomBits64() % bad.size()] = static_cast<char>(RandomBits64());
    }
    const auto job = UnpackJob(bad);
    if (!job.ok()) REQUIRE(job.status().code() == Code::kCorrupt);
  }
}

TEST_CASE("a slot's headers stand beside the template's", "[schedule]") {
  CHECK(SlotHeaders("", "s", 5) == R"({"millrace-schedule":"s","millrace-slot":"5"})");
  CHECK(SlotHeaders("{}", "s", 5) == R"({"millrace-schedule":"s","millrace-slot":"5"})");
  CHECK(SlotHeaders(" { } ", "s", 5) == R"( {"millrace-schedule":"s","millrace-slot":"5"})");
  CHECK(SlotHeaders("{\"a\":\"}\"\n}\n", "s\"", 5) ==
        "{\"a\":\"}\",\"millrace-schedule\":\"s\\\"\",\"millrace-slot\":\"5\"}");
  CHECK(CheckHeaders(SlotHeaders(R"({"a":"b"})", "s", 5)).ok());
}

}  // namespace
}  // namespace millrace::schedule
