#include "jobs/minutes.h"

#include <algorithm>
#include <limits>
#include <string>

#include "base/macros.h"
#include "base/text.h"
#include "jobs/validate.h"
#include "sql_statements.h"

namespace millrace::jobs {
namespace {

using store::Connection;
using store::Query;

// Rows that one minute deletes of a queue: more than it adds.
constexpr int64_t kCleanRows = 64;

}  // namespace

Status CheckMetricsQuery(const MetricsQuery& query) {
  constexpr int64_t kAny = std::numeric_limits<int64_t>::max();
  RETURN_IF_ERROR(CheckName(query.queue, "queue"));
  RETURN_IF_ERROR(CheckRange(query.start, 0, kAny, "start"));
  RETURN_IF_ERROR(CheckRange(query.end, -kAny, kAny, "end"));
  if (query.state == JobState::kCompleted || query.state == JobState::kFailed) return Status::Ok();
  return Status(Code::kInvalidArgument, std::string("state is \"") + JobStateName(query.state) +
                                            "\"; \"completed\" or \"failed\" is accepted");
}

void Minutes::Add(int64_t queue_id, int64_t minute, int64_t completed, int64_t failed) {
  // The newest first: a process works few queues at a time.
  for (auto count = counts_.rbegin(); count != counts_.rend(); ++count) {
    if (count->queue_id != queue_id || count->minute != minute) continue;
    count->completed += completed;
    count->failed += failed;
    return;
  }
  counts_.push_back(
      {.queue_id = queue_id, .minute = minute, .completed = completed, .failed = failed});
}

Status Minutes::Write(Connection& connection) {
  int64_t newest = cleaned_minute_;
  for (const Count& count : counts_) {
    if (count.completed == 0 && count.failed == 0) continue;
    Query q(connection, sql::counters::kAddMinute);
    q.Bind(count.queue_id, count.minute, count.completed, count.failed);
    RETURN_IF_ERROR(q.Run());
    newest = std::max(newest, count.minute);
  }
  if (newest == cleaned_minute_) return Status::Ok();
  cleaned_minute_ = newest;
  for (const Count& count : counts_) {
    Query q(connection, sql::counters::kDeleteMinutes);
    q.Bind(count.queue_id, newest - kKept + 1, kCleanRows);
    RETURN_IF_ERROR(q.Run());
  }
  return Status::Ok();
}

Result<Metrics> Minutes::Read(Connection& connection, int64_t queue_id, const MetricsQuery& query,
                              int64_t now_ms) const {
  const bool completed = query.state == JobState::kCompleted;
  const int64_t now = now_ms / kMinuteMs;
  int64_t oldest = now;
  Metrics metrics{.minute_at_ms = now * kMinuteMs};
  bool row = false;
  {
    Query q(connection, sql::counters::kTotalEnded);
    q.Bind(queue_id);
    RETURN_IF_ERROR(q.Step(&row));
    metrics.total = q.Int(completed ? 0 : 1);
  }
  {
    Query q(connection, sql::counters::kOldestMinute);
    q.Bind(queue_id, now - kKept + 1);
    RETURN_IF_ERROR(q.Step(&row));
    if (row) oldest = std::min(oldest, q.Int(0));
  }
  for (const Count& count : counts_) {
    if (count.queue_id == queue_id) oldest = std::min(oldest, count.minute);
  }
  metrics.minutes = now - oldest + 1;
  const int64_t last =
      query.end < 0 ? metrics.minutes - 1 : std::min(query.end, metrics.minutes - 1);
  if (query.start > last) return metrics;
  metrics.data.resize(static_cast<size_t>(last - query.start + 1));
  const auto add = [&](int64_t minute, int64_t ended) {
    const int64_t age = now - minute;
    if (age < query.start || age > last) return;
    metrics.data[static_cast<size_t>(age - query.start)] += ended;
  };
  Query q(connection, sql::counters::kListMinutes);
  q.Bind(queue_id, now - last, now - query.start);
  for (;;) {
    RETURN_IF_ERROR(q.Step(&row));
    if (!row) break;
    add(q.Int(0), q.Int(completed ? 1 : 2));
  }
  for (const Count& count : counts_) {
    if (count.queue_id == queue_id) add(count.minute, completed ? count.completed : count.failed);
  }
  return metrics;
}

}  // namespace millrace::jobs
