#include "jobs/publish.h"

#include <algorithm>
#include <string>
#include <utility>

#include "base/macros.h"
#include "base/seal.h"
#include "base/text.h"
#include "jobs/change.h"
#include "jobs/read.h"

namespace millrace::jobs {

Status CheckEvent(const CustomEvent& event, int64_t max_payload_bytes) {
  RETURN_IF_ERROR(CheckName(event.queue, "queue"));
  RETURN_IF_ERROR(CheckName(event.name, "name"));
  if (!event.job_id.empty()) RETURN_IF_ERROR(CheckName(event.job_id, "job_id"));
  if (event.data.empty()) return Status::Ok();
  return CheckJson(event.data, "data", std::min(max_payload_bytes, kEventDataMaxBytes));
}

Status PublishEvent(Ledger& ledger, const CustomEvent& event) {
  Location at;
  if (!event.job_id.empty()) {
    ASSIGN_OR_RETURN(at, FindJob(ledger.connection(), {event.job_id, event.queue}));
  }
  ASSIGN_OR_RETURN(const int64_t queue_id, ledger.QueueId(event.queue));
  const Keyring& keyring = ledger.keyring();
  std::string stored;
  if (!event.data.empty()) {
    stored = keyring.Seal(keyring.ModeOf(Sealing::kDefault),
                          {.field = SealField::kEvent, .queue = event.queue, .name = event.name},
                          event.data);
  }
  ledger.Log(queue_id, {.type = EventType::kCustom,
                        .state = at.state,
                        .prev = at.state,
                        .job = event.job_id.empty() ? nullptr : &at.key,
                        .name = event.name,
                        .data = stored});
  return Status::Ok();
}

}  // namespace millrace::jobs
