// `doctor`: whether the file is sound and what must always hold in it does.
#include <algorithm>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "base/macros.h"
#include "base/text.h"
#include "jobs/admin.h"
#include "jobs/circles.h"
#include "jobs/event_log.h"
#include "jobs/json_object.h"
#include "jobs/snapshot.h"
#include "sql_statements.h"
#include "store/file_format.h"

namespace millrace::jobs {
namespace {

using store::Connection;
using store::Query;

constexpr int64_t kSliceJobs = 10'000;
// Faults of one kind that an answer names.
constexpr int64_t kFaultsShown = 5;

#ifdef MILLRACE_SQLITE_SYSTEM
constexpr bool kPrivateSqlite = false;
#else
constexpr bool kPrivateSqlite = true;
#endif

// Gathers checks; the first faults of each are named.
class Doctor {
 public:
  Doctor(Connection& connection, const StoreFacts& facts) : connection_(connection), facts_(facts) {
    checks_ = facts.checks;
  }

  Result<std::string> Examine() {
    RETURN_IF_ERROR(FileMarks());
    RETURN_IF_ERROR(Met("structure", Tables("structure", sql::doctor::kCheckTable)));
    RETURN_IF_ERROR(Met("references", Tables("references", sql::doctor::kCheckReferences)));
    RETURN_IF_ERROR(Met("one_place", Slices("one_place", sql::doctor::kMisplacedJobs,
                                            "does not stand in exactly one place")));
    RETURN_IF_ERROR(Met("gathered", Slices("gathered", sql::doctor::kUnmarkedRuns,
                                           "has rows that its place does not know of")));
    RETURN_IF_ERROR(
        Met("ids", Slices("ids", sql::doctor::kWrongKeys, "is not found under its id")));
    RETURN_IF_ERROR(Met("pending", Slices("pending", sql::doctor::kWrongPending,
                                          "does not wait for as much as it counts")));
    RETURN_IF_ERROR(Met("awaited", Slices("awaited", sql::doctor::kForgottenDependencies,
                                          "waits for something that will not come")));
    RETURN_IF_ERROR(Met("circles", Circles()));
    RETURN_IF_ERROR(Met("marked", Slices("marked", sql::doctor::kUnmarkedDependencies,
                                         "has dependencies that its place does not know of")));
    RETURN_IF_ERROR(Met("dependencies", Names("dependencies", sql::doctor::kOrphanDependencies,
                                              "has dependencies and does not exist")));
    RETURN_IF_ERROR(Met("totals", Totals()));
    RETURN_IF_ERROR(Met("counts", Counts()));
    RETURN_IF_ERROR(Met("limits", Limits()));
    RETURN_IF_ERROR(Met("groups", Groups()));
    RETURN_IF_ERROR(Met("leases", Leases()));
    RETURN_IF_ERROR(Met("dedup_keys", Names("dedup_keys", sql::doctor::kWrongDedupKeys,
                                            "is held by a job that is not there")));
    RETURN_IF_ERROR(
        Met("counters", Names("counters", sql::doctor::kWrongCounters, "has a counter below 0")));
    RETURN_IF_ERROR(Met("sequence", Sequence()));
    RETURN_IF_ERROR(Met("events", Events()));
    RETURN_IF_ERROR(Met("quarantine", Quarantine()));
    return Answer();
  }

 private:
  // Ends a check: ok if nothing was found.
  void Add(const char* name, std::vector<std::string> faults, std::string detail) {
    DoctorCheck check{.name = name, .ok = faults.empty(), .detail = std::move(detail)};
    if (!check.ok) {
      check.detail.clear();
      for (const std::string& fault : faults)
        check.detail += (check.detail.empty() ? "" : "; ") + fault;
    }
    checks_.push_back(std::move(check));
  }

  // A check that met damage is an answer too, and the others go on.
  Status Met(const char* name, const Status& status) {
    if (status.code() != Code::kCorrupt) return status;
    Add(name, {status.message()}, {});
    return Status::Ok();
  }

