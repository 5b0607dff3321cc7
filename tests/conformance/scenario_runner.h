// Plays a conformance scenario on the engine. README.md describes the language of the scenarios.
#ifndef MILLRACE_TESTS_CONFORMANCE_SCENARIO_RUNNER_H_
#define MILLRACE_TESTS_CONFORMANCE_SCENARIO_RUNNER_H_

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "conformance/scenario_values.h"
#include "millrace/engine.h"

namespace millrace::testing {

class ScenarioRunner {
 public:
  // Throws if the store cannot be opened.
  ScenarioRunner(const std::string& path, const Json& options);
  ~ScenarioRunner();

  // What was not as the step says; empty if all was.
  std::string Play(const Json& step);
  // Ends the sessions and looks at the store; empty if all is well.
  std::string Finish();

 private:
  using Operation = std::function<Result<Json>(const Json& step)>;

  // A session with what it has told, kept until a step asks for it.
  struct Told {
    std::unique_ptr<Session> session;
    std::vector<Settled> settled = {};
    std::vector<Signal> signals = {};
    bool drained = false;
  };
  struct Held {
    std::shared_ptr<Told> told;
    int64_t token = 0;
  };

  // Opens the store with a scenario's options; ends what was open before.
  Status Open(const Json& options);
  void EndSessions();
  void AddWork();
  void AddSession();
  void AddChanges();
  void AddKeys();
  void AddBulkChanges();
  void AddLimits();
  void AddReads();
  void AddLists();
  void AddFlows();
  void AddSchedules();     // scenario_schedules.cc
  void AddTransactions();  // scenario_transactions.cc
  void AddJobChanges();    // scenario_changes.cc
  void AddWaiting();       // scenario_changes.cc
  // An operation on one job.
  void AddChange(const char* name, Status (Engine::*change)(const JobRef&, const WriteOptions&));

  JobRef Ref(const Json& step) const;
  // A job of an enqueue or an outcome, with what it says of other jobs.
  std::vector<JobSpec> ReadJobs(const Json& jobs) const;
  Json ShowAdded(const Json& jobs, const std::vector<EnqueueAck>& acks);
  std::string NameOf(const std::string& id) const;
  const Held& Lease(const Json& step) const { return held_.at(step.at("job").get<std::string>()); }
  std::string Check(const Operation& operation, const Json& step);
  // Listens until `found` says so; false if that takes too long.
  bool Hear(Told& told, const std::function<bool()>& found);
  std::vector<LeasedJob> TakeAll(Told& told, size_t wanted);
  Result<Json> Enqueue(const Json& step);
  Result<Json> Take(const Json& step);
  Result<Json> Settle(const Json& step);
  Result<Json> NextSignal(const Json& step);
  Result<Json> Events(const Json& step);
  Result<Json> ShowSchedule(const Json& step, const Result<ScheduleInfo>& info);

  const std::string path_;
  std::shared_ptr<ManualClock> clock_ = std::make_shared<ManualClock>(kScenarioStartMs);
  std::unique_ptr<Engine> engine_;
  std::unique_ptr<Transaction> transaction_;
  std::map<std::string, Operation> operations_;
  std::vector<std::shared_ptr<Told>> sessions_;
  std::map<std::string, Held> held_;
  std::map<std::string, std::string>
      ids_;  // by the names that a scenario gives to ids made by the store
  std::map<std::string, std::string> names_;
  std::map<std::string, std::string> positions_;
};

}  // namespace millrace::testing

#endif  // MILLRACE_TESTS_CONFORMANCE_SCENARIO_RUNNER_H_
