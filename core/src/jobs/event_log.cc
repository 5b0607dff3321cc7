#include "jobs/event_log.h"

#include <charconv>
#include <cstring>

#include "base/macros.h"
#include "base/sealed_form.h"
#include "base/text.h"
#include "base/varint.h"

namespace millrace::jobs {
namespace {

enum Field : uint8_t {
  kGeneratedId = 1,
  kCustomId = 2,
  kAttempt = 4,
  kDueAt = 8,
  kCount = 16,
  kName = 32,
  kData = 64,
};

void AppendBytes(std::string* body, std::string_view bytes) {
  AppendVarint(body, bytes.size());
  body->append(bytes);
}

uint8_t FieldsOf(const EventRecord& record) {
  uint8_t fields = 0;
  if (record.job) fields |= record.job->custom_id.empty() ? kGeneratedId : kCustomId;
  if (record.attempt != 0) fields |= kAttempt;
  if (record.due_at_ms != 0) fields |= kDueAt;
  if (record.count != 0) fields |= kCount;
  if (!record.name.empty()) fields |= kName;
  if (!record.data.empty()) fields |= kData;
  return fields;
}

bool IsEnum(uint8_t value, auto last) {
  return value >= 1 && value <= static_cast<uint8_t>(last);
}

// Reads the fixed part of an event; false if a byte has a value that is never written.
bool DecodeHead(std::string_view* body, Event* event, uint8_t* fields) {
  if (body->size() < 4) return false;
  uint8_t head[4];
  std::memcpy(head, body->data(), sizeof(head));
  body->remove_prefix(sizeof(head));
  *fields = head[1];
  event->type = static_cast<EventType>(head[0]);
  event->state = static_cast<JobState>(head[2]);
  event->prev = static_cast<JobState>(head[3]);
  const bool two_ids = (*fields & kGeneratedId) && (*fields & kCustomId);
  return IsEnum(head[0], EventType::kCustom) && IsEnum(head[2], JobState::kCancelled) &&
         IsEnum(head[3], JobState::kCancelled) && *fields < 2 * kData && !two_ids;
}

// Reads one event at the front of *body; false if the bytes do not make one.
bool DecodeEvent(std::string_view* body, Event* event, int64_t* job_row) {
  uint8_t fields = 0;
  if (!DecodeHead(body, event, &fields)) return false;
  *job_row = 0;
  uint64_t number = 0;
  std::string_view bytes;
  auto read_number = [&](auto end) {
    return ReadVarint(body, &number) && number < static_cast<uint64_t>(end);
  };
  auto read_bytes = [&] {
    if (!ReadVarint(body, &number) || number > body->size()) return false;
    bytes = body->substr(0, number);
    body->remove_prefix(number);
    return true;
  };
  if (fields & (kGeneratedId | kCustomId)) {
    if (!read_number(kIdRowEnd)) return false;
    *job_row = static_cast<int64_t>(number);
  }
  if (fields & kGeneratedId) {
    if (!read_number(kIdTimeEnd)) return false;
    const auto at_ms = static_cast<int64_t>(number);
    if (!read_number(kIdSaltEnd)) return false;
    event->job_id = FormatId(IdParts{.at_ms = at_ms, .row = *job_row, .salt = number});
  }
  if (fields & kCustomId) {
    if (!read_bytes() || !IsValidUtf8(bytes)) return false;
    event->job_id = bytes;
  }
  if (fields & kAttempt) {
    if (!read_number(INT32_MAX)) return false;
    event->attempt = static_cast<int32_t>(number);
  }
  if (fields & kDueAt) {
    if (!read_number(INT64_MAX)) return false;
    event->due_at_ms = static_cast<int64_t>(number);
  }
  if (fields & kCount) {
    if (!read_number(INT64_MAX)) return false;
    event->count = static_cast<int64_t>(number);
  }
  if (fields & kName) {
    if (!read_bytes() || !IsValidUtf8(bytes)) return false;
    event->name = bytes;
  }
  if (fields & kData) {
    if (!read_bytes() || !(IsValidUtf8(bytes) || LooksSealed(bytes))) return false;
    event->data = bytes;
  }
  return true;
}

}  // namespace

void AppendEvent(std::string* body, const EventRecord& record) {
  const uint8_t fields = FieldsOf(record);
  const char head[4] = {static_cast<char>(record.type), static_cast<char>(fields),
                        static_cast<char>(record.state), static_cast<char>(record.prev)};
  body->append(head, sizeof(head));
  if (record.job) AppendVarint(body, static_cast<uint64_t>(record.job->row));
  if (fields & kGeneratedId) {
    AppendVarint(body, static_cast<uint64_t>(record.job->created_at_ms));
    AppendVarint(body, record.job->salt);
  }
  if (fields & kCustomId) AppendBytes(body, record.job->custom_id);
  if (fields & kAttempt) AppendVarint(body, static_cast<uint64_t>(record.attempt));
  if (fields & kDueAt) AppendVarint(body, static_cast<uint64_t>(record.due_at_ms));
  if (fields & kCount) AppendVarint(body, static_cast<uint64_t>(record.count));
  if (fields & kName) AppendBytes(body, record.name);
  if (fields & kData) AppendBytes(body, record.data);
}

Status DecodeEvents(std::string_view body, int64_t seq, int64_t at_ms, const std::string& queue,
                    std::vector<Event>* events, std::vector<int64_t>* job_rows) {
  for (int64_t n = 0; !body.empty(); ++n) {
    Event event;
    int64_t row = 0;
    if (!DecodeEvent(&body, &event, &row)) {
      return Status(Code::kCorrupt, "row " + std::to_string(seq) + " of the event log of queue " +
                                        Quoted(queue) + " is damaged from its event " +
                                        std::to_string(n) + " on");
    }
    event.id = FormatEventId(seq, n);
    event.at_ms = at_ms;
    event.queue = queue;
    events->push_back(std::move(event));
    job_rows->push_back(row);
  }
  return Status::Ok();
}

std::string FormatEventId(int64_t seq, int64_t n) {
  return std::to_string(seq) + "-" + std::to_string(n);
}

Result<EventPosition> ParseEventId(std::string_view id, const char* argument) {
  EventPosition position;
  if (id.empty()) return position;
  const char* const end = id.data() + id.size();
  auto seq = std::from_chars(id.data(), end, position.seq);
  if (seq.ec == std::errc() && seq.ptr != end && *seq.ptr == '-') {
    auto n = std::from_chars(seq.ptr + 1, end, position.n);
    if (n.ec == std::errc() && n.ptr == end && position.seq >= 0 && position.n >= 0)
      return position;
  }
  return Status(Code::kInvalidArgument,
                std::string(argument) + " is " + Quoted(id) +
                    "; an event id such as \"1234-0\", \"$\" or nothing is accepted");
}

}  // namespace millrace::jobs

namespace millrace {

bool EventIdLess(const std::string& a, const std::string& b) {
  auto left = jobs::ParseEventId(a, "a");
  auto right = jobs::ParseEventId(b, "b");
  if (!left.ok() || !right.ok()) return left.ok() < right.ok();
  if (left->seq != right->seq) return left->seq < right->seq;
  return left->n < right->n;
}

}  // namespace millrace
