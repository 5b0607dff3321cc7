#include "store/store_impl.h"

#include <utility>

#include "base/check.h"
#include "base/fork.h"
#include "base/macros.h"
#include "store/backup.h"
#include "store/file_format.h"
#include "store/recover.h"

namespace millrace::store {
namespace {

Status ForkedChild(const std::string& path) {
  return Status(
      Code::kForkedChild,
      "the store " + path + " was opened before fork(): open it again in the child process");
}

Status Closed(const std::string& path) {
  return Status(Code::kClosed, "the store " + path + " is closed");
}

}  // namespace

StoreImpl::StoreImpl(StoreParts parts)
    : parts_(std::move(parts)), fork_generation_(ForkGeneration()) {
  readers_ = std::make_unique<ReaderPool>(ConnectionOptions(true));
  sync_ = std::make_unique<WalSync>();
}

Result<std::unique_ptr<Store>> StoreImpl::Create(StoreParts parts) {
  std::unique_ptr<StoreImpl> store(new StoreImpl(std::move(parts)));
  if (!store->in_memory()) {
    RETURN_IF_ERROR(store->sync_->Attach(*store->parts_.writer));
    RETURN_IF_ERROR(store->StartCheckpointer());
  }
  return std::unique_ptr<Store>(std::move(store));
}

StoreImpl::~StoreImpl() {
  if (!forked()) {
    static_cast<void>(Close());
    return;
  }
  // The threads do not exist here, the locks may be held by them, and the connections are the
  // parent's.
  static_cast<void>(checkpointer_.release());
  static_cast<void>(readers_.release());
  static_cast<void>(sync_.release());
  static_cast<void>(parts_.writer.release());
  static_cast<void>(parts_.locks.release());
}

bool StoreImpl::forked() const {
  return fork_generation_ != ForkGeneration();
}

Status StoreImpl::Usable() const {
  if (forked()) return ForkedChild(parts_.path);
  if (closed_.load(std::memory_order_acquire)) return Closed(parts_.path);
  return Status::Ok();
}

Connection::Options StoreImpl::ConnectionOptions(bool read_only) const {
  Connection::Options options;
  options.path = parts_.path;
  options.read_only = read_only;
  options.busy_timeout_ms = parts_.busy_timeout_ms;
  options.vfs = parts_.vfs;
  if (!read_only) options.cache_kib = kWriterCacheKib;
  return options;
}

Status StoreImpl::StartCheckpointer() {
  Checkpointer::Options options;
  options.path = parts_.path;
  options.vfs = parts_.vfs;
  options.page_bytes = kPageBytes;
  options.wal_limit_bytes = parts_.wal_limit_bytes;
  // Recover() waits for the thread with the lock held: then the thread must not wait for the lock.
  // And closing must not wait for a process that was stopped with it.
  options.lock_writer = [this] {
    if (closed_.load(std::memory_order_acquire)) return parts_.locks->TryLockWriter();
    return parts_.locks->LockWriterUnless(
        [this] { return recovering_.load(std::memory_order_acquire); });
  };
  options.unlock_writer = [this] { parts_.locks->UnlockWriter(); };
  options.on_sync_failed = [this](const Status& status) { sync_->Fail(status); };
  options.log = [log = parts_.log](const std::string& line) { log.Line(line); };
  ASSIGN_OR_RETURN(checkpointer_, Checkpointer::Start(std::move(options)));
  checkpointer_->Watch(parts_.writer->raw());
  return Status::Ok();
}

Status StoreImpl::LockWriter() {
  RETURN_IF_ERROR(Usable());
  if (checkpointer_) checkpointer_->MakeRoom();
  return parts_.locks->LockWriter();
}

void StoreImpl::UnlockWriter() {
  if (!forked()) parts_.locks->UnlockWriter();
}

Result<Reader> StoreImpl::Read() {
  RETURN_IF_ERROR(Usable());
  if (in_memory()) {
    RETURN_IF_ERROR(parts_.locks->LockWriter());
    return Reader(parts_.writer.get(), [this](Connection*) { UnlockWriter(); });
  }
  if (sync_->has_failed()) RETURN_IF_ERROR(sync_->failed());  // recovered meanwhile, perhaps
  ASSIGN_OR_RETURN(Connection* const connection, readers_->Borrow());
  return Reader(connection, [this](Connection* returned) {
    if (!forked()) readers_->GiveBack(returned);
  });
}

Status StoreImpl::Sync() {
  RETURN_IF_ERROR(Usable());
  return in_memory() ? Status::Ok() : sync_->Sync();
}

Status StoreImpl::failed() const {
  RETURN_IF_ERROR(Usable());
  return in_memory() ? Status::Ok() : sync_->failed();
}

void StoreImpl::OnFailure(std::function<void()> callback) {
  if (!forked()) sync_->OnFailure(std::move(callback));
}

Status StoreImpl::Recover() {
  RETURN_IF_ERROR(Usable());
  if (in_memory()) return Status::Ok();
  const std::lock_guard lock(close_mutex_);
  const Status reason(Code::kIoError,
                      "the store " + parts_.path + " is being opened again after an I/O error");
  sync_->Detach(reason);
  recovering_.store(true, std::memory_order_release);
  parts_.locks->WakeWaiters();
  if (checkpointer_) checkpointer_->Stop(/*truncate=*/false);
  readers_->CloseAll(reason, /*keep_wal=*/true);
  if (parts_.writer) parts_.writer->KeepWalOnClose();
  parts_.writer.reset();
  checkpointer_.reset();
  recovering_.store(false, std::memory_order_release);
  const Status status = ReopenAndVerify();
  if (status.ok()) {
    parts_.log.Line("millrace: " + parts_.path +
                    " was opened again and verified after an I/O error");
  } else {
    sync_->Fail(status);
  }
  return status;
}

Status StoreImpl::ReopenAndVerify() {
  ASSIGN_OR_RETURN(parts_.writer, Connection::Open(ConnectionOptions(false)));
  RETURN_IF_ERROR(RewriteWalAndVerify(*parts_.writer));
  RETURN_IF_ERROR(StartCheckpointer());
  RETURN_IF_ERROR(sync_->Attach(*parts_.writer));
  readers_->Reopen();
  return Status::Ok();
}

void StoreImpl::AfterCommit() {
  if (!forked() && checkpointer_) checkpointer_->AfterCommit();
}

Result<int> StoreImpl::ClaimSlot() {
  RETURN_IF_ERROR(Usable());
  return parts_.locks->ClaimSlot();
}

void StoreImpl::ReleaseSlot(int slot) {
  if (!forked()) parts_.locks->ReleaseSlot(slot);
}

bool StoreImpl::SlotHeld(int slot) const {
  // In a forked child nothing can be asked, and nobody is declared dead without an answer.
  return forked() || parts_.locks->SlotHeld(slot);
}

Result<BackupInfo> StoreImpl::Backup(const std::string& destination) {
  ASSIGN_OR_RETURN(const Reader reader, Read());
  return BackupTo(*reader, destination, [this] { return Usable(); });
}

Store::Stats StoreImpl::stats() const {
  Stats stats;
  if (forked()) return stats;
  stats.syncs = sync_->syncs();
  if (!checkpointer_) return stats;
  const Checkpointer::Stats checkpoints = checkpointer_->stats();
  stats.checkpoints = checkpoints.checkpoints;
  stats.wal_bytes = checkpoints.wal_bytes;
  stats.wal_bytes_max = checkpoints.wal_bytes_max;
  return stats;
}

Status StoreImpl::Close() {
  if (forked()) return ForkedChild(parts_.path);
  const std::lock_guard lock(close_mutex_);
  if (closed_.exchange(true)) return Status::Ok();
  // After a failed sync the WAL is left as it is: to copy from it could turn an old loss into
  // damage.
  const bool sound = in_memory() || !sync_->has_failed();
  const Status reason = Closed(parts_.path);
  sync_->Detach(reason);
  readers_->CloseAll(reason, /*keep_wal=*/!sound);
  if (checkpointer_) checkpointer_->Stop(/*truncate=*/sound);
  if (in_memory()) {
    RETURN_IF_ERROR(parts_.locks->LockWriter());  // waits for a reader
    parts_.locks->UnlockWriter();
  }
  // Opened first and closed last: SQLite can then take the exclusive lock with which it removes the
  // -wal and -shm files.
  if (parts_.writer && !sound) parts_.writer->KeepWalOnClose();
  parts_.writer.reset();
  parts_.locks->Close();
  return Status::Ok();
}

}  // namespace millrace::store
