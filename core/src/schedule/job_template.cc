#include "schedule/job_template.h"

#include <bit>
#include <limits>
#include <utility>

#include "base/text.h"
#include "base/varint.h"
#include "jobs/validate.h"

namespace millrace::schedule {
namespace {

constexpr uint64_t kVersion = 1;

// One list of fields serves both directions: Writer appends them, Reader takes them off.
class Writer {
 public:
  void Text(const std::string& value) {
    AppendVarint(&out_, value.size());
    out_ += value;
  }
  template <typename T>
  void Int(const T& value) {
    const auto v = static_cast<int64_t>(value);
    AppendVarint(&out_, static_cast<uint64_t>(v) << 1 ^ static_cast<uint64_t>(v >> 63));
  }
  void Real(const double& value) { AppendVarint(&out_, std::bit_cast<uint64_t>(value)); }
  void Keeping(const std::optional<Keep>& keep) {
    Int(keep.has_value());
    if (!keep) return;
    Int(keep->age_ms);
    Int(keep->count);
  }
  std::string Take() { return std::move(out_); }

 private:
  std::string out_;
};

class Reader {
 public:
  explicit Reader(std::string_view in) : in_(in) {}

  void Text(std::string& value) {
    const uint64_t size = Number();
    if (!ok_ || size == 0) return;
    ok_ = size <= in_.size();
    if (!ok_) return;
    value = in_.substr(0, size);
    in_.remove_prefix(size);
  }
  template <typename T>
  void Int(T& value) {
    if (in_.empty()) return;  // of an older version: the default
    const uint64_t z = Number();
    const auto v = static_cast<int64_t>(z >> 1 ^ (~(z & 1) + 1));
    value = static_cast<T>(v);
    ok_ = ok_ && static_cast<int64_t>(value) == v;
  }
  void Real(double& value) {
    if (!in_.empty()) value = std::bit_cast<double>(Number());
  }
  void Keeping(std::optional<Keep>& keep) {
    int64_t has = 0;
    Int(has);
    if (has == 0) return;
    keep.emplace();
    Int(keep->age_ms);
    Int(keep->count);
  }
  bool ok() const { return ok_; }
  uint64_t Number() {
    uint64_t value = 0;
    if (in_.empty() || !ok_) return 0;
    ok_ = ReadVarint(&in_, &value);
    return value;
  }

 private:
  std::string_view in_;
  bool ok_ = true;
};

// Never change the order; append.
template <typename Stream, typename Job>
void Fields(Stream& stream, Job& job) {
  stream.Text(job.queue);
  stream.Text(job.name);
  stream.Text(job.data);
  stream.Int(job.content_type);
  stream.Text(job.headers);
  stream.Int(job.delay_ms);
  stream.Int(job.expires_at_ms);
  stream.Int(job.expires_in_ms);
  stream.Int(job.priority);
  stream.Int(job.lifo);
  stream.Int(job.retry.max_attempts);
  stream.Int(job.retry.backoff.kind);
  stream.Int(job.retry.backoff.delay_ms);
  stream.Int(job.retry.backoff.max_ms);
  stream.Real(job.retry.backoff.jitter);
  stream.Int(job.max_crashes);
  stream.Int(job.time_limit_ms);
  stream.Int(job.soft_time_limit_ms);
  stream.Int(job.keep_logs);
  stream.Keeping(job.keep_completed);
  stream.Keeping(job.keep_failed);
  stream.Text(job.group);
  stream.Text(job.dedup.key);
  stream.Int(job.dedup.mode);
  stream.Int(job.dedup.ttl_ms);
  stream.Int(job.dedup.states);
  stream.Int(job.delivery);
  stream.Int(job.sealing);
}

}  // namespace

std::string PackJob(const JobSpec& job) {
  Writer writer;
  writer.Int(kVersion);
  Fields(writer, job);
  return writer.Take();
}

Result<JobSpec> UnpackJob(std::string_view bytes) {
  Reader reader(bytes);
  uint64_t version = 0;
  reader.Int(version);
  JobSpec job;
  if (reader.ok() && version == kVersion) Fields(reader, job);
  if (!reader.ok() || version != kVersion) {
    return Status(Code::kCorrupt, "the job of a schedule cannot be read");
  }
  // Sealed data are no text: all but them is looked at.
  std::string data = std::exchange(job.data, {});
  const Status status = jobs::CheckJobSpec(job, std::numeric_limits<int64_t>::max());
  job.data = std::move(data);
  if (!status.ok()) return Status(Code::kCorrupt, "the job of a schedule: " + status.message());
  return job;
}

std::string SlotHeaders(std::string_view headers, std::string_view schedule_id, int64_t slot_ms) {
  std::string out(headers.substr(0, headers.rfind('}')));
  while (!out.empty() && out.find_last_of(" \t\r\n") == out.size() - 1) out.pop_back();
  if (out.empty()) out = "{";
  if (out.back() != '{') out += ',';
  // Last: of two equal names the later one counts.
  out += "\"millrace-schedule\":";
  AppendJsonString(&out, schedule_id);
  out += ",\"millrace-slot\":\"" + std::to_string(slot_ms) + "\"}";
  return out;
}

}  // namespace millrace::schedule
