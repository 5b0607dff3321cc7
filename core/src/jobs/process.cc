#include "jobs/process.h"

#include "base/macros.h"
#include "base/text.h"
#include "jobs/claim.h"
#include "jobs/finish.h"
#include "jobs/quarantine.h"
#include "sql_statements.h"

namespace millrace::jobs {
namespace {

using store::Query;

constexpr const char* kNoJob = "a lease of a job that is gone or stands elsewhere";

std::string JsonArray(const std::vector<std::string>& texts) {
  std::string out = "[";
  for (const std::string& text : texts) {
    if (out.size() > 1) out += ',';
    AppendJsonString(&out, text);
  }
  return out + "]";
}

Status RunOn(Ledger& ledger, const char* sql, int64_t id) {
  Query q(ledger.connection(), sql);
  q.Bind(id);
  return q.Run();
}

Result<std::vector<int64_t>> Rows(store::Connection& connection, const char* sql, int64_t key,
                                  int64_t limit) {
  std::vector<int64_t> rows;
  Query q(connection, sql);
  q.Bind(key, limit);
  for (;;) {
    bool row = false;
    RETURN_IF_ERROR(q.Step(&row));
    if (!row) return rows;
    rows.push_back(q.Int(0));
  }
}

WorkerInfo ReadWorker(const Query& q) {
  WorkerInfo info;
  info.process_id = q.Int(0);
  info.name = q.Text(1);
  info.language = q.Text(2);
  info.host = q.Text(3);
  info.pid = q.Int(4);
  info.started_at_ms = q.Int(5);
  info.slots = static_cast<int32_t>(q.Int(7));
  info.active = q.Int(9);
  return info;
}

}  // namespace

Status InsertProcess(Ledger& ledger, const ProcessRow& process, const std::string& host) {
  Query q(ledger.connection(), sql::process::kInsertProcess);
  q.Bind(process.process_id, process.slot, process.pid, host, ledger.now_ms());
  return q.Run();
}

Status DeleteProcess(Ledger& ledger, int64_t process_id) {
  RETURN_IF_ERROR(RunOn(ledger, sql::process::kDeleteSessionsOf, process_id));
  return RunOn(ledger, sql::process::kDeleteProcess, process_id);
}

Status LeaveProcess(Ledger& ledger, int64_t process_id) {
  ASSIGN_OR_RETURN(const std::vector<int64_t> held,
                   Rows(ledger.connection(), sql::process::kSelectHeld, process_id, 1));
  if (held.empty()) return DeleteProcess(ledger, process_id);
  return RunOn(ledger, sql::process::kDeleteSessionsOf, process_id);
}

Result<std::vector<ProcessRow>> ListProcesses(store::Connection& connection) {
  std::vector<ProcessRow> processes;
  Query q(connection, sql::process::kSelectProcesses);
  for (;;) {
    bool row = false;
    RETURN_IF_ERROR(q.Step(&row));
    if (!row) return processes;
    processes.push_back(
        {.process_id = q.Int(0), .slot = static_cast<int>(q.Int(1)), .pid = q.Int(2)});
  }
}

Result<int> SlotOf(store::Connection& connection, int64_t process_id) {
  Query q(connection, sql::process::kSelectProcessSlot);
  q.Bind(process_id);
  bool row = false;
  RETURN_IF_ERROR(q.Step(&row));
  return row ? static_cast<int>(q.Int(0)) : -1;
}

Status InsertSession(Ledger& ledger, const SessionRow& session) {
  const std::string queues = JsonArray(session.queues);
  Query q(ledger.connection(), sql::process::kInsertSession);
  q.Bind(session.session_id, session.process_id, session.name, session.language, queues,
         session.slots, ledger.now_ms());
  return q.Run();
}

Status DeleteSession(Ledger& ledger, int64_t session_id) {
  return RunOn(ledger, sql::process::kDeleteSession, session_id);
}

Status UpdateSessionSlots(Ledger& ledger, int64_t session_id, int32_t slots) {
  Query q(ledger.connection(), sql::process::kUpdateSessionSlots);
  q.Bind(session_id, slots);
  return q.Run();
}

Result<std::vector<ListedWorker>> ListSessions(store::Connection& connection) {
  std::vector<ListedWorker> workers;
  int64_t last_session = 0;
  Query q(connection, sql::process::kSelectSessions);
  for (;;) {
    bool row = false;
    RETURN_IF_ERROR(q.Step(&row));
    if (!row) return workers;
    if (q.Int(10) != last_session) {
      last_session = q.Int(10);
      workers.push_back({.info = ReadWorker(q), .slot = static_cast<int>(q.Int(6))});
    }
    workers.back().info.queues.emplace_back(q.Text(8));
  }
}

Status RescueFrom(Ledger& ledger, int64_t process_id, int64_t limit, std::vector<std::string>* ids,
                  bool* more) {
  ASSIGN_OR_RETURN(const std::vector<int64_t> rows,
                   Rows(ledger.connection(), sql::process::kSelectHeld, process_id, limit));
  *more = static_cast<int64_t>(rows.size()) == limit;
  for (const int64_t row : rows) {
    Lease lease;
    bool found = false;
    RETURN_IF_ERROR(LoadLease(ledger.connection(), row, &lease, &found));
    if (!found) {
      RETURN_IF_ERROR(TakeAwayActive(ledger, row, kNoJob));
      continue;
    }
    bool lost = false;
    RETURN_IF_ERROR(RescueJob(ledger, lease, "the worker died while it ran the job", &lost));
    if (!lost) ids->push_back(lease.key.PublicId());
  }
  return Status::Ok();
}

Status TimeOutOverdue(Ledger& ledger, int64_t grace_ms, int64_t limit) {
  ASSIGN_OR_RETURN(const std::vector<int64_t> rows,
                   Rows(ledger.connection(), sql::process::kSelectOverdue,
                        ledger.monotonic_ms() - grace_ms, limit));
  for (const int64_t row : rows) {
    Lease lease;
    bool found = false;
    RETURN_IF_ERROR(LoadLease(ledger.connection(), row, &lease, &found));
    if (!found) {
      RETURN_IF_ERROR(TakeAwayActive(ledger, row, kNoJob));
      continue;
    }
    Settled settled;
    RETURN_IF_ERROR(TimeOutJob(ledger, lease, true, &settled));
    ledger.WakeOwner(lease.process_id);
  }
  return Status::Ok();
}

Status TakeAwayFirst(Ledger& ledger, int64_t process_id, const Status& failed) {
  ASSIGN_OR_RETURN(const std::vector<int64_t> rows,
                   Rows(ledger.connection(), sql::process::kSelectHeld, process_id, 1));
  return rows.empty() ? failed : TakeAwayActive(ledger, rows[0], failed.ToString());
}

Status TakeAwayOverdue(Ledger& ledger, int64_t grace_ms, const Status& failed) {
  ASSIGN_OR_RETURN(
      const std::vector<int64_t> rows,
      Rows(ledger.connection(), sql::process::kSelectOverdue, ledger.monotonic_ms() - grace_ms, 1));
  return rows.empty() ? failed : TakeAwayActive(ledger, rows[0], failed.ToString());
}

Result<bool> AnyOverdue(store::Connection& connection, int64_t before_monotonic_ms) {
  ASSIGN_OR_RETURN(const std::vector<int64_t> rows,
                   Rows(connection, sql::process::kSelectOverdue, before_monotonic_ms, 1));
  return !rows.empty();
}

Result<std::vector<LeaseNews>> ReadLeases(store::Connection& connection, int64_t process_id) {
  std::vector<LeaseNews> leases;
  Query q(connection, sql::process::kSelectLeases);
  q.Bind(process_id);
  for (;;) {
    bool row = false;
    RETURN_IF_ERROR(q.Step(&row));
    if (!row) return leases;
    LeaseNews news{.token = q.Int(0), .cancel_requested = q.Int(1) != 0};
    if (!q.IsNull(2)) news.cancel_reason = q.BlobBytes(2);
    leases.push_back(std::move(news));
  }
}

}  // namespace millrace::jobs
