#include "flows/graph.h"

#include <algorithm>
#include <functional>
#include <queue>
#include <set>
#include <utility>

#include "base/macros.h"
#include "base/text.h"

namespace millrace::flows {
namespace {

// Jobs of a cycle that a message names at most.
constexpr size_t kNamedMax = 10;

Status Refuse(const std::vector<JobSpec>& specs, size_t index, const std::string& message) {
  return Status(Code::kInvalidArgument, SpecName(specs, index) + ": " + message);
}

Status CheckDependencies(const std::vector<JobSpec>& specs, size_t index) {
  std::set<int32_t> positions;
  std::set<std::pair<std::string, std::string>> named;
  const std::vector<Dependency>& after = specs[index].after;
  for (size_t i = 0; i < after.size(); ++i) {
    const Dependency& dependency = after[i];
    const std::string argument = "after[" + std::to_string(i) + "]";
    if (dependency.index >= std::ssize(specs)) {
      return Refuse(specs, index,
                    argument + ".index is " + std::to_string(dependency.index) + "; the call has " +
                        std::to_string(specs.size()) + " jobs, 0 to " +
                        std::to_string(specs.size() - 1) + " is accepted");
    }
    const bool first = dependency.index >= 0
                           ? positions.insert(dependency.index).second
                           : named.emplace(dependency.job.queue, dependency.job.id).second;
    if (!first) {
      return Refuse(specs, index,
                    argument + " is a job that `after` has already; each is accepted once");
    }
  }
  return Status::Ok();
}

// Some jobs are left over that all wait for others of them: follows one from each to the next until
// one comes again.
Status RefuseCycle(const std::vector<JobSpec>& specs, const std::vector<int32_t>& waiting) {
  std::vector<size_t> path;
  std::vector<size_t> seen(specs.size(), SIZE_MAX);
  size_t at = 0;
  while (waiting[at] == 0) ++at;
  while (seen[at] == SIZE_MAX) {
    seen[at] = path.size();
    path.push_back(at);
    for (const Dependency& dependency : specs[at].after) {
      if (dependency.index < 0 || waiting[static_cast<size_t>(dependency.index)] == 0) continue;
      at = static_cast<size_t>(dependency.index);
      break;
    }
  }
  std::string names;
  for (size_t i = seen[at]; i < path.size() && i - seen[at] < kNamedMax; ++i) {
    names += SpecName(specs, path[i]) + " waits for ";
  }
  if (path.size() - seen[at] > kNamedMax) names += "... waits for ";
  return Status(Code::kInvalidArgument, "the jobs wait for each other: " + names +
                                            SpecName(specs, at) +
                                            "; jobs without such a circle are accepted");
}

}  // namespace

std::string SpecName(const std::vector<JobSpec>& specs, size_t index) {
  return "jobs[" + std::to_string(index) + "] (" + Quoted(specs[index].name) + ")";
}

bool IsFlow(const std::vector<JobSpec>& specs) {
  return std::any_of(specs.begin(), specs.end(), [](const JobSpec& spec) {
    return !spec.after.empty() || spec.parent.has_value() ||
           spec.dedup.mode == Deduplication::Mode::kFollowUp;
  });
}

Status Arrange(const std::vector<JobSpec>& specs, Graph* graph) {
  const size_t count = specs.size();
  graph->order.clear();
  graph->order.reserve(count);
  graph->awaited.assign(count, 0);
  std::vector<int32_t> waiting(count,
                               0);  // for how many jobs of the call that are not in order yet
  std::vector<std::vector<int32_t>> dependents(count);
  for (size_t i = 0; i < count; ++i) {
    RETURN_IF_ERROR(CheckDependencies(specs, i));
    for (const Dependency& dependency : specs[i].after) {
      if (dependency.index < 0) continue;
      const auto index = static_cast<size_t>(dependency.index);
      ++waiting[i];
      dependents[index].push_back(static_cast<int32_t>(i));
      graph->awaited[index] = 1;
    }
  }
  std::priority_queue<int32_t, std::vector<int32_t>, std::greater<>> next;
  for (size_t i = 0; i < count; ++i) {
    if (waiting[i] == 0) next.push(static_cast<int32_t>(i));
  }
  while (!next.empty()) {
    const int32_t at = next.top();
    next.pop();
    graph->order.push_back(at);
    for (const int32_t dependent : dependents[static_cast<size_t>(at)]) {
      if (--waiting[static_cast<size_t>(dependent)] == 0) next.push(dependent);
    }
  }
  return graph->order.size() == count ? Status::Ok() : RefuseCycle(specs, waiting);
}

Status CheckGraph(const std::vector<JobSpec>& specs) {
  if (!IsFlow(specs)) return Status::Ok();
  Graph graph;
  return Arrange(specs, &graph);
}

}  // namespace millrace::flows
