// A store on a temporary file and a ledger on it, for tests of the jobs domain below the engine.
#ifndef MILLRACE_TESTS_CORE_JOBS_JOBS_TEST_UTIL_H_
#define MILLRACE_TESTS_CORE_JOBS_JOBS_TEST_UTIL_H_

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "catch.h"
#include "jobs/admin.h"
#include "jobs/claim.h"
#include "jobs/ledger.h"
#include "jobs/locate.h"
#include "millrace/session.h"
#include "store/store_test_util.h"

namespace millrace::jobs {

using store::RequireError;
using store::RequireOk;

class JobsFixture {
 public:
  static constexpr int64_t kProcess =
      1'000'000;  // of the leases here; never a number of the sequence

  explicit JobsFixture(Ledger::Options options = {});
  ~JobsFixture();

  // One operation in a transaction of its own, as the writer runs it; undone if it fails.
  Status Do(const std::function<Status(Ledger&)>& operation);
  void MustDo(const std::function<Status(Ledger&)>& operation) { RequireOk(Do(operation)); }
  // The writing connection outside of a transaction.
  store::Connection& connection() { return store_->writer(); }

  EnqueueAck Add(const JobSpec& spec);
  std::vector<EnqueueAck> AddAll(const std::vector<JobSpec>& specs);
  std::string AddId(const std::string& id = "", const std::string& queue = "q");
  std::vector<Claimed> Claim(int32_t max = 1, const std::string& queue = "q");
  Lease ClaimOne(const std::string& queue = "q");
  Settled Settle(const Lease& lease, const Outcome& outcome);
  Settled Settle(const Lease& lease, Outcome::Kind kind, const std::string& body = "null");

  JobInfo Read(const std::string& id, const std::string& queue = "");
  JobState StateOf(const std::string& id) { return Read(id).state; }
  bool Exists(const std::string& id);
  QueueCounts Counts(const std::string& queue = "q");
  std::vector<Event> Events(const std::string& queue = "q", std::vector<EventType> types = {});
  int64_t Int(const char* sql) { return RequireOk(connection().QueryInt(sql)); }

  StoreFacts Facts();
  // What must always hold, as `doctor` sees it.
  void CheckInvariants();

  ManualClock clock{1'700'000'000'000};
  // What the committed transactions rang for.
  std::map<int64_t, int64_t> new_jobs;
  std::vector<int64_t> controlled;

 private:
  class Rings;
  wake::TemporaryDirectory directory_;
  std::unique_ptr<Rings> rings_;
  std::unique_ptr<store::Store> store_;
  std::unique_ptr<Ledger> ledger_;
};

JobSpec Spec(const std::string& id = "", const std::string& queue = "q");
inline JobSpec Delayed(JobSpec spec, int64_t delay_ms) {
  spec.delay_ms = delay_ms;
  return spec;
}
Outcome MakeOutcome(Outcome::Kind kind, const std::string& body = "null");

}  // namespace millrace::jobs

#endif  // MILLRACE_TESTS_CORE_JOBS_JOBS_TEST_UTIL_H_
