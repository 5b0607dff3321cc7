// What flows cost the core, beside as many plain jobs: a parent and ten children, added one at a
// time, 50 in flight, and completed by a no-op worker. One line of JSON a row; `cpu_us` is the
// process's CPU time a flow, which other work on the machine changes little. Usage:
// millrace_flow_bench [--dir DIR] [--flows N] [--only one|many|work]
#include <sys/resource.h>
#include <unistd.h>

#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "millrace/engine.h"

namespace {

using Clock = std::chrono::steady_clock;
using millrace::Durability;
using millrace::Engine;
using millrace::JobSpec;
using millrace::Outcome;

constexpr int kChildren = 10;
constexpr int kInFlight = 50;
constexpr int kSlots = 100;
constexpr size_t kPayloadBytes = 200;

[[noreturn]] void Die(const millrace::Status& status) {
  std::fprintf(stderr, "%s\n", status.ToString().c_str());
  std::exit(1);
}

double CpuSeconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

// A row of the output: measures from its making to Print().
class Row {
 public:
  void Print(const std::string& work, Durability durability, int64_t flows) const {
    const double n = static_cast<double>(flows);
    const double seconds = std::chrono::duration<double>(Clock::now() - start_).count();
    const double cpu_us = (CpuSeconds() - cpu_) * 1e6 / n;
    std::printf(
        "{\"work\":\"%s\",\"durability\":\"%s\",\"per_second\":%.0f,\"cpu_us\":%.1f,\"flows\":%lld}"
        "\n",
        work.c_str(), millrace::DurabilityName(durability), n / seconds, cpu_us,
        static_cast<long long>(flows));
    std::fflush(stdout);
  }

 private:
  const Clock::time_point start_ = Clock::now();
  const double cpu_ = CpuSeconds();
};

// Ten jobs, and one that waits for them if `linked`.
std::vector<JobSpec> Flow(bool linked) {
  JobSpec spec;
  spec.queue = "bench";
  spec.name = "noop";
  spec.data = "{\"text\":\"" + std::string(kPayloadBytes - 11, 'x') + "\"}";
  std::vector<JobSpec> jobs(kChildren + 1, spec);
  for (int i = 0; linked && i < kChildren; ++i) {
    millrace::Dependency dependency;
    dependency.index = i;
    dependency.policy = millrace::DependencyPolicy::kWait;
    jobs.back().after.push_back(std::move(dependency));
  }
  return jobs;
}

void AddOneByOne(Engine& engine, int64_t flows, bool linked, Durability durability) {
  for (int64_t i = 0; i < flows; ++i) {
    auto acks = engine.Enqueue(Flow(linked), {.durability = durability});
    if (!acks.ok()) Die(acks.status());
  }
}

void AddInFlight(Engine& engine, int64_t flows, bool linked, Durability durability) {
  std::mutex mutex;
  std::condition_variable changed;
  for (int64_t i = 0; i < flows; i += kInFlight) {
    bool done = false;
    std::vector<std::vector<JobSpec>> batches(kInFlight, Flow(linked));
    engine.EnqueueManyAsync(std::move(batches), {.durability = durability}, [&](auto answers) {
      for (const auto& answer : answers) {
        if (!answer.ok()) Die(answer.status());
      }
      const std::lock_guard lock(mutex);
      done = true;
      changed.notify_one();
    });
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return done; });
  }
}

void Work(Engine& engine, int64_t jobs, Durability durability) {
  auto session =
      engine.OpenSession({.queues = {"bench"}, .slots = kSlots, .durability = durability});
  if (!session.ok()) Die(session.status());
  for (int64_t taken = 0; taken < jobs;) {
    auto batch = (*session)->Take(kSlots, -1);
    if (!batch.ok()) Die(batch.status());
    std::vector<std::pair<int64_t, Outcome>> outcomes;
    for (const millrace::LeasedJob& job : *batch) {
      Outcome outcome;
      outcome.body = "true";
      outcomes.emplace_back(job.token, std::move(outcome));
    }
    taken += static_cast<int64_t>(outcomes.size());
    auto status = (*session)->SettleMany(std::move(outcomes), nullptr);
    if (!status.ok()) Die(status);
  }
  for (int64_t settled = 0; settled < jobs;) {
    auto notices = (*session)->Drain(-1);
    if (!notices.ok()) Die(notices.status());
    settled += static_cast<int64_t>(notices->settled.size());
  }
  if (auto status = (*session)->Close(-1); !status.ok()) Die(status);
}

void Measure(const std::string& dir, int64_t flows, bool linked, Durability durability,
             const std::string& only) {
  const std::string what = linked ? "flow of 11" : "11 plain jobs";
  const auto wanted = [&](const char* row) { return std::string(row).rfind(only, 0) == 0; };
  for (const bool in_flight : {false, true}) {
    if (!wanted(in_flight ? "many" : "one") && !(in_flight && wanted("work"))) continue;
    std::filesystem::remove_all(dir);
    std::filesystem::create_directories(dir);
    auto engine = Engine::Open({.path = dir + "/flows.db"});
    if (!engine.ok()) Die(engine.status());
    {
      const Row row;
      (in_flight ? AddInFlight : AddOneByOne)(**engine, flows, linked, durability);
      row.Print(what + (in_flight ? ", 50 in flight" : ", one at a time"), durability, flows);
    }
    if (!in_flight || !wanted("work")) continue;
    const Row row;
    Work(**engine, flows * (kChildren + 1), durability);
    row.Print(what + ", claimed and finished", durability, flows);
  }
}

}  // namespace

int main(int argc, char** argv) {
  std::string dir =
      std::filesystem::temp_directory_path() / ("millrace-flows-" + std::to_string(getpid()));
  int64_t flows = 10'000;
  std::string only;
  for (int i = 1; i + 1 < argc; i += 2) {
    if (std::strcmp(argv[i], "--dir") == 0) dir = argv[i + 1];
    if (std::strcmp(argv[i], "--flows") == 0) flows = std::atoll(argv[i + 1]);
    if (std::strcmp(argv[i], "--only") == 0) only = argv[i + 1];
  }
  for (const bool linked : {false, true}) Measure(dir, flows, linked, Durability::kProcess, only);
  std::filesystem::remove_all(dir);
  return 0;
}
