#include "jobs/trim.h"

#include "jobs/change.h"
#include "jobs/jobs_test_util.h"
#include "jobs/read.h"

namespace millrace::jobs {
namespace {

int64_t AddLine(JobsFixture& f, const std::string& id, const std::string& line) {
  int64_t lines = 0;
  f.MustDo([&](Ledger& ledger) { return AppendLog(ledger, {id, ""}, line, &lines); });
  return lines;
}

int64_t Clear(JobsFixture& f, const std::string& id, int64_t keep) {
  int64_t dropped = -1;
  f.MustDo([&](Ledger& ledger) { return ClearLogs(ledger, {id, ""}, keep, &dropped); });
  return dropped;
}

SliceResult Trim(JobsFixture& f, int64_t keep) {
  SliceResult result;
  f.MustDo([&](Ledger& ledger) { return TrimEventsSlice(ledger, "q", keep, &result); });
  return result;
}

TEST_CASE("a log keeps its newest lines, and goes on", "[jobs][trim]") {
  JobsFixture f;
  JobSpec spec = Spec("a");
  spec.keep_logs = 4;
  f.Add(spec);
  CHECK(Clear(f, "a", 0) == 0);
  for (int i = 1; i <= 6; ++i) CHECK(AddLine(f, "a", std::to_string(i)) == std::min(i, 4));
  CHECK(Clear(f, "a", 9) == 0);
  CHECK(Clear(f, "a", 2) == 2);
  CHECK(Clear(f, "a", 2) == 0);
  CHECK(AddLine(f, "a", "7") == 3);
  std::vector<LogLine> lines = RequireOk(ReadLogs(f.connection(), {"a", ""}, 0, 10));
  REQUIRE(lines.size() == 3);
  CHECK(lines[0].text == "5");
  CHECK(Clear(f, "a", 0) == 3);
  CHECK(RequireOk(ReadLogs(f.connection(), {"a", ""}, 0, 10)).empty());
  CHECK(AddLine(f, "a", "8") == 1);
  RequireError(f.Do([](Ledger& ledger) {
    int64_t dropped = 0;
    return ClearLogs(ledger, {"a", ""}, -1, &dropped);
  }),
               Code::kInvalidArgument, "keep is -1");
  f.CheckInvariants();
}

TEST_CASE("a trimmed log of events keeps at least what is asked for", "[jobs][trim]") {
  JobsFixture f;
  for (int i = 0; i < 10; ++i) f.AddAll({Spec(), Spec(), Spec()});
  CHECK(Trim(f, 30).changed == 0);
  SliceResult result = Trim(f, 10);
  CHECK(result.changed == 18);
  CHECK_FALSE(result.more);
  CHECK(f.Events().size() == 12);
  CHECK(f.Int("SELECT events FROM queue_counts") == 12);
  CHECK(Trim(f, 0).changed == 12);
  CHECK(f.Events().empty());
  f.AddId();
  CHECK(f.Events().size() == 1);
  f.CheckInvariants();
  SliceResult none;
  f.MustDo([&](Ledger& ledger) { return TrimEventsSlice(ledger, "unknown", 0, &none); });
  CHECK(none.changed == 0);
}

TEST_CASE("a long log of events goes in slices", "[jobs][trim]") {
  JobsFixture f;
  for (int i = 0; i < 1'100; ++i) f.AddId();
  SliceResult result = Trim(f, 50);
  CHECK(result.changed == 1'000);
  CHECK(result.more);
  result = Trim(f, 50);
  CHECK(result.changed == 50);
  CHECK_FALSE(result.more);
  CHECK(f.Events().size() == 50);
}

}  // namespace
}  // namespace millrace::jobs
