#include "jobs/circles.h"

#include <unordered_map>

#include "base/macros.h"
#include "sql_statements.h"

namespace millrace::jobs {
namespace {

using store::Query;
using Edges = std::unordered_map<int64_t, std::vector<int64_t>>;

// What blocked jobs wait for, as far as it is blocked itself: by the job that waits.
Status LoadEdges(store::Connection& connection, Edges* waits_for) {
  Query q(connection, sql::doctor::kBlockedEdges);
  for (;;) {
    bool row = false;
    RETURN_IF_ERROR(q.Step(&row));
    if (!row) return Status::Ok();
    (*waits_for)[q.Int(0)].push_back(q.Int(1));
  }
}

// Takes away, again and again, whatever waits for nothing that is left: only what leads into a
// circle stays.
void Strip(Edges* waits_for) {
  std::unordered_map<int64_t, size_t> left;
  Edges waiting;  // the reverse
  std::vector<int64_t> free;
  for (const auto& [job, others] : *waits_for) {
    left[job] += others.size();
    for (const int64_t other : others) {
      waiting[other].push_back(job);
      if (!waits_for->contains(other) && left.try_emplace(other, 0).second) free.push_back(other);
    }
  }
  while (!free.empty()) {
    const int64_t other = free.back();
    free.pop_back();
    waits_for->erase(other);
    for (const int64_t job : waiting[other]) {
      if (--left[job] == 0) free.push_back(job);
    }
  }
}

}  // namespace

Result<std::vector<std::vector<int64_t>>> FindCircles(store::Connection& connection, size_t limit) {
  Edges waits_for;
  RETURN_IF_ERROR(LoadEdges(connection, &waits_for));
  Strip(&waits_for);
  std::vector<std::vector<int64_t>> circles;
  while (!waits_for.empty() && circles.size() < limit) {
    std::vector<int64_t> path;
    std::unordered_map<int64_t, size_t> at;  // the position on the path
    int64_t job = waits_for.begin()->first;
    while (at.try_emplace(job, path.size()).second) {
      path.push_back(job);
      for (const int64_t next : waits_for[job]) {
        if (!waits_for.contains(next)) continue;
        job = next;
        break;
      }
    }
    circles.emplace_back(path.begin() + static_cast<ptrdiff_t>(at[job]), path.end());
    for (const int64_t found : circles.back()) waits_for.erase(found);
    Strip(&waits_for);
  }
  return circles;
}

}  // namespace millrace::jobs
