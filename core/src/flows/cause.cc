#include "flows/cause.h"

#include "base/macros.h"
#include "base/text.h"
#include "jobs/job_id.h"
#include "jobs/json_object.h"
#include "jobs/payloads.h"
#include "jobs/read.h"
#include "sql_statements.h"

namespace millrace::flows {
namespace {

using jobs::JsonObject;
using store::Query;
using Note = jobs::Ledger::FlowNote;

constexpr size_t kMessageMaxBytes = 1'000;
constexpr size_t kStackMaxBytes = 16 << 10;

// The job that has ended, and with which error.
struct Cause {
  std::string id;
  std::string name;
  int64_t queue_id = 0;
  std::string error;
};

// At most max_bytes of a text, cut between two characters.
std::string Cut(std::string_view text, size_t max_bytes) {
  if (text.size() <= max_bytes) return std::string(text);
  size_t end = max_bytes;
  while (end > 0 && (static_cast<uint8_t>(text[end]) & 0xC0) == 0x80) --end;
  return std::string(text.substr(0, end)) + "...";
}

Status LoadKept(jobs::Ledger& ledger, int64_t row, Cause* cause) {
  Query q(ledger.connection(), sql::flows::kSelectKeptCause);
  q.Bind(row);
  bool found = false;
  RETURN_IF_ERROR(q.Step(&found));
  if (!found) return Status::Ok();
  cause->error = q.BlobBytes(1);
  cause->queue_id = q.Int(2);
  return Status::Ok();
}

Status Load(jobs::Ledger& ledger, const Note& note, Cause* cause) {
  {
    Query q(ledger.connection(), sql::flows::kSelectCause);
    q.Bind(note.row);
    bool found = false;
    RETURN_IF_ERROR(q.Step(&found));
    if (found) {
      const jobs::JobKey key{
          .row = note.row,
          .created_at_ms = q.Int(0),
          .salt = static_cast<uint64_t>(q.Int(1)),
          .custom_id = std::string(q.IsNull(2) ? std::string_view() : q.Text(2))};
      *cause = {.id = key.PublicId(),
                .name = std::string(q.Text(3)),
                .queue_id = q.Int(7),
                .error = std::string(q.BlobBytes(6))};
      return Status::Ok();
    }
  }
  cause->id = note.id;
  cause->name = note.name;
  return LoadKept(ledger, note.row, cause);
}

struct Parts {
  std::string type = "Error";
  std::string message;
  std::string stack;
};

Status Split(jobs::Ledger& ledger, const std::string& error, Parts* parts) {
  Query q(ledger.connection(), sql::flows::kErrorParts);
  q.Bind(error);
  bool found = false;
  RETURN_IF_ERROR(q.Step(&found));
  if (!found) return Status::Ok();
  if (!q.IsNull(0)) parts->type = Cut(q.Text(0), kNameMaxBytes);
  if (!q.IsNull(1)) parts->message = Cut(q.Text(1), kMessageMaxBytes);
  if (!q.IsNull(2)) parts->stack = Cut(q.Text(2), kStackMaxBytes);
  return Status::Ok();
}

}  // namespace

Status DependencyError(jobs::Ledger& ledger, const Note& note, std::string* error) {
  Cause cause;
  RETURN_IF_ERROR(Load(ledger, note, &cause));
  const bool removed = note.kind == Note::Kind::kGone && cause.error.empty();
  Parts parts{.type = "JobRemoved", .message = "the job was removed"};
  if (!removed) {
    parts = {};
    const Result<std::string> open =
        jobs::OpenStored(ledger.connection(), ledger.keyring(), cause.queue_id, SealField::kError,
                         std::move(cause.error));
    if (open.ok()) RETURN_IF_ERROR(Split(ledger, *open, &parts));
    if (!open.ok()) parts.message = open.status().message();
  }
  std::string message = "job " + Cut(cause.id, kNameMaxBytes) + " (" + cause.name + ") ";
  message += removed                              ? "was removed"
             : note.state == JobState::kCancelled ? "was cancelled: " + parts.message
                                                  : "failed: " + parts.message;
  std::string queue;
  {
    Query q(ledger.connection(), sql::ledger::kReadQueue);
    q.Bind(cause.queue_id);
    bool found = false;
    RETURN_IF_ERROR(q.Step(&found));
    if (found) queue = q.Text(0);
  }
  const std::string inner = JsonObject()
                                .Text("type", parts.type)
                                .Text("message", parts.message)
                                .Text("stack", parts.stack)
                                .Take();
  const std::string data = JsonObject()
                               .Text("id", cause.id)
                               .Text("name", cause.name)
                               .Text("queue", queue)
                               .Raw("error", inner)
                               .Take();
  *error = JsonObject()
               .Text("type", "DependencyFailed")
               .Text("message", message)
               .Text("stack", "")
               .Raw("data", data)
               .Take();
  return Status::Ok();
}

}  // namespace millrace::flows
