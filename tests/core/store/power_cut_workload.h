// A small ledger on a real Store and Writer of which a checker can tell whether anything was lost
// or half done.
#ifndef MILLRACE_TESTS_CORE_STORE_POWER_CUT_WORKLOAD_H_
#define MILLRACE_TESTS_CORE_STORE_POWER_CUT_WORKLOAD_H_

#include <array>
#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "store/store.h"
#include "store/writer.h"

namespace millrace::store {

// Tests that try everything in turn take strides under ThreadSanitizer, which is ten times slower.
#if defined(__SANITIZE_THREAD__)
constexpr int kStride = 7;
#else
constexpr int kStride = 1;
#endif

// True if the long forms of the tests were asked for (MILLRACE_TORTURE=1).
bool Torture();

// The entries of author a are numbered from 1 without gaps; one operation inserts an entry with a
// body that follows from (author, number), and raises the author's counter: two tables, one change.
class Ledger {
 public:
  static constexpr int kAuthors = 4;
  using Counts = std::array<int64_t, kAuthors>;

  // Opens the file "ledger.db" of that VFS and creates the two tables if they are missing.
  static Result<std::unique_ptr<Ledger>> Open(const std::string& vfs, int64_t wal_limit_bytes);
  ~Ledger();

  // Appends the next entry of the author; one thread an author. On an error the same number is
  // tried again by the next call.
  Status Append(int author, Durability durability);
  // Appends `count` entries in one operation.
  Status AppendMany(int author, int count, Durability durability);

  // The newest entry of each author that was acknowledged at power.
  Counts AckedAtPower() const;
  Counts Newest();
  Store& store() { return *store_; }
  Writer& writer() { return *writer_; }
  Status Close();

  // Everything that must hold of what is in the file: integrity, no gaps, right bodies, counters
  // that agree, and at least the acknowledged entries. Empty: all well.
  std::string Check(const Counts& acked);

 private:
  class AppendOp;
  class NoHooks : public BatchHooks {
   public:
    Status Begin(Connection&) override { return Status::Ok(); }
    Status Flush(Connection&) override { return Status::Ok(); }
    void Committed() override {}
    void RolledBack() override {}
  };

  Ledger() = default;
  std::string ReadEntries(Counts* found);

  NoHooks hooks_;
  std::unique_ptr<Store> store_;
  std::unique_ptr<Writer> writer_;
  std::array<std::atomic<int64_t>, kAuthors> acked_{};
};

// Opens what a disk holds as a new machine would, checks it, goes on writing on it and checks
// again. Empty: all well.
std::string CheckContents(const std::map<std::string, std::string>& contents,
                          const Ledger::Counts& acked);

}  // namespace millrace::store

#endif  // MILLRACE_TESTS_CORE_STORE_POWER_CUT_WORKLOAD_H_
