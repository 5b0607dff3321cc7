#include "jobs/parking.h"

#include <algorithm>
#include <vector>

#include "base/macros.h"
#include "sql_statements.h"

namespace millrace::jobs {
namespace {

using limits::Entry;
using store::Query;

// Queues that are told when the store's limit opens. Those beyond are looked after by the check
// that each process makes every second.
constexpr int64_t kQueuesTold = 100;

void Count(Entry& limit, int64_t parked) {
  limit.parked = std::max<int64_t>(limit.parked + parked, 0);
  limit.changed = true;
}

Result<std::vector<int64_t>> Numbers(Ledger& ledger, const char* sql, int64_t queue_id,
                                     int64_t second, int64_t limit) {
  std::vector<int64_t> numbers;
  Query q(ledger.connection(), sql);
  q.Bind(queue_id, second);
  if (limit > 0) q.BindOne(3, limit);
  for (;;) {
    bool row = false;
    RETURN_IF_ERROR(q.Step(&row));
    if (!row) return numbers;
    numbers.push_back(q.Int(0));
  }
}

Status DeleteParked(Ledger& ledger, const Place& place) {
  Query q(ledger.connection(), sql::limits::kDeleteParked);
  q.Bind(place.queue_id, place.parked_by, place.priority, place.seq);
  return q.Run();
}

Status BringBackJobs(Ledger& ledger, int64_t queue_id, Entry& limit, int64_t most) {
  std::vector<Place> places;
  {
    Query q(ledger.connection(), sql::limits::kSelectParked);
    q.Bind(queue_id, limit.limit_id, most);
    for (;;) {
      bool row = false;
      RETURN_IF_ERROR(q.Step(&row));
      if (!row) break;
      places.push_back({.queue_id = queue_id,
                        .seq = q.Int(1),
                        .priority = static_cast<int32_t>(q.Int(0)),
                        .flags = static_cast<uint8_t>(q.Int(2)),
                        .parked_by = limit.limit_id});
    }
  }
  for (const Place& place : places) {
    RETURN_IF_ERROR(DeleteParked(ledger, place));
    Query q(ledger.connection(), sql::jobs::kInsertReady);
    q.Bind(queue_id, place.priority, place.seq, place.flags);
    RETURN_IF_ERROR(q.Run());
  }
  Count(limit, -std::ssize(places));
  return Status::Ok();
}

Status BringBackGroups(Ledger& ledger, int64_t queue_id, int64_t limit_id, int64_t most) {
  ASSIGN_OR_RETURN(const std::vector<int64_t> groups,
                   Numbers(ledger, sql::limits::kSelectStalled, queue_id, limit_id, most));
  for (const int64_t group_id : groups) {
    ASSIGN_OR_RETURN(Group* const group, ledger.groups().Load(group_id));
    if (group) RETURN_IF_ERROR(ledger.groups().Unstall(*group));
  }
  return Status::Ok();
}

}  // namespace

Status Park(Ledger& ledger, const Place& place, Entry& limit) {
  Query q(ledger.connection(), sql::limits::kInsertParked);
  q.Bind(place.queue_id, limit.limit_id, place.priority, place.seq, place.flags);
  RETURN_IF_ERROR(q.Run());
  Count(limit, 1);
  if (ledger.limits().OpensByTime(limit)) ledger.WakeForTimer(place.queue_id);
  return Status::Ok();
}

Status TakeParked(Ledger& ledger, const Place& place) {
  RETURN_IF_ERROR(DeleteParked(ledger, place));
  if (ledger.connection().changes() == 0) return Status::Ok();
  ASSIGN_OR_RETURN(Entry* const limit, ledger.limits().ById(place.parked_by));
  if (limit) Count(*limit, -1);
  return Status::Ok();
}

Status BringBack(Ledger& ledger, int64_t queue_id, int64_t want) {
  RETURN_IF_ERROR(ledger.limits().Write());  // which of them are open is asked of the store
  ASSIGN_OR_RETURN(const std::vector<int64_t> open,
                   Numbers(ledger, sql::limits::kOpenLimits, queue_id, ledger.now_ms(), 0));
  for (const int64_t limit_id : open) {
    ASSIGN_OR_RETURN(Entry* const limit, ledger.limits().ById(limit_id));
    if (!limit) continue;
    const int64_t most = std::min(ledger.limits().Room(*limit), want);
    if (most <= 0) continue;
    RETURN_IF_ERROR(BringBackJobs(ledger, queue_id, *limit, most));
    RETURN_IF_ERROR(BringBackGroups(ledger, queue_id, limit_id, most));
  }
  return Status::Ok();
}

Status WakeFor(Ledger& ledger, const limits::Key& limit) {
  switch (limit.scope) {
    case LimitScope::kQueue:
    case LimitScope::kGroup:
      ledger.WakeFor(limit.queue_id);
      return Status::Ok();
    case LimitScope::kTask: {
      for (int64_t queue_id = 0;;) {
        Query q(ledger.connection(), sql::limits::kNextParkedQueue);
        q.Bind(queue_id);
        bool row = false;
        RETURN_IF_ERROR(q.Step(&row));
        if (!row || q.IsNull(0)) return Status::Ok();
        queue_id = q.Int(0);
        ledger.WakeFor(queue_id);
      }
    }
    case LimitScope::kStore: {
      Query q(ledger.connection(), sql::limits::kQueuesWithReady);
      q.Bind(kQueuesTold);
      for (;;) {
        bool row = false;
        RETURN_IF_ERROR(q.Step(&row));
        if (!row) return Status::Ok();
        ledger.WakeFor(q.Int(0));
      }
    }
  }
  return Status::Ok();
}

Status WakeForOpened(Ledger& ledger) {
  for (const limits::Key& limit : ledger.limits().Opened()) {
    RETURN_IF_ERROR(WakeFor(ledger, limit));
  }
  return Status::Ok();
}

}  // namespace millrace::jobs
