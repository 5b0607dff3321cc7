#include "flows/graph.h"

#include "flows/flows_test_util.h"

namespace millrace::flows {
namespace {

TEST_CASE("jobs come after what they wait for, else as they were given", "[flows]") {
  const std::vector<JobSpec> specs = {After(Spec(), {3, 1}), Spec(), After(Spec(), {1}),
                                      After(Spec(), {2}), Spec()};
  Graph graph;
  RequireOk(Arrange(specs, &graph));
  CHECK(graph.order == std::vector<int32_t>{1, 2, 3, 0, 4});
  CHECK(graph.awaited == std::vector<uint8_t>{0, 1, 1, 1, 0});
}

TEST_CASE("a circle is named", "[flows]") {
  JobSpec first = Spec();
  first.name = "first";
  JobSpec second = Spec();
  second.name = "second";
  RequireError(CheckGraph({After(first, {1}), After(second, {0}), After(Spec(), {0})}),
               Code::kInvalidArgument,
               R"(the jobs wait for each other: jobs[0] ("first") waits for jobs[1] ("second") )"
               R"(waits for jobs[0] ("first"))");
  RequireError(CheckGraph({Spec(), After(second, {1})}), Code::kInvalidArgument,
               R"(jobs[1] ("second") waits for jobs[1] ("second"))");
  std::vector<JobSpec> ring;
  for (int32_t i = 0; i < 1'000; ++i) ring.push_back(After(Spec(), {(i + 1) % 1'000}));
  RequireError(CheckGraph(ring), Code::kInvalidArgument, "... waits for jobs[0]");
}

TEST_CASE("a position that does not exist and a dependency given twice are refused", "[flows]") {
  RequireError(CheckGraph({After(Spec(), {2}), Spec()}), Code::kInvalidArgument,
               R"(jobs[0] ("task"): after[0].index is 2; the call has 2 jobs, 0 to 1 is accepted)");
  RequireError(CheckGraph({After(Spec(), {1, 1}), Spec()}), Code::kInvalidArgument,
               R"(jobs[0] ("task"): after[1] is a job that `after` has already)");
  RequireError(CheckGraph({AfterJob(AfterJob(Spec(), "a"), "a")}), Code::kInvalidArgument,
               "after[1] is a job that `after` has already");
}

TEST_CASE("plain jobs are no flow", "[flows]") {
  CHECK_FALSE(IsFlow({Spec(), Spec("a")}));
  CHECK(IsFlow({Spec(), After(Spec(), {0})}));
  CHECK(IsFlow({ChildOf(Spec(), "a")}));
}

}  // namespace
}  // namespace millrace::flows
