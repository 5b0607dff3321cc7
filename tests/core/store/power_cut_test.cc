// The write path on a disk that loses, tears and reorders everything that was not synced. See
// design section 5: why a sync of the WAL outside the lock is enough.
#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "catch.h"
#include "store/crash_vfs.h"
#include "store/power_cut_workload.h"

namespace millrace::store {
namespace {

struct Cut {
  DiskSnapshot disk;
  Ledger::Counts acked;
};

struct Plan {
  uint64_t seed = 1;
  int rounds = 3;       // opened, written and closed so often
  int operations = 60;  // of each author and round
  double cut_chance = 0.02 / kStride;
  int disks_per_cut = 4;
  Durability durability = Durability::kPower;
};

struct Tally {
  int64_t operations = 0;
  int64_t cuts = 0;
  int64_t disks = 0;
  int64_t failures = 0;
  std::string first_failure;

  void Add(const std::string& wrong, const Plan& plan, const Cut& cut, uint64_t disk_seed) {
    ++disks;
    if (wrong.empty()) return;
    if (failures++ == 0) {
      first_failure = wrong + " (plan " + std::to_string(plan.seed) + ", cut before I/O " +
                      std::to_string(cut.disk.io) + ", disk seed " + std::to_string(disk_seed) +
                      ")";
    }
  }
};

// What the authors count as acknowledged so far; the rounds before and the present one.
class Acks {
 public:
  void Begin(Ledger* ledger) { ledger_ = ledger; }
  void End() {
    past_ = Now();
    ledger_ = nullptr;
  }
  Ledger::Counts Now() const {
    const Ledger* ledger = ledger_.load();
    Ledger::Counts counts = ledger ? ledger->AckedAtPower() : Ledger::Counts{};
    for (size_t i = 0; i < counts.size(); ++i) counts[i] = std::max(counts[i], past_[i]);
    return counts;
  }

