#include "base/id.h"
#include "engine/engine_impl.h"
#include "jobs/payloads.h"
#include "jobs/validate.h"

namespace millrace::engine {
namespace {

constexpr int64_t kTimeoutMaxMs = 60'000;

}  // namespace

// Rows from 2^39 on are of no job, so that such an id never names another one.
std::string EngineImpl::NewId() {
  const int64_t row = (kIdRowEnd >> 1) | static_cast<int64_t>(RandomBits64() % (kIdRowEnd >> 1));
  return FormatId({.at_ms = NowMs(), .row = row, .salt = RandomBits34()});
}

Result<std::unique_ptr<Transaction>> EngineImpl::Begin(const TransactionOptions& options) {
  RETURN_IF_ERROR(Usable());
  RETURN_IF_ERROR(jobs::CheckRange(options.timeout_ms, 1, kTimeoutMaxMs, "timeout_ms"));
  if (options.thread_bound) RETURN_IF_ERROR(transaction_thread_.CheckOutside("a transaction"));
  Durability durability = Level(options.durability);
  if (!store_->in_memory()) durability = std::max(durability, Durability::kProcess);
  auto core =
      std::make_shared<TransactionCore>(TransactionContext{.writer = writer_.get(),
                                                           .ledger = ledger_.get(),
                                                           .inside = &transaction_thread_,
                                                           .prepare =
                                                               [this](std::vector<JobSpec>* jobs) {
                                                                 RETURN_IF_ERROR(CheckJobs(*jobs));
                                                                 jobs::SealSpecs(*keyring_, jobs);
                                                                 return Status::Ok();
                                                               },
                                                           .durability = durability,
                                                           .timeout_ms = options.timeout_ms,
                                                           .thread_bound = options.thread_bound});
  const std::lock_guard lock(mutex_);
  RETURN_IF_ERROR(Usable());  // Close() ends those that are in the list
  std::erase_if(transactions_, [](const auto& transaction) { return transaction.expired(); });
  transactions_.push_back(core);
  return std::unique_ptr<Transaction>(std::make_unique<TransactionHandle>(std::move(core)));
}

void EngineImpl::EndTransactions() {
  std::vector<std::shared_ptr<TransactionCore>> open;
  {
    const std::lock_guard lock(mutex_);
    for (auto& transaction : transactions_) {
      if (auto alive = transaction.lock()) open.push_back(std::move(alive));
    }
  }
  for (const auto& transaction : open) {
    transaction->End(
        Status(Code::kClosed, "the engine was closed; the transaction was rolled back"));
  }
}

}  // namespace millrace::engine
