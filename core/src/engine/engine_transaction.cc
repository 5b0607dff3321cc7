#include "base/id.h"
#include "engine/engine_impl.h"

namespace millrace::engine {

// Rows from 2^39 on are of no job, so that such an id never names another one.
std::string EngineImpl::NewId() {
  const int64_t row = (kIdRowEnd >> 1) | static_cast<int64_t>(RandomBits64() % (kIdRowEnd >> 1));
  return FormatId({.at_ms = NowMs(), .row = row, .salt = RandomBits34()});
}

Result<std::unique_ptr<Transaction>> EngineImpl::Begin(const TransactionOptions&) {
  return Status(Code::kInvalidArgument, "not built yet");
}

}  // namespace millrace::engine
