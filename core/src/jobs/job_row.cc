#include "jobs/job_row.h"

#include "base/macros.h"
#include "sql_statements.h"

namespace millrace::jobs {
namespace {

using store::Blob;
using store::Query;

bool HasKeep(const std::optional<Keep>& keep) {
  return keep.has_value();
}

// Whether any column behind `options` is needed. A deduplication key has columns of its own, and so
// has a group.
bool HasOptions(const JobSpec& spec, const JobKey& key, int64_t due_at_ms, int64_t expires_at_ms) {
  static const JobSpec plain;
  return !key.custom_id.empty() || !spec.headers.empty() ||
         spec.content_type != plain.content_type || spec.lifo || due_at_ms != 0 ||
         expires_at_ms != 0 || spec.retry.max_attempts != plain.retry.max_attempts ||
         spec.retry.backoff.kind != plain.retry.backoff.kind ||
         spec.max_crashes != plain.max_crashes || spec.time_limit_ms != 0 ||
         spec.soft_time_limit_ms != 0 || spec.keep_logs != plain.keep_logs ||
         HasKeep(spec.keep_completed) || HasKeep(spec.keep_failed) ||
         (!spec.group.empty() && !spec.dedup.key.empty()) || spec.join != plain.join ||
         spec.delivery != plain.delivery || spec.sealing != plain.sealing;
}

std::optional<std::string_view> TextOrNull(const std::string& text) {
  if (text.empty()) return std::nullopt;
  return std::string_view(text);
}

std::optional<int64_t> OfKey(const Deduplication& dedup, int64_t value) {
  return dedup.key.empty() ? std::nullopt : std::optional(value);
}

std::optional<int64_t> Age(const std::optional<Keep>& keep) {
  return keep ? std::optional<int64_t>(keep->age_ms) : std::nullopt;
}

std::optional<int64_t> Count(const std::optional<Keep>& keep) {
  return keep ? std::optional<int64_t>(keep->count) : std::nullopt;
}

std::optional<Keep> ReadKeep(const Query& q, int column) {
  if (q.IsNull(column)) return std::nullopt;
  return Keep{.age_ms = q.Int(column), .count = q.Int(column + 1)};
}

// Runs a statement that takes all columns.
Status WriteBody(store::Connection& connection, const char* statement, const JobKey& key,
                 int64_t queue_id, const JobSpec& spec, int64_t due_at_ms, int64_t expires_at_ms) {
  const Backoff& backoff = spec.retry.backoff;
  Query q(connection, statement);
  q.Bind(key.row, queue_id, spec.name, key.created_at_ms, static_cast<int64_t>(key.salt),
         spec.priority, Blob{spec.data}, TextOrNull(key.custom_id), TextOrNull(spec.headers),
         static_cast<int>(spec.content_type), spec.lifo, due_at_ms, expires_at_ms,
         spec.retry.max_attempts, static_cast<int>(backoff.kind), backoff.delay_ms, backoff.max_ms,
         backoff.jitter, spec.max_crashes, spec.time_limit_ms, spec.soft_time_limit_ms,
         spec.keep_logs, Age(spec.keep_completed), Count(spec.keep_completed),
         Age(spec.keep_failed), Count(spec.keep_failed), TextOrNull(spec.group),
         TextOrNull(spec.dedup.key), static_cast<int>(spec.join), static_cast<int>(spec.delivery),
         static_cast<int>(spec.sealing), OfKey(spec.dedup, static_cast<int>(spec.dedup.mode)),
         OfKey(spec.dedup, spec.dedup.ttl_ms), OfKey(spec.dedup, spec.dedup.states));
  return q.Run();
}

}  // namespace

Status InsertBody(store::Connection& connection, const JobKey& key, int64_t queue_id,
                  const JobSpec& spec, int64_t due_at_ms, int64_t expires_at_ms) {
  if (HasOptions(spec, key, due_at_ms, expires_at_ms)) {
    return WriteBody(connection, sql::jobs::kInsertJobWithOptions, key, queue_id, spec, due_at_ms,
                     expires_at_ms);
  }
  const auto salt = static_cast<int64_t>(key.salt);
  if (!spec.group.empty()) {
    Query q(connection, sql::jobs::kInsertJobWithGroup);
    q.Bind(key.row, queue_id, spec.name, key.created_at_ms, salt, spec.priority, Blob{spec.data},
           spec.group);
    return q.Run();
  }
  const Deduplication& dedup = spec.dedup;
  if (dedup.mode != Deduplication::Mode::kUnfinished) {
    Query q(connection, sql::jobs::kInsertJobWithRule);
    q.Bind(key.row, queue_id, spec.name, key.created_at_ms, salt, spec.priority, Blob{spec.data},
           dedup.key, static_cast<int>(dedup.mode), dedup.ttl_ms,
           static_cast<int64_t>(dedup.states));
    return q.Run();
  }
  if (!dedup.key.empty()) {  // of the plain rule nothing is written
    Query q(connection, sql::jobs::kInsertJobWithKey);
    q.Bind(key.row, queue_id, spec.name, key.created_at_ms, salt, spec.priority, Blob{spec.data},
           dedup.key);
    return q.Run();
  }
  Query q(connection, sql::jobs::kInsertJob);
  q.Bind(key.row, queue_id, spec.name, key.created_at_ms, salt, spec.priority, Blob{spec.data});
  return q.Run();
}

Status ReplaceBody(store::Connection& connection, const JobKey& key, int64_t queue_id,
                   const JobSpec& spec, int64_t due_at_ms, int64_t expires_at_ms) {
  return WriteBody(connection, sql::change::kReplaceJob, key, queue_id, spec, due_at_ms,
                   expires_at_ms);
}

Body ReadBody(const Query& q, int column) {
  Body body;
  JobSpec& spec = body.spec;
  body.key.row = q.Int(column);
  body.queue_id = q.Int(column + 1);
  spec.name = q.Text(column + 2);
  body.key.created_at_ms = q.Int(column + 3);
  body.key.salt = static_cast<uint64_t>(q.Int(column + 4));
  spec.priority = static_cast<int32_t>(q.Int(column + 5));
  spec.data = q.BlobBytes(column + 6);
  if (!q.IsNull(column + 28)) {
    spec.dedup = {.key = std::string(q.Text(column + 28)),
                  .mode = static_cast<Deduplication::Mode>(q.Int(column + 32)),
                  .ttl_ms = q.Int(column + 33),
                  .states = static_cast<uint32_t>(q.Int(column + 34))};
  }
  if (!q.IsNull(column + 27)) spec.group = q.Text(column + 27);
  if (q.Int(column + 7) == 0) return body;
  if (!q.IsNull(column + 8)) body.key.custom_id = q.Text(column + 8);
  if (!q.IsNull(column + 9)) spec.headers = q.Text(column + 9);
  spec.content_type = static_cast<ContentType>(q.Int(column + 10));
  spec.lifo = q.Int(column + 11) != 0;
  spec.due_at_ms = q.Int(column + 12);
  spec.expires_at_ms = q.Int(column + 13);
  spec.retry.max_attempts = static_cast<int32_t>(q.Int(column + 14));
  spec.retry.backoff.kind = static_cast<Backoff::Kind>(q.Int(column + 15));
  spec.retry.backoff.delay_ms = q.Int(column + 16);
  spec.retry.backoff.max_ms = q.Int(column + 17);
  spec.retry.backoff.jitter = q.Real(column + 18);
  spec.max_crashes = static_cast<int32_t>(q.Int(column + 19));
  spec.time_limit_ms = q.Int(column + 20);
  spec.soft_time_limit_ms = q.Int(column + 21);
  spec.keep_logs = static_cast<int32_t>(q.Int(column + 22));
  spec.keep_completed = ReadKeep(q, column + 23);
  spec.keep_failed = ReadKeep(q, column + 25);
  spec.join = static_cast<JoinKind>(q.Int(column + 29));
  spec.delivery = static_cast<Delivery>(q.Int(column + 30));
  spec.sealing = static_cast<Sealing>(q.Int(column + 31));
  return body;
}

Status LoadBody(store::Connection& connection, int64_t row, Body* body, bool* found) {
  Query q(connection, sql::jobs::kSelectBody);
  q.Bind(row);
  RETURN_IF_ERROR(q.Step(found));
  if (*found) *body = ReadBody(q, 0);
  return Status::Ok();
}

}  // namespace millrace::jobs