 private:
  std::atomic<Ledger*> ledger_{nullptr};
  Ledger::Counts past_{};
};

void WriteOneRound(Ledger& ledger, const Plan& plan, int round, Tally* tally) {
  std::vector<std::thread> authors;
  std::atomic<int64_t> done{0};
  for (int author = 0; author < Ledger::kAuthors; ++author) {
    authors.emplace_back([&, author] {
      std::mt19937_64 random(plan.seed * 1000 + static_cast<uint64_t>(round * 10 + author));
      for (int i = 0; i < plan.operations; ++i) {
        const bool weaker = random() % 4 == 0;
        const Status status = ledger.AppendMany(author, 1 + static_cast<int>(random() % 3),
                                                weaker ? Durability::kProcess : plan.durability);
        done += status.ok() ? 1 : 0;
      }
    });
  }
  for (std::thread& author : authors) author.join();
  tally->operations += done;
}

std::vector<Cut> WriteAndCut(const Plan& plan, Tally* tally) {
  CrashVfs vfs;
  Acks acks;
  std::vector<Cut> cuts;
  std::mt19937_64 random(plan.seed);
  vfs.disk().Observe([&](int64_t, const std::function<DiskSnapshot()>& take) {
    if (std::uniform_real_distribution<double>(0, 1)(random) >= plan.cut_chance) return;
    // Acknowledged first, disk second: what is acknowledged in between is not asked for.
    const Ledger::Counts acked = acks.Now();
    cuts.push_back({take(), acked});
  });
  for (int round = 0; round < plan.rounds; ++round) {
    // A small WAL: it begins anew many times while it is written.
    Result<std::unique_ptr<Ledger>> ledger = Ledger::Open(vfs.name(), 256 << 10);
    if (!ledger.ok()) break;
    acks.Begin(ledger->get());
    WriteOneRound(**ledger, plan, round, tally);
    static_cast<void>((*ledger)->Close());
    acks.End();
  }
  vfs.disk().Observe(nullptr);
  tally->cuts += static_cast<int64_t>(cuts.size());
  return cuts;
}

void Check(const Plan& plan, const std::vector<Cut>& cuts, Tally* tally) {
  for (const Cut& cut : cuts) {
    for (int i = 0; i < plan.disks_per_cut; ++i) {
      const uint64_t seed = plan.seed * 1'000'003 + static_cast<uint64_t>(cut.disk.io * 31 + i);
      tally->Add(CheckContents(AfterPowerCut(cut.disk, seed), cut.acked), plan, cut, seed);
    }
  }
}

void Print(const char* what, const Tally& tally, uint64_t first_seed, uint64_t last_seed) {
  std::printf("%s: %lld operations, %lld cuts, %lld disks checked, %lld bad, seeds %llu..%llu\n",
              what, static_cast<long long>(tally.operations), static_cast<long long>(tally.cuts),
              static_cast<long long>(tally.disks), static_cast<long long>(tally.failures),
              static_cast<unsigned long long>(first_seed),
              static_cast<unsigned long long>(last_seed));
}

uint64_t FirstSeed() {
  const char* given = std::getenv("MILLRACE_SEED");
  return given ? std::strtoull(given, nullptr, 10) : 1;
}

}  // namespace

TEST_CASE("what was acknowledged at power survives a power cut at any moment", "[power_cut]") {
  const uint64_t first = FirstSeed();
  const uint64_t last = first + (Torture() ? 60 : 3) - 1;
  Tally tally;
  for (uint64_t seed = first; seed <= last; ++seed) {
    Plan plan;
    plan.seed = seed;
    if (Torture()) {
      plan.cut_chance = 0.1;
      plan.disks_per_cut = 10;
    }
    Check(plan, WriteAndCut(plan, &tally), &tally);
  }
  Print("power cut", tally, first, last);
  INFO(tally.first_failure);
  CHECK(tally.failures == 0);
  CHECK(tally.cuts > 20 / kStride);
}

TEST_CASE("a second power cut while the first one is being recovered loses nothing either",
          "[power_cut]") {
  const uint64_t first = FirstSeed() + 500;
  const uint64_t last = first + (Torture() ? 30 : 2) - 1;
  Tally tally;
  for (uint64_t seed = first; seed <= last; ++seed) {
    Plan plan;
    plan.seed = seed;
    plan.rounds = 1;
    plan.cut_chance = 0.01 / kStride;
    for (const Cut& cut : WriteAndCut(plan, &tally)) {
      std::vector<Cut> second;
      {
        CrashVfs vfs(AfterPowerCut(cut.disk, seed));
        std::mt19937_64 random(seed);
        vfs.disk().Observe([&](int64_t, const std::function<DiskSnapshot()>& take) {
          if (random() % 6 == 0) second.push_back({take(), cut.acked});
        });
        const Result<std::unique_ptr<Ledger>> ledger = Ledger::Open(vfs.name(), 256 << 10);
        if (ledger.ok()) static_cast<void>((*ledger)->Close());
        vfs.disk().Observe(nullptr);
      }
      tally.cuts += static_cast<int64_t>(second.size());
      Plan few = plan;
      few.disks_per_cut = 1;
      Check(few, second, &tally);
    }
  }
  Print("second power cut", tally, first, last);
  INFO(tally.first_failure);
  CHECK(tally.failures == 0);
  CHECK(tally.cuts > 10 / kStride);
}

TEST_CASE("the power-cut test finds losses: process durability does not survive", "[power_cut]") {
  Plan plan;
  plan.seed = 7;
  plan.cut_chance = 0.1;
  Tally tally;
  CrashVfs vfs;
  std::vector<Cut> cuts;
  Result<std::unique_ptr<Ledger>> ledger = Ledger::Open(vfs.name(), 64 << 20);
  REQUIRE(ledger.ok());
  for (int i = 1; i <= 20; ++i) {
    REQUIRE((*ledger)->Append(0, Durability::kProcess).ok());
    Ledger::Counts claimed{};
    claimed[0] = i;  // as if it had been acknowledged at power
    cuts.push_back({vfs.disk().Snapshot(), claimed});
  }
  Check(plan, cuts, &tally);
  CHECK(tally.failures > 0);
  CHECK(tally.first_failure.find("lost: acknowledged") != std::string::npos);
}

}  // namespace millrace::store
