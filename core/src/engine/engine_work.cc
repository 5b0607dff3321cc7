// Sessions: opening, listing, ending.
#include <unistd.h>

#include <set>

#include "base/text.h"
#include "engine/engine_impl.h"
#include "jobs/process.h"
#include "jobs/validate.h"

namespace millrace::engine {
namespace {

constexpr int32_t kSlotsMax = 100'000;

Status CheckOptions(const SessionOptions& options) {
  if (options.queues.empty())
    return Status(Code::kInvalidArgument, "queues is empty; at least one name is accepted");
  std::set<std::string> names;
  for (const std::string& queue : options.queues) {
    RETURN_IF_ERROR(CheckName(queue, "queues"));
    if (!names.insert(queue).second) {
      return Status(Code::kInvalidArgument,
                    "queues names " + Quoted(queue) + " twice; each name once is accepted");
    }
  }
  RETURN_IF_ERROR(jobs::CheckRange(options.slots, 1, kSlotsMax, "slots"));
  RETURN_IF_ERROR(jobs::CheckRange(options.prefetch, -1, kSlotsMax, "prefetch"));
  RETURN_IF_ERROR(jobs::CheckRange(options.prefetch_ms, 0, 60'000, "prefetch_ms"));
  if (!options.worker_name.empty()) RETURN_IF_ERROR(CheckName(options.worker_name, "worker_name"));
  return CheckName(options.language, "language");
}

std::string DefaultName() {
  char host[256] = {};
  if (gethostname(host, sizeof(host) - 1) != 0) host[0] = '\0';
  return std::string(host) + ":" + std::to_string(getpid());
}

}  // namespace

Result<std::unique_ptr<Session>> EngineImpl::OpenSession(SessionOptions options) {
  RETURN_IF_ERROR(Writable());
  RETURN_IF_ERROR(CheckOptions(options));
  if (options.worker_name.empty()) options.worker_name = DefaultName();
  RETURN_IF_ERROR(presence_->Appear());
  SessionContext context{.writer = writer_.get(),
                         .ledger = ledger_.get(),
                         .keyring = keyring_.get(),
                         .clock = options_.clock.get(),
                         .pump = pump_.get(),
                         .process_id = presence_->process_id(),
                         .max_payload_bytes = options_.max_payload_bytes,
                         .log = Log(options_.on_log),
                         .durability = Level(options.durability),
                         .queues = {}};
  RETURN_IF_ERROR(
      RunChange(*writer_, *ledger_, Durability::kProcess, true, [&](jobs::Ledger& ledger) {
        context.queues.clear();
        for (const std::string& queue : options.queues) {
          ASSIGN_OR_RETURN(const int64_t queue_id, ledger.QueueId(queue));
          context.queues.emplace_back(queue_id, queue);
        }
        context.session_id = ledger.NextNumber();
        return jobs::InsertSession(ledger, {.session_id = context.session_id,
                                            .process_id = context.process_id,
                                            .name = options.worker_name,
                                            .language = options.language,
                                            .queues = options.queues,
                                            .slots = options.slots});
      }));
  const int64_t session_id = context.session_id;
  auto core = std::make_shared<SessionCore>(std::move(context), std::move(options));
  {
    const std::lock_guard lock(mutex_);
    RETURN_IF_ERROR(Usable());  // Close() ends those that are in the list
    sessions_.push_back(core);
  }
  pump_->Add(core);
  presence_->WatchOthers([this](const std::vector<std::string>& ids) {
    std::vector<std::shared_ptr<SessionCore>> sessions;
    {
      const std::lock_guard lock(mutex_);
      for (auto& session : sessions_) {
        if (auto alive = session.lock()) sessions.push_back(std::move(alive));
      }
    }
    if (!sessions.empty()) sessions.front()->NoteRescued(ids);
  });
  auto on_closed = [this, raw = core.get(), session_id] { ForgetSession(raw, session_id); };
  return std::unique_ptr<Session>(
      std::make_unique<SessionHandle>(std::move(core), std::move(on_closed)));
}

void EngineImpl::ForgetSession(SessionCore* session, int64_t session_id) {
  if (store_->forked()) return;
  {
    const std::lock_guard lock(mutex_);
    std::erase_if(sessions_, [&](const std::weak_ptr<SessionCore>& s) {
      const auto alive = s.lock();
      return !alive || (alive.get() == session && alive->AllWritten());
    });
  }
  // A session that could not write its last words (a full disk) stays with the pump, which tries
  // until it can: else its leases would stay with this process as long as that lives.
  if (session->AllWritten()) pump_->Remove(session);
  if (closed_) return;
  const Status status =
      RunChange(*writer_, *ledger_, Durability::kProcess, true,
                [&](jobs::Ledger& ledger) { return jobs::DeleteSession(ledger, session_id); });
  if (!status.ok() && options_.on_log) options_.on_log("closing a session: " + status.ToString());
}

Result<std::vector<WorkerInfo>> EngineImpl::ListWorkers() {
  ASSIGN_OR_RETURN(
      std::vector<jobs::ListedWorker> listed,
      WithReader([](store::Connection& connection) { return jobs::ListSessions(connection); }));
  std::vector<WorkerInfo> workers;
  for (jobs::ListedWorker& worker : listed) {
    worker.info.alive = store_->in_memory() || store_->SlotHeld(worker.slot);
    workers.push_back(std::move(worker.info));
  }
  return workers;
}

}  // namespace millrace::engine
