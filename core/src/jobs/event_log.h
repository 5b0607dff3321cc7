// The event log's rows: all events of one queue in one commit, packed. An event's id is
// "<seq>-<n>": the row, and the place in it. Packing makes an event cost some 25 bytes instead of a
// B-tree insert of its own.
//
// Body of a row, repeated n times (numbers are LEB128 varints):
//   type u8 | fields u8 | state u8 | prev u8 | [row of the job] [created_at_ms, salt of a generated
//   id] [custom id] | [attempt] [due_at_ms] [count] [name] [data]        (texts: length, bytes)
// `fields` says which of the optional parts are there. Never change the meaning of a bit.
#ifndef MILLRACE_JOBS_EVENT_LOG_H_
#define MILLRACE_JOBS_EVENT_LOG_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "jobs/job_id.h"
#include "millrace/events.h"
#include "millrace/status.h"
#include "store/connection.h"

namespace millrace::jobs {

// What is written of one event. Views must live until Append returns.
struct EventRecord {
  EventType type = EventType::kAdded;
  JobState state = JobState::kReady;
  JobState prev = JobState::kReady;
  const JobKey* job = nullptr;  // null: an event of the queue
  int32_t attempt = 0;
  int64_t due_at_ms = 0;
  int64_t count = 0;
  std::string_view name = {};
  std::string_view data = {};
};

// Appends the packed form.
void AppendEvent(std::string* body, const EventRecord& record);

// Unpacks one row. `job_rows` gets each event's row number, in the same order (0: of the queue).
// kCorrupt for bytes that AppendEvent cannot have written; what was read before them is kept.
Status DecodeEvents(std::string_view body, int64_t seq, int64_t at_ms, const std::string& queue,
                    std::vector<Event>* events, std::vector<int64_t>* job_rows);

// A position in the log, parsed from an event id. Empty text: the beginning.
struct EventPosition {
  int64_t seq = 0;
  int64_t n = -1;  // the last one read in that row; a row's events are 0, 1, ...
};
Result<EventPosition> ParseEventId(std::string_view id, const char* argument);
std::string FormatEventId(int64_t seq, int64_t n);

// A queue whose log is read, and the name that its events carry.
struct LogQueue {
  int64_t id = 0;
  std::string name = {};
};
// The queues that a query asks for; unknown ones are left out.
Result<std::vector<LogQueue>> QueuesOf(store::Connection& connection, const EventQuery& query);

// A page of the queues' logs, merged, as the query asks (its `after` resolved to `from`). Results
// and errors that the log does not carry are read from the finished jobs. A call goes over a
// bounded part of the log: a page may be empty while `next` has moved on and more follows; only a
// page whose `next` is `from` has come to the end. A damaged row is read up to its damage and
// passed; `damaged` (if given) gets a kCorrupt for each.
Result<EventPage> ReadEventPage(store::Connection& connection, const std::vector<LogQueue>& queues,
                                const EventQuery& query, EventPosition from,
                                std::vector<Status>* damaged = nullptr);
// The newest position in a queue's log.
Result<EventPosition> NewestEvent(store::Connection& connection, int64_t queue_id);
// The newest in any of them.
Result<EventPosition> NewestEvent(store::Connection& connection,
                                  const std::vector<LogQueue>& queues);
// No event of the store is newer, of whatever queue; there may be none at it. Reads one row.
Result<int64_t> EndOfLog(store::Connection& connection);

}  // namespace millrace::jobs

#endif  // MILLRACE_JOBS_EVENT_LOG_H_
