#include "jobs/turn_line.h"

#include "base/macros.h"
#include "sql_statements.h"

namespace millrace::jobs {

using store::Query;

Status TurnLine::Fetch() {
  static constexpr int kTurnColumn = 14;
  Query q(ledger_.connection(), sql::limits::kSelectTurns);
  q.Bind(queue_id_, fetched_up_to_, slice_);
  for (int64_t rows = 0;; ++rows) {
    bool row = false;
    RETURN_IF_ERROR(q.Step(&row));
    all_fetched_ = !row && rows < slice_;
    if (!row) return Status::Ok();
    fetched_up_to_ = q.Int(kTurnColumn);
    if (q.IsNull(0)) continue;  // damage: its row goes with the others
    old_.emplace_back(fetched_up_to_, &ledger_.groups().Keep(q));
  }
}

Status TurnLine::Head(Group** group, int64_t* turn) {
  while (old_.empty() && !all_fetched_) RETURN_IF_ERROR(Fetch());
  const auto& line = old_.empty() ? fresh_ : old_;
  *group = line.empty() ? nullptr : line.front().second;
  *turn = line.empty() ? kNoTurn : line.front().first;
  return Status::Ok();
}

Status TurnLine::Pass() {
  auto& line = old_.empty() ? fresh_ : old_;
  const auto [turn, group] = line.front();
  if (&line == &old_) passed_up_to_ = turn;
  line.pop_front();
  group->turn = 0;
  ledger_.groups().Touch(*group);
  ASSIGN_OR_RETURN(const bool gives, ledger_.groups().MayGive(*group));
  if (!gives) return Status::Ok();
  group->turn = ledger_.NextNumber();
  fresh_.emplace_back(group->turn, group);
  return Status::Ok();
}

Status TurnLine::Write() {
  if (passed_up_to_ != 0) {
    Query q(ledger_.connection(), sql::limits::kDeleteTurnsUpTo);
    q.Bind(queue_id_, passed_up_to_);
    RETURN_IF_ERROR(q.Run());
  }
  for (const auto& [turn, group] : fresh_) {
    Query q(ledger_.connection(), sql::limits::kInsertTurn);
    q.Bind(queue_id_, turn, group->group_id);
    RETURN_IF_ERROR(q.Run());
  }
  return Status::Ok();
}

}  // namespace millrace::jobs
