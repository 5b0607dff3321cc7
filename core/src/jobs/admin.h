// The administration's answers, as JSON text: the same for both languages and the command line.
// Only reads, on a read connection; long checks go in slices, so that they hold back neither
// writers nor checkpoints.
#ifndef MILLRACE_JOBS_ADMIN_H_
#define MILLRACE_JOBS_ADMIN_H_

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "base/seal.h"
#include "millrace/status.h"
#include "millrace/types.h"
#include "store/connection.h"

namespace millrace::jobs {

// One thing that `doctor` looked at.
struct DoctorCheck {
  std::string name;  // lower_snake_case
  bool ok = true;
  std::string detail;  // for humans: what was found
};

// What the answers say of the store beside its tables. From the engine.
struct StoreFacts {
  std::string path;
  Durability durability = Durability::kPower;
  bool in_memory = false;
  int64_t now_ms = 0;
  int64_t schema_version = 0;           // the newest that this build knows
  std::function<bool(int slot)> alive;  // whether a process's slot is held
  std::vector<DoctorCheck>
      checks;  // of files and locks: put before what DoctorJson finds in the tables
  std::map<std::string, std::string> repaired = {};  // by check, what was done
};

// {"store":{...},"queues":[...],"workers":[...]}
Result<std::string> InspectJson(store::Connection& connection, const StoreFacts& facts);
// One job in full. kNotFound.
Result<std::string> JobJson(store::Connection& connection, const Keyring& keyring,
                            const JobRef& job);
// {"jobs":[...],"total":n}: failed jobs, newest first; of all queues if `queue` is empty. limit 1
// .. 10,000.
Result<std::string> DeadJson(store::Connection& connection, const Keyring& keyring,
                             const std::string& queue, const std::string& name, int64_t limit);
// {"ok":bool,"checks":[{"name","ok","detail","repaired"?}],"versions":{...}}
Result<std::string> DoctorJson(store::Connection& connection, const StoreFacts& facts);

// A job as the answers show it: payloads as JSON if they are, else as text, else as hexadecimal
// digits.
std::string JobInfoJson(const JobInfo& job, bool with_data);

}  // namespace millrace::jobs

#endif  // MILLRACE_JOBS_ADMIN_H_
