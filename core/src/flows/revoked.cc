#include "flows/revoked.h"

#include <string>

#include "base/macros.h"
#include "flows/members.h"
#include "jobs/locate.h"

namespace millrace::flows {
namespace {

Status Exists(jobs::Ledger& ledger, const std::string& id, int64_t queue_id, bool* exists) {
  jobs::Location at;
  return jobs::Locate(ledger.connection(), id, queue_id, &at, exists);
}

}  // namespace

Status CancelRevoked(jobs::Ledger& ledger, const std::vector<JobSpec>& specs,
                     const std::vector<EnqueueAck>& acks, bool* any) {
  *any = false;
  int64_t revoked = -1;
  for (size_t i = 0; i < specs.size(); ++i) {
    const JobSpec& spec = specs[i];
    const EnqueueAck& ack = acks[i];
    if (spec.id.empty() || ack.existing || ack.id != spec.id) continue;
    if (revoked < 0) {  // only those who bring ids of their own pay for the look
      ASSIGN_OR_RETURN(revoked, ledger.FindQueueId(std::string(kRevokedQueue)));
    }
    if (revoked == 0) return Status::Ok();
    if (spec.queue == kRevokedQueue) continue;
    bool exists = false;
    RETURN_IF_ERROR(Exists(ledger, spec.id, revoked, &exists));
    if (!exists) continue;
    *any = true;
    CancelResult result{};
    const Status status =
        CancelJob(ledger, {.id = spec.id, .queue = spec.queue}, "revoked", &result);
    // It may be gone: with another one that was cancelled, or because one of the call has taken its
    // place.
    if (!status.ok() && status.code() != Code::kNotFound) return status;
  }
  return Status::Ok();
}

}  // namespace millrace::flows
