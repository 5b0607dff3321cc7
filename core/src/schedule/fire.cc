#include "schedule/fire.h"

#include <algorithm>
#include <string>
#include <vector>

#include "base/macros.h"
#include "base/text.h"
#include "jobs/locate.h"
#include "jobs/quarantine.h"
#include "schedule/job_template.h"
#include "schedule/plan.h"
#include "schedule/slots.h"
#include "sql_statements.h"

namespace millrace::schedule {
namespace {

using jobs::Ledger;
using store::Query;

enum class Standing { kGone, kWaiting, kRunning };

// How a job that the schedule made stands now.
Status StandingOf(Ledger& ledger, int64_t job, Standing* standing) {
  *standing = Standing::kGone;
  if (job == 0) return Status::Ok();
  jobs::Location location;
  bool found = false;
  RETURN_IF_ERROR(jobs::LocateSound(ledger.connection(), job, &location, &found));
  if (!found) return Status::Ok();
  switch (location.state) {
    case JobState::kScheduled:
    case JobState::kReady:
    case JobState::kBlocked:
      *standing = Standing::kWaiting;
      break;
    case JobState::kActive:
      *standing = Standing::kRunning;
      break;
    case JobState::kCompleted:
    case JobState::kFailed:
    case JobState::kCancelled:
      break;
  }
  return Status::Ok();
}

enum class Verdict { kEnqueue, kEnqueueBehind, kPassBy };

Status Judge(Ledger& ledger, const ScheduleRow& row, Verdict* verdict) {
  *verdict = Verdict::kEnqueue;
  if (row.spec.overlap == Overlap::kAllow) return Status::Ok();
  Standing last = Standing::kGone;
  RETURN_IF_ERROR(StandingOf(ledger, row.last_job, &last));
  if (last == Standing::kGone) return Status::Ok();
  *verdict = Verdict::kPassBy;
  if (row.spec.overlap == Overlap::kSkip) return Status::Ok();
  // The newest job may itself be the one that was made to wait.
  const bool waits_already = row.queued_job == row.last_job && last == Standing::kWaiting;
  if (!waits_already) *verdict = Verdict::kEnqueueBehind;
  return Status::Ok();
}

JobSpec JobOf(const ScheduleRow& row, int64_t slot_ms, Verdict verdict) {
  JobSpec job = row.spec.job;
  job.headers = SlotHeaders(job.headers, row.spec.id, slot_ms);
  const int64_t later_ms = job.delay_ms + JitterOf(row.spec.id, slot_ms, row.spec.jitter_ms);
  job.delay_ms = 0;
  if (later_ms != 0) job.due_at_ms = slot_ms + later_ms;
  if (verdict == Verdict::kEnqueueBehind) {
    // By its id alone, which the store made: the schedule may have had another queue then.
    job.after.push_back({.job = {.id = row.last_job_id}, .policy = DependencyPolicy::kIgnore});
  }
  return job;
}

// A refusal of this one job, as opposed to trouble with the store.
bool IsRefusal(Code code) {
  return code == Code::kGroupFull || code == Code::kInvalidArgument || code == Code::kTooLarge ||
         code == Code::kWrongState || code == Code::kNotFound;
}

bool HasEnded(const ScheduleRow& row) {
  return row.spec.limit != 0 && row.fired >= row.spec.limit;
}

// The slots of one schedule that have come.
Status FireSchedule(Ledger& ledger, const EnqueueJobFn& enqueue, const Slots& slots,
                    ScheduleRow* row, int64_t* made) {
  const Plan plan = PlanSlots(slots, *row->next_at_ms, ledger.now_ms(), row->spec.catch_up,
                              row->spec.catch_up_max);
  const int64_t before = row->fired;
  row->skipped += plan.passed_by;
  for (const int64_t slot_ms : plan.slots) {
    if (HasEnded(*row)) break;
    RETURN_IF_ERROR(FireSlot(ledger, enqueue, slot_ms, row));
  }
  row->last_at_ms = plan.newest_ms;
  row->next_at_ms = HasEnded(*row) ? std::nullopt : plan.next;
  *made = row->fired - before;
  return WriteProgress(ledger.connection(), *row);
}

// Leaves a note for `doctor` and for the log.
Status PutOnRecord(Ledger& ledger, const ScheduleRow& row, const std::string& what, Fired* fired) {
  fired->faults.push_back("schedule " + Quoted(row.spec.id) + ": " + what);
  return jobs::Quarantine(ledger, 0, row.number, "schedule " + row.spec.id + ": " + what);
}

// Takes a schedule that cannot be read out of the way.
Status StopDamaged(Ledger& ledger, ScheduleRow* row, const Status& why, Fired* fired) {
  row->next_at_ms.reset();
  RETURN_IF_ERROR(WriteProgress(ledger.connection(), *row));
  return PutOnRecord(ledger, *row, why.message(), fired);
}

// The oldest slots first.
Status SelectDue(Ledger& ledger, int64_t most, std::vector<ScheduleRow>* due) {
  Query q(ledger.connection(), sql::schedule::kSelectDue);
  q.Bind(ledger.now_ms(), most);
  for (;;) {
    bool row = false;
    RETURN_IF_ERROR(q.Step(&row));
    if (!row) return Status::Ok();
    due->push_back(ReadRow(q));
  }
}

}  // namespace

Status FireSlot(Ledger& ledger, const EnqueueJobFn& enqueue, int64_t slot_ms, ScheduleRow* row) {
  Verdict verdict = Verdict::kEnqueue;
  RETURN_IF_ERROR(Judge(ledger, *row, &verdict));
  if (verdict == Verdict::kPassBy) {
    ++row->skipped;
    return Status::Ok();
  }
  EnqueueAck ack;
  const Status status = enqueue(ledger, JobOf(*row, slot_ms, verdict), &ack);
  if (!status.ok() && !IsRefusal(status.code())) return status;
  if (!status.ok() || ack.existing) {
    ++row->skipped;
    return Status::Ok();
  }
  ++row->fired;
  const auto parts = ParseId(ack.id);
  row->last_job = parts ? parts->row : 0;
  row->last_job_id = ack.id;
  if (verdict == Verdict::kEnqueueBehind) row->queued_job = row->last_job;
  return Status::Ok();
}

Status FireDue(Ledger& ledger, const EnqueueJobFn& enqueue, Fired* fired, int64_t most) {
  *fired = {};
  std::vector<ScheduleRow> due;
  RETURN_IF_ERROR(SelectDue(ledger, std::min(most, kFireSchedulesMax), &due));
  for (ScheduleRow& row : due) {
    if (fired->jobs >= kFireJobsMax) break;
    ++fired->schedules;
    const Result<Slots> slots = Slots::Create(row.spec.timing);
    const Status readable = slots.ok() ? LoadJob(ledger.connection(), &row) : slots.status();
    if (!readable.ok()) {
      RETURN_IF_ERROR(StopDamaged(ledger, &row, readable, fired));
      continue;
    }
    int64_t made = 0;
    RETURN_IF_ERROR(FireSchedule(ledger, enqueue, *slots, &row, &made));
    fired->jobs += made;
  }
  ASSIGN_OR_RETURN(fired->next_at_ms, EarliestSlot(ledger.connection()));
  return Status::Ok();
}

Status PassByFirst(Ledger& ledger, const Status& failed, Fired* fired) {
  *fired = {};
  std::vector<ScheduleRow> due;
  RETURN_IF_ERROR(SelectDue(ledger, 1, &due));
  if (due.empty()) return failed;
  ScheduleRow& row = due.front();
  const Result<Slots> slots = Slots::Create(row.spec.timing);
  if (!slots.ok()) return failed;  // of these FireDue takes care
  const Plan plan =
      PlanSlots(*slots, *row.next_at_ms, ledger.now_ms(), row.spec.catch_up, row.spec.catch_up_max);
  row.skipped += plan.passed_by + std::ssize(plan.slots);
  row.last_at_ms = plan.newest_ms;
  row.next_at_ms = slots->Next(ledger.now_ms() + kFaultPauseMs);
  RETURN_IF_ERROR(WriteProgress(ledger.connection(), row));
  RETURN_IF_ERROR(PutOnRecord(
      ledger, row,
      "its job cannot be made, so its slots are passed by for a minute: " + failed.ToString(),
      fired));
  fired->schedules = 1;
  ASSIGN_OR_RETURN(fired->next_at_ms, EarliestSlot(ledger.connection()));
  return Status::Ok();
}

}  // namespace millrace::schedule
