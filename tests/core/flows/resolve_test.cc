#include "flows/resolve.h"

#include "flows/flows_test_util.h"
#include "jobs/bulk.h"
#include "jobs/change.h"

namespace millrace::flows {
namespace {

using Policy = DependencyPolicy;

// "a" and "b" are waited for by "top".
void AddPair(FlowsFixture& f, Policy policy, JobSpec top = Spec("top", "tops")) {
  f.AddAll({Spec("a"), Spec("b"), After(std::move(top), {0, 1}, policy)});
}

TEST_CASE("fail: the waiting job fails too, and all that wait for it", "[flows]") {
  FlowsFixture f;
  f.AddAll({Spec("a"), Spec("b"), After(Spec("top"), {0, 1}), After(Spec("above"), {2}),
            After(Spec("handler"), {3}, Policy::kOnFailure)});
  f.Fail("a");
  CHECK(f.Is("top", JobState::kFailed));
  CHECK(f.Is("above", JobState::kFailed));
  CHECK(f.Read("top").error ==
        R"({"type":"DependencyFailed","message":"job a (task) failed: it broke","stack":"",)"
        R"("data":{"id":"a","name":"task","queue":"q",)"
        R"("error":{"type":"Boom","message":"it broke","stack":"at x"}}})");
  CHECK(f.Read("above").error.find("job top (task) failed: job a (task) failed: it broke") !=
        std::string::npos);
  CHECK(f.Is("handler", JobState::kReady));
  CHECK(f.Events("q", {EventType::kFailed}).size() == 3);
  f.CheckInvariants();
  f.Run("b");  // goes on: only who waits is concerned
  CHECK(f.Is("top", JobState::kFailed));
  f.CheckInvariants();
}

TEST_CASE("wait: the waiting job goes on waiting, until the failed one is redriven", "[flows]") {
  FlowsFixture f;
  AddPair(f, Policy::kWait);
  f.Fail("a");
  f.Run("b");
  CHECK(f.Is("top", JobState::kBlocked));
  CHECK(f.Read("top").pending == 1);
  f.CheckInvariants();
  f.MustDo([](jobs::Ledger& ledger) { return jobs::RedriveJob(ledger, {"a", ""}); });
  CHECK(f.Read("top").pending == 1);
  f.Run("a", Kind::kCompleted, "9");
  CHECK(f.Is("top", JobState::kReady));
  CHECK(f.Dependencies("top").dependencies[0].result == "9");
  f.CheckInvariants();
}

TEST_CASE("ignore: the error is there to be read", "[flows]") {
  FlowsFixture f;
  AddPair(f, Policy::kIgnore);
  f.Fail("a");
  CHECK(f.Is("top", JobState::kBlocked));
  f.Run("b", Kind::kCompleted, "1");
  CHECK(f.Is("top", JobState::kReady));
  const DependencyPage page = f.Dependencies("top");
  CHECK(page.dependencies[0].state == JobState::kFailed);
  CHECK(page.dependencies[0].error == kBoom);
  CHECK(page.dependencies[1].result == "1");
  CHECK(page.pending == 0);
  f.CheckInvariants();
}

TEST_CASE("remove: the failed one is forgotten", "[flows]") {
  FlowsFixture f;
  AddPair(f, Policy::kRemove);
  f.Fail("a");
  f.Run("b");
  CHECK(f.Is("top", JobState::kReady));
  const DependencyPage page = f.Dependencies("top");
  REQUIRE(page.dependencies.size() == 1);
  CHECK(page.dependencies[0].id == "b");
  f.CheckInvariants();
}

TEST_CASE("continue: the waiting job runs at once, and what it waited for goes on", "[flows]") {
  FlowsFixture f;
  AddPair(f, Policy::kContinue);
  f.Fail("a");
  CHECK(f.Is("top", JobState::kReady));
  CHECK(f.Is("b", JobState::kReady));
  CHECK(f.Dependencies("top").pending == 1);
  CHECK(f.Dependencies("top").dependencies[1].state == JobState::kReady);
  f.CheckInvariants();
  f.Run("b");
  CHECK(f.Dependencies("top").pending == 0);
  f.Run("top", Kind::kCompleted, "null", "tops");
  f.CheckInvariants();
}

TEST_CASE("cancel: the waiting job is cancelled", "[flows]") {
  FlowsFixture f;
  AddPair(f, Policy::kCancel);
  f.Fail("a");
  CHECK(f.Is("top", JobState::kCancelled));
  CHECK(f.Read("top").error.find(R"("type":"DependencyFailed")") != std::string::npos);
  CHECK(f.Counts("tops").cancelled == 1);
  f.CheckInvariants();
}

TEST_CASE("on_failure: the job runs if the other fails, else it is removed", "[flows]") {
  FlowsFixture f;
  f.AddAll({Spec("a"), After(Spec("good", "tops"), {0}),
            After(Spec("bad", "tops"), {0}, Policy::kOnFailure)});
  f.Run("a");
  CHECK(f.Is("good", JobState::kReady));
  CHECK_FALSE(f.Exists("bad"));
  CHECK(f.Events("tops", {EventType::kRemoved}).size() == 1);
  f.AddAll({Spec("c"), After(Spec("good2", "tops"), {0}, Policy::kCancel),
            After(Spec("bad2", "tops"), {0}, Policy::kOnFailure)});
  f.Fail("c");
  CHECK(f.Is("good2", JobState::kCancelled));
  CHECK(f.Is("bad2", JobState::kReady));
  CHECK(f.Dependencies("bad2").dependencies[0].error == kBoom);
  f.CheckInvariants();
}

TEST_CASE("a retried attempt is not the end of a job", "[flows]") {
  FlowsFixture f;
  JobSpec child = Spec("a");
  child.retry.max_attempts = 2;
  f.AddAll({child, After(Spec("top"), {0})});
  f.Fail("a");
  CHECK(f.Is("top", JobState::kBlocked));
  f.Run("a");
  CHECK(f.Is("top", JobState::kReady));
  f.CheckInvariants();
}

TEST_CASE("results survive jobs that are removed at once", "[flows]") {
  FlowsFixture f;
  JobSpec child = Spec("a");
  child.keep_completed = Keep{.count = 0};
  JobSpec other = Spec("b");
  other.keep_failed = Keep{.count = 0};
  other.after.push_back({.index = 0, .policy = Policy::kFail});
  JobSpec top = Spec("top");
  top.after = {{.index = 0, .name = "first"}, {.index = 1, .policy = Policy::kIgnore}};
  f.AddAll({child, other, top});
  f.Run("a", Kind::kCompleted, R"("kept")");
  CHECK_FALSE(f.Exists("a"));
  CHECK(f.Dependencies("b").dependencies[0].result == R"("kept")");
  f.Fail("b");
  CHECK_FALSE(f.Exists("b"));
  CHECK(f.Is("top", JobState::kReady));
  const DependencyPage page = f.Dependencies("top");
  CHECK(page.dependencies[0].name == "first");
  CHECK(page.dependencies[0].id == "a");
  CHECK(page.dependencies[0].state == JobState::kCompleted);
  CHECK(page.dependencies[0].result == R"("kept")");
  CHECK(page.dependencies[1].error == kBoom);
  f.CheckInvariants();
}

TEST_CASE("retention keeps what is waited for with those who wait", "[flows]") {
  jobs::Ledger::Options options;
  options.keep_completed = Keep{.count = 2};
  FlowsFixture f(options);
  std::vector<JobSpec> specs;
  std::vector<int32_t> all;
  for (int32_t i = 0; i < 10; ++i) {
    specs.push_back(Spec("c" + std::to_string(i)));
    all.push_back(i);
  }
  specs.push_back(Join(After(Spec("top", "tops"), all), JoinKind::kCollect));
  f.AddAll(specs);
  for (int i = 0; i < 10; ++i) f.Run("c" + std::to_string(i), Kind::kCompleted, std::to_string(i));
  CHECK(f.Counts().completed < 10);
  CHECK(*f.Read("top").result == "[0,1,2,3,4,5,6,7,8,9]");
  f.CheckInvariants();
}

TEST_CASE("a removed job holds nobody up", "[flows]") {
  const auto remove = [](FlowsFixture& f, const std::string& id) {
    f.MustDo([&](jobs::Ledger& ledger) { return jobs::RemoveJob(ledger, {id, ""}); });
  };
  for (const Policy policy :
       {Policy::kWait, Policy::kIgnore, Policy::kRemove, Policy::kContinue, Policy::kOnFailure}) {
    CAPTURE(DependencyPolicyName(policy));
    FlowsFixture f;
    f.AddAll({Spec("a"), After(Spec("top"), {0}, policy)});
    remove(f, "a");
    CHECK(f.Is("top", JobState::kReady));
    f.CheckInvariants();
  }
  FlowsFixture f;
  f.AddAll({Spec("a"), After(Spec("failed"), {0}), After(Spec("cancelled"), {0}, Policy::kCancel)});
  remove(f, "a");
  CHECK(f.Is("cancelled", JobState::kCancelled));
  CHECK(f.Read("failed").error ==
        R"({"type":"DependencyFailed","message":"job a (task) was removed","stack":"",)"
        R"("data":{"id":"a","name":"task","queue":"q",)"
        R"("error":{"type":"JobRemoved","message":"the job was removed","stack":""}}})");
  f.CheckInvariants();
  // A failed one that somebody waits for to be redriven can be given up.
  f.AddAll({Spec("b"), After(Spec("waits"), {0}, Policy::kWait)});
  f.Fail("b");
  remove(f, "b");
  CHECK(f.Is("waits", JobState::kReady));
  CHECK(f.Dependencies("waits").dependencies[0].error == kBoom);
  f.CheckInvariants();
}

TEST_CASE("a redriven job waits again for what is not done", "[flows]") {
  FlowsFixture f;
  f.AddAll({Spec("a"), Spec("b"), After(Spec("top", "tops"), {0, 1})});
  const auto redrive = [&](const std::string& id) {
    f.MustDo([&](jobs::Ledger& ledger) { return jobs::RedriveJob(ledger, {id, ""}); });
  };
  f.Fail("a");
  redrive("top");
  CHECK(f.Is("top", JobState::kBlocked));
  CHECK(f.Read("top").pending == 2);
  f.CheckInvariants();
  f.Run("b");
  redrive("a");
  f.Fail("a");
  CHECK(f.Is("top", JobState::kFailed));
  redrive("a");
  f.Run("a");
  CHECK(f.Is("top", JobState::kFailed));
  redrive("top");
  CHECK(f.Is("top", JobState::kReady));
  f.Run("top", Kind::kCompleted, "null", "tops");
  redrive("top");
  CHECK(f.Is("top", JobState::kReady));
  f.CheckInvariants();
}

TEST_CASE("blocked jobs are removed in bulk, and with their queue", "[flows]") {
  FlowsFixture f;
  f.AddAll({Spec("a"), After(Spec("b"), {0}), After(Spec("c"), {1}, Policy::kWait),
            After(Spec("d", "tops"), {1}, Policy::kIgnore)});
  jobs::BulkCursor cursor;
  jobs::SliceResult result;
  f.MustDo([&](jobs::Ledger& ledger) {
    return RemoveSlice(ledger, {.queue = "q", .state = JobState::kBlocked}, 1, &cursor, &result);
  });
  CHECK(result.changed == 1);
  CHECK_FALSE(f.Exists("b"));
  CHECK(f.Is("c", JobState::kReady));
  CHECK(f.Is("d", JobState::kReady));
  f.CheckInvariants();
  f.AddAll({Spec("x"), After(Spec("y"), {0}), After(Spec("z"), {1}),
            After(Spec("e", "tops"), {2}, Policy::kWait)});
  cursor = {};
  for (result.more = true; result.more;) {
    f.MustDo([&](jobs::Ledger& ledger) {
      return ObliterateSlice(ledger, "q", true, 2, &cursor, &result);
    });
  }
  CHECK(f.Int("SELECT count(*) FROM jobs") == 2);
  CHECK(f.Is("e", JobState::kReady));
  f.CheckInvariants();
}

TEST_CASE("a job that many wait for ends in one commit", "[flows]") {
  FlowsFixture f;
  std::vector<JobSpec> specs = {Spec("a")};
  for (int i = 0; i < 2'000; ++i) specs.push_back(After(Spec("", "many"), {0}));
  f.AddAll(specs);
  f.Run("a");
  CHECK(f.Counts("many").ready == 2'000);
  f.CheckInvariants();
}

}  // namespace
}  // namespace millrace::flows
