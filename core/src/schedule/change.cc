#include "schedule/change.h"

#include <vector>

#include "base/macros.h"
#include "base/text.h"
#include "jobs/process.h"
#include "jobs/validate.h"
#include "schedule/job_template.h"
#include "schedule/slots.h"
#include "sql_statements.h"

namespace millrace::schedule {
namespace {

using jobs::Ledger;
using store::Query;

constexpr int64_t kRemoveSlice = 1'000;  // schedules that one call of RemoveOfQueue looks at

Status Invalid(std::string message) {
  return Status(Code::kInvalidArgument, std::move(message));
}

Status NotFound(const std::string& id) {
  return Status(Code::kNotFound, "there is no schedule " + Quoted(id));
}

// What a job that is made again and again cannot have.
Status CheckTemplate(const JobSpec& job, const std::string& id) {
  const char* field = nullptr;
  if (!job.id.empty()) field = "id";
  if (job.due_at_ms != 0) field = "due_at_ms";
  if (!job.after.empty()) field = "after";
  if (job.join != JoinKind::kRun) field = "join";
  if (job.parent) field = "parent";
  if (field != nullptr) {
    return Invalid("job." + std::string(field) +
                   " was given; the job of a schedule is accepted without it");
  }
  return CheckHeaders(SlotHeaders(job.headers, id, jobs::kTimeMaxMs));
}

// Whoever fires schedules hears that there is something earlier than they know of.
Status WakeFirers(Ledger& ledger) {
  ASSIGN_OR_RETURN(const auto processes, jobs::ListProcesses(ledger.connection()));
  for (const jobs::ProcessRow& process : processes) ledger.WakeOwner(process.process_id);
  return Status::Ok();
}

// Sets when the schedule is due next: at its first slot after a time.
void SetNext(const Slots& slots, int64_t after_ms, ScheduleRow* row) {
  row->next_at_ms.reset();
  const bool used_up = row->spec.limit != 0 && row->fired >= row->spec.limit;
  if (!row->spec.paused && !used_up) row->next_at_ms = slots.Next(after_ms);
}

Status DeleteRows(Ledger& ledger, int64_t number) {
  for (const char* sql : {sql::schedule::kDeleteJob, sql::schedule::kDelete}) {
    Query q(ledger.connection(), sql);
    q.Bind(number);
    RETURN_IF_ERROR(q.Run());
  }
  return Status::Ok();
}

// The slots of an interval that counts from its start, unless a schedule has some of it already.
Timing FromStart(Timing timing, const ScheduleRow& before, int64_t now_ms) {
  const Timing& had = before.spec.timing;
  const int64_t start_ms = timing.start_at_ms != 0 ? timing.start_at_ms : now_ms;
  timing.offset_ms = had.every_ms == timing.every_ms ? had.offset_ms : start_ms % timing.every_ms;
  return timing;
}

bool IsEarlier(const ScheduleRow& row, const std::optional<int64_t>& than) {
  return row.next_at_ms && (!than || *row.next_at_ms < *than);
}

}  // namespace

Status CheckSchedule(const ScheduleSpec& spec, int64_t max_payload_bytes) {
  RETURN_IF_ERROR(CheckName(spec.id, "id"));
  if (spec.from_start && spec.timing.every_ms == 0) {
    return Invalid("from_start was given; it is accepted with every_ms only");
  }
  const auto slots = Slots::Create(spec.timing);
  if (!slots.ok()) return slots.status();
  RETURN_IF_ERROR(CheckTemplate(spec.job, spec.id));
  const Status job = jobs::CheckJobSpec(spec.job, max_payload_bytes);
  if (!job.ok()) return Status(job.code(), "job: " + job.message());
  RETURN_IF_ERROR(jobs::CheckRange(spec.limit, 0, INT64_MAX, "limit"));
  RETURN_IF_ERROR(jobs::CheckRange(spec.jitter_ms, 0, kEveryMaxMs, "jitter_ms"));
  RETURN_IF_ERROR(jobs::CheckRange(static_cast<int>(spec.overlap), 0, 2, "overlap"));
  RETURN_IF_ERROR(jobs::CheckRange(static_cast<int>(spec.catch_up), 0, 2, "catch_up"));
  return jobs::CheckRange(spec.catch_up_max, 1, kCatchUpMax, "catch_up_max");
}

Status PutSchedule(Ledger& ledger, const ScheduleSpec& spec, const EnqueueJobFn& enqueue,
                   ScheduleInfo* info) {
  ASSIGN_OR_RETURN(const auto earliest, EarliestSlot(ledger.connection()));
  ScheduleRow row;
  bool found = false;
  RETURN_IF_ERROR(LoadSchedule(ledger.connection(), spec.id, &row, &found));
  const Timing timing =
      spec.from_start ? FromStart(spec.timing, row, ledger.now_ms()) : spec.timing;
  ASSIGN_OR_RETURN(const Slots slots, Slots::Create(timing));
  const bool same = found && SameTiming(row.spec.timing, timing);
  row.spec = spec;
  row.spec.timing = timing;
  if (!found) row.number = ledger.NextNumber();
  if (!same) row.fired = row.skipped = row.last_at_ms = 0;
  const bool used_up = spec.limit != 0 && row.fired >= spec.limit;
  if (!same || !row.next_at_ms || spec.paused || used_up) {
    SetNext(slots, ledger.now_ms(), &row);
  }
  RETURN_IF_ERROR(WriteSchedule(ledger.connection(), row));
  if (!found && spec.immediately) {
    RETURN_IF_ERROR(FireSlot(ledger, enqueue, ledger.now_ms(), &row));
    SetNext(slots, ledger.now_ms(), &row);
    RETURN_IF_ERROR(WriteProgress(ledger.connection(), row));
  }
  *info = InfoOf(row);
  if (!found && row.fired > 0) info->added_job_id = row.last_job_id;
  return IsEarlier(row, earliest) ? WakeFirers(ledger) : Status::Ok();
}

Status ContinueSchedule(Ledger& ledger, const std::string& id, int64_t after_ms,
                        const Timing& timing) {
  ASSIGN_OR_RETURN(const Slots slots, Slots::Create(timing));
  RETURN_IF_ERROR(jobs::CheckRange(after_ms, 0, jobs::kTimeMaxMs, "after_ms"));
  ASSIGN_OR_RETURN(const auto earliest, EarliestSlot(ledger.connection()));
  ScheduleRow row;
  bool found = false;
  RETURN_IF_ERROR(LoadSchedule(ledger.connection(), id, &row, &found));
  if (!found) return NotFound(id);
  if (row.next_at_ms || row.spec.paused || row.last_at_ms != after_ms) {
    return Status(Code::kWrongState, "schedule " + Quoted(id) + " does not stand still after " +
                                         std::to_string(after_ms));
  }
  RETURN_IF_ERROR(LoadJob(ledger.connection(), &row));
  row.spec.timing = timing;
  SetNext(slots, after_ms, &row);
  RETURN_IF_ERROR(WriteSchedule(ledger.connection(), row));
  return IsEarlier(row, earliest) ? WakeFirers(ledger) : Status::Ok();
}

Status RemoveSchedule(Ledger& ledger, const std::string& id) {
  ScheduleRow row;
  bool found = false;
  RETURN_IF_ERROR(LoadSchedule(ledger.connection(), id, &row, &found));
  if (!found) return NotFound(id);
  return DeleteRows(ledger, row.number);
}

Status RemoveOfQueue(Ledger& ledger, const std::string& queue, int64_t* after, bool* done) {
  std::vector<int64_t> found;
  int64_t seen = 0;
  {
    Query q(ledger.connection(), sql::schedule::kSelectJobs);
    q.Bind(*after, kRemoveSlice);
    for (;; ++seen) {
      bool row = false;
      RETURN_IF_ERROR(q.Step(&row));
      if (!row) break;
      *after = q.Int(0);
      const Result<JobSpec> job = UnpackJob(q.BlobBytes(1));
      if (job.ok() && job->queue == queue) found.push_back(*after);
    }
  }
  *done = seen < kRemoveSlice;
  for (const int64_t number : found) RETURN_IF_ERROR(DeleteRows(ledger, number));
  return Status::Ok();
}

Status PauseSchedule(Ledger& ledger, const std::string& id, bool paused) {
  ASSIGN_OR_RETURN(const auto earliest, EarliestSlot(ledger.connection()));
  ScheduleRow row;
  bool found = false;
  RETURN_IF_ERROR(LoadSchedule(ledger.connection(), id, &row, &found));
  if (!found) return NotFound(id);
  if (row.spec.paused == paused) return Status::Ok();
  const Result<Slots> slots = Slots::Create(row.spec.timing);
  if (!slots.ok()) return Status(Code::kCorrupt, slots.status().message());
  row.spec.paused = paused;
  SetNext(*slots, ledger.now_ms(), &row);
  Query q(ledger.connection(), sql::schedule::kWritePaused);
  q.Bind(row.number, paused, row.next_at_ms);
  RETURN_IF_ERROR(q.Run());
  return IsEarlier(row, earliest) ? WakeFirers(ledger) : Status::Ok();
}

}  // namespace millrace::schedule
