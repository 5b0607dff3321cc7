// Adding jobs that have to do with each other, and with jobs that exist.
#ifndef MILLRACE_FLOWS_ENQUEUE_H_
#define MILLRACE_FLOWS_ENQUEUE_H_

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "flows/forecast.h"
#include "flows/graph.h"
#include "jobs/dedup.h"
#include "jobs/ledger.h"
#include "jobs/locate.h"
#include "millrace/status.h"
#include "millrace/types.h"

namespace millrace::flows {

// Adds the jobs of one call in the open transaction, in their order, a job after those that it
// waits for. They were checked before (CheckJobSpec, CheckGraph). kNotFound, kWrongState and
// kInvalidArgument (what they refer to in the store) before anything is written. Each ack says
// where its job stands at the end; kCancelled with an id that is not found is a job that was
// removed at once (DependencyPolicy::kOnFailure). The acks' durability is left to the caller.
Status EnqueueJobs(jobs::Ledger& ledger, const std::vector<JobSpec>& specs,
                   std::vector<EnqueueAck>* acks);

// The same for one.
Status EnqueueJob(jobs::Ledger& ledger, const JobSpec& spec, EnqueueAck* ack);

// The same in two steps, for those who have to know between them that nothing stands against it.
class Enqueue {
 public:
  // `specs` must live as long as this.
  Enqueue(jobs::Ledger& ledger, const std::vector<JobSpec>& specs)
      : ledger_(ledger), specs_(specs) {}

  // The jobs that nobody else of the call waits for become dependencies of a running job, whose
  // place is the caller's business. With no policy of their own (JobSpec::parent naming it) the
  // policy is kFail.
  void SetWaiter(const jobs::Location& waiter) { waiter_ = &waiter; }

  Status Prepare();  // only reads
  Status Write(std::vector<EnqueueAck>* acks);

  // After Prepare(): how many jobs nobody else of the call waits for.
  int64_t roots() const { return std::count(graph_.awaited.begin(), graph_.awaited.end(), 0); }

 private:
  // A dependency as it will be written.
  struct Edge {
    int64_t row = 0;
    int64_t queue_id = 0;
    DependencyPolicy policy = DependencyPolicy::kFail;
    bool done = false;
    bool member = false;
    bool gone = false;    // nothing is known of it any more: not to be waited for
    JobState state = {};  // how it has ended; none before
    std::string_view name = {};
  };
  // What a job's dependencies come to.
  struct Waits {
    std::vector<Edge> edges;
    int64_t pending = 0;
    bool at_once = false;     // one has failed that lets it run whatever else it waits for
    bool reconsider = false;  // one has ended in a way that ends this one too
  };
  struct Added {
    int64_t row = 0;
    int64_t queue_id = 0;
    bool existing = false;
  };
  // A job that exists, or the waiter, comes to wait for one of the call.
  struct Link {
    int64_t parent = 0;
    size_t child = 0;
    DependencyPolicy policy = DependencyPolicy::kFail;
    std::string_view name = {};
  };
  // Where the dependencies go that a call adds to a job.
  struct Positions {
    int64_t first = 0;
    int64_t next = 0;
  };
  // A job that is there no more because one of the call has taken its place.
  struct Replaced {
    std::string id;
    int64_t queue_id = 0;
    bool awaited = false;  // another one of the call waits for it
  };

  Status Find(size_t index, const std::string& argument, const JobRef& job, int64_t* row);
  Status FindParent(size_t index, int64_t* row);
  Status FindLinks();
  Status CheckOnce(size_t index);
  Status CheckRoom();
  Status CountRoom();
  Status CheckParentsStay();
  Status EnsureFates();
  Status Follow(const jobs::DedupVerdict& verdict, Waits* waits);
  Status Put(const jobs::Place& place, int64_t pending, JobState* state);
  Status AddSpec(size_t index, EnqueueAck* ack);
  Status GatherWaits(size_t index, Waits* waits);
  bool IsFresh(const Added& added) const;
  Status Standing(const Dependency& dependency, Edge* edge);
  Status LookUp(Edge* edge);
  Status WriteEdge(int64_t row, int64_t position, const Edge& edge);
  Status PositionsOf(int64_t row, Positions** positions);
  void NoteReplaced(const jobs::DedupVerdict& verdict);
  Status TellOfReplaced();
  Status AddLink(const Link& link);
  Status AddExisting(const Link& link, const Positions& positions, Edge* edge, bool* waits);
  Status TellParent(int64_t parent, const Edge& edge);

  jobs::Ledger& ledger_;
  const std::vector<JobSpec>& specs_;
  const jobs::Location* waiter_ = nullptr;
  Graph graph_;
  bool refers_ = false;      // a job waits for one that exists, by name
  std::vector<Fate> fates_;  // by position; empty: not looked at, or all of them are simply added
  std::unordered_map<std::string, int64_t> rows_;        // by queue and id as they were given
  std::unordered_map<int64_t, jobs::Location> located_;  // by row
  std::unordered_map<int64_t, Positions> positions_;     // of parents, by row
  std::vector<Link> links_;                              // in the order of the jobs
  std::vector<uint8_t> linked_;                          // by position: links_ has it
  std::vector<Added> added_;                             // by position
  std::unordered_map<int64_t, Replaced> replaced_;       // by row
  int64_t first_fresh_ = INT64_MAX;                      // the first row that this call has added
  bool unsettled_ = false;                               // acks are to be looked up at the end
};

}  // namespace millrace::flows

#endif  // MILLRACE_FLOWS_ENQUEUE_H_
