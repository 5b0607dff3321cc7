#include "jobs/counters.h"

#include <algorithm>
#include <bit>
#include <map>

#include "base/macros.h"
#include "base/varint.h"
#include "jobs/quarantine.h"
#include "sql_statements.h"

namespace millrace::jobs {

using store::Blob;
using store::Connection;
using store::Query;

uint8_t Counters::Bucket(int64_t ms) {
  if (ms < 1) return 0;
  return static_cast<uint8_t>(
      std::min<size_t>(std::bit_width(static_cast<uint64_t>(ms)), kBuckets - 1));
}

uint32_t Counters::IndexOf(int64_t queue_id, std::string_view task) {
  if (last_task_ != UINT32_MAX) {
    const Task& last = tasks_[last_task_];
    if (last.queue_id == queue_id && last.name == task) return last_task_;
  }
  if (auto it = index_.find({queue_id, task}); it != index_.end()) return last_task_ = it->second;
  if (index_.size() >= kTasksMax && !task.empty()) return IndexOf(queue_id, {});
  const std::lock_guard lock(mutex_);
  const auto index = static_cast<uint32_t>(tasks_.size());
  const Task& added = tasks_.emplace_back(Task{.queue_id = queue_id, .name = std::string(task)});
  index_.emplace(Key{queue_id, added.name}, index);
  return last_task_ = index;
}

void Counters::Note(int64_t queue_id, std::string_view task, What what, uint8_t bucket) {
  const uint32_t index = IndexOf(queue_id, task);
  if (!ticks_.empty()) {
    Tick& last = ticks_.back();
    if (last.task == index && last.what == what && last.bucket == bucket) {
      ++last.count;
      return;
    }
  }
  ticks_.push_back({.task = index, .what = what, .bucket = bucket, .count = 1});
}

// Adds the transaction's counts to what is pending, or takes them away again. With mutex_ held.
void Counters::Fold(int64_t sign) {
  for (const Tick& tick : ticks_) {
    Task& task = tasks_[tick.task];
    if (!task.dirty) dirty_.push_back(tick.task);
    task.dirty = true;
    int64_t& count = tick.what == What::kWait  ? task.wait_ms[tick.bucket]
                     : tick.what == What::kRun ? task.run_ms[tick.bucket]
                                               : task.counts[static_cast<size_t>(tick.what)];
    count += sign * tick.count;
    if (tick.what == What::kCompleted) minutes_.Add(task.queue_id, minute_, sign * tick.count, 0);
    if (tick.what == What::kFailed) minutes_.Add(task.queue_id, minute_, 0, sign * tick.count);
  }
}

void Counters::Begin(int64_t wall_ms) {
  ticks_.clear();
  minute_ = wall_ms / Minutes::kMinuteMs;
  flush_now_ = false;
}

Status Counters::Flush(Connection& connection, int64_t monotonic_ms) {
  const bool due = pending_since_ >= 0 && monotonic_ms - pending_since_ >= kFlushMs;
  if (broken_ || !(due || (flush_now_ && (pending_since_ >= 0 || !ticks_.empty())))) {
    return Status::Ok();
  }
  flushing_ = std::unique_lock(mutex_);
  Fold(1);
  Status status = Write(connection);
  if (!IsDamage(status)) return status;
  // Counters are not worth anybody's job. What was written of them is written.
  broken_ = true;
  Fold(-1);
  flushing_.unlock();
  return Status::Ok();
}

void Counters::Committed(int64_t monotonic_ms) {
  if (flushing_.owns_lock()) {
    for (const uint32_t index : dirty_) {
      Task& task = tasks_[index];
      task.dirty = false;
      task.counts.fill(0);
      task.wait_ms.fill(0);
      task.run_ms.fill(0);
    }
    dirty_.clear();
    minutes_.Clear();
    pending_since_ = -1;
    pending_.store(false, std::memory_order_relaxed);
    flushes_.fetch_add(1, std::memory_order_relaxed);
    flushing_.unlock();
    return;
  }
  if (ticks_.empty()) return;
  const std::lock_guard lock(mutex_);
  Fold(1);
  if (pending_since_ < 0) pending_since_ = monotonic_ms;
  pending_.store(!broken_, std::memory_order_relaxed);
}

void Counters::RolledBack() {
  if (flushing_.owns_lock()) {
    Fold(-1);
    flushing_.unlock();
  }
  ticks_.clear();
}

Status Counters::Write(Connection& connection) {
  for (const uint32_t index : dirty_) RETURN_IF_ERROR(WriteTask(connection, tasks_[index]));
  return minutes_.Write(connection);
}

Result<Metrics> Counters::ReadMetrics(Connection& connection, int64_t queue_id,
                                      const MetricsQuery& query, int64_t now_ms) {
  const std::lock_guard lock(mutex_);  // first, as in Read()
  const bool completed = query.state == JobState::kCompleted;
  int64_t pending = 0;
  for (const uint32_t index : dirty_) {
    const Task& task = tasks_[index];
    const What what = completed ? What::kCompleted : What::kFailed;
    if (task.queue_id == queue_id) pending += task.counts[static_cast<size_t>(what)];
  }
  ASSIGN_OR_RETURN(Metrics metrics, minutes_.Read(connection, queue_id, query, now_ms));
  metrics.total += pending;
  return metrics;
}

Status Counters::WriteTask(Connection& connection, const Task& task) {
  Histogram wait_ms{};
  Histogram run_ms{};
  {
    Query q(connection, sql::counters::kReadHistograms);
    q.Bind(task.queue_id, task.name);
    bool row = false;
    RETURN_IF_ERROR(q.Step(&row));
    if (row) Unpack(q.BlobBytes(0), &wait_ms);
    if (row) Unpack(q.BlobBytes(1), &run_ms);
  }
  for (size_t i = 0; i < kBuckets; ++i) {
    wait_ms[i] += task.wait_ms[i];
    run_ms[i] += task.run_ms[i];
  }
  std::string wait;
  std::string run;
  Pack(wait_ms, &wait);
  Pack(run_ms, &run);
  Query q(connection, sql::counters::kAddCounters);
  q.Bind(task.queue_id, task.name);
  for (size_t i = 0; i < task.counts.size(); ++i) {
    q.BindOne(static_cast<int>(i) + 3, task.counts[i]);
  }
  q.BindOne(10, Blob{wait});
  q.BindOne(11, Blob{run});
  return q.Run();
}

// Numbers up to the last that is not 0.
void Counters::Pack(const Histogram& histogram, std::string* out) {
  size_t end = kBuckets;
  while (end > 0 && histogram[end - 1] == 0) --end;
  for (size_t i = 0; i < end; ++i) AppendVarint(out, static_cast<uint64_t>(histogram[i]));
}

// What cannot be read counts as 0.
void Counters::Unpack(std::string_view packed, Histogram* histogram) {
  for (int64_t& count : *histogram) {
    uint64_t value = 0;
    if (packed.empty() || !ReadVarint(&packed, &value)) return;
    count = static_cast<int64_t>(value & INT64_MAX);
  }
}

void Counters::AddTo(const Task& task, TaskCounters* counters) {
  int64_t* const fields[] = {&counters->enqueued, &counters->started,   &counters->completed,
                             &counters->failed,   &counters->cancelled, &counters->retried,
                             &counters->crashed};
  for (size_t i = 0; i < task.counts.size(); ++i) *fields[i] += task.counts[i];
  counters->wait_ms.resize(kBuckets);
  counters->run_ms.resize(kBuckets);
  for (size_t i = 0; i < kBuckets; ++i) {
    counters->wait_ms[i] += task.wait_ms[i];
    counters->run_ms[i] += task.run_ms[i];
  }
}

Result<std::vector<TaskCounters>> Counters::Read(Connection& connection, int64_t queue_id,
                                                 std::vector<int64_t>* queue_ids) {
  std::map<std::pair<int64_t, std::string>, TaskCounters> found;
  // First, so that no flush is between what the file says and what is pending.
  const std::lock_guard lock(mutex_);
  {
    const bool all = queue_id == 0;
    Query q(connection, all ? sql::counters::kListAllCounters : sql::counters::kListCounters);
    if (!all) q.Bind(queue_id);
    for (;;) {
      bool row = false;
      RETURN_IF_ERROR(q.Step(&row));
      if (!row) break;
      Task task{.queue_id = q.Int(0), .name = std::string(q.Text(1))};
      for (size_t i = 0; i < task.counts.size(); ++i)
        task.counts[i] = q.Int(static_cast<int>(i) + 2);
      Unpack(q.BlobBytes(9), &task.wait_ms);
      Unpack(q.BlobBytes(10), &task.run_ms);
      AddTo(task, &found[{task.queue_id, task.name}]);
    }
  }
  for (const uint32_t index : dirty_) {
    const Task& task = tasks_[index];
    if (queue_id == 0 || task.queue_id == queue_id) {
      AddTo(task, &found[{task.queue_id, task.name}]);
    }
  }
  std::vector<TaskCounters> counters;
  for (auto& [key, one] : found) {
    one.task = key.second;
    queue_ids->push_back(key.first);
    counters.push_back(std::move(one));
  }
  return counters;
}

}  // namespace millrace::jobs
