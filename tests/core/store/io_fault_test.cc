// Every single I/O operation fails once, or all of them from there on: the callers concerned are
// told, nothing is half done, and the store works again when the cause is gone.
#include <cstdio>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "catch.h"
#include "store/crash_vfs.h"
#include "store/power_cut_workload.h"

namespace millrace::store {
namespace {

using Contents = std::map<std::string, std::string>;

struct Fault {
  const char* name;
  CrashDisk::Failure failure;
  unsigned operations;
  bool for_ever;
};

constexpr Fault kFaults[] = {
    {"EIO once", CrashDisk::Failure::kIoError, CrashDisk::kAny, false},
    {"EIO from there on", CrashDisk::Failure::kIoError, CrashDisk::kAny, true},
    {"short write once", CrashDisk::Failure::kShortWrite, CrashDisk::kWrite, false},
    {"no space once", CrashDisk::Failure::kDiskFull, CrashDisk::kWrite, false},
    {"no space from there on", CrashDisk::Failure::kDiskFull, CrashDisk::kWrite, true},
    {"failed sync once", CrashDisk::Failure::kIoError, CrashDisk::kSync, false},
    {"failed syncs from there on", CrashDisk::Failure::kIoError, CrashDisk::kSync, true},
};

// A WAL so short that the checkpoint thread is at work as well.
constexpr int64_t kWalLimit = 128 << 10;

Contents ContentsOf(CrashVfs& vfs) {
  DiskSnapshot snapshot = vfs.disk().Snapshot();
  for (auto& [name, state] : snapshot.files) state.unsynced.clear();
  return AfterPowerCut(snapshot, 1);
}

// A store that was used and closed.
Contents SeasonedStore() {
  CrashVfs vfs;
  {
    Result<std::unique_ptr<Ledger>> ledger = Ledger::Open(vfs.name(), kWalLimit);
    REQUIRE(ledger.ok());
    for (int i = 0; i < 20; ++i)
      REQUIRE((*ledger)->Append(i % Ledger::kAuthors, Durability::kPower).ok());
    REQUIRE((*ledger)->Close().ok());
  }
  return ContentsOf(vfs);
}

struct Outcome {
  bool fired = false;
  int failed_calls = 0;
  std::set<Code> codes;
  std::string wrong;
};

// What each author may have at least and at most: a call that failed at `process` changed nothing;
// one that failed at `power` may be there, because only its sync may have failed.
struct Bounds {
  Ledger::Counts least{};
  Ledger::Counts most{};

