// Groups: lanes within a queue that take turns. What one write transaction knows of them: a row is
// read when it is first needed, its turn and its timer follow when the transaction asks for a claim
// or ends, and the row is written once.
#ifndef MILLRACE_JOBS_GROUP_H_
#define MILLRACE_JOBS_GROUP_H_

#include <array>
#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "limits/bucket.h"
#include "millrace/limits.h"
#include "millrace/status.h"
#include "store/connection.h"

namespace millrace::jobs {

class Ledger;
struct Place;

// Columns of `groups`, as this transaction leaves them.
struct Group {
  int64_t group_id = 0;
  int64_t queue_id = 0;
  std::string name;
  int64_t ready = 0;
  int64_t active = 0;
  int64_t turn = 0;          // 0: not in the line
  int64_t timer_at_ms = 0;   // 0: none; negative: only kept until then, it gives nothing
  int64_t stalled_by = 0;    // the limit of its first job's task; 0: none
  int64_t stalled_turn = 0;  // what it comes back to
  bool paused = false;
  bool own_limit = false;
  bool own_known = false;   // whether these three were read; Groups::BoundsOf() sees to it
  int64_t concurrency = 0;  // of its own limit
  Rate rate;
  int64_t max_size = 0;
  limits::Bucket bucket;
  int64_t limited_until_ms = 0;

  // What changes more rarely than the counts and the turn.
  std::array<int64_t, 6> Rest() const {
    return {timer_at_ms,           stalled_by,      stalled_turn, bucket.credit,
            bucket.refilled_at_ms, limited_until_ms};
  }

  bool touched = false;   // to be written
  bool settled = true;    // its turn and its timer are right
  bool rung = false;      // somebody was woken for it already
  bool had_turn = false;  // when the transaction began
  int64_t timer_before_ms = 0;
  std::array<int64_t, 6> rest_before = {};
};

// The bounds that hold for a group: its own, or the default of its queue.
struct GroupBounds {
  int64_t concurrency = 0;
  Rate rate;
  int64_t max_size = 0;
  int64_t limited_until_ms = 0;
};

// Of one ledger; under the writer's lock only.
class Groups {
 public:
  explicit Groups(Ledger& ledger) : ledger_(ledger) {}

  // Null if there is none. Groups stay where they are until Clear().
  Result<Group*> Find(int64_t queue_id, const std::string& name);
  Result<Group*> Make(int64_t queue_id, const std::string& name);
  Result<Group*> Load(int64_t group_id);
  // The group that the current row begins with (the columns of find_group).
  Group& Keep(const store::Query& q);

  Result<GroupBounds> BoundsOf(Group& group);
  // Whether it may give a job now. Refills its bucket.
  Result<bool> MayGive(Group& group);
  // A change was made to it: turn, timer and row follow.
  void Touch(Group& group);

  // kGroupFull if no more jobs may wait in it, `others` that are about to come included; changes
  // nothing. Of a group that does not exist yet, too.
  Status CheckRoom(int64_t queue_id, const std::string& queue, const std::string& name,
                   int64_t others = 0);
  // Rows of group_ready. PutReady answers whether a worker may start one of the group now.
  Result<bool> PutReady(const Place& place);
  Status TakeReady(const Place& place);
  // The place `priority`, `seq` of group_ready is no longer: claimed, or taken away.
  Status Gone(Group& group, int32_t priority, int64_t seq);
  Status Started(Group& group);
  Status Ended(const Place& place);

  // A task's limit holds its first job back: it leaves the line and keeps its turn for later.
  Status Stall(Group& group, int64_t limit_id, int64_t turn);
  Status Unstall(Group& group);

  // Groups of the queue of which the time has come, or the default has changed, get their turns.
  Status Ripen(int64_t queue_id);
  // Turns and timers of what was touched.
  Status Settle();
  // The same and the rows; rings for those that may give again. Before the commit.
  Status Write();
  // Forgets all: what was not written is lost.
  void Clear();

 private:
  Status ReadOwnLimit(Group& group);
  Status ForgetIfEmpty(const Place& place, bool* forgotten);
  Status Regroup(int64_t queue_id);
  Status SettleTurn(Group& group);
  Status SettleTimer(Group& group);
  Result<int64_t> TimerOf(Group& group);
  Status WriteRow(Group& group, bool* deleted);

  Ledger& ledger_;
  std::unordered_map<int64_t, Group> groups_;
  std::unordered_map<std::string, int64_t> names_;  // by queue's number and name, of those found so
  std::vector<Group*> touched_;
  std::vector<Group*> unsettled_;
};

}  // namespace millrace::jobs

#endif  // MILLRACE_JOBS_GROUP_H_
