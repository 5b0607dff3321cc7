#include "schedule/examine.h"

#include <optional>
#include <string>
#include <vector>

#include "base/macros.h"
#include "base/text.h"
#include "jobs/snapshot.h"
#include "schedule/schedule_row.h"
#include "schedule/slots.h"
#include "sql_statements.h"

namespace millrace::schedule {
namespace {

using store::Connection;
using store::Query;

constexpr int64_t kPageRows = 1'000;
constexpr int64_t kFaultsShown = 5;

struct Fault {
  ScheduleRow row;
  std::string what;
  bool readable = true;
};

// What is wrong with one schedule; nothing if it is sound.
Result<std::optional<Fault>> Look(Connection& connection, ScheduleRow row) {
  const Result<Slots> slots = Slots::Create(row.spec.timing);
  Status readable = slots.ok() ? LoadJob(connection, &row) : slots.status();
  if (!readable.ok() && readable.code() != Code::kCorrupt &&
      readable.code() != Code::kInvalidArgument) {
    return readable;
  }
  if (!readable.ok()) {
    // Firing has stopped it already, or will: then that is known, and no new fault.
    if (!row.next_at_ms) return std::optional<Fault>();
    return std::optional<Fault>({std::move(row), readable.message(), false});
  }
  if (!row.next_at_ms) return std::optional<Fault>();  // paused, ended or stopped
  const char* what = nullptr;
  if (row.spec.paused) {
    what = "is paused and waits for a slot";
  } else if (row.spec.limit != 0 && row.fired >= row.spec.limit) {
    what = "has made all its jobs and waits for a slot";
  } else if (slots->Next(*row.next_at_ms - 1) != row.next_at_ms) {
    what = "waits for a time that is no slot of its own";
  }
  if (what == nullptr) return std::optional<Fault>();
  return std::optional<Fault>({std::move(row), what, true});
}

struct Findings {
  std::vector<Fault> faults;
  std::vector<int64_t> orphans;
  int64_t schedules = 0;
};

Result<Findings> Find(Connection& connection, int64_t limit) {
  Findings findings;
  for (std::string after; std::ssize(findings.faults) < limit;) {
    const jobs::Snapshot snapshot(connection);
    RETURN_IF_ERROR(snapshot.status());
    std::vector<ScheduleRow> page;
    {
      Query q(connection, sql::schedule::kSelectPage);
      q.Bind(after, kPageRows);
      for (bool row = true;;) {
        RETURN_IF_ERROR(q.Step(&row));
        if (!row) break;
        page.push_back(ReadRow(q));
      }
    }
    if (page.empty()) break;
    findings.schedules += std::ssize(page);
    after = page.back().spec.id;
    for (ScheduleRow& row : page) {
      ASSIGN_OR_RETURN(auto fault, Look(connection, std::move(row)));
      if (fault && std::ssize(findings.faults) < limit)
        findings.faults.push_back(std::move(*fault));
    }
  }
  Query q(connection, sql::schedule::kOrphanJobs);
  q.Bind(limit);
  for (bool row = true;;) {
    RETURN_IF_ERROR(q.Step(&row));
    if (!row) return findings;
    findings.orphans.push_back(q.Int(0));
  }
}

Status DeleteJob(Connection& connection, int64_t number) {
  Query q(connection, sql::schedule::kDeleteJob);
  q.Bind(number);
  return q.Run();
}

}  // namespace

Result<jobs::DoctorCheck> Examine(Connection& connection) {
  ASSIGN_OR_RETURN(const Findings findings, Find(connection, kFaultsShown));
  jobs::DoctorCheck check{.name = "schedules",
                          .ok = findings.faults.empty() && findings.orphans.empty(),
                          .detail = std::to_string(findings.schedules) + " schedules"};
  if (check.ok) return check;
  check.detail.clear();
  const auto add = [&](const std::string& text) {
    check.detail += (check.detail.empty() ? "" : "; ") + text;
  };
  for (const Fault& fault : findings.faults) {
    add("schedule " + Quoted(fault.row.spec.id) + ": " + fault.what);
  }
  for (const int64_t number : findings.orphans) {
    add("the job of schedule number " + std::to_string(number) + " has no schedule");
  }
  return check;
}

Result<std::string> Repair(jobs::Ledger& ledger, int64_t limit) {
  ASSIGN_OR_RETURN(Findings findings, Find(ledger.connection(), limit));
  int64_t stopped = 0;
  for (Fault& fault : findings.faults) {
    ScheduleRow& row = fault.row;
    row.next_at_ms.reset();
    const bool used_up = row.spec.limit != 0 && row.fired >= row.spec.limit;
    if (!fault.readable) {
      ++stopped;
    } else if (!row.spec.paused && !used_up) {
      ASSIGN_OR_RETURN(const Slots slots, Slots::Create(row.spec.timing));
      row.next_at_ms = slots.Next(ledger.now_ms());
    }
    RETURN_IF_ERROR(WriteProgress(ledger.connection(), row));
  }
  for (const int64_t number : findings.orphans) {
    RETURN_IF_ERROR(DeleteJob(ledger.connection(), number));
  }
  std::string done;
  const auto add = [&](int64_t count, const char* text) {
    if (count != 0) done += (done.empty() ? "" : ", ") + std::to_string(count) + text;
  };
  add(std::ssize(findings.faults) - stopped, " schedules wait for their next slot again");
  add(stopped, " schedules that cannot be read were stopped");
  add(std::ssize(findings.orphans), " jobs without a schedule were removed");
  return done;
}

}  // namespace millrace::schedule
