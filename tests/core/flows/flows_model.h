// What jobs that wait for each other must do, without a store: a few rules over vectors.
#ifndef MILLRACE_TESTS_CORE_FLOWS_FLOWS_MODEL_H_
#define MILLRACE_TESTS_CORE_FLOWS_FLOWS_MODEL_H_

#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "flows/policy.h"
#include "millrace/types.h"

namespace millrace::flows {

struct ModelEdge {
  size_t on = 0;
  DependencyPolicy policy = DependencyPolicy::kFail;
  bool member = false;
  bool done = false;
  bool forgotten = false;
  std::optional<JobState> ended = {};
};

struct ModelJob {
  std::string id = {};
  JobState state = JobState::kReady;
  bool exists = true;
  JoinKind join = JoinKind::kRun;
  bool cancel_requested = false;
  bool continued = false;  // let off waiting by a failure
  std::vector<ModelEdge> edges = {};
};

class FlowsModel {
 public:
  std::vector<ModelJob> jobs;

  // The job's edges are set; those that have ended say so.
  void Add(ModelJob job);
  void End(size_t job, JobState state);
  void Remove(size_t job);
  void Redrive(size_t job);
  // A running job waits; its new children are among its edges.
  void Wait(size_t job);
  // A running job goes back to the queue: its new children are waited for.
  void GoBack(size_t job);
  // As Engine::Cancel and Engine::Remove, with the members.
  void CancelFlow(size_t job);
  void RemoveFlow(size_t job);
  // Works off what has come of the above: at the end of each operation.
  void Settle();
  int64_t Pending(size_t job) const;

 private:
  struct Note {
    size_t job;
    JobState state;
    bool gone;
  };
  std::vector<size_t> Members(size_t top) const;
  void CancelOne(size_t job);
  void Apply(size_t waiting, ModelEdge* edge, Effect effect, const Note& note);
  void Reconsider(size_t job);
  void Release(size_t job);

  std::deque<Note> notes_;
  std::vector<size_t> reconsider_;
  std::vector<size_t> released_;
};

}  // namespace millrace::flows

#endif  // MILLRACE_TESTS_CORE_FLOWS_FLOWS_MODEL_H_
