#include "jobs/payloads.h"

#include <utility>

#include "base/macros.h"
#include "base/text.h"
#include "jobs/read.h"
#include "sql_statements.h"

namespace millrace::jobs {
namespace {

using store::Connection;
using store::Query;

// Opens one payload where it stands.
Status OpenText(const Keyring& keyring, const SealContext& context, std::string* text) {
  if (keyring.Passes(*text)) return Status::Ok();
  ASSIGN_OR_RETURN(*text, keyring.Open(context, std::move(*text)));
  return Status::Ok();
}

// The same for a list. False: it was replaced.
bool ShowText(const Keyring& keyring, const SealContext& context, std::string* text) {
  if (keyring.Passes(*text)) return true;
  std::string placeholder = LooksSealed(*text) ? SealedPlaceholder(*text) : SealedPlaceholder({});
  auto opened = keyring.Open(context, std::move(*text));
  *text = opened.ok() ? std::move(*opened) : std::move(placeholder);
  return opened.ok();
}

// Calls open(field, text, content type or null) for each payload of a job's answer, empty ones
// left out where nothing means none; stops at the first that says false.
template <typename Answer, typename Open>
bool EachEnding(Answer* answer, Open open) {
  if (!answer->progress.empty() && !open(SealField::kProgress, &answer->progress, nullptr))
    return false;
  if (answer->result && !open(SealField::kResult, &*answer->result, &answer->result_type))
    return false;
  return answer->error.empty() || open(SealField::kError, &answer->error, nullptr);
}

template <typename Open>
bool EachOfJob(JobInfo* job, Open open) {
  if (!open(SealField::kData, &job->spec.data, &job->spec.content_type)) return false;
  if (!EachEnding(job, open)) return false;
  for (std::string& error : job->attempt_errors) {
    if (!open(SealField::kError, &error, nullptr)) return false;
  }
  return job->checkpoint.empty() || open(SealField::kCheckpoint, &job->checkpoint, nullptr);
}

template <typename Open>
bool EachOfDependency(DependencyInfo* dependency, Open open) {
  if (dependency->result &&
      !open(SealField::kResult, &*dependency->result, &dependency->result_type)) {
    return false;
  }
  return dependency->error.empty() || open(SealField::kError, &dependency->error, nullptr);
}

// An opener for the functions above that keeps the first error.
class Opener {
 public:
  Opener(const Keyring& keyring, std::string_view queue, std::string_view name)
      : keyring_(keyring), queue_(queue), name_(name) {}
  bool operator()(SealField field, std::string* text, ContentType*) {
    status_ = OpenText(keyring_, {.field = field, .queue = queue_, .name = name_}, text);
    return status_.ok();
  }
  Status Take(const std::string& whose) {
    if (status_.ok()) return status_;
    return Status(status_.code(), whose + ": " + status_.message());
  }

