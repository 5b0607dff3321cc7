#include "limits/book.h"

#include <algorithm>
#include <utility>

#include "base/macros.h"
#include "sql_statements.h"

namespace millrace::limits {

using store::Connection;
using store::Query;

Status Book::Begin(Connection& connection, int64_t settings_version, int64_t now_ms) {
  connection_ = &connection;
  now_ms_ = now_ms;
  settings_changed_ = false;
  for (Entry* entry : read_) entry->read = entry->changed = false;
  read_.clear();
  opened_.clear();
  if (settings_version == version_) return Status::Ok();
  version_ = -1;  // until all is read
  RETURN_IF_ERROR(Load());
  version_ = settings_version;
  return Status::Ok();
}

Status Book::Load() {
  GatherOpened();
  read_.clear();
  entries_.clear();
  store_ = nullptr;
  queues_.clear();
  groups_.clear();
  tasks_.clear();
  by_id_.clear();
  Query q(*connection_, sql::limits::kLoadLimits);
  for (;;) {
    bool row = false;
    RETURN_IF_ERROR(q.Step(&row));
    if (!row) break;
    Entry& entry = entries_.emplace_back();
    entry.limit_id = q.Int(0);
    entry.scope = static_cast<LimitScope>(q.Int(1));
    entry.queue_id = q.Int(2);
    entry.task = q.Text(3);
    entry.concurrency = q.Int(4);
    entry.rate = {.count = q.Int(5), .period_ms = q.Int(6)};
    entry.max_size = q.Int(7);
    by_id_.emplace(entry.limit_id, &entry);
    if (entry.scope == LimitScope::kStore) store_ = &entry;
    if (entry.scope == LimitScope::kQueue) queues_.emplace(entry.queue_id, &entry);
    if (entry.scope == LimitScope::kTask) tasks_.emplace(entry.task, &entry);
    if (entry.scope == LimitScope::kGroup) groups_.emplace(entry.queue_id, &entry);
  }
  return LoadGroupSettings();
}

Status Book::LoadGroupSettings() {
  {
    Query q(*connection_, sql::limits::kUsesGroups);
    RETURN_IF_ERROR(q.Step(&uses_groups_));
  }
  regroups_.clear();
  if (!uses_groups_) return Status::Ok();
  Query q(*connection_, sql::limits::kListRegroups);
  for (;;) {
    bool row = false;
    RETURN_IF_ERROR(q.Step(&row));
    if (!row) return Status::Ok();
    regroups_.insert(q.Int(0));
  }
}

Status Book::NoteGroups() {
  if (uses_groups_) return Status::Ok();
  Query q(*connection_, sql::limits::kNoteGroups);
  RETURN_IF_ERROR(q.Run());
  uses_groups_ = true;
  ChangeSettings();
  return Status::Ok();
}

Status Book::BeginRegroup(int64_t queue_id) {
  Query q(*connection_, sql::limits::kNoteRegroup);
  q.Bind(queue_id);
  RETURN_IF_ERROR(q.Run());
  regroups_.insert(queue_id);
  ChangeSettings();
  return Status::Ok();
}

Status Book::EndRegroup(int64_t queue_id) {
  if (regroups_.erase(queue_id) == 0) return Status::Ok();
  ChangeSettings();
  Query q(*connection_, sql::limits::kEndRegroup);
  q.Bind(queue_id);
  return q.Run();
}

// Other processes read all anew.
void Book::ChangeSettings() {
  settings_changed_ = true;
  ++version_;
}

void Book::RolledBack() {
  if (settings_changed_) version_ = -1;
  settings_changed_ = false;
}

Result<Entry*> Book::Read(Entry* entry) {
  if (entry == nullptr || entry->read) return entry;
  Query q(*connection_, sql::limits::kReadState);
  q.Bind(entry->limit_id);
  bool row = false;
  RETURN_IF_ERROR(q.Step(&row));
  if (!row) return Status(Code::kCorrupt, "a limit has disappeared; run `millrace doctor`");
  entry->active = q.Int(0);
  entry->bucket = {.credit = q.Int(1), .refilled_at_ms = q.Int(2)};
  entry->limited_until_ms = q.Int(3);
  entry->parked = q.Int(4);
  entry->closed_before_ms = entry->closed_until_ms = q.Int(5);
  entry->read = true;
  entry->changed = false;
  read_.push_back(entry);
  return entry;
}

Result<Entry*> Book::Store() {
  return Read(store_);
}

Result<Entry*> Book::OfQueue(int64_t queue_id) {
  const auto it = queues_.find(queue_id);
  return Read(it == queues_.end() ? nullptr : it->second);
}

Result<Entry*> Book::OfTask(std::string_view task) {
  if (tasks_.empty()) return nullptr;
  const auto it = tasks_.find(std::string(task));
  return Read(it == tasks_.end() ? nullptr : it->second);
}

Result<Entry*> Book::OfGroups(int64_t queue_id) {
  const auto it = groups_.find(queue_id);
  return Read(it == groups_.end() ? nullptr : it->second);
}

Result<Entry*> Book::ById(int64_t limit_id) {
  const auto it = by_id_.find(limit_id);
  return Read(it == by_id_.end() ? nullptr : it->second);
}

Result<Entry*> Book::Find(const Key& key) {
  switch (key.scope) {
    case LimitScope::kStore:
      return Store();
    case LimitScope::kQueue:
      return OfQueue(key.queue_id);
    case LimitScope::kTask:
      return OfTask(key.task);
    case LimitScope::kGroup:
      return OfGroups(key.queue_id);
  }
  return nullptr;
}

Result<Entry*> Book::Make(const Key& key) {
  ASSIGN_OR_RETURN(Entry* const found, Find(key));
  if (found) return found;
  RETURN_IF_ERROR(Write());
  {
    Query q(*connection_, sql::limits::kInsertLimit);
    q.Bind(static_cast<int>(key.scope), key.queue_id, key.task);
    RETURN_IF_ERROR(q.Run());
  }
  ChangeSettings();
  RETURN_IF_ERROR(Load());
  ASSIGN_OR_RETURN(Entry* const made, Find(key));
  RETURN_IF_ERROR(SetBounds(*made, Limit{}));
  return made;
}

Status Book::SetBounds(Entry& entry, const Limit& limit) {
  entry.bucket = Rerate(entry.rate, entry.bucket, limit.rate, now_ms_);
  entry.concurrency = limit.concurrency;
  entry.rate = limit.rate;
  entry.max_size = limit.max_size;
  if (entry.scope != LimitScope::kGroup) {  // groups count their own
    Query q(*connection_, sql::limits::kCountActive);
    q.Bind(entry.queue_id, entry.task);
    bool row = false;
    RETURN_IF_ERROR(q.Step(&row));
    entry.active = q.Int(0);
  }
  Query q(*connection_, sql::limits::kWriteLimit);
  q.Bind(entry.limit_id, entry.concurrency, entry.rate.count, entry.rate.period_ms, entry.max_size,
         entry.active, entry.bucket.credit, entry.bucket.refilled_at_ms);
  entry.changed = true;
  ChangeSettings();
  return q.Run();
}

Status Book::Forget(int64_t queue_id) {
  if (!queues_.contains(queue_id) && !groups_.contains(queue_id)) return Status::Ok();
  RETURN_IF_ERROR(Write());
  {
    Query q(*connection_, sql::limits::kResetQueueLimits);
    q.Bind(queue_id);
    RETURN_IF_ERROR(q.Run());
  }
  ChangeSettings();
  return Load();
}

int64_t Book::Room(Entry& entry) {
  if (entry.limited_until_ms > now_ms_) return 0;
  int64_t room = kUnbounded;
  if (entry.concurrency != 0) room = std::max<int64_t>(entry.concurrency - entry.active, 0);
  if (entry.rate.count == 0) return room;
  Refill(entry.rate, now_ms_, &entry.bucket);
  return std::min(room, Tokens(entry.rate, entry.bucket));
}

Result<int64_t> Book::Room(int64_t queue_id) {
  int64_t room = kUnbounded;
  if (empty()) return room;
  ASSIGN_OR_RETURN(Entry* const store, Store());
  if (store) room = Room(*store);
  ASSIGN_OR_RETURN(Entry* const queue, OfQueue(queue_id));
  return queue ? std::min(room, Room(*queue)) : room;
}

int64_t Book::ClosedUntil(Entry& entry) {
  if (entry.concurrency != 0 && entry.active >= entry.concurrency) return kUntilEnd;
  const int64_t until_ms = entry.limited_until_ms > now_ms_ ? entry.limited_until_ms : 0;
  if (entry.rate.count == 0) return until_ms;
  Refill(entry.rate, now_ms_, &entry.bucket);
  if (Tokens(entry.rate, entry.bucket) > 0) return until_ms;
  return std::max(until_ms, NextTokenAt(entry.rate, entry.bucket));
}

bool Book::OpensByTime(Entry& entry) {
  const int64_t until_ms = ClosedUntil(entry);
  return until_ms > now_ms_ && until_ms != kUntilEnd;
}

Result<bool> Book::OpensByTime(int64_t queue_id) {
  if (empty()) return false;
  ASSIGN_OR_RETURN(Entry* const store, Store());
  if (store && OpensByTime(*store)) return true;
  ASSIGN_OR_RETURN(Entry* const queue, OfQueue(queue_id));
  return queue && OpensByTime(*queue);
}

template <typename F>
Status Book::ForEach(int64_t queue_id, std::string_view task, F change) {
  ASSIGN_OR_RETURN(Entry* const store, Store());
  ASSIGN_OR_RETURN(Entry* const queue, OfQueue(queue_id));
  ASSIGN_OR_RETURN(Entry* const of_task, OfTask(task));
  for (Entry* entry : {store, queue, of_task}) {
    if (!entry) continue;
    change(*entry);
    entry->changed = true;
  }
  return Status::Ok();
}

Status Book::Start(int64_t queue_id, std::string_view task) {
  if (empty()) return Status::Ok();
  return ForEach(queue_id, task, [this](Entry& entry) {
    ++entry.active;
    if (entry.rate.count == 0) return;
    Refill(entry.rate, now_ms_, &entry.bucket);
    TakeToken(entry.rate, &entry.bucket);
  });
}

Status Book::End(int64_t queue_id, std::string_view task) {
  if (empty()) return Status::Ok();
  // Never below zero: a damaged count must not keep a job from ending.
  return ForEach(queue_id, task,
                 [](Entry& entry) { entry.active = std::max<int64_t>(entry.active - 1, 0); });
}

Status Book::Write() {
  bool removed = false;
  for (Entry* entry : read_) {
    if (!entry->bounded() && entry->limited_until_ms <= now_ms_ && entry->parked == 0) {
      Query q(*connection_, sql::limits::kDeleteLimit);
      q.Bind(entry->limit_id);
      RETURN_IF_ERROR(q.Run());
      entry->closed_until_ms = 0;
      removed = true;
      continue;
    }
    if (!entry->changed) continue;
    entry->closed_until_ms = ClosedUntil(*entry);
    Query q(*connection_, sql::limits::kWriteState);
    q.Bind(entry->limit_id, entry->active, entry->bucket.credit, entry->bucket.refilled_at_ms,
           entry->limited_until_ms, entry->parked, entry->closed_until_ms);
    RETURN_IF_ERROR(q.Run());
    entry->changed = false;
  }
  if (!removed) return Status::Ok();
  ChangeSettings();
  return Load();
}

void Book::GatherOpened() {
  for (const Entry* entry : read_) {
    if (entry->closed_before_ms <= now_ms_) continue;
    if (entry->closed_until_ms >= entry->closed_before_ms) continue;
    opened_.push_back({.scope = entry->scope, .queue_id = entry->queue_id, .task = entry->task});
  }
}

std::vector<Key> Book::Opened() {
  GatherOpened();
  return std::exchange(opened_, {});
}

}  // namespace millrace::limits
