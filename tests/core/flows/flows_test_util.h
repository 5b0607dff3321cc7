// Short ways to describe flows in tests.
#ifndef MILLRACE_TESTS_CORE_FLOWS_FLOWS_TEST_UTIL_H_
#define MILLRACE_TESTS_CORE_FLOWS_FLOWS_TEST_UTIL_H_

#include <string>
#include <utility>
#include <vector>

#include "flows/read.h"
#include "flows/settle.h"
#include "jobs/jobs_test_util.h"

namespace millrace::flows {

using jobs::Delayed;
using jobs::JobsFixture;
using jobs::Lease;
using jobs::Spec;
using store::RequireError;
using store::RequireOk;
using Kind = Outcome::Kind;

inline constexpr char kBoom[] = R"({"type":"Boom","message":"it broke","stack":"at x"})";

// A job that waits for others of the same call.
inline JobSpec After(JobSpec spec, const std::vector<int32_t>& indices,
                     DependencyPolicy policy = DependencyPolicy::kFail) {
  for (const int32_t index : indices) spec.after.push_back({.index = index, .policy = policy});
  return spec;
}

// A job that waits for one that exists.
inline JobSpec AfterJob(JobSpec spec, const std::string& id,
                        DependencyPolicy policy = DependencyPolicy::kFail) {
  spec.after.push_back({.job = {.id = id, .queue = ""}, .policy = policy});
  return spec;
}

inline JobSpec ChildOf(JobSpec spec, const std::string& parent, int64_t token = 0,
                       DependencyPolicy policy = DependencyPolicy::kWait) {
  spec.parent = ParentLink{.job = {.id = parent, .queue = ""}, .token = token, .policy = policy};
  return spec;
}

inline JobSpec Join(JobSpec spec, JoinKind join) {
  spec.join = join;
  return spec;
}

class FlowsFixture : public JobsFixture {
 public:
  using JobsFixture::JobsFixture;

  // Claims the next job of the queue, which must be the named one, and ends it.
  Settled Run(const std::string& id, Kind kind = Kind::kCompleted, const std::string& body = "null",
              const std::string& queue = "q") {
    const Lease lease = ClaimOne(queue);
    REQUIRE(lease.key.PublicId() == id);
    return Finish(lease, jobs::MakeOutcome(kind, body));
  }
  Settled Fail(const std::string& id, const std::string& queue = "q") {
    return Run(id, Kind::kFailed, kBoom, queue);
  }
  // As a session does it.
  Settled Finish(const Lease& lease, const Outcome& outcome) {
    Settled settled;
    MustDo(
        [&](jobs::Ledger& ledger) { return flows::FinishJob(ledger, lease, outcome, &settled); });
    return settled;
  }
  DependencyPage Dependencies(const std::string& id, uint32_t states = 0) {
    return RequireOk(
        ReadDependencies(connection(), {.job = {.id = id, .queue = ""}, .states = states}));
  }
  bool Is(const std::string& id, JobState state) { return StateOf(id) == state; }
};

}  // namespace millrace::flows

#endif  // MILLRACE_TESTS_CORE_FLOWS_FLOWS_TEST_UTIL_H_
