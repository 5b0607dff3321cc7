// The limits of the store, of queues, of tasks, and the defaults of groups, as one write
// transaction sees and changes them: read when first needed, written once at the end.
#ifndef MILLRACE_LIMITS_BOOK_H_
#define MILLRACE_LIMITS_BOOK_H_

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "limits/bucket.h"
#include "millrace/limits.h"
#include "millrace/status.h"
#include "store/connection.h"

namespace millrace::limits {

inline constexpr int64_t kUntilEnd = INT64_MAX;  // closed until one of its jobs ends
inline constexpr int64_t kUnbounded = INT64_MAX;

// One limit. Its state is that of the open transaction.
struct Entry {
  int64_t limit_id = 0;
  LimitScope scope = LimitScope::kStore;
  int64_t queue_id = 0;
  std::string task;
  int64_t concurrency = 0;
  Rate rate;
  int64_t max_size = 0;

  int64_t active = 0;
  Bucket bucket;
  int64_t limited_until_ms = 0;
  int64_t parked = 0;
  int64_t closed_before_ms = 0;  // as the transaction found it
  int64_t closed_until_ms = 0;   // as it is in the store now
  bool read = false;
  bool changed = false;

  bool bounded() const { return concurrency != 0 || rate.count != 0 || max_size != 0; }
};

// What a limit is for, by the numbers of the store.
struct Key {
  LimitScope scope = LimitScope::kStore;
  int64_t queue_id = 0;
  std::string task = {};
};

// Used under the writer's lock only. What limits there are is kept from one transaction to the next
// while sequence.settings_version stays the same, so that a store without limits pays nothing.
class Book {
 public:
  Status Begin(store::Connection& connection, int64_t settings_version, int64_t now_ms);
  // Before the commit: the states that changed. Limits that bound nothing any more go.
  Status Write();
  void RolledBack();
  // Of the store as this transaction leaves it.
  int64_t settings_version() const { return version_; }

  bool empty() const { return entries_.empty(); }
  // Whether a job was ever added to a group of this store.
  bool uses_groups() const { return uses_groups_; }
  Status NoteGroups();
  // Whether the groups of a queue are to be looked at again because their default has changed
  // (Groups::Ripen does), and the two ends of that.
  bool regroups(int64_t queue_id) const { return regroups_.contains(queue_id); }
  Status BeginRegroup(int64_t queue_id);
  Status EndRegroup(int64_t queue_id);

  // The limit of a scope with its state, or null.
  Result<Entry*> Store();
  Result<Entry*> OfQueue(int64_t queue_id);
  Result<Entry*> OfTask(std::string_view task);
  Result<Entry*> OfGroups(int64_t queue_id);  // the default of a queue's groups
  Result<Entry*> ById(int64_t limit_id);
  Result<Entry*> Find(const Key& key);
  // The same; made without any bound if there is none. Entries found before are no longer valid.
  Result<Entry*> Make(const Key& key);
  // Replaces the bounds of an entry; `active` is counted anew.
  Status SetBounds(Entry& entry, const Limit& limit);

  // The limits of a queue go.
  Status Forget(int64_t queue_id);

  // How many jobs may start under a limit now.
  int64_t Room(Entry& entry);
  // The same under the store's and the queue's limits together; kUnbounded without any.
  Result<int64_t> Room(int64_t queue_id);
  // Whether a limit is closed and opens by time alone: somebody must set a timer.
  bool OpensByTime(Entry& entry);
  // The same of the store's and the queue's.
  Result<bool> OpensByTime(int64_t queue_id);
  // A job was started, has ended.
  Status Start(int64_t queue_id, std::string_view task);
  Status End(int64_t queue_id, std::string_view task);

  // Limits that are open, or open sooner, than when the transaction began. After Write().
  std::vector<Key> Opened();

 private:
  Status Load();
  Status LoadGroupSettings();
  void ChangeSettings();
  void GatherOpened();
  Result<Entry*> Read(Entry* entry);
  int64_t ClosedUntil(Entry& entry);
  template <typename F>
  Status ForEach(int64_t queue_id, std::string_view task, F change);

  store::Connection* connection_ = nullptr;
  int64_t now_ms_ = 0;
  int64_t version_ = -1;
  bool settings_changed_ = false;  // by this transaction
  bool uses_groups_ = false;
  std::unordered_set<int64_t> regroups_;
  std::deque<Entry> entries_;  // a deque: they do not move
  Entry* store_ = nullptr;
  std::unordered_map<int64_t, Entry*> queues_;
  std::unordered_map<int64_t, Entry*> groups_;
  std::unordered_map<std::string, Entry*> tasks_;
  std::unordered_map<int64_t, Entry*> by_id_;
  std::vector<Entry*> read_;  // in this transaction
  std::vector<Key> opened_;   // of entries that were read again since
};

}  // namespace millrace::limits

#endif  // MILLRACE_LIMITS_BOOK_H_