  Status FileMarks() {
    Query q(connection_, sql::doctor::kFileMarks);
    bool row = false;
    RETURN_IF_ERROR(q.Step(&row));
    schema_ = q.Int(1);
    sqlite_ = q.Text(3);
    std::vector<std::string> faults;
    if (q.Int(0) != store::kApplicationId)
      faults.push_back("the application id is " + std::to_string(q.Int(0)));
    Add("application_id", std::move(faults), "this is a Millrace store");
    faults.clear();
    if (schema_ != facts_.schema_version) {
      faults.push_back("the file has schema " + std::to_string(schema_) + ", this version writes " +
                       std::to_string(facts_.schema_version));
    }
    Add("schema", std::move(faults), "version " + std::to_string(schema_));
    faults.clear();
    const std::string mode(q.Text(2));
    if (mode != (facts_.in_memory ? "memory" : "wal"))
      faults.push_back("the journal mode is " + mode);
    Add("journal", std::move(faults), mode);
    Add("sqlite", {}, sqlite_ + (kPrivateSqlite ? ", Millrace's own" : ", the system's"));
    return Status::Ok();
  }

  Result<std::vector<std::string>> Names(const char* sql, int column) {
    std::vector<std::string> names;
    Query q(connection_, sql);
    for (;;) {
      bool row = false;
      RETURN_IF_ERROR(q.Step(&row));
      if (!row) return names;
      names.emplace_back(q.Text(column));
    }
  }

  // A check of SQLite's own, table by table.
  Status Tables(const char* name, const char* sql) {
    ASSIGN_OR_RETURN(const std::vector<std::string> tables, Names(sql::doctor::kListTables, 0));
    std::vector<std::string> faults;
    for (const std::string& table : tables) {
      // References of the user's own tables are not enforced.
      if (sql == sql::doctor::kCheckReferences && table.starts_with("app_")) continue;
      Query q(connection_, sql);
      q.Bind(table, kFaultsShown);
      for (;;) {
        bool row = false;
        RETURN_IF_ERROR(q.Step(&row));
        if (!row) break;
        if (sql == sql::doctor::kCheckReferences) {
          faults.push_back("row " + std::to_string(q.Int(0)) + " of " + table +
                           " refers to nothing in " + std::string(q.Text(1)));
        } else if (q.Text(0) != "ok") {
          faults.push_back(table + ": " + std::string(q.Text(0)));
        }
      }
    }
    Add(name, std::move(faults), std::to_string(tables.size()) + " tables");
    return Status::Ok();
  }

  // A check of ours over all jobs.
  Status Slices(const char* name, const char* sql, const char* fault) {
    std::vector<std::string> faults;
    for (int64_t after = 0; std::ssize(faults) < kFaultsShown;) {
      const Snapshot snapshot(connection_);
      RETURN_IF_ERROR(snapshot.status());
      int64_t last = 0;
      {
        Query q(connection_, sql::doctor::kSliceEnd);
        q.Bind(after, kSliceJobs);
        bool row = false;
        RETURN_IF_ERROR(q.Step(&row));
        if (q.IsNull(0)) break;
        last = q.Int(0);
      }
      Query q(connection_, sql);
      q.Bind(after, last, kFaultsShown);
      for (bool row = true;;) {
        RETURN_IF_ERROR(q.Step(&row));
        if (!row) break;
        faults.push_back("job number " + std::to_string(q.Int(0)) + " " + fault);
      }
      after = last;
    }
    Add(name, std::move(faults), "all jobs");
    return Status::Ok();
  }

  Status Circles() {
    ASSIGN_OR_RETURN(const auto circles, FindCircles(connection_, kFaultsShown));
    std::vector<std::string> faults;
    for (const std::vector<int64_t>& circle : circles) {
      std::string names;
      for (size_t i = 0; i < circle.size() && i < kFaultsShown; ++i) {
        names += (i == 0 ? "" : ", ") + std::to_string(circle[i]);
      }
      if (circle.size() > kFaultsShown) names += ", ...";
      faults.push_back((circle.size() == 1 ? "job number " + names + " waits for itself"
                                           : "jobs number " + names + " wait for each other"));
    }
    Add("circles", std::move(faults), "no job waits for itself");
    return Status::Ok();
  }

