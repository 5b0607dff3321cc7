// A job as JSON text, for the administration's answers.
#include <string>
#include <string_view>
#include <vector>

#include "base/text.h"
#include "jobs/admin.h"
#include "jobs/json_object.h"

namespace millrace::jobs {
namespace {

// What cannot be embedded for its depth is shown as text: those who print answers parse them with
// simple parsers.
constexpr int kEmbedMaxDepth = 500;

std::string Hex(std::string_view bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string out = R"({"hex":")";
  for (const char c : bytes) {
    out += kDigits[static_cast<uint8_t>(c) >> 4];
    out += kDigits[static_cast<uint8_t>(c) & 15];
  }
  return out + R"("})";
}

// Bytes that a user gave, as JSON: themselves, a string, or {"hex": ...}.
std::string Embedded(std::string_view bytes, ContentType type) {
  if (type == ContentType::kJson && IsJson(bytes, kEmbedMaxDepth)) return std::string(bytes);
  if (type == ContentType::kMessagePack || !IsValidUtf8(bytes)) return Hex(bytes);
  std::string text;
  AppendJsonString(&text, bytes);
  return text;
}

std::string EmbeddedOrNull(std::string_view bytes, ContentType type) {
  return bytes.empty() ? "null" : Embedded(bytes, type);
}

const char* ContentTypeName(ContentType type) {
  switch (type) {
    case ContentType::kJson:
      return "json";
    case ContentType::kMessagePack:
      return "msgpack";
    case ContentType::kBytes:
      return "bytes";
  }
  return "unknown";
}

const char* BackoffName(Backoff::Kind kind) {
  switch (kind) {
    case Backoff::Kind::kNone:
      return "none";
    case Backoff::Kind::kFixed:
      return "fixed";
    case Backoff::Kind::kExponential:
      return "exponential";
    case Backoff::Kind::kCustom:
      return "custom";
  }
  return "unknown";
}

std::string KeepJson(const std::optional<Keep>& keep) {
  if (!keep) return "null";
  return JsonObject().Int("age_ms", keep->age_ms).Int("count", keep->count).Take();
}

const char* DeliveryName(Delivery delivery) {
  return delivery == Delivery::kAtMostOnce ? "at_most_once" : "at_least_once";
}

const char* DedupModeName(Deduplication::Mode mode) {
  switch (mode) {
    case Deduplication::Mode::kUnfinished:
      return "unfinished";
    case Deduplication::Mode::kThrottle:
      return "throttle";
    case Deduplication::Mode::kDebounce:
      return "debounce";
    case Deduplication::Mode::kFollowUp:
      return "follow_up";
    case Deduplication::Mode::kStates:
      return "states";
  }
  return "unknown";
}

std::string StatesJson(uint32_t states) {
  std::string json = "[";
  for (int state = 1; state <= static_cast<int>(JobState::kCancelled); ++state) {
    if ((states & (1U << state)) == 0) continue;
    if (json.size() > 1) json += ',';
    AppendJsonString(&json, JobStateName(static_cast<JobState>(state)));
  }
  return json + ']';
}

std::string DedupJson(const Deduplication& dedup) {
  if (dedup.key.empty()) return "null";
  return JsonObject()
      .Text("key", dedup.key)
      .Text("mode", DedupModeName(dedup.mode))
      .Int("ttl_ms", dedup.ttl_ms)
      .Raw("states", StatesJson(dedup.states))
      .Take();
}

std::string OptionsJson(const JobSpec& spec) {
  const Backoff& backoff = spec.retry.backoff;
  JsonObject backoff_json;
  backoff_json.Text("kind", BackoffName(backoff.kind))
      .Int("delay_ms", backoff.delay_ms)
      .IntOrNull("max_ms", backoff.max_ms)
      .Raw("jitter", std::to_string(backoff.jitter));
  static constexpr const char* kJoinNames[] = {"run", "forward", "collect"};
  JsonObject options;
  options.Int("max_attempts", spec.retry.max_attempts)
      .Raw("backoff", backoff_json.Take())
      .Int("max_crashes", spec.max_crashes)
      .IntOrNull("expires_at_ms", spec.expires_at_ms)
      .IntOrNull("time_limit_ms", spec.time_limit_ms)
      .IntOrNull("soft_time_limit_ms", spec.soft_time_limit_ms)
      .Text("delivery", DeliveryName(spec.delivery))
      .Raw("dedup", DedupJson(spec.dedup))
      .Int("keep_logs", spec.keep_logs)
      .Text("join", kJoinNames[static_cast<size_t>(spec.join) % std::size(kJoinNames)])
      .Raw("keep_completed", KeepJson(spec.keep_completed))
      .Raw("keep_failed", KeepJson(spec.keep_failed));
  return options.Take();
}

std::string ErrorsJson(const std::vector<std::string>& errors) {
  std::string json = "[";
  for (const std::string& error : errors) {
    if (json.size() > 1) json += ',';
    json += Embedded(error, ContentType::kJson);
  }
  return json + ']';
}

}  // namespace

std::string JobInfoJson(const JobInfo& job, bool with_data) {
  const JobSpec& spec = job.spec;
  JsonObject json;
  json.Text("id", spec.id)
      .Text("queue", spec.queue)
      .Text("name", spec.name)
      .Text("state", JobStateName(job.state))
      .Int("priority", spec.priority)
      .Bool("lifo", spec.lifo)
      .Int("created_at_ms", job.created_at_ms)
      .IntOrNull("due_at_ms", job.due_at_ms)
      .IntOrNull("started_at_ms", job.started_at_ms)
      .IntOrNull("finished_at_ms", job.finished_at_ms)
      .Int("attempts_started", job.attempts_started)
      .Int("attempts_made", job.attempts_made)
      .Int("crashes", job.crashes)
      .Bool("cancel_requested", job.cancel_requested)
      .Int("dependencies", job.dependencies)
      .Int("pending", job.pending)
      .Text("worker", job.worker)
      .Raw("options", OptionsJson(spec))
      .Raw("headers", spec.headers.empty() ? "{}" : Embedded(spec.headers, ContentType::kJson));
  if (with_data) {
    json.Text("content_type", ContentTypeName(spec.content_type))
        .Raw("data", EmbeddedOrNull(spec.data, spec.content_type));
    json.Text("result_type", ContentTypeName(job.result_type))
        .Raw("result", job.result ? EmbeddedOrNull(*job.result, job.result_type) : "null");
  }
  // An error is JSON by contract, whatever its worker declared.
  json.Raw("progress", EmbeddedOrNull(job.progress, ContentType::kJson))
      .Raw("checkpoint", EmbeddedOrNull(job.checkpoint, ContentType::kJson))
      .Raw("error", EmbeddedOrNull(job.error, ContentType::kJson))
      .Raw("attempt_errors", ErrorsJson(job.attempt_errors));
  return json.Take();
}

}  // namespace millrace::jobs
