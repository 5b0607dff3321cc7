// The groups of a queue in the order of their turns, as one claim goes over them.
#ifndef MILLRACE_JOBS_TURN_LINE_H_
#define MILLRACE_JOBS_TURN_LINE_H_

#include <cstdint>
#include <deque>
#include <utility>

#include "jobs/ledger.h"
#include "millrace/status.h"

namespace millrace::jobs {

// The rows in `turns` are changed by Write() alone: it must be called before anything else settles
// groups.
class TurnLine {
 public:
  static constexpr int64_t kNoTurn = INT64_MAX;

  // `want` is how many turns will probably be needed.
  TurnLine(Ledger& ledger, int64_t queue_id, int64_t want)
      : ledger_(ledger), queue_id_(queue_id), slice_(want) {}

  // The group whose turn it is, and the number of its turn; null and kNoTurn at the end.
  Status Head(Group** group, int64_t* turn);
  // The head has given a job, or cannot give one: it goes to the end of the line, or leaves it.
  Status Pass();
  Status Write();

 private:
  Status Fetch();

  Ledger& ledger_;
  const int64_t queue_id_;
  const int64_t slice_;
  std::deque<std::pair<int64_t, Group*>> old_;    // from the store
  std::deque<std::pair<int64_t, Group*>> fresh_;  // behind them, not in the store yet
  int64_t fetched_up_to_ = 0;
  int64_t passed_up_to_ = 0;
  bool all_fetched_ = false;
};

}  // namespace millrace::jobs

#endif  // MILLRACE_JOBS_TURN_LINE_H_
