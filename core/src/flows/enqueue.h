// Adding jobs that have to do with each other, and with jobs that exist.
#ifndef MILLRACE_FLOWS_ENQUEUE_H_
#define MILLRACE_FLOWS_ENQUEUE_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "flows/graph.h"
#include "jobs/dedup.h"
#include "jobs/ledger.h"
#include "jobs/locate.h"
#include "millrace/status.h"
#include "millrace/types.h"

namespace millrace::flows {

// A job of this queue says that its id was revoked: jobs that come with that id into any other
// queue are cancelled in the commit that adds them. Never change it: Python puts such jobs there,
// and its retention is how long they are remembered.
inline constexpr std::string_view kRevokedQueue = "millrace.revoked";

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
    bool unsettled = false;  // its ack is to be looked up at the end
  };

  Status Find(size_t index, const std::string& argument, const JobRef& job, int64_t* row);
  Status FindParent(size_t index);
  Status CheckOnce(size_t index);
  Status CheckRoom();
  Status Follow(const jobs::DedupVerdict& verdict, Waits* waits);
  Status Put(const jobs::Place& place, int64_t pending, JobState* state);
  Status AddSpec(size_t index, EnqueueAck* ack);
  Status GatherWaits(size_t index, Waits* waits);
  Status Standing(const Dependency& dependency, Edge* edge);
  Status WriteEdges(int64_t row, const std::vector<Edge>& edges);
  Status AdoptExisting(size_t index);
  Status AddChild(size_t index, bool member);
  Status UpdateAcks(std::vector<EnqueueAck>* acks);

  jobs::Ledger& ledger_;
  const std::vector<JobSpec>& specs_;
  const jobs::Location* waiter_ = nullptr;
  Graph graph_;
  std::unordered_map<std::string, int64_t> rows_;        // by queue and id as they were given
  std::unordered_map<int64_t, jobs::Location> located_;  // by row
  std::unordered_map<int64_t, int64_t> next_position_;   // of parents, by row
  std::vector<int64_t> parents_;                         // by position; 0: none
  std::vector<Added> added_;                             // by position
};

}  // namespace millrace::flows

#endif  // MILLRACE_FLOWS_ENQUEUE_H_