  // A statement that answers names of what is wrong.
  Status Names(const char* name, const char* sql, const char* fault) {
    std::vector<std::string> faults;
    Query q(connection_, sql);
    q.Bind(kFaultsShown);
    for (;;) {
      bool row = false;
      RETURN_IF_ERROR(q.Step(&row));
      if (!row) break;
      faults.push_back(Quoted(q.Text(0)) + " " + fault);
    }
    Add(name, std::move(faults), "as they should be");
    return Status::Ok();
  }

  // With one place for each job, as many places as jobs means that no place is without its job.
  Status Totals() {
    Query q(connection_, sql::doctor::kTotals);
    bool row = false;
    RETURN_IF_ERROR(q.Step(&row));
    std::vector<std::string> faults;
    if (q.Int(0) != q.Int(1)) {
      faults.push_back(std::to_string(q.Int(0)) + " jobs have " + std::to_string(q.Int(1)) +
                       " places");
    }
    if (q.Int(2) != q.Int(3)) {
      faults.push_back(std::to_string(q.Int(2)) + " jobs with an id of their own have " +
                       std::to_string(q.Int(3)) + " ids");
    }
    Add("totals", std::move(faults), std::to_string(q.Int(0)) + " jobs");
    return Status::Ok();
  }

  Status Counts() {
    std::vector<std::string> faults;
    Query q(connection_, sql::doctor::kWrongCounts);
    q.Bind(kFaultsShown);
    for (;;) {
      bool row = false;
      RETURN_IF_ERROR(q.Step(&row));
      if (!row) break;
      faults.push_back("queue " + Quoted(q.Text(0)) + " has " + std::to_string(q.Int(3)) + " " +
                       std::string(q.Text(1)) + " and counts " + std::to_string(q.Int(2)));
    }
    Add("counts", std::move(faults), "counts agree with the tables");
    return Status::Ok();
  }

  Status Limits() {
    std::vector<std::string> faults;
    Query q(connection_, sql::doctor::kWrongLimits);
    q.Bind(kFaultsShown);
    for (;;) {
      bool row = false;
      RETURN_IF_ERROR(q.Step(&row));
      if (!row) break;
      faults.push_back("limit number " + std::to_string(q.Int(0)) + " has " +
                       std::to_string(q.Int(3)) + " jobs " + std::string(q.Text(1)) +
                       " and counts " + std::to_string(q.Int(2)));
    }
    Add("limits", std::move(faults), "limits agree with the tables");
    return Status::Ok();
  }

  Status Groups() {
    std::vector<std::string> faults;
    Query q(connection_, sql::doctor::kWrongGroups);
    q.Bind(kFaultsShown);
    for (;;) {
      bool row = false;
      RETURN_IF_ERROR(q.Step(&row));
      if (!row) break;
      faults.push_back("group " + Quoted(q.Text(0)) + ": " + std::string(q.Text(1)) + " is " +
                       std::to_string(q.Int(3)) + " and noted as " + std::to_string(q.Int(2)));
    }
    Add("groups", std::move(faults), "groups agree with the tables");
    return Status::Ok();
  }

  Status Leases() {
    std::vector<std::string> faults;
    int64_t leases = 0;
    int64_t orphans = 0;  // of registered processes that are dead: a backup has them, and so has a
                          // store whose workers were all killed
    Query q(connection_, sql::doctor::kHolders);
    for (;;) {
      bool row = false;
      RETURN_IF_ERROR(q.Step(&row));
      if (!row) break;
      leases += q.Int(2);
      const bool registered = !q.IsNull(1);
      const bool alive = registered && facts_.alive && facts_.alive(static_cast<int>(q.Int(1)));
      if (registered && !alive) orphans += q.Int(2);
      if (registered || std::ssize(faults) == kFaultsShown) continue;
      faults.push_back(std::to_string(q.Int(2)) + " jobs are leased by process " +
                       std::to_string(q.Int(0)) + ", which is not registered");
    }
    std::string detail = std::to_string(leases) + " active jobs";
    if (orphans != 0) {
      detail += ", " + std::to_string(orphans) +
                " of them of processes that are dead: the next worker takes them back";
    }
    Add("leases", std::move(faults), std::move(detail));
    return Status::Ok();
  }

