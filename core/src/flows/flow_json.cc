// A job and what it waits for, as a tree of JSON text.
#include <unordered_set>
#include <utility>

#include "base/macros.h"
#include "flows/dependency_row.h"
#include "flows/read.h"
#include "jobs/json_object.h"
#include "jobs/read.h"
#include "jobs/snapshot.h"
#include "jobs/validate.h"
#include "sql_statements.h"

namespace millrace::flows {
namespace {

using store::Connection;
using store::Query;

constexpr int32_t kDepthMax = 1'000;
constexpr int32_t kChildrenMax = 10'000;
// The answer ends early rather than grow without bound.
constexpr size_t kJobsMax = 100'000;

// Writes depth first, with a stack of its own: a thousand levels need none of the thread's.
class TreeWriter {
 public:
  TreeWriter(Connection& connection, int32_t depth, int32_t children)
      : connection_(connection), depth_(static_cast<size_t>(depth)), children_(children) {}

  Result<std::string> Write(const jobs::Location& top) {
    DependencyRow row;
    row.row = top.key.row;
    row.info.id = top.key.PublicId();
    row.info.state = top.state;
    {
      Query q(connection_, sql::flows::kSelectTask);
      q.Bind(top.key.row);
      bool found = false;
      RETURN_IF_ERROR(q.Step(&found));
      row.task = q.Text(0);
      row.info.queue = q.Text(1);
    }
    RETURN_IF_ERROR(Open(row, false));
    while (!levels_.empty()) {
      Level& level = levels_.back();
      if (level.next == level.rows.size()) {
        Close();
        continue;
      }
      if (level.next > 0) out_ += ',';
      DependencyRow child = std::move(level.rows[level.next++]);
      RETURN_IF_ERROR(SetStanding(connection_, &child));
      RETURN_IF_ERROR(Open(child, true));
    }
    return std::move(out_);
  }

 private:
  struct Level {
    std::vector<DependencyRow> rows;
    size_t next = 0;
    int64_t more = 0;
  };

  // Begins a job; what it waits for follows, on a level of its own.
  Status Open(const DependencyRow& row, bool is_child) {
    const DependencyInfo& info = row.info;
    jobs::JsonObject json;
    json.Text("id", info.id).Text("queue", info.queue).Text("name", row.task);
    json.Text("state", JobStateName(info.state));
    if (is_child) {
      json.Text("policy", DependencyPolicyName(info.policy)).Bool("done", info.done);
      if (!info.name.empty()) json.Text("as", info.name);
    }
    out_ += json.Take();
    out_.pop_back();
    out_ += R"(,"children":[)";
    levels_.emplace_back();
    Level& level = levels_.back();
    const bool again = !shown_.insert(row.row).second;
    if (again || levels_.size() > depth_ || shown_.size() > kJobsMax) {
      if (again) return Status::Ok();
      int64_t pending = 0;
      return CountDependencies(connection_, row.row, &level.more, &pending);
    }
    RETURN_IF_ERROR(LoadDependencies(connection_, row.row, 0, children_, &level.rows));
    if (std::ssize(level.rows) < children_) return Status::Ok();
    int64_t pending = 0;
    RETURN_IF_ERROR(CountDependencies(connection_, row.row, &level.more, &pending));
    level.more -= std::ssize(level.rows);
    return Status::Ok();
  }

  void Close() {
    out_ += R"(],"more":)" + std::to_string(levels_.back().more) + "}";
    levels_.pop_back();
  }

  Connection& connection_;
  const size_t depth_;
  const int32_t children_;
  std::string out_;
  std::vector<Level> levels_;
  std::unordered_set<int64_t> shown_;
};

}  // namespace

Result<std::string> FlowJson(Connection& connection, const JobRef& job, int32_t depth,
                             int32_t children) {
  RETURN_IF_ERROR(jobs::CheckRange(depth, 1, kDepthMax, "depth"));
  RETURN_IF_ERROR(jobs::CheckRange(children, 1, kChildrenMax, "children"));
  const jobs::Snapshot snapshot(connection);
  RETURN_IF_ERROR(snapshot.status());
  ASSIGN_OR_RETURN(const jobs::Location top, jobs::FindJob(connection, job));
  return TreeWriter(connection, depth, children).Write(top);
}

}  // namespace millrace::flows
