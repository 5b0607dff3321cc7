// Power cuts under producers and a worker: what the engine acknowledged at power, through its
// public API.
#include <cstdio>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "catch.h"
#include "store/crash_vfs.h"
#include "store/power_cut_engine_workload.h"
#include "store/power_cut_workload.h"

namespace millrace::store {
namespace {

constexpr int kProducers = 2;

struct Cut {
  DiskSnapshot disk;
  Told told;
};

struct Plan {
  uint64_t seed = 1;
  int batches = 30;  // of each producer
  double cut_chance = 0.05;
  int disks_per_cut = 2;
};

std::vector<Cut> WorkAndCut(const Plan& plan, std::string* wrong) {
  CrashVfs vfs;
  EngineWorkload workload;
  std::vector<Cut> cuts;
  std::mt19937_64 random(plan.seed);
  vfs.disk().Observe([&](int64_t, const std::function<DiskSnapshot()>& take) {
    if (std::uniform_real_distribution<double>(0, 1)(random) >= plan.cut_chance) return;
    Told told = workload.Now();
    cuts.push_back({take(), std::move(told)});
  });
  {
    Result<std::unique_ptr<Engine>> engine = workload.Open(vfs.name());
    if (!engine.ok()) {
      *wrong = engine.status().ToString();
      return cuts;
    }
    if (const Status limited = workload.SetLimits(**engine); !limited.ok()) {
      *wrong = limited.ToString();
      return cuts;
    }
    std::atomic<int> jobs{0};
    std::vector<std::thread> producers;
    for (int producer = 0; producer < kProducers; ++producer) {
      producers.emplace_back([&, producer] {
        for (int number = 0; number < plan.batches; ++number) {
          if (workload.Enqueue(**engine, producer, number).ok())
            jobs += EngineWorkload::BatchSize(number);
        }
      });
    }
    int expected = 0;
    for (int number = 0; number < plan.batches; ++number)
      expected += kProducers * EngineWorkload::BatchSize(number);
    *wrong = workload.Work(
        **engine, [&] { return static_cast<int>(workload.Now().finished.size()) == expected; });
    for (std::thread& producer : producers) producer.join();
    if (wrong->empty() && jobs != expected) *wrong = "an enqueue failed";
  }
  vfs.disk().Observe(nullptr);
  return cuts;
}

}  // namespace

TEST_CASE("what the engine acknowledged at power survives a power cut at any moment",
          "[power_cut][engine]") {
  const uint64_t last = Torture() ? 40 : 2;
  int64_t cuts_made = 0;
  int64_t disks = 0;
  int64_t told = 0;
  for (uint64_t seed = 1; seed <= last; ++seed) {
    Plan plan;
    plan.seed = seed;
    plan.cut_chance /= kStride;
    if (Torture()) plan.disks_per_cut = 6;
    std::string wrong;
    const std::vector<Cut> cuts = WorkAndCut(plan, &wrong);
    REQUIRE(wrong == "");
    cuts_made += static_cast<int64_t>(cuts.size());
    for (const Cut& cut : cuts) {
      told += static_cast<int64_t>(cut.told.enqueued.size() + cut.told.finished.size());
      for (int i = 0; i < plan.disks_per_cut; ++i, ++disks) {
        const uint64_t disk_seed = seed * 1'000'003 + static_cast<uint64_t>(cut.disk.io * 31 + i);
        INFO("seed " << seed << ", cut before I/O " << cut.disk.io << ", disk seed " << disk_seed);
        REQUIRE(CheckEngineContents(AfterPowerCut(cut.disk, disk_seed), cut.told, kProducers,
                                    plan.batches) == "");
      }
    }
  }
  std::printf(
      "power cut, engine: %lld cuts, %lld disks checked, %lld acknowledgements held, seeds "
      "1..%llu\n",
      static_cast<long long>(cuts_made), static_cast<long long>(disks),
      static_cast<long long>(told), static_cast<unsigned long long>(last));
  CHECK(cuts_made > 0);
}

}  // namespace millrace::store