 private:
  const Keyring& keyring_;
  const std::string_view queue_;
  const std::string_view name_;
  Status status_;
};

// An opener that puts placeholders, which are JSON.
auto Shower(const Keyring& keyring, std::string_view queue, std::string_view name) {
  return [&keyring, queue, name](SealField field, std::string* text, ContentType* type) {
    const bool opened = ShowText(keyring, {.field = field, .queue = queue, .name = name}, text);
    if (!opened && type) *type = ContentType::kJson;
    return true;
  };
}

SealField FieldOf(EventType type) {
  if (type == EventType::kCustom) return SealField::kEvent;
  if (type == EventType::kProgress) return SealField::kProgress;
  return type == EventType::kCompleted ? SealField::kResult : SealField::kError;
}

std::string OfJob(const std::string& id) {
  return "job " + Quoted(id);
}

}  // namespace

void SealSpec(const Keyring& keyring, JobSpec* spec) {
  const SealContext context{.field = SealField::kData, .queue = spec->queue, .name = spec->name};
  spec->data = keyring.Seal(keyring.ModeOf(spec->sealing), context, std::move(spec->data));
}

void SealSpecs(const Keyring& keyring, std::vector<JobSpec>* specs) {
  for (JobSpec& spec : *specs) SealSpec(keyring, &spec);
}

Result<std::string> SealFor(Ledger& ledger, int64_t row, SealField field, std::string plain) {
  const Keyring& keyring = ledger.keyring();
  if (keyring.empty()) return PlainForm(std::move(plain));
  Query q(ledger.connection(), sql::payloads::kSelectSealing);
  q.Bind(row);
  bool found = false;
  RETURN_IF_ERROR(q.Step(&found));
  if (!found) return Status(Code::kCorrupt, "a job has no body; run `millrace doctor`");
  const auto asked = static_cast<Sealing>(q.Int(2));
  return keyring.Seal(keyring.ModeOf(asked, q.BlobBytes(3)),
                      {.field = field, .queue = q.Text(0), .name = q.Text(1)}, std::move(plain));
}

Result<std::string> OpenStored(Connection& connection, const Keyring& keyring, int64_t queue_id,
                               SealField field, std::string stored) {
  std::string queue;
  if (LooksSealed(stored)) {
    ASSIGN_OR_RETURN(queue, QueueNameOf(connection, queue_id));
  }
  return keyring.Open({.field = field, .queue = queue}, std::move(stored));
}

Status OpenSpec(const Keyring& keyring, JobSpec* spec) {
  return OpenText(keyring, {.field = SealField::kData, .queue = spec->queue, .name = spec->name},
                  &spec->data);
}

Status OpenJob(const Keyring& keyring, JobInfo* job) {
  Opener opener(keyring, job->spec.queue, job->spec.name);
  EachOfJob(job, std::ref(opener));
  return opener.Take(OfJob(job->spec.id));
}

Status OpenLeased(const Keyring& keyring, LeasedJob* job) {
  Opener opener(keyring, job->spec.queue, job->spec.name);
  const bool opened =
      opener(SealField::kData, &job->spec.data, nullptr) &&
      (job->progress.empty() || opener(SealField::kProgress, &job->progress, nullptr)) &&
      (job->checkpoint.empty() || opener(SealField::kCheckpoint, &job->checkpoint, nullptr));
  if (!opened) return opener.Take(OfJob(job->spec.id));
  for (DependencyInfo& dependency : job->dependencies) {
    RETURN_IF_ERROR(OpenDependency(keyring, &dependency));
  }
  return Status::Ok();
}

Status OpenDependency(const Keyring& keyring, DependencyInfo* dependency) {
  Opener opener(keyring, dependency->queue, {});
  EachOfDependency(dependency, std::ref(opener));
  return opener.Take("dependency " + Quoted(dependency->id));
}

Status OpenOutcome(const Keyring& keyring, std::string_view queue, JobOutcome* outcome) {
  Opener opener(keyring, queue, {});
  EachEnding(outcome, std::ref(opener));
  return opener.Take("the job");
}

Status OpenLogs(const Keyring& keyring, std::string_view queue, std::vector<LogLine>* lines) {
  for (LogLine& line : *lines) {
    RETURN_IF_ERROR(OpenText(keyring, {.field = SealField::kLog, .queue = queue}, &line.text));
  }
  return Status::Ok();
}

bool NeedsQueue(const JobOutcome& outcome) {
  return LooksSealed(outcome.progress) || LooksSealed(outcome.error) ||
         (outcome.result && LooksSealed(*outcome.result));
}

bool NeedsQueue(const std::vector<LogLine>& lines) {
  for (const LogLine& line : lines) {
    if (LooksSealed(line.text)) return true;
  }
  return false;
}

void ShowJob(const Keyring& keyring, JobInfo* job) {
  EachOfJob(job, Shower(keyring, job->spec.queue, job->spec.name));
}

void ShowSpec(const Keyring& keyring, JobSpec* spec) {
  ShowText(keyring, {.field = SealField::kData, .queue = spec->queue, .name = spec->name},
           &spec->data);
}

void ShowDependency(const Keyring& keyring, DependencyInfo* dependency) {
  EachOfDependency(dependency, Shower(keyring, dependency->queue, {}));
}

std::string ShownLine(const Keyring& keyring, std::string_view queue, std::string line) {
  ShowText(keyring, {.field = SealField::kLog, .queue = queue}, &line);
  return line;
}

void ShowEvents(const Keyring& keyring, std::vector<Event>* events) {
  for (Event& event : *events) {
    if (event.data.empty()) continue;
    ShowText(keyring, {.field = FieldOf(event.type), .queue = event.queue}, &event.data);
  }
}

std::string UnreadableError(const Status& why) {
  std::string error = R"({"type":"PayloadUnreadable","message":)";
  AppendJsonString(&error, why.message());
  return error + R"(,"stack":""})";
}

}  // namespace millrace::jobs
