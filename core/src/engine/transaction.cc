#include "engine/transaction.h"

#include <algorithm>
#include <system_error>
#include <utility>

#include "base/macros.h"
#include "engine/async_enqueue.h"
#include "store/guarded_sql.h"

namespace millrace::engine {
namespace {

// What Apply() answers to have it rolled back as asked; nobody sees it.
Status RolledBack() {
  return Status(Code::kClosed, "the transaction was rolled back");
}

Status TimedOut(int64_t timeout_ms) {
  return Status(Code::kTimeout, "the transaction was open for longer than its timeout_ms of " +
                                    std::to_string(timeout_ms) + " and was rolled back");
}

// What calls answer after an end that was no commit.
Status EndedBy(const Status& status) {
  if (status.ok()) return RolledBack();
  if (status.code() == Code::kTimeout || status.code() == Code::kClosed) return status;
  return Status(Code::kClosed, "the transaction has ended: " + status.ToString());
}

}  // namespace

Status TransactionThread::CheckOutside(const char* doing) const {
  if (!Inside()) return Status::Ok();
  return Status(Code::kWrongState,
                std::string(doing) +
                    " inside an open transaction of the same thread would wait for "
                    "itself; use the transaction, or end it first");
}

TransactionCore::TransactionCore(TransactionContext context) : context_(std::move(context)) {
  alone = true;
  durability = context_.durability;
}

TransactionCore::~TransactionCore() {
  if (!Forked()) {
    End(RolledBack());
    return;
  }
  static_cast<void>(thread_.release());  // it is the parent's
}

Result<SqlResult> TransactionCore::Execute(const std::string& sql,
                                           const std::vector<SqlValue>& parameters) {
  SqlResult result;
  Call call;
  call.work = [&](store::Connection& connection) {
    const store::SqlGuard::Bounds bounds{.deadline = deadline_, .stop = &stop_};
    ASSIGN_OR_RETURN(result, connection.guard().Run(connection, sql, parameters, bounds));
    return Status::Ok();
  };
  RETURN_IF_ERROR(Run(&call));
  return result;
}

Result<std::vector<EnqueueAck>> TransactionCore::Enqueue(std::vector<JobSpec> jobs) {
  RETURN_IF_ERROR(context_.prepare(&jobs));
  std::vector<EnqueueAck> acks;
  Call call;
  call.work = [&](store::Connection& connection) {
    const int64_t changes_before = connection.total_changes();
    const int64_t gathered_before = context_.ledger->gathered();
    Status status = EnqueueAll(*context_.ledger, jobs, durability, &acks);
    const bool nothing = connection.total_changes() == changes_before &&
                         context_.ledger->gathered() == gathered_before;
    if (!status.ok() && !nothing) doomed_ = Doomed(status);
    return status;
  };
  RETURN_IF_ERROR(Run(&call));
  return acks;
}

Status TransactionCore::Commit() {
  Call call;
  call.commits = true;
  return Run(&call);
}

Status TransactionCore::Rollback() {
  Call call;
  const Status status = Run(&call);
  if (status.code() == Code::kForkedChild) return status;
  const std::lock_guard lock(mutex_);
  return committed_ ? ended_ : Status::Ok();
}

void TransactionCore::End(const Status& reason) {
  if (Forked()) return;
  std::unique_lock lock(mutex_);
  if (!thread_ && ended_.ok()) ended_ = reason;
  if (!stop_) {
    stop_reason_ = reason;
    stop_ = true;
  }
  changed_.notify_all();
  changed_.wait(lock, [&] { return !running_; });
  const std::unique_ptr<std::thread> thread = std::move(thread_);
  lock.unlock();
  if (thread) thread->join();
}

// --- Callers

Status TransactionCore::Run(Call* call) {
  if (Forked()) {
    return Status(Code::kForkedChild,
                  "this transaction was opened before fork(): it belongs to the parent process");
  }
  const std::lock_guard one_at_a_time(calls_);
  std::unique_lock lock(mutex_);
  RETURN_IF_ERROR(ended_);
  call->caller = std::this_thread::get_id();
  if (!thread_ && !call->work) {  // there is nothing to end
    committed_ = call->commits;
    ended_ = call->commits ? Status(Code::kClosed, "the transaction was committed") : RolledBack();
    return Status::Ok();
  }
  if (!thread_) RETURN_IF_ERROR(Start());
  call_ = call;
  changed_.notify_all();
  changed_.wait(lock, [&] { return call->answered; });
  return std::move(call->answer);
}

Status TransactionCore::Start() {
  if (context_.thread_bound) RETURN_IF_ERROR(context_.inside->CheckOutside("another transaction"));
  running_ = true;
  try {
    thread_ = std::make_unique<std::thread>([this] { ThreadMain(); });
  } catch (const std::system_error& error) {
    running_ = false;
    return Status(Code::kIoError, std::string("cannot start a thread: ") + error.what());
  }
  return Status::Ok();
}

// --- The thread

void TransactionCore::ThreadMain() {
  Status status = context_.writer->Run(this, /*wait_if_full=*/true);
  const std::lock_guard lock(mutex_);
  Call* const last = call_;  // that ended it, or that the operation did not come to
  const bool asked = last != nullptr && !last->work;
  if (asked && !last->commits && status.code() == Code::kClosed) status = Status::Ok();
  committed_ = asked && last->commits && status.ok();
  ended_ = committed_ ? Status(Code::kClosed, "the transaction was committed") : EndedBy(status);
  if (last != nullptr) {
    call_ = nullptr;
    last->answer = status;
    last->answered = true;
  }
  running_ = false;
  changed_.notify_all();
}

Status TransactionCore::StopReason() {
  const std::lock_guard lock(mutex_);
  return stop_reason_;
}

TransactionCore::Call* TransactionCore::NextCall(Status* why) {
  std::unique_lock lock(mutex_);
  changed_.wait_until(lock, deadline_, [&] { return call_ != nullptr || stop_; });
  if (stop_) {
    *why = stop_reason_;
    return nullptr;
  }
  if (call_ == nullptr || std::chrono::steady_clock::now() >= deadline_) {
    *why = TimedOut(context_.timeout_ms);
    return nullptr;
  }
  return call_;
}

void TransactionCore::Answer(Call* call, Status answer) {
  const std::lock_guard lock(mutex_);
  call_ = nullptr;
  call->answer = std::move(answer);
  call->answered = true;
  changed_.notify_all();
}

Status TransactionCore::Doomed(const Status& cause) const {
  return Status(Code::kWrongState,
                "only Rollback() is left after an earlier failure: " + cause.ToString());
}

// Ok: the transaction goes on.
Status TransactionCore::Serve(store::Connection& connection, Call* call) {
  if (!doomed_.ok()) {
    Answer(call, doomed_);
    return Status::Ok();
  }
  Status status = call->work(connection);
  if (!connection.in_transaction()) return status.ok() ? RolledBack() : status;
  if (stop_) return StopReason();
  if (std::chrono::steady_clock::now() >= deadline_) return TimedOut(context_.timeout_ms);
  Answer(call, std::move(status));
  return Status::Ok();
}

// Called once: an operation that is alone is never applied again.
Status TransactionCore::Apply(store::Connection& connection) {
  struct Leaving {
    TransactionThread* inside;
    ~Leaving() { inside->Leave(); }
  } leaving{context_.inside};
  deadline_ = std::chrono::steady_clock::now() + std::chrono::milliseconds(context_.timeout_ms);
  for (;;) {
    Status why;
    Call* const call = NextCall(&why);
    if (call == nullptr) return why;
    if (context_.thread_bound) context_.inside->Enter(call->caller);
    if (call->work) {
      RETURN_IF_ERROR(Serve(connection, call));
    } else if (call->commits) {
      return doomed_;  // the answer comes when it is durable
    } else {
      return RolledBack();
    }
  }
}

TransactionHandle::~TransactionHandle() {
  core_->End(RolledBack());
}

}  // namespace millrace::engine
