// `doctor`: what is checked by whom, and the repair before it.
#include <map>
#include <utility>

#include "engine/engine_impl.h"
#include "jobs/payload_keys.h"
#include "jobs/repair.h"
#include "schedule/examine.h"

namespace millrace::engine {
namespace {

constexpr int64_t kSchedulesMended = 1'000;

// What was done for one check, in words.
void Tell(std::map<std::string, std::string>* repaired, const std::string& check,
          const std::string& did) {
  std::string& told = (*repaired)[check];
  told += (told.empty() ? "" : "; ") + did;
}

}  // namespace

// One commit of a repair: nobody else's changes are in it.
template <typename F>
Status EngineImpl::RunAlone(F apply) {
  LedgerOp<F> op(*ledger_, std::move(apply));
  op.durability = Level({});
  op.alone = true;
  return writer_->Run(&op, true);
}

// A step that meets damage says so and leaves the rest to the others.
Status EngineImpl::Repair(std::map<std::string, std::string>* repaired) {
  RETURN_IF_ERROR(Usable());
  for (const jobs::RepairStep& step : jobs::RepairSteps()) {
    jobs::RepairCursor cursor;
    Status status;
    for (bool more = true; more && status.ok();) {
      jobs::RepairCursor next;
      status = RunAlone([&](jobs::Ledger& ledger) {
        next = cursor;
        more = false;
        return step.mend(ledger, &next, &more);
      });
      cursor = next;
    }
    if (!status.ok() && !jobs::IsDamage(status)) return status;
    if (!status.ok()) Tell(repaired, step.check, "could not be mended: " + status.message());
    if (status.ok() && cursor.mended > 0)
      Tell(repaired, step.check, std::to_string(cursor.mended) + " " + step.did);
  }
  std::string did;
  RETURN_IF_ERROR(RunAlone([&](jobs::Ledger& ledger) -> Status {
    ASSIGN_OR_RETURN(did, schedule::Repair(ledger, kSchedulesMended));
    return Status::Ok();
  }));
  if (!did.empty()) Tell(repaired, "schedules", did);
  return Status::Ok();
}

Result<std::string> EngineImpl::DoctorJson(bool repair) {
  std::map<std::string, std::string> repaired;
  if (repair) RETURN_IF_ERROR(Repair(&repaired));
  return WithReader([&](store::Connection& c) -> Result<std::string> {
    jobs::StoreFacts facts = Facts();
    facts.repaired = std::move(repaired);
    ASSIGN_OR_RETURN(jobs::DoctorCheck schedules, schedule::Examine(c));
    facts.checks.push_back(std::move(schedules));
    ASSIGN_OR_RETURN(jobs::DoctorCheck keys, jobs::CountKeys(c, *keyring_));
    facts.checks.push_back(std::move(keys));
    return jobs::DoctorJson(c, facts);
  });
}

}  // namespace millrace::engine
