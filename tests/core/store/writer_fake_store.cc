#include "store/writer_fake_store.h"

#include "base/check.h"
#include "base/macros.h"

namespace millrace::store {
namespace {

std::unique_ptr<Connection> OpenNotes(const std::string& path, const std::string& vfs) {
  Connection::Options options;
  options.path = path;
  options.create = true;
  options.vfs = vfs;
  Result<std::unique_ptr<Connection>> opened = Connection::Open(options);
  MILLRACE_CHECK(opened.ok());
  return std::move(opened.value());
}

}  // namespace

Status InsertNote(Connection& connection, int64_t author, int64_t number) {
  Query query(connection, "INSERT INTO notes (author, number) VALUES (?1, ?2)");
  query.Bind(author, number);
  return query.Run();
}

FakeStore::FakeStore() : connection_(OpenNotes(path_, vfs_.name())) {
  const Status created = connection_->Exec(
      "PRAGMA journal_mode=WAL;"
      "CREATE TABLE notes (author INTEGER NOT NULL, number INTEGER NOT NULL, UNIQUE (author, "
      "number)) STRICT");
  MILLRACE_CHECK(created.ok());
}

int64_t FakeStore::Count(const char* sql) {
  const Result<int64_t> count = OpenNotes(path_, vfs_.name())->QueryInt(sql);
  MILLRACE_CHECK(count.ok());
  return *count;
}

Status FakeStore::LockWriter() {
  writer_mutex_.lock();
  Status status = on_lock();
  if (!status.ok()) writer_mutex_.unlock();
  return status;
}

Status FakeStore::Sync() {
  RETURN_IF_ERROR(failed());
  ++syncs;
  Status status = on_sync();
  if (status.ok()) return status;
  std::lock_guard<std::mutex> lock(failed_mutex_);
  failed_ = status;
  return status;
}

Status FakeStore::Recover() {
  ++recoveries;
  RETURN_IF_ERROR(on_recover());
  std::lock_guard<std::mutex> lock(failed_mutex_);
  failed_ = Status::Ok();
  return Status::Ok();
}

Status FakeStore::failed() const {
  std::lock_guard<std::mutex> lock(failed_mutex_);
  return failed_;
}

NoteOp::NoteOp(int64_t author, int64_t number, Durability level)
    : NoteOp([author,
              number](Connection& connection) { return InsertNote(connection, author, number); },
             level) {}

NoteOp::NoteOp(std::function<Status(Connection&)> apply, Durability level)
    : apply_(std::move(apply)) {
  durability = level;
}

Status NoteOp::Apply(Connection& connection) {
  ++applied;
  return apply_(connection);
}

void NoteOp::Done(const Status& result) {
  status = result;
  if (on_done) on_done(result);
  // The last touch: the owner may destroy this now. Hence no notify_one() on a member; Await()
  // spins politely.
  ++done;
}

void NoteOp::Await() {
  while (done.load() == 0) std::this_thread::yield();
}

}  // namespace millrace::store
