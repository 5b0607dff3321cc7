// Opening, closing, enqueueing.
#include "millrace/engine.h"

#include "base/id.h"
#include "base/text.h"
#include "engine/engine_impl.h"
#include "flows/graph.h"
#include "jobs/payload_keys.h"
#include "jobs/payloads.h"
#include "jobs/validate.h"

namespace millrace {

const char* Version() {
  return MILLRACE_VERSION;
}

Result<std::unique_ptr<Engine>> Engine::Open(OpenOptions options) {
  auto engine = std::make_unique<engine::EngineImpl>(std::move(options));
  RETURN_IF_ERROR(engine->Start());
  return std::unique_ptr<Engine>(std::move(engine));
}

namespace engine {
namespace {

Status CheckOptions(const OpenOptions& options) {
  RETURN_IF_ERROR(jobs::CheckRange(static_cast<int>(options.durability), 0, 2, "durability"));
  RETURN_IF_ERROR(
      jobs::CheckRange(options.max_payload_bytes, 1 << 10, 512 << 20, "max_payload_bytes"));
  RETURN_IF_ERROR(jobs::CheckRange(options.busy_timeout_ms, 0, INT32_MAX, "busy_timeout_ms"));
  RETURN_IF_ERROR(
      jobs::CheckRange(options.wal_limit_bytes, 1 << 20, int64_t{1} << 40, "wal_limit_bytes"));
  RETURN_IF_ERROR(jobs::CheckRange(options.writer_queue_ops, 16, 65'534, "writer_queue_ops"));
  RETURN_IF_ERROR(jobs::CheckRange(options.writer_queue_bytes, 1 << 20, int64_t{1} << 40,
                                   "writer_queue_bytes"));
  RETURN_IF_ERROR(jobs::CheckRange(options.keep_events, 0, INT64_MAX, "keep_events"));
  RETURN_IF_ERROR(jobs::CheckKeep(options.keep_completed, "keep_completed"));
  return jobs::CheckKeep(options.keep_failed, "keep_failed");
}

// Whether the store has to be looked into before a job can be acknowledged: it names itself, a key,
// or jobs that exist.
bool NeedsStore(const JobSpec& job) {
  return !job.id.empty() || !job.dedup.key.empty() || job.parent ||
         std::any_of(job.after.begin(), job.after.end(),
                     [](const Dependency& dependency) { return dependency.index < 0; });
}

}  // namespace

Status EngineImpl::Start() {
  RETURN_IF_ERROR(CheckOptions(options_));
  auto keyring = Keyring::Create(options_.security);
  for (SecurityKey& key : options_.security.keys) WipeText(&key.secret);
  RETURN_IF_ERROR(keyring.status());
  keyring_ = std::move(*keyring);
  if (!options_.clock) options_.clock = RealClock();
  ASSIGN_OR_RETURN(store_, store::Store::Open(options_));
  bool new_keys = false;
  RETURN_IF_ERROR(CheckKeys(&new_keys));
  if (store_->in_memory()) options_.durability = Durability::kMemory;
  presence_ = std::make_unique<Presence>(*store_, options_);
  ledger_ = std::make_unique<jobs::Ledger>(
      jobs::Ledger::Options{.clock = options_.clock.get(),
                            .wakes = presence_.get(),
                            .keep_completed = options_.keep_completed,
                            .keep_failed = options_.keep_failed,
                            .keep_events = options_.keep_events,
                            .keyring = keyring_.get()});
  writer_ = store::Writer::Create(
      *store_, *ledger_,
      {.max_ops = options_.writer_queue_ops, .max_bytes = options_.writer_queue_bytes});
  overflow_ = std::make_unique<Overflow>(*writer_);
  RETURN_IF_ERROR(presence_->Start(writer_.get(), ledger_.get()));
  pump_ = std::make_unique<Pump>(*store_, *writer_, *ledger_, *presence_, *options_.clock,
                                 Log(options_.on_log));
  if (!new_keys) return Status::Ok();
  return RunChange(*writer_, *ledger_, options_.durability, true,
                   [&](jobs::Ledger& ledger) { return jobs::RememberKeys(ledger, *keyring_); });
}

Status EngineImpl::CheckKeys(bool* unknown) {
  *unknown = false;
  if (keyring_->empty()) return Status::Ok();
  return WithReader([&](store::Connection& c) { return jobs::CheckKeys(c, *keyring_, unknown); });
}

EngineImpl::~EngineImpl() {
  (void)Close();
  if (!store_ || !store_->forked()) return;
  // The parent's threads do not exist here: there is nobody to join, and a mutex or a condition
  // that one of them held or waited for would be waited for without end.
  static_cast<void>(pump_.release());
  static_cast<void>(overflow_.release());
  static_cast<void>(presence_.release());
}

Status EngineImpl::Close() {
  if (!store_) return Status::Ok();
  if (store_->forked())
    return Status(Code::kForkedChild, "this engine belongs to the parent process");
  const std::lock_guard closing(closing_);
  if (closed_) return Status::Ok();
  std::vector<std::shared_ptr<SessionCore>> sessions;
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;  // first: what is not in these lists now never will be, and ends by itself
    for (auto& session : sessions_) {
      if (auto alive = session.lock()) sessions.push_back(std::move(alive));
    }
    for (auto& follower : followers_) {
      if (auto alive = follower.lock()) alive->Close();
    }
  }
  EndTransactions();  // first: the others wait for the writer
  for (const auto& session : sessions) {
    (void)session->Close(0);  // what could not be written is told to the session's holder
    pump_->Remove(session.get());
  }
  if (pump_) pump_->Stop();
  if (overflow_) overflow_->Stop();
  if (presence_ && writer_) presence_->Disappear();
  if (writer_ && ledger_ && ledger_->counters().pending()) {
    // Counters that cannot be written any more are a second's.
    (void)RunChange(*writer_, *ledger_, Durability::kProcess, true, [](jobs::Ledger& ledger) {
      ledger.counters().FlushNow();
      return Status::Ok();
    });
  }
  if (writer_) writer_->Stop();
  return store_->Close();
}

Status EngineImpl::Usable() const {
  if (store_->forked()) {
    return Status(Code::kForkedChild,
                  "this engine was opened before fork(); open the store again in the child");
  }
  if (closed_) return Status(Code::kClosed, "the engine was closed");
  return Status::Ok();
}

Status EngineImpl::Writable() const {
  RETURN_IF_ERROR(Usable());
  return transaction_thread_.CheckOutside("a call of the engine");
}

Durability EngineImpl::Level(const std::optional<Durability>& asked) const {
  if (store_->in_memory()) return Durability::kMemory;
  return asked.value_or(options_.durability);
}

Status EngineImpl::CheckJobs(const std::vector<JobSpec>& jobs) const {
  if (jobs.size() > jobs::kMaxJobsPerCall) {
    return Status(Code::kTooLarge,
                  "jobs has " + std::to_string(jobs.size()) + " elements; at most " +
                      std::to_string(jobs::kMaxJobsPerCall) + " are accepted in one call");
  }
  for (size_t i = 0; i < jobs.size(); ++i) {
    Status status = jobs::CheckJobSpec(jobs[i], options_.max_payload_bytes);
    if (status.ok()) status = keyring_->CheckSealing(jobs[i].sealing);
    if (status.ok()) continue;
    if (jobs.size() == 1) return status;
    return Status(status.code(), "jobs[" + std::to_string(i) + "]: " + status.message());
  }
  return flows::CheckGraph(jobs);
}

// Acks before anything is written (durability memory of a store with a file): the ids are made
// here, and a failed write can only be logged.
std::vector<EnqueueAck> EngineImpl::EnqueueUnwritten(std::vector<JobSpec> jobs, bool wait_if_full) {
  std::vector<EnqueueAck> acks;
  const int64_t now_ms = NowMs();
  for (JobSpec& job : jobs) {
    job.id = NewId();
    const bool later = job.delay_ms > 0 || job.due_at_ms > now_ms;
    acks.push_back({.id = job.id,
                    .state = !job.after.empty() ? JobState::kBlocked
                             : later            ? JobState::kScheduled
                                                : JobState::kReady,
                    .durability = Durability::kMemory});
  }
  std::vector<std::vector<JobSpec>> batches;
  batches.push_back(std::move(jobs));
  ++unwritten_;
  SubmitBatches(*writer_, *ledger_, *overflow_, std::move(batches), {Status::Ok()},
                Durability::kMemory, wait_if_full,
                [this](const std::vector<Result<std::vector<EnqueueAck>>>& answers) {
                  --unwritten_;
                  if (answers[0].ok() || !options_.on_log) return;
                  options_.on_log("jobs enqueued at durability memory were lost: " +
                                  answers[0].status().ToString());
                });
  return acks;
}

// What can be promised for these jobs.
Durability EngineImpl::LevelFor(const std::vector<JobSpec>& jobs,
                                const WriteOptions& options) const {
  const Durability level = Level(options.durability);
  if (level != Durability::kMemory || store_->in_memory()) return level;
  return std::any_of(jobs.begin(), jobs.end(), NeedsStore) ? Durability::kProcess : level;
}

Result<std::vector<EnqueueAck>> EngineImpl::Enqueue(std::vector<JobSpec> jobs,
                                                    const WriteOptions& options) {
  RETURN_IF_ERROR(Writable());
  RETURN_IF_ERROR(CheckJobs(jobs));
  if (jobs.empty()) return std::vector<EnqueueAck>();
  jobs::SealSpecs(*keyring_, &jobs);
  const Durability level = LevelFor(jobs, options);
  if (level == Durability::kMemory && !store_->in_memory()) {
    return EnqueueUnwritten(std::move(jobs), options.wait_if_full);
  }
  EnqueueOp op(*ledger_, std::move(jobs), level);
  RETURN_IF_ERROR(writer_->Run(&op, options.wait_if_full));
  return op.TakeAcks();
}

void EngineImpl::EnqueueAsync(std::vector<JobSpec> jobs, const WriteOptions& options,
                              EnqueueCallback done) {
  std::vector<std::vector<JobSpec>> batches;
  batches.push_back(std::move(jobs));
  EnqueueManyAsync(std::move(batches), options,
                   [done = std::move(done)](auto answers) { done(std::move(answers[0])); });
}

void EngineImpl::EnqueueManyAsync(std::vector<std::vector<JobSpec>> batches,
                                  const WriteOptions& options, EnqueueManyCallback done) {
  const Status usable = Usable();
  std::vector<Status> refused(batches.size());
  Durability level = Level(options.durability);
  for (size_t i = 0; i < batches.size(); ++i) {
    refused[i] = usable.ok() ? CheckJobs(batches[i]) : usable;
    level = std::max(level, LevelFor(batches[i], options));
    if (refused[i].ok()) jobs::SealSpecs(*keyring_, &batches[i]);
  }
  if (level == Durability::kMemory && !store_->in_memory()) {
    std::vector<Result<std::vector<EnqueueAck>>> answers;
    for (size_t i = 0; i < batches.size(); ++i) {
      if (refused[i].ok()) {
        answers.emplace_back(EnqueueUnwritten(std::move(batches[i]), options.wait_if_full));
      } else {
        answers.emplace_back(refused[i]);
      }
    }
    done(std::move(answers));
    return;
  }
  SubmitBatches(*writer_, *ledger_, *overflow_, std::move(batches), std::move(refused), level,
                options.wait_if_full, std::move(done));
}

}  // namespace engine
}  // namespace millrace
