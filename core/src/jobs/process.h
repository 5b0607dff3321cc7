// Processes and worker sessions as the store knows them, and taking back what a dead one held.
#ifndef MILLRACE_JOBS_PROCESS_H_
#define MILLRACE_JOBS_PROCESS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "jobs/ledger.h"
#include "millrace/status.h"
#include "millrace/types.h"
#include "store/connection.h"

namespace millrace::jobs {

struct ProcessRow {
  int64_t process_id = 0;
  int slot = 0;
  int64_t pid = 0;
};
Status InsertProcess(Ledger& ledger, const ProcessRow& process, const std::string& host);
// Forgets a process and its sessions. Its leases must have been taken back.
Status DeleteProcess(Ledger& ledger, int64_t process_id);
// A process that ends in order is forgotten too, unless it still holds leases (it could not write
// how they ended): then it stays registered, so that the others, or its slot's next holder, take
// them back.
Status LeaveProcess(Ledger& ledger, int64_t process_id);
Result<std::vector<ProcessRow>> ListProcesses(store::Connection& connection);
// The slot at which a process can be rung; -1 if it is not registered.
Result<int> SlotOf(store::Connection& connection, int64_t process_id);

struct SessionRow {
  int64_t session_id = 0;
  int64_t process_id = 0;
  std::string name;
  std::string language;
  std::vector<std::string> queues;
  int32_t slots = 0;
};
Status InsertSession(Ledger& ledger, const SessionRow& session);
Status DeleteSession(Ledger& ledger, int64_t session_id);
Status UpdateSessionSlots(Ledger& ledger, int64_t session_id, int32_t slots);

// A worker session and the slot of its process; `alive` is left to the caller, who can look at the
// slot's lock.
struct ListedWorker {
  WorkerInfo info;
  int slot = 0;
};
Result<std::vector<ListedWorker>> ListSessions(store::Connection& connection);

// Takes back up to `limit` jobs of a dead process (see RescueJob). *more is true if it may hold
// others. A lease of which the job is gone, or stands elsewhere, is taken away (quarantine.h).
Status RescueFrom(Ledger& ledger, int64_t process_id, int64_t limit, std::vector<std::string>* ids,
                  bool* more);

// After RescueFrom of one job has failed: takes its lease away, and nothing else. Answers `failed`
// if there is none.
Status TakeAwayFirst(Ledger& ledger, int64_t process_id, const Status& failed);

// Fails the attempts that are over their hard limit by more than grace_ms, whoever holds them:
// their worker hangs or is stopped. The owners are woken. At most `limit`. Damaged ones as above.
Status TimeOutOverdue(Ledger& ledger, int64_t grace_ms, int64_t limit);
Status TakeAwayOverdue(Ledger& ledger, int64_t grace_ms, const Status& failed);
Result<bool> AnyOverdue(store::Connection& connection, int64_t before_monotonic_ms);

// What others asked of the leases of a process.
struct LeaseNews {
  int64_t token = 0;
  bool cancel_requested = false;
  std::string cancel_reason = {};
};
Result<std::vector<LeaseNews>> ReadLeases(store::Connection& connection, int64_t process_id);

}  // namespace millrace::jobs

#endif  // MILLRACE_JOBS_PROCESS_H_
