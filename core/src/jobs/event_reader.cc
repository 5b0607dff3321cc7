// Reading the event log: pages in order, damaged rows passed by.
#include <algorithm>
#include <limits>

#include "base/macros.h"
#include "base/text.h"
#include "jobs/event_log.h"
#include "jobs/event_merge.h"
#include "jobs/read.h"
#include "jobs/snapshot.h"
#include "sql_statements.h"

namespace millrace::jobs {
namespace {

using store::Connection;
using store::Query;

// Bounds of one call, so that it neither holds its snapshot long nor makes a page that fills the
// memory.
constexpr int64_t kScanRows = 1'000;
constexpr int64_t kPageBytes = 16 << 20;

uint32_t MaskOf(const std::vector<EventType>& types) {
  if (types.empty()) return std::numeric_limits<uint32_t>::max();
  uint32_t mask = 0;
  for (const EventType type : types) mask |= uint32_t{1} << static_cast<unsigned>(type);
  return mask;
}

// Goes over the rows of one log, or of several, and gathers a page.
class PageReader {
 public:
  PageReader(Connection& connection, const EventQuery& query, EventPosition from,
             std::vector<Status>* damaged)
      : connection_(connection),
        query_(query),
        mask_(MaskOf(query.types)),
        position_(from),
        damaged_(damaged) {}

  Status Read(const LogQueue& queue) {
    Query q(connection_, sql::read::kSelectEvents);
    q.Bind(queue.id, position_.seq, kScanRows);
    while (!full_) {
      bool row = false;
      RETURN_IF_ERROR(q.Step(&row));
      if (!row) return Status::Ok();
      RETURN_IF_ERROR(ReadRow(RowOf(q), queue.name));
    }
    return Status::Ok();
  }

  Status ReadMerged(const std::vector<LogQueue>& queues) {
    EventMerge merge(connection_, queues, position_.seq);
    for (int64_t rows = 0; rows < kScanRows && !full_; ++rows) {
      EventMerge::Row next;
      ASSIGN_OR_RETURN(const bool more, merge.Next(&next));
      if (!more) return Status::Ok();
      const LogQueue& queue = queues[next.queue];
      Query q(connection_, sql::read::kSelectEventRow);
      q.Bind(queue.id, next.seq);
      bool row = false;
      RETURN_IF_ERROR(q.Step(&row));
      if (row) RETURN_IF_ERROR(ReadRow(RowOf(q), queue.name));
    }
    return Status::Ok();
  }

  EventPage TakePage() {
    page_.next = FormatEventId(position_.seq, position_.n < 0 ? 0 : position_.n);
    return std::move(page_);
  }

 private:
  struct Row {
    int64_t seq;
    int64_t at_ms;
    int64_t n;
    std::string_view body;
  };

  static Row RowOf(Query& q) {
    return {.seq = q.Int(0), .at_ms = q.Int(1), .n = q.Int(2), .body = q.BlobBytes(3)};
  }

  Status ReadRow(const Row& row, const std::string& queue) {
    const int64_t first = row.seq == position_.seq ? position_.n + 1 : 0;
    if (first >= row.n) {
      // A damaged row may count no events: a reader that did not pass it would read it for ever.
      if (row.seq > position_.seq) position_ = {.seq = row.seq, .n = 0};
      return Status::Ok();
    }
    std::vector<Event> events;
    std::vector<int64_t> jobs;
    const Status decoded = DecodeEvents(row.body, row.seq, row.at_ms, queue, &events, &jobs);
    if (!decoded.ok() && damaged_) damaged_->push_back(decoded);
    const auto count = static_cast<int64_t>(events.size());
    for (int64_t n = first; n < count; ++n) {
      const auto i = static_cast<size_t>(n);
      position_ = {.seq = row.seq, .n = n};
      if (Matches(events[i])) RETURN_IF_ERROR(Add(std::move(events[i]), jobs[i]));
      if (full_) return Status::Ok();
    }
    position_ = {.seq = row.seq, .n = std::max(count, row.n) - 1};
    return Status::Ok();
  }

  bool Matches(const Event& event) const {
    if ((mask_ >> static_cast<unsigned>(event.type) & 1) == 0) return false;
    return query_.job_id.empty() || query_.job_id == event.job_id;
  }

  Status Add(Event event, int64_t job) {
    if (event.type == EventType::kCompleted && event.data.empty())
      RETURN_IF_ERROR(AddResult(job, &event));
    bytes_ += static_cast<int64_t>(event.data.size());
    page_.events.push_back(std::move(event));
    full_ = std::ssize(page_.events) >= query_.limit || bytes_ >= kPageBytes;
    return Status::Ok();
  }

  // A result that is kept beside its job is not copied into the log. A job that has ended once more
  // since has another.
  Status AddResult(int64_t job, Event* event) {
    Query q(connection_, sql::read::kSelectResult);
    q.Bind(job, event->at_ms);
    bool row = false;
    RETURN_IF_ERROR(q.Step(&row));
    if (row) event->data = q.BlobBytes(0);
    return Status::Ok();
  }

  Connection& connection_;
  const EventQuery& query_;
  const uint32_t mask_;
  EventPosition position_;  // the last event that was looked at
  std::vector<Status>* const damaged_;
  EventPage page_;
  int64_t bytes_ = 0;
  bool full_ = false;
};

}  // namespace

Result<std::vector<LogQueue>> QueuesOf(Connection& connection, const EventQuery& query) {
  std::vector<LogQueue> found;
  std::vector<std::string> names = query.queues;
  if (!query.queue.empty()) names = {query.queue};
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  for (std::string& name : names) {
    ASSIGN_OR_RETURN(const int64_t id, QueueIdOf(connection, name));
    if (id != 0) found.push_back({.id = id, .name = std::move(name)});
  }
  if (!names.empty()) return found;
  Query q(connection, sql::read::kListQueueIds);
  for (;;) {
    bool row = false;
    RETURN_IF_ERROR(q.Step(&row));
    if (!row) return found;
    found.push_back({.id = q.Int(0), .name = std::string(q.Text(1))});
  }
}

Result<EventPage> ReadEventPage(Connection& connection, const std::vector<LogQueue>& queues,
                                const EventQuery& query, EventPosition from,
                                std::vector<Status>* damaged) {
  const Snapshot snapshot(connection);
  RETURN_IF_ERROR(snapshot.status());
  PageReader reader(connection, query, from, damaged);
  RETURN_IF_ERROR(queues.size() == 1 ? reader.Read(queues.front()) : reader.ReadMerged(queues));
  return reader.TakePage();
}

Result<EventPosition> NewestEvent(Connection& connection, int64_t queue_id) {
  Query q(connection, sql::read::kNewestEvents);
  q.Bind(queue_id);
  bool row = false;
  RETURN_IF_ERROR(q.Step(&row));
  if (!row) return EventPosition{};
  return EventPosition{.seq = q.Int(0), .n = q.Int(1) - 1};
}

Result<EventPosition> NewestEvent(Connection& connection, const std::vector<LogQueue>& queues) {
  EventPosition newest;
  for (const LogQueue& queue : queues) {
    ASSIGN_OR_RETURN(const EventPosition of_queue, NewestEvent(connection, queue.id));
    if (of_queue.seq > newest.seq) newest = of_queue;
  }
  return newest;
}

Result<int64_t> EndOfLog(Connection& connection) {
  Query q(connection, sql::ledger::kReadSequence);
  bool row = false;
  RETURN_IF_ERROR(q.Step(&row));
  return row ? q.Int(0) - 1 : int64_t{0};
}

}  // namespace millrace::jobs
