// What the core does by itself: the whole life of a job (enqueue, claim, finish) in batches,
// through the public API. One line of JSON a row. Usage: millrace_core_bench [--dir DIR] [--jobs N]
// [--backlog N] [--groups N]
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "millrace/engine.h"

namespace {

using Clock = std::chrono::steady_clock;
using millrace::Durability;
using millrace::Engine;
using millrace::JobSpec;
using millrace::Outcome;

constexpr int kBatch = 100;
constexpr size_t kPayloadBytes = 200;

[[noreturn]] void Die(const millrace::Status& status) {
  std::fprintf(stderr, "%s\n", status.ToString().c_str());
  std::exit(1);
}

double Seconds(Clock::time_point since) {
  return std::chrono::duration<double>(Clock::now() - since).count();
}

std::vector<JobSpec> Batch(int count, int64_t delay_ms, bool keyed) {
  JobSpec spec;
  spec.queue = "bench";
  spec.name = "noop";
  spec.data = "{\"text\":\"" + std::string(kPayloadBytes - 11, 'x') + "\"}";
  spec.delay_ms = delay_ms;
  std::vector<JobSpec> jobs(static_cast<size_t>(count), spec);
  static int64_t next_key = 0;
  for (JobSpec& job : jobs) {
    if (keyed) job.dedup.key = "customer-" + std::to_string(next_key++);
  }
  return jobs;
}

void Row(const char* work, Durability durability, double per_second, int64_t jobs) {
  std::printf("{\"work\":\"%s\",\"durability\":\"%s\",\"per_second\":%.0f,\"jobs\":%lld}\n", work,
              millrace::DurabilityName(durability), per_second, static_cast<long long>(jobs));
  std::fflush(stdout);
}

void Enqueue(Engine& engine, int64_t jobs, int64_t delay_ms, Durability durability, int batch,
             bool keyed = false) {
  for (int64_t done = 0; done < jobs; done += batch) {
    auto acks = engine.Enqueue(Batch(batch, delay_ms, keyed), {.durability = durability});
    if (!acks.ok()) Die(acks.status());
  }
}

// Claims and completes `jobs` jobs, a batch a commit.
void Work(millrace::Session& session, int64_t jobs) {
  int64_t settled = 0;
  for (int64_t taken = 0; taken < jobs;) {
    auto batch = session.Take(kBatch, -1);
    if (!batch.ok()) Die(batch.status());
    std::vector<std::pair<int64_t, Outcome>> outcomes;
    for (const millrace::LeasedJob& job : *batch) {
      Outcome outcome;
      outcome.body = "null";
      outcomes.emplace_back(job.token, std::move(outcome));
    }
    taken += static_cast<int64_t>(outcomes.size());
    if (auto status = session.SettleMany(std::move(outcomes), nullptr); !status.ok()) Die(status);
  }
  while (settled < jobs) {
    auto notices = session.Drain(-1);
    if (!notices.ok()) Die(notices.status());
    for (const millrace::Settled& one : notices->settled) {
      if (!one.status.ok()) Die(one.status);
    }
    settled += static_cast<int64_t>(notices->settled.size());
  }
}

// Enqueue, claim and finish side by side, as a producer and a worker of one process.
void Life(Engine& engine, const char* name, int64_t jobs, Durability durability) {
  auto session =
      engine.OpenSession({.queues = {"bench"}, .slots = kBatch, .durability = durability});
  if (!session.ok()) Die(session.status());
  const auto start = Clock::now();
  std::thread producer([&] { Enqueue(engine, jobs, 0, durability, kBatch); });
  Work(**session, jobs);
  producer.join();
  Row(name, durability, static_cast<double>(jobs) / Seconds(start), jobs);
  if (auto status = (*session)->Close(-1); !status.ok()) Die(status);
}

std::unique_ptr<Engine> Open(const std::string& dir, const char* name) {
  const std::string path = dir + "/" + name;
  for (const char* suffix : {"", "-wal", "-shm", "-mill"}) std::filesystem::remove(path + suffix);
  auto engine = Engine::Open({.path = path});
  if (!engine.ok()) Die(engine.status());
  return std::move(*engine);
}

void Separate(const std::string& dir, int64_t jobs, Durability durability) {
  auto engine = Open(dir, "separate.db");
  auto start = Clock::now();
  Enqueue(*engine, jobs, 0, durability, kBatch);
  Row("enqueue, batches of 100", durability, static_cast<double>(jobs) / Seconds(start), jobs);
  auto session =
      engine->OpenSession({.queues = {"bench"}, .slots = kBatch, .durability = durability});
  if (!session.ok()) Die(session.status());
  start = Clock::now();
  Work(**session, jobs);
  Row("claim and finish, batches of 100", durability, static_cast<double>(jobs) / Seconds(start),
      jobs);
  start = Clock::now();
  for (int i = 0; i < 2'000; ++i) Enqueue(*engine, 1, 0, durability, 1);
  Row("enqueue one at a time", durability, 2'000 / Seconds(start), 2'000);
}

// The same jobs, each with a deduplication key of its own: what a key costs.
void WithKeys(const std::string& dir, int64_t jobs, Durability durability) {
  auto engine = Open(dir, "keys.db");
  auto start = Clock::now();
  Enqueue(*engine, jobs, 0, durability, kBatch, true);
  Row("enqueue with a key, batches of 100", durability, static_cast<double>(jobs) / Seconds(start),
      jobs);
  start = Clock::now();
  for (int i = 0; i < 2'000; ++i) Enqueue(*engine, 1, 0, durability, 1, true);
  Row("enqueue with a key, one at a time", durability, 2'000 / Seconds(start), 2'000);
}

void SetLimits(Engine& engine) {
  using millrace::Limit;
  using millrace::LimitScope;
  const millrace::Rate rate{.count = 10'000'000, .period_ms = 1'000};
  for (const Limit& limit :
       {Limit{.scope = LimitScope::kQueue, .queue = "bench", .concurrency = 10'000, .rate = rate},
        Limit{.scope = LimitScope::kTask, .task = "noop", .concurrency = 10'000, .rate = rate},
        Limit{.scope = LimitScope::kGroup, .queue = "bench", .concurrency = 2}}) {
    if (auto status = engine.SetLimit(limit, {}); !status.ok()) Die(status);
  }
}

// The rate of claims and finishes of `jobs` jobs: plain, then spread over `groups` groups of which
// each has a limit, under limits of the queue and of the task too.
void Limits(const std::string& dir, int64_t jobs, int64_t groups) {
  for (const bool limited : {false, true}) {
    auto engine = Open(dir, "limits.db");
    if (limited) SetLimits(*engine);
    for (int64_t done = 0; done < jobs; done += 1'000) {
      std::vector<JobSpec> batch = Batch(1'000, 0, false);
      for (int64_t i = 0; limited && i < 1'000; ++i) {
        batch[static_cast<size_t>(i)].group = "tenant-" + std::to_string((done + i) % groups);
      }
      auto acks = engine->Enqueue(std::move(batch), {.durability = Durability::kProcess});
      if (!acks.ok()) Die(acks.status());
    }
    auto session = engine->OpenSession(
        {.queues = {"bench"}, .slots = kBatch, .durability = Durability::kProcess});
    if (!session.ok()) Die(session.status());
    const auto start = Clock::now();
    Work(**session, jobs);
    Row(limited ? "claim and finish, with limits, 100,000 groups" : "claim and finish, no limits",
        Durability::kProcess, static_cast<double>(jobs) / Seconds(start), jobs);
  }
}

}  // namespace

int main(int argc, char** argv) {
  std::string dir =
      std::filesystem::temp_directory_path() / ("millrace-bench-" + std::to_string(getpid()));
  int64_t jobs = 200'000;
  int64_t backlog = 1'000'000;
  int64_t groups = 100'000;
  for (int i = 1; i + 1 < argc; i += 2) {
    if (std::strcmp(argv[i], "--dir") == 0) dir = argv[i + 1];
    if (std::strcmp(argv[i], "--jobs") == 0) jobs = std::atoll(argv[i + 1]);
    if (std::strcmp(argv[i], "--backlog") == 0) backlog = std::atoll(argv[i + 1]);
    if (std::strcmp(argv[i], "--groups") == 0) groups = std::atoll(argv[i + 1]);
  }
  std::filesystem::create_directories(dir);
  for (const Durability durability : {Durability::kProcess, Durability::kPower}) {
    Separate(dir, jobs, durability);
    WithKeys(dir, jobs, durability);
    Life(*Open(dir, "life.db"), "whole life, batches of 100", jobs, durability);
  }
  if (groups > 0) Limits(dir, std::max(jobs, groups), groups);
  if (backlog > 0) {
    auto engine = Open(dir, "backlog.db");
    Enqueue(*engine, backlog, 0, Durability::kProcess, 1'000);
    Enqueue(*engine, backlog, 86'400'000, Durability::kProcess, 1'000);
    Life(*engine, "whole life, batches of 100, behind a backlog", jobs, Durability::kPower);
  }
  std::filesystem::remove_all(dir);
  return 0;
}
