#include "jobs/ledger.h"

#include <algorithm>
#include <cassert>

#include "base/macros.h"
#include "jobs/parking.h"
#include "sql_statements.h"

namespace millrace::jobs {
namespace {

using store::Query;

constexpr size_t Slot(JobState state) {
  return static_cast<size_t>(state);
}
constexpr size_t kPrioritized = 0;

// Rows of the event log that one commit may delete per queue: more than it adds, so that the log
// shrinks to its bound.
constexpr int64_t kTrimRows = 4;

Keep ReadKeep(const Query& q, int age_column, const Keep& fallback) {
  if (q.IsNull(age_column)) return fallback;
  return Keep{.age_ms = q.Int(age_column), .count = q.Int(age_column + 1)};
}

}  // namespace

Ledger::QueueChange& Ledger::queue(int64_t queue_id) {
  for (size_t i = 0; i < used_; ++i) {
    if (changes_[i].queue_id == queue_id) return changes_[i];
  }
  if (used_ == changes_.size()) changes_.emplace_back();
  QueueChange& change = changes_[used_++];
  change.queue_id = queue_id;
  change.states.fill(0);
  change.events = 0;
  change.new_jobs = 0;
  change.timer = false;
  change.event_bytes.clear();
  change.rules_read = false;
  return change;
}

Result<int64_t> Ledger::FindQueueId(const std::string& name) {
  if (auto it = queue_ids_.find(name); it != queue_ids_.end()) return it->second;
  Query q(*connection_, sql::ledger::kFindQueue);
  q.Bind(name);
  bool row = false;
  RETURN_IF_ERROR(q.Step(&row));
  if (!row) return int64_t{0};
  const int64_t id = q.Int(0);
  queue_ids_.emplace(name, id);
  new_queues_.push_back(name);  // it may be a row of this very transaction
  return id;
}

Result<int64_t> Ledger::QueueId(const std::string& name) {
  ASSIGN_OR_RETURN(const int64_t found, FindQueueId(name));
  if (found != 0) return found;
  Query q(*connection_, sql::ledger::kInsertQueue);
  q.Bind(name);
  bool row = false;
  RETURN_IF_ERROR(q.Step(&row));
  const int64_t id = q.Int(0);
  queue_ids_.emplace(name, id);
  new_queues_.push_back(name);
  return id;
}

Result<QueueRules> Ledger::Rules(int64_t queue_id) {
  QueueChange& change = queue(queue_id);
  if (change.rules_read) return change.rules;
  Query q(*connection_, sql::ledger::kReadQueue);
  q.Bind(queue_id);
  bool row = false;
  RETURN_IF_ERROR(q.Step(&row));
  QueueRules rules{.keep_completed = options_.keep_completed, .keep_failed = options_.keep_failed};
  if (row) {
    rules.paused = q.Int(1) != 0;
    rules.keep_completed = ReadKeep(q, 2, options_.keep_completed);
    rules.keep_failed = ReadKeep(q, 4, options_.keep_failed);
  }
  change.rules = rules;
  change.rules_read = true;
  return rules;
}

void Ledger::ForgetRules(int64_t queue_id) {
  queue(queue_id).rules_read = false;
}

void Ledger::Moved(int64_t queue_id, std::optional<JobState> from, std::optional<JobState> to,
                   Cause cause, int32_t priority) {
  const int transition = FindTransition(from, to, cause);
  assert(transition >= 0 && "a move that job_state.h does not declare");
  if (transition >= 0) MarkExercised(transition);
  QueueChange& change = Change(queue_id);
  if (from) --change.states[Slot(*from)];
  if (to) ++change.states[Slot(*to)];
  if (priority != 0) {
    if (from == JobState::kReady) --change.states[kPrioritized];
    if (to == JobState::kReady) ++change.states[kPrioritized];
  }
  if (to == JobState::kReady) ++change.new_jobs;
}

void Ledger::Reprioritized(int64_t queue_id, int32_t before, int32_t after) {
  Change(queue_id).states[kPrioritized] += (after != 0 ? 1 : 0) - (before != 0 ? 1 : 0);
}

void Ledger::Log(int64_t queue_id, const EventRecord& event) {
  QueueChange& change = Change(queue_id);
  AppendEvent(&change.event_bytes, event);
  ++change.events;
}

void Ledger::NoteEnded(int64_t queue_id, JobState state) {
  ++gathered_;
  for (Ended& ended : ended_) {
    if (ended.queue_id == queue_id && ended.state == state) {
      ++ended.count;
      return;
    }
  }
  ended_.push_back({.queue_id = queue_id, .state = state, .count = 1});
}

int64_t Ledger::Delta(int64_t queue_id, JobState state) {
  return queue(queue_id).states[Slot(state)];
}

Status Ledger::ResetCounts(int64_t queue_id) {
  Query q(*connection_, sql::ledger::kDeleteCounts);
  q.Bind(queue_id);
  RETURN_IF_ERROR(q.Run());
  QueueChange& change = Change(queue_id);
  change.states.fill(0);
  change.events = 0;
  change.event_bytes.clear();
  return Status::Ok();
}

Status Ledger::Begin(store::Connection& connection) {
  connection_ = &connection;
  used_ = 0;
  control_.clear();
  ended_.clear();
  keys_made_ = 0;
  flow_notes_.clear();
  new_queues_.clear();
  now_ms_ = options_.clock->WallMs();
  counters_.Begin(now_ms_);
  monotonic_ms_ = options_.clock->MonotonicMs();
  Query q(connection, sql::ledger::kReadSequence);
  bool row = false;
  RETURN_IF_ERROR(q.Step(&row));
  if (!row)
    return Status(Code::kCorrupt, "the store's sequence row is missing; run `millrace doctor`");
  next_ = next_at_begin_ = q.Int(0);
  settings_version_ = q.Int(1);
  groups_.Clear();
  return limits_.Begin(connection, settings_version_, now_ms_);
}

Status Ledger::Flush(store::Connection& connection) {
  RETURN_IF_ERROR(FlushLimits());
  for (size_t i = 0; i < used_; ++i) RETURN_IF_ERROR(FlushQueue(changes_[i]));
  if (next_ != next_at_begin_ || limits_.settings_version() != settings_version_) {
    Query q(connection, sql::ledger::kWriteSequence);
    q.Bind(next_, limits_.settings_version());
    RETURN_IF_ERROR(q.Run());
  }
  return counters_.Flush(connection, monotonic_ms_);
}

Status Ledger::FlushLimits() {
  if (limits_.uses_groups()) RETURN_IF_ERROR(groups_.Write());
  if (limits_.empty()) return Status::Ok();
  RETURN_IF_ERROR(limits_.Write());
  return WakeForOpened(*this);
}

Status Ledger::FlushQueue(QueueChange& change) {
  bool changed = change.events != 0;
  for (int64_t n : change.states) changed = changed || n != 0;
  if (!changed) return Status::Ok();
  int64_t trimmed = 0;
  if (change.events != 0) {
    Query q(*connection_, sql::ledger::kInsertEvents);
    q.Bind(change.queue_id, NextNumber(), now_ms_, change.events, store::Blob{change.event_bytes});
    RETURN_IF_ERROR(q.Run());
    ASSIGN_OR_RETURN(trimmed, TrimEvents(change));
  }
  Query q(*connection_, sql::ledger::kAddCounts);
  q.Bind(change.queue_id, change.states[Slot(JobState::kReady)], change.states[kPrioritized],
         change.states[Slot(JobState::kScheduled)], change.states[Slot(JobState::kBlocked)],
         change.states[Slot(JobState::kActive)], change.states[Slot(JobState::kCompleted)],
         change.states[Slot(JobState::kFailed)], change.states[Slot(JobState::kCancelled)],
         change.events - trimmed);
  return q.Run();
}

// Deletes the oldest rows of the log while the newest keep_events events remain. Answers how many
// events went.
Result<int64_t> Ledger::TrimEvents(const QueueChange& change) {
  int64_t kept = change.events;
  {
    Query q(*connection_, sql::ledger::kReadCounts);
    q.Bind(change.queue_id);
    bool row = false;
    RETURN_IF_ERROR(q.Step(&row));
    if (row) kept += q.Int(8);
  }
  if (kept <= options_.keep_events) return int64_t{0};
  int64_t trimmed = 0;
  int64_t last_seq = 0;
  {
    Query q(*connection_, sql::ledger::kOldestEvents);
    q.Bind(change.queue_id, kTrimRows);
    for (bool row = true;;) {
      RETURN_IF_ERROR(q.Step(&row));
      if (!row || kept - trimmed - q.Int(1) < options_.keep_events) break;
      last_seq = q.Int(0);
      trimmed += q.Int(1);
    }
  }
  if (trimmed == 0) return int64_t{0};
  Query q(*connection_, sql::ledger::kDeleteEventsUpTo);
  q.Bind(change.queue_id, last_seq);
  RETURN_IF_ERROR(q.Run());
  return trimmed;
}

void Ledger::Committed() {
  counters_.Committed(monotonic_ms_);
  for (size_t i = 0; i < used_; ++i) {
    const QueueChange& change = changes_[i];
    const int64_t jobs = std::max<int64_t>(change.new_jobs, change.timer ? 1 : 0);
    if (jobs > 0) options_.wakes->NewJobs(change.queue_id, jobs);
    if (change.events != 0) options_.wakes->NewEvents(change.queue_id);
  }
  for (int64_t process_id : control_) options_.wakes->Control(process_id);
}

void Ledger::RolledBack() {
  counters_.RolledBack();
  for (const std::string& name : new_queues_) queue_ids_.erase(name);
  used_ = 0;
  control_.clear();
  limits_.RolledBack();
  groups_.Clear();
}

}  // namespace millrace::jobs