  void Add(int author, int count, Durability durability, const Status& status) {
    const auto i = static_cast<size_t>(author);
    if (status.ok()) least[i] += count;
    if (status.ok() || durability == Durability::kPower) most[i] += count;
  }
  std::string Check(const Ledger::Counts& found) const {
    for (size_t i = 0; i < found.size(); ++i) {
      if (found[i] < least[i] || found[i] > most[i]) {
        return "author " + std::to_string(i) + " has " + std::to_string(found[i]) +
               " entries, expected " + std::to_string(least[i]) + " to " + std::to_string(most[i]);
      }
    }
    return "";
  }
};

void AppendUnderFault(Ledger& ledger, Bounds* bounds, Outcome* outcome) {
  for (int i = 0; i < 14; ++i) {
    const int author = i % Ledger::kAuthors;
    const int count = i == 5 ? 30 : 1 + i % 2;  // once more than a few pages
    const Durability durability = i % 3 == 0 ? Durability::kProcess : Durability::kPower;
    const Status status = ledger.AppendMany(author, count, durability);
    bounds->Add(author, count, durability, status);
    if (status.ok()) continue;
    ++outcome->failed_calls;
    outcome->codes.insert(status.code());
  }
}

// The cause is gone. A checkpoint may have met it at the last moment: then one call is told so, and
// the next one works.
std::string UseAfterwards(Ledger& ledger, Bounds* bounds) {
  int late_news = 0;
  for (int author = 0; author < Ledger::kAuthors; ++author) {
    Status status = ledger.Append(author, Durability::kPower);
    bounds->Add(author, 1, Durability::kPower, status);
    if (!status.ok() && late_news++ == 0) {
      status = ledger.Append(author, Durability::kPower);
      bounds->Add(author, 1, Durability::kPower, status);
    }
    if (!status.ok()) return "does not work again: " + status.ToString();
  }
  if (std::string wrong = ledger.Check(ledger.AckedAtPower()); !wrong.empty()) return wrong;
  return bounds->Check(ledger.Newest());
}

Outcome RunWithFault(const Contents& contents, const Fault& fault, int64_t n) {
  Outcome outcome;
  CrashVfs vfs(contents);
  Result<std::unique_ptr<Ledger>> opened = Ledger::Open(vfs.name(), kWalLimit);
  if (!opened.ok()) {
    outcome.wrong = "does not open: " + opened.status().ToString();
    return outcome;
  }
  Ledger& ledger = **opened;
  Bounds bounds{ledger.Newest(), ledger.Newest()};
  vfs.disk().FailNth(n, fault.operations, fault.failure, fault.for_ever);
  AppendUnderFault(ledger, &bounds, &outcome);
  outcome.fired = vfs.disk().failures() > 0;
  vfs.disk().Heal();
  outcome.wrong = UseAfterwards(ledger, &bounds);
  if (!outcome.wrong.empty()) return outcome;
  // What was acknowledged is on the disk, whatever the failed syncs have lost.
  const DiskSnapshot cut = vfs.disk().Snapshot();
  for (uint64_t seed = 0; seed < 2 && outcome.wrong.empty(); ++seed) {
    outcome.wrong = CheckContents(AfterPowerCut(cut, seed), ledger.AckedAtPower());
  }
  return outcome;
}

bool Expected(const std::set<Code>& codes) {
  for (const Code code : codes) {
    if (code != Code::kIoError && code != Code::kDiskFull) return false;
  }
  return true;
}

}  // namespace

TEST_CASE("the nth I/O operation fails under writers", "[io_fault]") {
  const Contents contents = SeasonedStore();
  for (const Fault& fault : kFaults) {
    int64_t n = 1;
    int64_t failed_calls = 0;
    int silent = 0;  // runs in a row that ended before the nth operation
    for (; silent < 3 && n < 5000; n += kStride) {
      const Outcome outcome = RunWithFault(contents, fault, n);
      INFO(fault.name << ", operation " << n);
      REQUIRE(outcome.wrong == "");
      REQUIRE(Expected(outcome.codes));
      failed_calls += outcome.failed_calls;
      silent = outcome.fired ? 0 : silent + 1;
    }
    std::printf("io fault: %s: %lld operations, %lld calls failed\n", fault.name,
                static_cast<long long>(n), static_cast<long long>(failed_calls));
    CHECK(failed_calls > 0);
  }
}

TEST_CASE("the nth I/O operation fails while the store is opened", "[io_fault]") {
  const Contents seasoned = SeasonedStore();
  for (const Contents& contents : {Contents(), seasoned}) {
    for (const bool for_ever : {false, true}) {
      bool fired = true;
      int refused = 0;
      for (int64_t n = 1; fired && n < 2000; n += kStride) {
        INFO((contents.empty() ? "new" : "existing") << " store, operation " << n);
        CrashVfs vfs(contents);
        vfs.disk().FailNth(n, CrashDisk::kAny, CrashDisk::Failure::kIoError, for_ever);
        {
          const Result<std::unique_ptr<Ledger>> first = Ledger::Open(vfs.name(), kWalLimit);
          refused += first.ok() ? 0 : 1;
          fired = vfs.disk().failures() > 0;
          vfs.disk().Heal();
        }
        const Result<std::unique_ptr<Ledger>> second = Ledger::Open(vfs.name(), kWalLimit);
        INFO(second.status().ToString());
        REQUIRE(second.ok());
        REQUIRE((*second)->Append(0, Durability::kPower).ok());
        Ledger::Counts least{};
        if (!contents.empty()) least.fill(5);
        REQUIRE((*second)->Check(least) == "");
      }
      CHECK(refused > 0);
    }
  }
}

TEST_CASE("after a failed sync, readers are served again although nobody writes", "[io_fault]") {
  CrashVfs vfs;
  Result<std::unique_ptr<Ledger>> opened = Ledger::Open(vfs.name(), 16 << 20);
  REQUIRE(opened.ok());
  Ledger& ledger = **opened;
  REQUIRE(ledger.Append(0, Durability::kPower).ok());
  vfs.disk().FailNth(1, CrashDisk::kSync, CrashDisk::Failure::kIoError, true);
  REQUIRE(ledger.Append(0, Durability::kPower).code() == Code::kIoError);
  REQUIRE(ledger.store().Read().status().code() == Code::kIoError);
  // It goes on trying while the cause lasts.
  const int64_t failures = vfs.disk().failures();
  while (vfs.disk().failures() < failures + 2) std::this_thread::yield();
  CHECK_FALSE(ledger.store().failed().ok());
  vfs.disk().Heal();
  while (!ledger.store().failed().ok()) std::this_thread::yield();
  CHECK(ledger.store().Read().ok());
  CHECK(ledger.Check(ledger.AckedAtPower()) == "");
}

TEST_CASE("a full disk refuses what does not fit, and nothing else", "[io_fault]") {
  const Contents contents = SeasonedStore();
  for (int64_t room = 0; room < 200'000; room += Torture() ? 512 : 8'000 * kStride) {
    CrashVfs vfs(contents);
    Result<std::unique_ptr<Ledger>> opened = Ledger::Open(vfs.name(), kWalLimit);
    REQUIRE(opened.ok());
    Ledger& ledger = **opened;
    vfs.disk().SetCapacity(vfs.disk().used() + room);
    std::vector<std::thread> authors;
    std::atomic<int> full{0};
    std::atomic<int> other{0};
    for (int author = 0; author < Ledger::kAuthors; ++author) {
      authors.emplace_back([&, author] {
        for (int i = 0; i < 30; ++i) {
          const Status status = ledger.Append(author, Durability::kPower);
          if (status.ok()) continue;
          ++(status.code() == Code::kDiskFull ? full : other);
        }
      });
    }
    for (std::thread& author : authors) author.join();
    INFO("room " << room);
    CHECK(other == 0);
    if (room == 0) CHECK(full > 0);
    CHECK(ledger.Check(ledger.AckedAtPower()) == "");
    vfs.disk().Heal();
    Bounds bounds{ledger.Newest(), ledger.Newest()};
    CHECK(UseAfterwards(ledger, &bounds) == "");
  }
}

}  // namespace millrace::store