  Status Sequence() {
    Query q(connection_, sql::doctor::kSequenceState);
    bool row = false;
    RETURN_IF_ERROR(q.Step(&row));
    std::vector<std::string> faults;
    if (q.Int(0) <= q.Int(1)) {
      faults.push_back("the next number is " + std::to_string(q.Int(0)) + ", but " +
                       std::to_string(q.Int(1)) + " is in use");
    }
    Add("sequence", std::move(faults), "next number " + std::to_string(q.Int(0)));
    return Status::Ok();
  }

  Result<std::vector<std::pair<int64_t, std::string>>> Queues() {
    std::vector<std::pair<int64_t, std::string>> queues;
    Query q(connection_, sql::doctor::kListQueues);
    for (;;) {
      bool row = false;
      RETURN_IF_ERROR(q.Step(&row));
      if (!row) return queues;
      queues.emplace_back(q.Int(0), q.Text(1));
    }
  }

  // Reads every queue's log as a reader would.
  Status Events() {
    std::vector<Status> damaged;
    ASSIGN_OR_RETURN(const auto queues, Queues());
    for (const auto& [queue_id, name] : queues) {
      // One rare type: the rows are unpacked all the same, and no results are fetched.
      const EventQuery query{.queue = name,
                             .types = {EventType::kPaused},
                             .limit = std::numeric_limits<int32_t>::max()};
      for (EventPosition from;;) {
        ASSIGN_OR_RETURN(const EventPage page,
                         ReadEventPage(connection_, {{queue_id, name}}, query, from, &damaged));
        ASSIGN_OR_RETURN(const EventPosition next, ParseEventId(page.next, "next"));
        if (next.seq == from.seq || std::ssize(damaged) >= kFaultsShown) break;
        from = next;
      }
    }
    std::vector<std::string> faults;
    for (const Status& status : damaged) faults.push_back(status.message());
    Add("events", std::move(faults),
        "the logs of " + std::to_string(queues.size()) + " queues can be read");
    return Status::Ok();
  }

  Status Quarantine() {
    Query q(connection_, sql::doctor::kQuarantined);
    bool row = false;
    RETURN_IF_ERROR(q.Step(&row));
    std::vector<std::string> faults;
    if (row) {
      faults.push_back(std::to_string(q.Int(0)) +
                       " damaged records were taken out of the way; the newest: job number " +
                       std::to_string(q.Int(1)) + ", " + std::string(q.Text(2)));
    }
    Add("quarantine", std::move(faults), "no damaged record was met");
    return Status::Ok();
  }

  std::string Answer() const {
    bool ok = true;
    std::string checks = "[";
    for (const DoctorCheck& check : checks_) {
      ok = ok && check.ok;
      if (checks.size() > 1) checks += ',';
      JsonObject json;
      json.Text("name", check.name).Bool("ok", check.ok).Text("detail", check.detail);
      const auto repaired = facts_.repaired.find(check.name);
      if (repaired != facts_.repaired.end()) json.Text("repaired", repaired->second);
      checks += json.Take();
    }
    checks += ']';
    JsonObject versions;
    versions.Text("millrace", MILLRACE_VERSION).Text("sqlite", sqlite_).Int("schema", schema_);
    return JsonObject()
        .Bool("ok", ok)
        .Raw("checks", checks)
        .Raw("versions", versions.Take())
        .Take();
  }

  Connection& connection_;
  const StoreFacts& facts_;
  std::vector<DoctorCheck> checks_;
  int64_t schema_ = 0;
  std::string sqlite_;
};

}  // namespace

Result<std::string> DoctorJson(Connection& connection, const StoreFacts& facts) {
  return Doctor(connection, facts).Examine();
}

}  // namespace millrace::jobs
