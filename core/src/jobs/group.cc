#include "jobs/group.h"

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "base/macros.h"
#include "base/text.h"
#include "jobs/ledger.h"
#include "jobs/place.h"
#include "sql_statements.h"

namespace millrace::jobs {
namespace {

using store::Query;

// Groups that one claim brings back into the line because their time has come, at most.
constexpr int64_t kRipenSlice = 1'000;
// Empty groups that one claim forgets because their buckets are full again, at most.
constexpr int64_t kForgetSlice = 20;

std::string NameKey(int64_t queue_id, std::string_view name) {
  return std::to_string(queue_id) + '/' + std::string(name);
}

}  // namespace

Group& Groups::Keep(const Query& q) {
  const int64_t group_id = q.Int(0);
  const auto [it, fresh] = groups_.try_emplace(group_id);
  Group& group = it->second;
  if (!fresh) return group;
  group.group_id = group_id;
  group.queue_id = q.Int(1);
  group.name = q.Text(2);
  group.ready = q.Int(3);
  group.active = q.Int(4);
  group.turn = group.ready > 0 ? q.Int(5) : 0;
  group.timer_at_ms = group.timer_before_ms = q.Int(6);
  group.stalled_by = q.Int(7);
  group.stalled_turn = q.Int(8);
  group.paused = q.Int(9) != 0;
  group.own_limit = q.Int(10) != 0;
  group.bucket = {.credit = q.Int(11), .refilled_at_ms = q.Int(12)};
  group.limited_until_ms = q.Int(13);
  group.had_turn = group.turn != 0;
  group.rest_before = group.Rest();
  return group;
}

Result<Group*> Groups::Find(int64_t queue_id, const std::string& name) {
  std::string key = NameKey(queue_id, name);
  if (const auto it = names_.find(key); it != names_.end()) return &groups_.at(it->second);
  Query q(ledger_.connection(), sql::limits::kFindGroup);
  q.Bind(queue_id, name);
  bool row = false;
  RETURN_IF_ERROR(q.Step(&row));
  if (!row) return nullptr;
  Group& group = Keep(q);
  names_.emplace(std::move(key), group.group_id);
  return &group;
}

Result<Group*> Groups::Load(int64_t group_id) {
  if (const auto it = groups_.find(group_id); it != groups_.end()) return &it->second;
  Query q(ledger_.connection(), sql::limits::kReadGroup);
  q.Bind(group_id);
  bool row = false;
  RETURN_IF_ERROR(q.Step(&row));
  if (!row) return nullptr;
  return &Keep(q);
}

Result<Group*> Groups::Make(int64_t queue_id, const std::string& name) {
  ASSIGN_OR_RETURN(Group* const found, Find(queue_id, name));
  if (found) return found;
  const int64_t group_id = ledger_.NextNumber();
  {
    Query q(ledger_.connection(), sql::limits::kInsertGroup);
    q.Bind(group_id, queue_id, name);
    RETURN_IF_ERROR(q.Run());
  }
  RETURN_IF_ERROR(ledger_.limits().NoteGroups());
  Group& group = groups_[group_id];
  group.group_id = group_id;
  group.queue_id = queue_id;
  group.name = name;
  names_.emplace(NameKey(queue_id, name), group_id);
  Touch(group);
  return &group;
}

void Groups::Touch(Group& group) {
  if (group.settled) unsettled_.push_back(&group);
  group.settled = false;
  if (!group.touched) touched_.push_back(&group);
  group.touched = true;
}

// Few groups have one: the row of each claim and each end is read without it. Without its row, by
// damage, it bounds nothing: the queue goes on.
Status Groups::ReadOwnLimit(Group& group) {
  Query q(ledger_.connection(), sql::limits::kReadGroupLimit);
  q.Bind(group.group_id);
  bool row = false;
  RETURN_IF_ERROR(q.Step(&row));
  group.own_known = true;
  if (!row) return Status::Ok();
  group.concurrency = q.Int(0);
  group.rate = {.count = q.Int(1), .period_ms = q.Int(2)};
  group.max_size = q.Int(3);
  return Status::Ok();
}

Result<GroupBounds> Groups::BoundsOf(Group& group) {
  if (group.own_limit) {
    if (!group.own_known) RETURN_IF_ERROR(ReadOwnLimit(group));
    return GroupBounds{.concurrency = group.concurrency,
                       .rate = group.rate,
                       .max_size = group.max_size,
                       .limited_until_ms = group.limited_until_ms};
  }
  GroupBounds bounds{.rate = {}, .limited_until_ms = group.limited_until_ms};
  if (ledger_.limits().empty()) return bounds;
  ASSIGN_OR_RETURN(const limits::Entry* const rule, ledger_.limits().OfGroups(group.queue_id));
  if (!rule) return bounds;
  bounds.concurrency = rule->concurrency;
  bounds.rate = rule->rate;
  bounds.max_size = rule->max_size;
  bounds.limited_until_ms = std::max(group.limited_until_ms, rule->limited_until_ms);
  return bounds;
}

Result<bool> Groups::MayGive(Group& group) {
  if (group.ready == 0 || group.paused || group.stalled_by != 0) return false;
  ASSIGN_OR_RETURN(const GroupBounds bounds, BoundsOf(group));
  if (bounds.concurrency != 0 && group.active >= bounds.concurrency) return false;
  if (bounds.limited_until_ms > ledger_.now_ms()) return false;
  if (bounds.rate.count == 0) return true;
  limits::Refill(bounds.rate, ledger_.now_ms(), &group.bucket);
  return limits::Tokens(bounds.rate, group.bucket) > 0;
}

Status Groups::CheckRoom(int64_t queue_id, const std::string& queue, const std::string& name,
                         int64_t others) {
  ASSIGN_OR_RETURN(Group* const group, Find(queue_id, name));
  if (!group && ledger_.limits().empty()) return Status::Ok();
  Group fresh{.queue_id = queue_id};
  ASSIGN_OR_RETURN(const GroupBounds bounds, BoundsOf(group ? *group : fresh));
  const int64_t ready = group ? group->ready : 0;
  if (bounds.max_size == 0 || ready + others < bounds.max_size) return Status::Ok();
  const std::string coming =
      others == 0 ? "" : ", and " + std::to_string(others) + " more are to be added with this one";
  return Status(Code::kGroupFull, "group " + Quoted(name) + " of queue " + Quoted(queue) + " has " +
                                      std::to_string(ready) + " jobs waiting" + coming +
                                      "; at most " + std::to_string(bounds.max_size) +
                                      " are accepted");
}

Result<bool> Groups::PutReady(const Place& place) {
  ASSIGN_OR_RETURN(Group* const group, Make(place.queue_id, place.group));
  {
    Query q(ledger_.connection(), sql::limits::kInsertGroupReady);
    q.Bind(group->group_id, place.priority, place.seq, place.flags);
    RETURN_IF_ERROR(q.Run());
  }
  ++group->ready;
  Touch(*group);
  if (group->stalled_by != 0) {  // for its first job: that may be this one now
    Query q(ledger_.connection(), sql::limits::kAnyBefore);
    q.Bind(group->group_id, place.priority, place.seq);
    bool before = false;
    RETURN_IF_ERROR(q.Step(&before));
    if (!before) RETURN_IF_ERROR(Unstall(*group));
  }
  ASSIGN_OR_RETURN(const bool gives, MayGive(*group));
  group->rung = group->rung || gives;
  if (gives) RETURN_IF_ERROR(SettleTurn(*group));  // its place in the line is that of this job
  return gives;
}

Status Groups::TakeReady(const Place& place) {
  ASSIGN_OR_RETURN(Group* const group, Find(place.queue_id, place.group));
  if (!group) return Status::Ok();
  return Gone(*group, place.priority, place.seq);
}

Status Groups::Gone(Group& group, int32_t priority, int64_t seq) {
  {
    Query q(ledger_.connection(), sql::limits::kDeleteGroupReady);
    q.Bind(group.group_id, priority, seq);
    RETURN_IF_ERROR(q.Run());
  }
  if (ledger_.connection().changes() == 0) return Status::Ok();
  group.ready = std::max<int64_t>(group.ready - 1, 0);
  Touch(group);
  if (group.stalled_by == 0) return Status::Ok();
  Query q(ledger_.connection(), sql::limits::kAnyBefore);
  q.Bind(group.group_id, priority, seq);
  bool before = false;
  RETURN_IF_ERROR(q.Step(&before));
  return before ? Status::Ok() : Unstall(group);
}

Status Groups::Started(Group& group) {
  ++group.active;
  Touch(group);
  ASSIGN_OR_RETURN(const GroupBounds bounds, BoundsOf(group));
  if (bounds.rate.count == 0) return Status::Ok();
  limits::Refill(bounds.rate, ledger_.now_ms(), &group.bucket);
  limits::TakeToken(bounds.rate, &group.bucket);
  return Status::Ok();
}

// The group of a lease if nothing of it is left, unread: most groups of very many are like that.
Status Groups::ForgetIfEmpty(const Place& place, bool* forgotten) {
  *forgotten = false;
  if (!place.alone_in_group || groups_.contains(place.group_id)) return Status::Ok();
  ASSIGN_OR_RETURN(const limits::Entry* const rule, ledger_.limits().OfGroups(place.queue_id));
  if (rule && rule->rate.count != 0) return Status::Ok();  // its bucket may be in use
  Query q(ledger_.connection(), sql::limits::kForgetGroup);
  q.Bind(place.group_id, ledger_.now_ms());
  RETURN_IF_ERROR(q.Run());
  *forgotten = ledger_.connection().changes() == 1;
  return Status::Ok();
}

Status Groups::Ended(const Place& place) {
  bool forgotten = false;
  RETURN_IF_ERROR(ForgetIfEmpty(place, &forgotten));
  if (forgotten) return Status::Ok();
  Group* group = nullptr;
  if (place.group_id != 0) {
    ASSIGN_OR_RETURN(group, Load(place.group_id));
  }
  if (!group) {  // a name that was forgotten and came back has another number
    ASSIGN_OR_RETURN(group, Find(place.queue_id, place.group));
  }
  if (!group) return Status::Ok();
  group->active = std::max<int64_t>(group->active - 1, 0);
  Touch(*group);
  return Status::Ok();
}

Status Groups::Stall(Group& group, int64_t limit_id, int64_t turn) {
  ASSIGN_OR_RETURN(limits::Entry* const limit, ledger_.limits().ById(limit_id));
  if (!limit) return Status::Ok();
  {
    Query q(ledger_.connection(), sql::limits::kInsertStalled);
    q.Bind(group.queue_id, limit_id, turn, group.group_id);
    RETURN_IF_ERROR(q.Run());
  }
  ++limit->parked;
  limit->changed = true;
  if (ledger_.limits().OpensByTime(*limit)) ledger_.WakeForTimer(group.queue_id);
  group.stalled_by = limit_id;
  group.stalled_turn = turn;
  Touch(group);
  return Status::Ok();
}

Status Groups::Unstall(Group& group) {
  if (group.stalled_by == 0) return Status::Ok();
  {
    Query q(ledger_.connection(), sql::limits::kDeleteStalled);
    q.Bind(group.queue_id, group.stalled_by, group.stalled_turn);
    RETURN_IF_ERROR(q.Run());
  }
  ASSIGN_OR_RETURN(limits::Entry* const limit, ledger_.limits().ById(group.stalled_by));
  if (limit) {
    limit->parked = std::max<int64_t>(limit->parked - 1, 0);
    limit->changed = true;
  }
  group.stalled_by = 0;
  Touch(group);
  return Status::Ok();  // SettleTurn takes the old turn up again
}

// A slice of the groups that wait under a default that has changed.
Status Groups::Regroup(int64_t queue_id) {
  std::string after;
  {
    Query q(ledger_.connection(), sql::limits::kReadRegroup);
    q.Bind(queue_id);
    bool row = false;
    RETURN_IF_ERROR(q.Step(&row));
    if (row) after = q.BlobBytes(0);
  }
  std::vector<int64_t> waiting;
  int64_t seen = 0;
  {
    Query q(ledger_.connection(), sql::limits::kNextGroups);
    q.Bind(queue_id, after, kRipenSlice);
    for (;; ++seen) {
      bool row = false;
      RETURN_IF_ERROR(q.Step(&row));
      if (!row) break;
      after = q.Text(1);
      if (q.Int(2) != 0) waiting.push_back(q.Int(0));
    }
  }
  for (const int64_t group_id : waiting) {
    ASSIGN_OR_RETURN(Group* const group, Load(group_id));
    if (group) Touch(*group);
  }
  if (seen < kRipenSlice) return ledger_.limits().EndRegroup(queue_id);
  Query q(ledger_.connection(), sql::limits::kWriteRegroup);
  q.Bind(queue_id, store::Blob{after});
  return q.Run();
}

Status Groups::Ripen(int64_t queue_id) {
  if (ledger_.limits().regroups(queue_id)) RETURN_IF_ERROR(Regroup(queue_id));
  for (const int gives : {1, 0}) {
    std::vector<std::pair<int64_t, int64_t>> due;  // at_ms, group_id
    {
      Query q(ledger_.connection(), sql::limits::kDueTimers);
      q.Bind(queue_id, gives, ledger_.now_ms(), gives == 1 ? kRipenSlice : kForgetSlice);
      for (;;) {
        bool row = false;
        RETURN_IF_ERROR(q.Step(&row));
        if (!row) break;
        due.emplace_back(q.Int(0), q.Int(1));
      }
    }
    for (const auto& [at_ms, group_id] : due) {
      ASSIGN_OR_RETURN(Group* const group, Load(group_id));
      if (group && std::abs(group->timer_at_ms) == at_ms) {
        Touch(*group);
        continue;
      }
      // Of no group: damage that must not be met again and again.
      Query q(ledger_.connection(), sql::limits::kDeleteTimer);
      q.Bind(queue_id, gives, at_ms, group_id);
      RETURN_IF_ERROR(q.Run());
    }
  }
  return Settle();
}

Status Groups::SettleTurn(Group& group) {
  ASSIGN_OR_RETURN(const bool gives, MayGive(group));
  if (group.ready == 0) group.stalled_turn = 0;
  if (gives == (group.turn != 0)) return Status::Ok();
  if (!gives) {
    Query q(ledger_.connection(), sql::limits::kDeleteTurn);
    q.Bind(group.queue_id, group.turn);
    group.turn = 0;
    return q.Run();
  }
  group.turn = group.stalled_turn != 0 ? group.stalled_turn : ledger_.NextNumber();
  group.stalled_turn = 0;
  Query q(ledger_.connection(), sql::limits::kInsertTurn);
  q.Bind(group.queue_id, group.turn, group.group_id);
  return q.Run();
}

// When something about a group changes by time alone: 0: never, negative: only that it may be
// forgotten.
Result<int64_t> Groups::TimerOf(Group& group) {
  if (group.turn != 0 || group.paused || group.stalled_by != 0) return int64_t{0};
  ASSIGN_OR_RETURN(const GroupBounds bounds, BoundsOf(group));
  const int64_t now_ms = ledger_.now_ms();
  if (bounds.rate.count != 0) limits::Refill(bounds.rate, now_ms, &group.bucket);
  if (group.ready > 0) {
    if (bounds.concurrency != 0 && group.active >= bounds.concurrency) return int64_t{0};
    int64_t at_ms = bounds.limited_until_ms > now_ms ? bounds.limited_until_ms : 0;
    if (bounds.rate.count != 0) {
      at_ms = std::max(at_ms, limits::NextTokenAt(bounds.rate, group.bucket));
    }
    return at_ms;
  }
  if (group.active > 0 || group.own_limit) return int64_t{0};
  int64_t kept_until_ms = group.limited_until_ms;
  if (bounds.rate.count != 0) {
    kept_until_ms = std::max(kept_until_ms, limits::FullAt(bounds.rate, group.bucket));
  }
  return kept_until_ms > now_ms ? -kept_until_ms : 0;
}

Status Groups::SettleTimer(Group& group) {
  ASSIGN_OR_RETURN(const int64_t at_ms, TimerOf(group));
  if (at_ms == group.timer_at_ms) return Status::Ok();
  if (group.timer_at_ms != 0) {
    Query q(ledger_.connection(), sql::limits::kDeleteTimer);
    q.Bind(group.queue_id, group.timer_at_ms > 0, std::abs(group.timer_at_ms), group.group_id);
    RETURN_IF_ERROR(q.Run());
  }
  group.timer_at_ms = at_ms;
  if (at_ms == 0) return Status::Ok();
  Query q(ledger_.connection(), sql::limits::kInsertTimer);
  q.Bind(group.queue_id, at_ms > 0, std::abs(at_ms), group.group_id);
  return q.Run();
}

Status Groups::Settle() {
  for (Group* group : unsettled_) {
    RETURN_IF_ERROR(SettleTurn(*group));
    RETURN_IF_ERROR(SettleTimer(*group));
    group->settled = true;
  }
  unsettled_.clear();
  return Status::Ok();
}

Status Groups::WriteRow(Group& group, bool* deleted) {
  *deleted = group.ready == 0 && group.active == 0 && !group.paused && !group.own_limit &&
             group.timer_at_ms == 0 && group.stalled_by == 0;
  if (*deleted) {
    Query q(ledger_.connection(), sql::limits::kDeleteGroup);
    q.Bind(group.group_id);
    return q.Run();
  }
  const bool counts_only = group.Rest() == group.rest_before;
  if (counts_only && group.ready == 0) {
    Query q(ledger_.connection(), sql::limits::kWriteGroupEnd);
    q.Bind(group.group_id, group.active);
    return q.Run();
  }
  if (counts_only) {
    Query q(ledger_.connection(), sql::limits::kWriteGroupCounts);
    q.Bind(group.group_id, group.ready, group.active, group.turn);
    return q.Run();
  }
  Query q(ledger_.connection(), sql::limits::kWriteGroup);
  q.Bind(group.group_id, group.ready, group.active, group.turn, group.timer_at_ms, group.stalled_by,
         group.stalled_turn, group.bucket.credit, group.bucket.refilled_at_ms,
         group.limited_until_ms);
  return q.Run();
}

Status Groups::Write() {
  RETURN_IF_ERROR(Settle());
  for (Group* group : touched_) {
    if (group->turn != 0 && !group->had_turn && !group->rung) ledger_.WakeFor(group->queue_id);
    // Whoever sleeps must set a timer for it, or an earlier one.
    const bool sooner = group->timer_at_ms > 0 && (group->timer_before_ms <= 0 ||
                                                   group->timer_at_ms < group->timer_before_ms);
    if (sooner) ledger_.WakeForTimer(group->queue_id);
    bool deleted = false;
    RETURN_IF_ERROR(WriteRow(*group, &deleted));
  }
  Clear();
  return Status::Ok();
}

void Groups::Clear() {
  groups_.clear();
  names_.clear();
  touched_.clear();
  unsettled_.clear();
}

}  // namespace millrace::jobs
