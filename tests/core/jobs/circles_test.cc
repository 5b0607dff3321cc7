#include "jobs/circles.h"

#include "flows/enqueue.h"
#include "jobs/jobs_test_util.h"
#include "jobs/repair.h"

namespace millrace::jobs {
namespace {

// Jobs b, c, ... of which each waits for the one before, "a" being ready.
void AddChain(JobsFixture& f, const std::string& ids) {
  std::vector<JobSpec> specs;
  for (size_t i = 0; i < ids.size(); ++i) {
    specs.push_back(Spec(ids.substr(i, 1)));
    if (i != 0) specs[i].after = {{.index = static_cast<int32_t>(i) - 1}};
  }
  std::vector<EnqueueAck> acks;
  f.MustDo([&](Ledger& ledger) { return flows::EnqueueJobs(ledger, specs, &acks); });
}

// One more dependency, which no call would have added.
void Tie(JobsFixture& f, const std::string& id, const std::string& other) {
  const auto row = [](const std::string& job) {
    return "(SELECT job FROM jobs WHERE custom_id = '" + job + "')";
  };
  RequireOk(f.connection().Exec(("INSERT INTO dependencies (job, position, depends_on, queue_id, "
                                 "policy, done, member) SELECT " +
                                 row(id) + ", 9, " + row(other) + ", 1, 0, 0, 0")
                                    .c_str()));
  RequireOk(f.connection().Exec(
      ("UPDATE blocked SET pending = pending + 1, flags = flags | 6 WHERE job = " + row(id))
          .c_str()));
}

std::vector<size_t> Sizes(JobsFixture& f, size_t limit = 10) {
  std::vector<size_t> sizes;
  for (const auto& circle : RequireOk(FindCircles(f.connection(), limit))) {
    sizes.push_back(circle.size());
  }
  return sizes;
}

bool DoctorFindsCircle(JobsFixture& f) {
  return RequireOk(DoctorJson(f.connection(), f.Facts())).find("wait for each other") !=
         std::string::npos;
}

TEST_CASE("chains are no circles", "[jobs][flows]") {
  JobsFixture f;
  AddChain(f, "abcdef");
  AddChain(f, "xyz");
  Tie(f, "f", "z");
  CHECK(Sizes(f).empty());
  CHECK_FALSE(DoctorFindsCircle(f));
}

TEST_CASE("each circle is found once, without what leads into it", "[jobs][flows]") {
  JobsFixture f;
  AddChain(f, "abcdef");
  AddChain(f, "xyz");
  Tie(f, "b", "d");  // b, c, d
  CHECK(Sizes(f) == std::vector<size_t>{3});
  Tie(f, "y", "y");
  CHECK(Sizes(f).size() == 2);
  CHECK(Sizes(f, 1).size() == 1);
  CHECK(DoctorFindsCircle(f));
}

TEST_CASE("doctor ends one job of each circle", "[jobs][flows][repair]") {
  JobsFixture f;
  AddChain(f, "abcd");
  Tie(f, "b", "c");
  CHECK(Sizes(f) == std::vector<size_t>{2});
  int64_t mended = 0;
  for (const RepairStep& step : RepairSteps()) {
    RepairCursor cursor;
    for (bool more = true; more;) {
      f.MustDo([&](Ledger& ledger) {
        more = false;
        return step.mend(ledger, &cursor, &more);
      });
    }
    mended += cursor.mended;
  }
  CHECK(mended == 1);
  CHECK(f.Read("c").error.find("the job waited for itself") != std::string::npos);
  CHECK(f.StateOf("b") == JobState::kFailed);
  CHECK(f.StateOf("d") == JobState::kFailed);
  f.CheckInvariants();
}

}  // namespace
}  // namespace millrace::jobs
