// Rows of dependencies as those who read them want them.
#ifndef MILLRACE_FLOWS_DEPENDENCY_ROW_H_
#define MILLRACE_FLOWS_DEPENDENCY_ROW_H_

#include <cstdint>
#include <string>
#include <vector>

#include "millrace/flows.h"
#include "millrace/status.h"
#include "millrace/types.h"
#include "store/connection.h"

namespace millrace::flows {

struct DependencyRow {
  DependencyInfo info;
  int64_t row = 0;     // of the job that is waited for
  std::string task;    // its name; empty if it is removed
  bool ended = false;  // info.state says how
};

// A job's dependencies in order, from `offset` on, at most `limit`, with results and errors.
Status LoadDependencies(store::Connection& connection, int64_t job, int64_t offset, int64_t limit,
                        std::vector<DependencyRow>* rows);
// Where one stands that has not ended.
Status SetStanding(store::Connection& connection, DependencyRow* row);

Status CountDependencies(store::Connection& connection, int64_t job, int64_t* total,
                         int64_t* pending);

}  // namespace millrace::flows

#endif  // MILLRACE_FLOWS_DEPENDENCY_ROW_H_
