// The shape of the jobs of one call: which waits for which, by their positions. Pure; what is
// already in the store is flows/enqueue.h's business.
#ifndef MILLRACE_FLOWS_GRAPH_H_
#define MILLRACE_FLOWS_GRAPH_H_

#include <cstdint>
#include <string>
#include <vector>

#include "millrace/status.h"
#include "millrace/types.h"

namespace millrace::flows {

// Whether any of the jobs has to do with another, or may come to follow one (deduplication): else
// they are simply enqueued one by one.
bool IsFlow(const std::vector<JobSpec>& specs);

struct Graph {
  std::vector<int32_t> order;    // every job after all that it waits for; else as they were given
  std::vector<uint8_t> awaited;  // by position: another job of the call waits for it
};
// kInvalidArgument: a position that does not exist, a dependency given twice, jobs that wait for
// each other (they are named).
Status Arrange(const std::vector<JobSpec>& specs, Graph* graph);

// The same checks alone. Costs nothing for jobs that are no flow.
Status CheckGraph(const std::vector<JobSpec>& specs);

// "jobs[3] (send)": how messages name a job of a call.
std::string SpecName(const std::vector<JobSpec>& specs, size_t index);

}  // namespace millrace::flows

#endif  // MILLRACE_FLOWS_GRAPH_H_
