// Going over the logs of several queues as one: which row of which queue comes next.
#ifndef MILLRACE_JOBS_EVENT_MERGE_H_
#define MILLRACE_JOBS_EVENT_MERGE_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <queue>
#include <vector>

#include "jobs/event_log.h"
#include "millrace/status.h"
#include "store/connection.h"

namespace millrace::jobs {

// Rows of the logs in the order of their positions, which are unique in the store. Costs one look
// into each queue at the start and one for every `kAhead` rows of a queue; reads no bodies. Used
// within one snapshot.
class EventMerge {
 public:
  static constexpr int64_t kAhead = 64;

  struct Row {
    size_t queue = 0;  // index into `queues`
    int64_t seq = 0;
  };

  // From the row at `from_seq` on. `queues` must outlive it.
  EventMerge(store::Connection& connection, const std::vector<LogQueue>& queues, int64_t from_seq)
      : connection_(connection), queues_(queues), from_seq_(from_seq) {}

  // False: there is no further row.
  Result<bool> Next(Row* row);

 private:
  struct Later {
    bool operator()(const Row& a, const Row& b) const { return a.seq > b.seq; }
  };
  // Rows of a queue that were looked up, of which the first one is in heads_.
  struct Ahead {
    std::deque<int64_t> seqs;
    bool more = true;  // there may be rows behind them
  };
  Status Start();
  Status LookAhead(size_t queue, int64_t from_seq);

  store::Connection& connection_;
  const std::vector<LogQueue>& queues_;
  const int64_t from_seq_;
  bool started_ = false;
  std::vector<Ahead> ahead_;
  std::priority_queue<Row, std::vector<Row>, Later> heads_;
};

}  // namespace millrace::jobs

#endif  // MILLRACE_JOBS_EVENT_MERGE_H_
