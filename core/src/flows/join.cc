#include "flows/join.h"

#include "base/macros.h"
#include "jobs/payloads.h"
#include "sql_statements.h"

namespace millrace::flows {
namespace {

using store::Query;

constexpr std::string_view kNull = "null";
constexpr const char kTooLarge[] =
    R"({"type":"ResultTooLarge","message":"the results together are over 256 MiB","stack":""})";

// A stored result that select_results stands on, as its worker gave it. One that cannot be opened
// fails the join: with the key it can be redriven.
Status OpenResult(jobs::Ledger& ledger, const Query& q, std::string* result, Joined* joined) {
  Result<std::string> open = jobs::OpenStored(ledger.connection(), ledger.keyring(), q.Int(3),
                                              SealField::kResult, std::string(q.BlobBytes(2)));
  if (open.ok()) {
    *result = std::move(*open);
    return Status::Ok();
  }
  const Code code = open.status().code();
  if (code != Code::kPermissionDenied && code != Code::kCorrupt) return open.status();
  *joined = {.state = JobState::kFailed, .body = jobs::UnreadableError(open.status())};
  return Status::Ok();
}

Status Forward(jobs::Ledger& ledger, int64_t row, Joined* joined) {
  joined->body = kNull;
  Query q(ledger.connection(), sql::flows::kSelectResults);
  q.Bind(row, 1);
  bool found = false;
  RETURN_IF_ERROR(q.Step(&found));
  if (!found || static_cast<JobState>(q.Int(0)) != JobState::kCompleted || q.IsNull(2)) {
    return Status::Ok();
  }
  joined->content_type = static_cast<ContentType>(q.Int(1));
  return OpenResult(ledger, q, &joined->body, joined);
}

Status Collect(jobs::Ledger& ledger, int64_t row, Joined* joined) {
  std::string& body = joined->body;
  body = "[";
  Query q(ledger.connection(), sql::flows::kSelectResults);
  q.Bind(row, -1);
  for (;;) {
    bool found = false;
    RETURN_IF_ERROR(q.Step(&found));
    if (!found) break;
    if (body.size() > 1) body += ',';
    const bool json = static_cast<JobState>(q.Int(0)) == JobState::kCompleted && !q.IsNull(2) &&
                      static_cast<ContentType>(q.Int(1)) == ContentType::kJson;
    std::string result;
    if (json) RETURN_IF_ERROR(OpenResult(ledger, q, &result, joined));
    if (joined->state == JobState::kFailed) return Status::Ok();
    if (body.size() + result.size() > kCollectMaxBytes) {
      *joined = {.state = JobState::kFailed, .body = kTooLarge};
      return Status::Ok();
    }
    body += result.empty() ? kNull : std::string_view(result);
  }
  body += ']';
  return Status::Ok();
}

}  // namespace

Status Join(jobs::Ledger& ledger, const Blocked& blocked, Joined* joined) {
  const int64_t row = blocked.key.row;
  RETURN_IF_ERROR((blocked.join == JoinKind::kForward ? Forward : Collect)(ledger, row, joined));
  if (joined->state == JobState::kFailed) return Status::Ok();
  ASSIGN_OR_RETURN(joined->body,
                   jobs::SealFor(ledger, row, SealField::kResult, std::move(joined->body)));
  return Status::Ok();
}

}  // namespace millrace::flows
