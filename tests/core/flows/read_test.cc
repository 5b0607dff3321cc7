#include "flows/read.h"

#include <nlohmann/json.hpp>

#include "flows/flows_test_util.h"
#include "jobs/change.h"
#include "jobs/read.h"

namespace millrace::flows {
namespace {

using Json = nlohmann::json;

Json Tree(FlowsFixture& f, const std::string& id, int32_t depth = 1'000, int32_t children = 100) {
  return Json::parse(RequireOk(FlowJson(f.connection(), {id, ""}, depth, children)));
}

TEST_CASE("dependencies are read in order, by page and by state", "[flows]") {
  FlowsFixture f;
  std::vector<JobSpec> specs;
  JobSpec top = Spec("top", "tops");
  for (int32_t i = 0; i < 10; ++i) {
    specs.push_back(Spec("c" + std::to_string(i)));
    top.after.push_back(
        {.index = i, .policy = DependencyPolicy::kIgnore, .name = "n" + std::to_string(i)});
  }
  specs.push_back(top);
  f.AddAll(specs);
  for (int i = 0; i < 6; ++i) {
    f.Run("c" + std::to_string(i), i % 2 == 0 ? Kind::kCompleted : Kind::kFailed,
          i % 2 == 0 ? std::to_string(i) : kBoom);
  }
  f.ClaimOne();
  const DependencyPage all = f.Dependencies("top");
  REQUIRE(all.dependencies.size() == 10);
  CHECK(all.total == 10);
  CHECK(all.pending == 4);
  for (size_t i = 0; i < 10; ++i) {
    CHECK(all.dependencies[i].id == "c" + std::to_string(i));
    CHECK(all.dependencies[i].name == "n" + std::to_string(i));
    CHECK(all.dependencies[i].done == (i < 6));
  }
  CHECK(all.dependencies[6].state == JobState::kActive);
  CHECK(all.dependencies[7].state == JobState::kReady);
  DependencyQuery query{.job = {"top", "tops"}, .offset = 3, .limit = 2};
  DependencyPage page = RequireOk(ReadDependencies(f.connection(), query));
  REQUIRE(page.dependencies.size() == 2);
  CHECK(page.dependencies[0].id == "c3");
  query.states = 1U << static_cast<int>(JobState::kCompleted);
  query.offset = 1;
  page = RequireOk(ReadDependencies(f.connection(), query));
  REQUIRE(page.dependencies.size() == 2);
  CHECK(page.dependencies[0].id == "c2");
  CHECK(page.dependencies[1].id == "c4");
  query.states = 1U << static_cast<int>(JobState::kReady);
  query.offset = 0;
  query.limit = 10;
  CHECK(RequireOk(ReadDependencies(f.connection(), query)).dependencies.size() == 3);
}

TEST_CASE("bad queries are refused", "[flows]") {
  FlowsFixture f;
  f.AddId("a");
  const auto refused = [&](const DependencyQuery& query, Code code, const char* message) {
    RequireError(ReadDependencies(f.connection(), query).status(), code, message);
  };
  refused({.job = {"nobody", ""}}, Code::kNotFound, "there is no job");
  refused({.job = {"a", ""}, .limit = 0}, Code::kInvalidArgument, "limit is 0; 1 to 10000");
  refused({.job = {"a", ""}, .offset = -1}, Code::kInvalidArgument, "offset is -1");
  refused({.job = {"a", ""}, .states = 1U << 20}, Code::kInvalidArgument, "states is");
  RequireError(FlowJson(f.connection(), {"a", ""}, 0, 1).status(), Code::kInvalidArgument,
               "depth is 0; 1 to 1000");
  RequireError(FlowJson(f.connection(), {"a", ""}, 1, 0).status(), Code::kInvalidArgument,
               "children is 0; 1 to 10000");
  CHECK(f.Dependencies("a").dependencies.empty());
}

TEST_CASE("a flow is read back as a tree", "[flows]") {
  FlowsFixture f;
  JobSpec top = After(Spec("top"), {1, 2});
  top.after[0].name = "left";
  f.AddAll({Spec("shared", "deep"), After(Spec("a"), {0}),
            After(Spec("b"), {0}, DependencyPolicy::kWait), top});
  f.Run("shared", Kind::kCompleted, "null", "deep");
  const Json tree = Tree(f, "top");
  CHECK(tree["id"] == "top");
  CHECK(tree["state"] == "blocked");
  CHECK(tree["name"] == "task");
  CHECK_FALSE(tree.contains("policy"));
  REQUIRE(tree["children"].size() == 2);
  CHECK(tree["children"][0]["id"] == "a");
  CHECK(tree["children"][0]["policy"] == "fail");
  CHECK(tree["children"][0]["as"] == "left");
  CHECK(tree["children"][0]["state"] == "ready");
  CHECK(tree["children"][0]["children"][0]["id"] == "shared");
  CHECK(tree["children"][0]["children"][0]["queue"] == "deep");
  CHECK(tree["children"][0]["children"][0]["state"] == "completed");
  CHECK(tree["children"][0]["children"][0]["done"] == true);
  CHECK(tree["children"][1]["children"][0]["policy"] == "wait");
  CHECK(Tree(f, "top", 1)["children"][0]["children"].empty());
  CHECK(Tree(f, "top", 1)["children"][0]["more"] == 1);
  CHECK(Tree(f, "top", 5, 1)["more"] == 1);
}

TEST_CASE("a thousand levels are read back", "[flows]") {
  FlowsFixture f;
  std::vector<JobSpec> specs = {Spec("l0")};
  for (int32_t i = 1; i <= 1'000; ++i)
    specs.push_back(After(Spec("l" + std::to_string(i)), {i - 1}));
  f.AddAll(specs);
  Json tree = Tree(f, "l1000");
  for (int i = 1'000; i > 0; --i) {
    REQUIRE(tree["id"] == "l" + std::to_string(i));
    Json child = std::move(tree["children"][0]);
    tree = std::move(child);
  }
  CHECK(tree["id"] == "l0");
}

TEST_CASE("a leased job brings as many results along as fit", "[flows]") {
  FlowsFixture f;
  std::vector<JobSpec> specs;
  std::vector<int32_t> all;
  for (int32_t i = 0; i < 150; ++i) {
    specs.push_back(Spec());
    all.push_back(i);
  }
  specs.push_back(After(Spec("many", "tops"), all));
  f.AddAll(specs);
  for (const jobs::Claimed& job : f.Claim(150)) f.Settle(job.lease, Kind::kCompleted, "1");
  std::vector<jobs::Claimed> claimed = f.Claim(1, "tops");
  RequireOk(AddRelations(f.connection(), claimed.data()));
  CHECK(claimed[0].job.dependencies.size() == 100);
  CHECK(claimed[0].job.dependency_count == 150);
  f.AddAll({Spec(), Spec(), Spec(), After(Spec("large", "tops"), {0, 1, 2})});
  const std::string large(100 << 10, '1');
  for (const jobs::Claimed& job : f.Claim(3)) f.Settle(job.lease, Kind::kCompleted, large);
  claimed = f.Claim(1, "tops");
  RequireOk(AddRelations(f.connection(), claimed.data()));
  CHECK(claimed[0].job.dependencies.size() == 2);
  CHECK(claimed[0].job.dependency_count == 3);
}

TEST_CASE("a job knows the first that waits for it", "[flows]") {
  FlowsFixture f;
  JobSpec other = After(Spec("other", "tops"), {0}, DependencyPolicy::kIgnore);
  f.AddAll({Spec("a"), Spec("alone"), After(Spec("top", "tops"), {0, 1}), other});
  f.AddAll({Spec("single")});
  const auto read = RequireOk(jobs::ReadJob(f.connection(), {"a", "q"}));
  REQUIRE(read.parent);
  CHECK(read.parent->job.id == "top");
  CHECK(read.parent->job.queue == "tops");
  CHECK(read.parent->policy == DependencyPolicy::kFail);
  CHECK_FALSE(RequireOk(jobs::ReadJob(f.connection(), {"top", "tops"})).parent);
  std::vector<jobs::Claimed> claimed = f.Claim(3);
  for (jobs::Claimed& job : claimed) RequireOk(AddRelations(f.connection(), &job));
  REQUIRE(claimed[1].job.parent);
  CHECK(claimed[1].job.parent->job.id == "top");
  CHECK_FALSE(claimed[2].job.parent);
  // Ended, it knows it still; when that one is gone, the next one.
  f.Settle(claimed[0].lease, Kind::kCompleted, "1");
  CHECK(RequireOk(jobs::ReadJob(f.connection(), {"a", "q"})).parent->job.id == "top");
  f.MustDo([](jobs::Ledger& ledger) { return jobs::RemoveJob(ledger, {"top", "tops"}); });
  CHECK(RequireOk(jobs::ReadJob(f.connection(), {"a", "q"})).parent->job.id == "other");
  CHECK_FALSE(RequireOk(jobs::ReadJob(f.connection(), {"single", "q"})).parent);
}

TEST_CASE("blocked jobs are listed in the order of claim", "[flows]") {
  FlowsFixture f;
  JobSpec urgent = After(Spec("urgent"), {0});
  urgent.priority = -1;
  JobSpec named = After(Spec("named"), {0});
  named.name = "other";
  f.AddAll({Spec("a"), After(Spec("b"), {0}), named, urgent});
  const auto list = [&](ListQuery query) {
    query.queue = "q";
    query.state = JobState::kBlocked;
    std::string ids;
    for (const JobInfo& job : RequireOk(jobs::ListJobs(f.connection(), query)))
      ids += job.spec.id + " ";
    return ids;
  };
  CHECK(list({}) == "urgent b named ");
  CHECK(list({.offset = 1, .limit = 1}) == "b ");
  CHECK(list({.descending = true}) == "named b urgent ");
  CHECK(list({.name = "other"}) == "named ");
}

TEST_CASE("who waits for a job can be read, in the order of adding", "[flows]") {
  FlowsFixture f;
  f.AddAll({Spec("a"), After(Spec("b"), {0}), After(Spec("c"), {0, 1}), Spec("d")});
  const auto dependents = [&](const std::string& id, int64_t offset = 0, int64_t limit = 10) {
    std::vector<std::string> ids;
    for (const JobRef& job : RequireOk(ReadDependents(f.connection(), {id, ""}, offset, limit))) {
      CHECK(job.queue == "q");
      ids.push_back(job.id);
    }
    return ids;
  };
  CHECK(dependents("a") == std::vector<std::string>{"b", "c"});
  CHECK(dependents("a", 1) == std::vector<std::string>{"c"});
  CHECK(dependents("a", 0, 1) == std::vector<std::string>{"b"});
  CHECK(dependents("d").empty());
  f.Run("a");
  CHECK(dependents("a").size() == 2);
  RequireError(ReadDependents(f.connection(), {"none", ""}, 0, 1).status(), Code::kNotFound,
               "none");
  RequireError(ReadDependents(f.connection(), {"a", ""}, 0, 0).status(), Code::kInvalidArgument,
               "limit");
}

}  // namespace
}  // namespace millrace::flows
