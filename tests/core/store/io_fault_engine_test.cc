// I/O that fails under the engine's enqueue, claim and finish: callers are told, nothing is half
// done, and the engine works again when the cause is gone.
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <string>

#include "catch.h"
#include "store/crash_vfs.h"
#include "store/power_cut_engine_workload.h"
#include "store/power_cut_workload.h"

namespace millrace::store {
namespace {

constexpr int kBatches = 6;

struct Fault {
  const char* name;
  CrashDisk::Failure failure;
  unsigned operations;
  bool for_ever;
  int64_t stride;  // which n are tried in the short form
};

constexpr Fault kFaults[] = {
    {"EIO once", CrashDisk::Failure::kIoError, CrashDisk::kAny, false, 5},
    {"EIO from there on", CrashDisk::Failure::kIoError, CrashDisk::kAny, true, 7},
    {"no space from there on", CrashDisk::Failure::kDiskFull, CrashDisk::kWrite, true, 5},
    {"failed sync once", CrashDisk::Failure::kIoError, CrashDisk::kSync, false, 1},
};

struct Outcome {
  bool fired = false;
  int refused = 0;
  std::string wrong;
};

// One session lives through all of it: it goes on trying by itself. (A session that is closed while
// nothing can be written keeps its leases until its process ends.)
Outcome RunWithFault(const Fault& fault, int64_t n) {
  Outcome outcome;
  CrashVfs vfs;
  EngineWorkload workload;
  Result<std::unique_ptr<Engine>> opened = workload.Open(vfs.name());
  if (!opened.ok()) return {.wrong = "does not open: " + opened.status().ToString()};
  Engine& engine = **opened;
  if (Status status = workload.Enqueue(engine, 0, 0); !status.ok())
    return {.wrong = status.ToString()};
  int number = 0;
  const std::string wrong = workload.Work(engine, [&] {
    if (number == 0) vfs.disk().FailNth(n, fault.operations, fault.failure, fault.for_ever);
    if (++number < kBatches) {
      const Status status = workload.Enqueue(engine, 0, number);
      outcome.refused += status.ok() ? 0 : 1;
      const bool expected =
          status.ok() || status.code() == Code::kIoError || status.code() == Code::kDiskFull;
      if (!expected) outcome.wrong = status.ToString();
      return false;
    }
    if (number == kBatches) {
      outcome.fired = vfs.disk().failures() > 0;
      vfs.disk().Heal();
    }
    const Result<QueueCounts> counts = engine.Counts(EngineWorkload::kQueue);
    return counts.ok() && counts->ready + counts->active + counts->scheduled == 0;
  });
  if (outcome.wrong.empty()) outcome.wrong = wrong;
  if (!outcome.wrong.empty()) return outcome;
  // One call may still be told of a failure that a background thread met at the last moment.
  Status status = workload.Enqueue(engine, 0, kBatches);
  if (!status.ok()) status = workload.Enqueue(engine, 0, kBatches);
  if (!status.ok()) return {.wrong = "works no more: " + status.ToString()};
  const Told told = workload.Now();
  const DiskSnapshot cut = vfs.disk().Snapshot();
  outcome.wrong = workload.Check(engine, told, 1, kBatches + 1);
  if (outcome.wrong.empty()) {
    outcome.wrong =
        CheckEngineContents(AfterPowerCut(cut, static_cast<uint64_t>(n)), told, 1, kBatches + 1);
  }
  return outcome;
}

// In a child, because the limit is the process's: the real ENOSPC's sibling, EFBIG, from the real
// file system.
int FillUpToTheLimit() {
  signal(SIGXFSZ, SIG_IGN);
  testing::TempDir dir;
  Result<std::unique_ptr<Engine>> engine = Engine::Open({.path = dir.file()});
  if (!engine.ok()) return 2;
  const auto enqueue = [&](size_t bytes) {
    std::vector<JobSpec> jobs;
    jobs.push_back(testing::Spec("task", "\"" + std::string(bytes, 'x') + "\""));
    return (*engine)->Enqueue(std::move(jobs), {}).status();
  };
  rlimit limit{};
  getrlimit(RLIMIT_FSIZE, &limit);
  const rlimit small{.rlim_cur = 1 << 20, .rlim_max = limit.rlim_max};
  setrlimit(RLIMIT_FSIZE, &small);
  int64_t accepted = 0;
  Status status;
  for (int i = 0; i < 1000 && status.ok(); ++i) {
    status = enqueue(20'000);
    accepted += status.ok() ? 1 : 0;
  }
  if (status.code() != Code::kDiskFull) return 3;
  const Result<QueueCounts> counts = (*engine)->Counts("q");
  if (!counts.ok() || counts->ready != accepted) return 4;
  setrlimit(RLIMIT_FSIZE, &limit);
  if (!enqueue(20'000).ok()) return 5;
  const Result<QueueCounts> more = (*engine)->Counts("q");
  return more.ok() && more->ready == accepted + 1 ? 0 : 6;
}

}  // namespace

TEST_CASE("the nth I/O operation fails under enqueue, claim and finish", "[io_fault][engine]") {
  int64_t refused_of_all = 0;
  for (const Fault& fault : kFaults) {
    const int64_t stride = Torture() ? 1 : fault.stride * kStride;
    int64_t n = 1;
    int64_t tried = 0;
    int64_t refused = 0;
    int silent = 0;
    for (; silent < 2 && n < 5000; n += stride, ++tried) {
      const Outcome outcome = RunWithFault(fault, n);
      INFO(fault.name << ", operation " << n);
      REQUIRE(outcome.wrong == "");
      refused += outcome.refused;
      silent = outcome.fired ? 0 : silent + 1;
    }
    std::printf("io fault, engine: %s: %lld of %lld operations, %lld enqueues refused\n",
                fault.name, static_cast<long long>(tried), static_cast<long long>(n),
                static_cast<long long>(refused));
    // A single fault may meet somebody else's operation each time; a lasting one meets an enqueue.
    if (fault.for_ever) CHECK(refused > 0);
    refused_of_all += refused;
  }
  CHECK(refused_of_all > 0);
}

TEST_CASE("a file that may not grow refuses jobs with disk_full, and takes them when it may",
          "[io_fault][engine]") {
  const pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) _exit(FillUpToTheLimit());
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  REQUIRE(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 0);
}

}  // namespace millrace::store
