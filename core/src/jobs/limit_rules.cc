#include "jobs/limit_rules.h"

#include <algorithm>

#include "base/macros.h"
#include "base/text.h"
#include "jobs/parking.h"
#include "jobs/read.h"
#include "jobs/validate.h"
#include "sql_statements.h"

namespace millrace::jobs {
namespace {

using limits::Entry;
using store::Connection;
using store::Query;

Status CheckUnused(const std::string& value, const char* argument, const char* scope) {
  if (value.empty()) return Status::Ok();
  return Status(Code::kInvalidArgument, std::string(argument) + " is " + Quoted(value) +
                                            "; with scope \"" + scope + "\" none is accepted");
}

Status CheckScope(const Limit& limit) {
  switch (limit.scope) {
    case LimitScope::kStore:
      RETURN_IF_ERROR(CheckUnused(limit.queue, "queue", "store"));
      RETURN_IF_ERROR(CheckUnused(limit.task, "task", "store"));
      return CheckUnused(limit.group, "group", "store");
    case LimitScope::kQueue:
      RETURN_IF_ERROR(CheckUnused(limit.task, "task", "queue"));
      RETURN_IF_ERROR(CheckUnused(limit.group, "group", "queue"));
      return CheckName(limit.queue, "queue");
    case LimitScope::kTask:
      RETURN_IF_ERROR(CheckUnused(limit.queue, "queue", "task"));
      RETURN_IF_ERROR(CheckUnused(limit.group, "group", "task"));
      return CheckName(limit.task, "task");
    case LimitScope::kGroup:
      RETURN_IF_ERROR(CheckUnused(limit.task, "task", "group"));
      RETURN_IF_ERROR(CheckName(limit.queue, "queue"));
      return limit.group.empty() ? Status::Ok() : CheckGroupName(limit.group);
  }
  return CheckRange(static_cast<int>(limit.scope), 1, 4, "scope");
}

bool HasBounds(const Limit& limit) {
  return limit.concurrency != 0 || limit.rate.count != 0 || limit.max_size != 0;
}

Result<limits::Key> KeyOf(Ledger& ledger, const Limit& limit) {
  limits::Key key{.scope = limit.scope, .task = limit.task};
  if (!limit.queue.empty()) {
    ASSIGN_OR_RETURN(key.queue_id, ledger.QueueId(limit.queue));
  }
  return key;
}

Status WriteSettings(Ledger& ledger, Group& group) {
  ledger.groups().Touch(group);
  Query q(ledger.connection(), sql::limits::kWriteGroupSettings);
  q.Bind(group.group_id, group.paused, group.own_limit);
  return q.Run();
}

Status WriteOwnLimit(Ledger& ledger, const Group& group) {
  if (!group.own_limit) {
    Query q(ledger.connection(), sql::limits::kDeleteGroupLimit);
    q.Bind(group.group_id);
    return q.Run();
  }
  Query q(ledger.connection(), sql::limits::kWriteGroupLimit);
  q.Bind(group.group_id, group.concurrency, group.rate.count, group.rate.period_ms, group.max_size);
  return q.Run();
}

Status SetOwnLimit(Ledger& ledger, const Limit& limit) {
  ASSIGN_OR_RETURN(const int64_t queue_id, ledger.QueueId(limit.queue));
  ASSIGN_OR_RETURN(Group * group, ledger.groups().Find(queue_id, limit.group));
  if (!group && !HasBounds(limit)) return Status::Ok();
  if (!group) {
    ASSIGN_OR_RETURN(group, ledger.groups().Make(queue_id, limit.group));
  }
  ASSIGN_OR_RETURN(const GroupBounds old, ledger.groups().BoundsOf(*group));
  group->own_limit = group->own_known = HasBounds(limit);
  group->concurrency = limit.concurrency;
  group->rate = limit.rate;
  group->max_size = limit.max_size;
  ASSIGN_OR_RETURN(const GroupBounds bounds, ledger.groups().BoundsOf(*group));
  group->bucket = limits::Rerate(old.rate, group->bucket, bounds.rate, ledger.now_ms());
  RETURN_IF_ERROR(WriteOwnLimit(ledger, *group));
  return WriteSettings(ledger, *group);
}

// The groups of a queue may have another time to wait for now, or none. There may be very many:
// claims look at them, a slice each.
Status Regroup(Ledger& ledger, int64_t queue_id) {
  if (!ledger.limits().uses_groups()) return Status::Ok();
  ledger.WakeFor(queue_id);
  return ledger.limits().BeginRegroup(queue_id);
}

Status ThrottleGroup(Ledger& ledger, int64_t queue_id, const std::string& name, int64_t until_ms,
                     bool extend) {
  ASSIGN_OR_RETURN(Group * group, ledger.groups().Find(queue_id, name));
  if (!group && until_ms == 0) return Status::Ok();
  if (!group) {
    ASSIGN_OR_RETURN(group, ledger.groups().Make(queue_id, name));
  }
  group->limited_until_ms = extend ? std::max(group->limited_until_ms, until_ms) : until_ms;
  ledger.groups().Touch(*group);
  return Status::Ok();
}

Status ThrottleKey(Ledger& ledger, const limits::Key& key, int64_t until_ms, bool extend) {
  ASSIGN_OR_RETURN(Entry * entry, ledger.limits().Find(key));
  if (!entry && until_ms == 0) return Status::Ok();
  if (!entry) {
    ASSIGN_OR_RETURN(entry, ledger.limits().Make(key));
  }
  entry->limited_until_ms = extend ? std::max(entry->limited_until_ms, until_ms) : until_ms;
  entry->changed = true;
  return key.scope == LimitScope::kGroup ? Regroup(ledger, key.queue_id) : Status::Ok();
}

// From when on something may start: 0: now.
int64_t LimitedUntil(const Rate& rate, limits::Bucket bucket, int64_t limited_until_ms,
                     int64_t now_ms) {
  int64_t until_ms = limited_until_ms > now_ms ? limited_until_ms : 0;
  if (rate.count == 0) return until_ms;
  limits::Refill(rate, now_ms, &bucket);
  if (limits::Tokens(rate, bucket) > 0) return until_ms;
  return std::max(until_ms, limits::NextTokenAt(rate, bucket));
}

LimitInfo ReadLimit(const Query& q, int64_t now_ms) {
  LimitInfo info;
  info.limit = {.scope = static_cast<LimitScope>(q.Int(0)),
                .queue = std::string(q.Text(1)),
                .task = std::string(q.Text(2)),
                .group = std::string(q.Text(3)),
                .concurrency = q.Int(4),
                .rate = {.count = q.Int(5), .period_ms = q.Int(6)},
                .max_size = q.Int(7)};
  info.active = q.Int(8);
  // The default of groups has no bucket: each group has its own.
  const bool shared = info.limit.scope != LimitScope::kGroup || !info.limit.group.empty();
  info.limited_until_ms =
      LimitedUntil(shared ? info.limit.rate : Rate{},
                   {.credit = q.Int(9), .refilled_at_ms = q.Int(10)}, q.Int(11), now_ms);
  return info;
}

}  // namespace

Status CheckGroupName(const std::string& group) {
  return CheckName(group, "group");
}

Status CheckLimit(const Limit& limit) {
  RETURN_IF_ERROR(CheckScope(limit));
  RETURN_IF_ERROR(CheckRange(limit.concurrency, 0, kConcurrencyMax, "concurrency"));
  RETURN_IF_ERROR(limits::CheckRate(limit.rate));
  RETURN_IF_ERROR(CheckRange(limit.max_size, 0, INT64_MAX, "max_size"));
  if (limit.max_size == 0 || limit.scope == LimitScope::kGroup) return Status::Ok();
  return Status(Code::kInvalidArgument, "max_size is " + std::to_string(limit.max_size) +
                                            "; it is accepted with scope \"group\" only");
}

Status SetLimit(Ledger& ledger, const Limit& limit) {
  RETURN_IF_ERROR(CheckLimit(limit));
  if (!limit.group.empty()) return SetOwnLimit(ledger, limit);
  ASSIGN_OR_RETURN(const limits::Key key, KeyOf(ledger, limit));
  ASSIGN_OR_RETURN(Entry * entry, ledger.limits().Find(key));
  if (!entry && !HasBounds(limit)) return Status::Ok();
  if (!entry) {
    ASSIGN_OR_RETURN(entry, ledger.limits().Make(key));
  }
  RETURN_IF_ERROR(ledger.limits().SetBounds(*entry, limit));
  return key.scope == LimitScope::kGroup ? Regroup(ledger, key.queue_id) : Status::Ok();
}

Status ThrottleScope(Ledger& ledger, const Limit& scope, int64_t ms) {
  RETURN_IF_ERROR(CheckScope(scope));
  RETURN_IF_ERROR(CheckRange(ms, 0, kThrottleMaxMs, "ms"));
  ASSIGN_OR_RETURN(const limits::Key key, KeyOf(ledger, scope));
  const int64_t until_ms = ms > 0 ? ledger.now_ms() + ms : 0;
  if (!scope.group.empty()) {
    return ThrottleGroup(ledger, key.queue_id, scope.group, until_ms, false);
  }
  return ThrottleKey(ledger, key, until_ms, false);
}

Status ThrottleLike(Ledger& ledger, const Lease& lease, const Throttle& throttle) {
  const int64_t until_ms = ledger.now_ms() + throttle.ms;
  const int64_t queue_id = lease.place.queue_id;
  if (throttle.scope == LimitScope::kGroup) {
    if (lease.place.group.empty()) return Status::Ok();  // checked before by who knows the lease
    return ThrottleGroup(ledger, queue_id, lease.place.group, until_ms, true);
  }
  limits::Key key{.scope = throttle.scope};
  if (key.scope == LimitScope::kQueue) key.queue_id = queue_id;
  if (key.scope == LimitScope::kTask) key.task = lease.name;
  return ThrottleKey(ledger, key, until_ms, true);
}

Status PauseGroup(Ledger& ledger, const std::string& queue, const std::string& name, bool paused) {
  RETURN_IF_ERROR(CheckName(queue, "queue"));
  RETURN_IF_ERROR(CheckGroupName(name));
  ASSIGN_OR_RETURN(const int64_t queue_id,
                   paused ? ledger.QueueId(queue) : ledger.FindQueueId(queue));
  if (queue_id == 0) return Status::Ok();
  ASSIGN_OR_RETURN(Group * group, ledger.groups().Find(queue_id, name));
  if (!group && !paused) return Status::Ok();
  if (!group) {
    ASSIGN_OR_RETURN(group, ledger.groups().Make(queue_id, name));
  }
  group->paused = paused;
  return WriteSettings(ledger, *group);
}

Status ForgetLimits(Ledger& ledger, int64_t queue_id) {
  if (ledger.limits().uses_groups()) {
    RETURN_IF_ERROR(ledger.groups().Write());
    for (const char* sql : {sql::limits::kResetQueueGroupLimits, sql::limits::kResetQueueGroups,
                            sql::limits::kResetQueueTimers}) {
      Query q(ledger.connection(), sql);
      q.Bind(queue_id);
      RETURN_IF_ERROR(q.Run());
    }
    RETURN_IF_ERROR(ledger.limits().EndRegroup(queue_id));
  }
  return ledger.limits().Forget(queue_id);
}

Result<std::vector<LimitInfo>> ListLimits(Connection& connection, int64_t now_ms) {
  std::vector<LimitInfo> infos;
  Query q(connection, sql::limits::kListLimits);
  for (;;) {
    bool row = false;
    RETURN_IF_ERROR(q.Step(&row));
    if (!row) return infos;
    LimitInfo info = ReadLimit(q, now_ms);
    if (HasBounds(info.limit) || info.limited_until_ms != 0) infos.push_back(std::move(info));
  }
}

Result<std::vector<GroupInfo>> ListGroups(Connection& connection, const std::string& queue,
                                          const std::string& after, int64_t limit, int64_t now_ms) {
  RETURN_IF_ERROR(CheckName(queue, "queue"));
  RETURN_IF_ERROR(CheckRange(limit, 1, kListLimitMax, "limit"));
  std::vector<GroupInfo> infos;
  ASSIGN_OR_RETURN(const int64_t queue_id, QueueIdOf(connection, queue));
  if (queue_id == 0) return infos;
  Rate rate;
  int64_t all_until_ms = 0;
  {
    Query q(connection, sql::limits::kGroupDefault);
    q.Bind(queue_id);
    bool row = false;
    RETURN_IF_ERROR(q.Step(&row));
    if (row) rate = {.count = q.Int(0), .period_ms = q.Int(1)};
    if (row) all_until_ms = q.Int(2);
  }
  Query q(connection, sql::limits::kListGroups);
  q.Bind(queue_id, after, limit);
  for (;;) {
    bool row = false;
    RETURN_IF_ERROR(q.Step(&row));
    if (!row) return infos;
    const bool own = q.Int(5) != 0;
    const limits::Bucket bucket{.credit = q.Int(8), .refilled_at_ms = q.Int(9)};
    const int64_t until_ms = own ? q.Int(4) : std::max(q.Int(4), all_until_ms);
    infos.push_back({.queue = queue,
                     .group = std::string(q.Text(0)),
                     .paused = q.Int(1) != 0,
                     .ready = q.Int(2),
                     .active = q.Int(3),
                     .limited_until_ms =
                         LimitedUntil(own ? Rate{.count = q.Int(6), .period_ms = q.Int(7)} : rate,
                                      bucket, until_ms, now_ms)});
  }
}

}  // namespace millrace::jobs
