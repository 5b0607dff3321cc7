// Schedules: how late their jobs start, and what a store full of idle ones costs a waiting worker.
// One line of JSON a row. Usage: millrace_schedule_bench [--dir DIR] [--schedules N] [--seconds S]
#include <sys/resource.h>
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

using millrace::Durability;
using millrace::Engine;
using millrace::ScheduleSpec;

constexpr int kFiring = 100;          // schedules that fire during the measure
constexpr int64_t kFiringMs = 1'000;  // each of them this often

template <typename T>
T Must(millrace::Result<T> result) {
  if (result.ok()) return std::move(*result);
  std::fprintf(stderr, "%s\n", result.status().ToString().c_str());
  std::exit(1);
}

int64_t WallUs() {
  return std::chrono::duration_cast<std::chrono::microseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

double CpuSeconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

ScheduleSpec Schedule(const std::string& id) {
  ScheduleSpec spec;
  spec.id = id;
  spec.job.queue = "bench";
  spec.job.name = "noop";
  return spec;
}

// Idle ones: daily, each at a second of its own, none of them soon.
void PutIdle(Engine& engine, int count) {
  const int64_t from_ms = engine.NowMs() + 3'600'000;
  const auto begin = std::chrono::steady_clock::now();
  for (int i = 0; i < count; ++i) {
    ScheduleSpec spec = Schedule("idle-" + std::to_string(i));
    spec.timing.every_ms = 86'400'000;
    spec.timing.offset_ms = (from_ms + i * 100) % 86'400'000;
    Must(engine.PutSchedule(spec, {.durability = Durability::kProcess}));
  }
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
  if (count > 0) {
    std::printf("{\"work\":\"put schedules\",\"schedules\":%d,\"per_second\":%.0f}\n", count,
                count / took.count());
  }
}

void MeasureIdle(int schedules, int seconds) {
  std::this_thread::sleep_for(std::chrono::seconds(2));  // what starting up left to do
  const double before = CpuSeconds();
  std::this_thread::sleep_for(std::chrono::seconds(seconds));
  std::printf("{\"work\":\"idle worker\",\"schedules\":%d,\"cpu_ms_per_second\":%.3f}\n", schedules,
              (CpuSeconds() - before) * 1'000 / seconds);
}

int64_t SlotOf(const millrace::LeasedJob& job) {
  const std::string name = "\"millrace-slot\":\"";
  return std::atoll(job.spec.headers.c_str() + job.spec.headers.find(name) + name.size());
}

void MeasureFiring(Engine& engine, millrace::Session& session, int schedules, int seconds) {
  for (int i = 0; i < kFiring; ++i) {
    ScheduleSpec spec = Schedule("firing-" + std::to_string(i));
    spec.timing.every_ms = kFiringMs;
    spec.timing.offset_ms = i * kFiringMs / kFiring;
    Must(engine.PutSchedule(spec, {.durability = Durability::kProcess}));
  }
  std::vector<int64_t> late_us;
  while (std::ssize(late_us) < int64_t{kFiring} * seconds) {
    for (const auto& job : Must(session.Take(100, -1))) {
      late_us.push_back(WallUs() - SlotOf(job) * 1'000);
      if (auto status = session.Settle(job.token, {.body = "null"}); !status.ok()) std::exit(1);
    }
    (void)session.Drain(0);
  }
  std::sort(late_us.begin(), late_us.end());
  const auto at = [&](double share) {
    return static_cast<double>(
               late_us[static_cast<size_t>(share * static_cast<double>(late_us.size() - 1))]) /
           1'000;
  };
  std::printf(
      "{\"work\":\"start of a slot's job\",\"schedules\":%d,\"jobs\":%zu,\"p50_ms\":%.2f,"
      "\"p99_ms\":%.2f,\"max_ms\":%.2f}\n",
      schedules, late_us.size(), at(0.5), at(0.99), at(1));
}

void Measure(const std::filesystem::path& directory, int schedules, int seconds) {
  std::filesystem::create_directories(directory);
  auto engine = Must(Engine::Open({.path = directory / "schedules.db"}));
  PutIdle(*engine, schedules);
  auto session = Must(
      engine->OpenSession({.queues = {"bench"}, .slots = 100, .durability = Durability::kProcess}));
  MeasureIdle(schedules, seconds);
  MeasureFiring(*engine, *session, schedules, seconds);
  std::fflush(stdout);
  session.reset();
  engine.reset();
  std::filesystem::remove_all(directory);
}

}  // namespace

int main(int argc, char** argv) {
  std::filesystem::path directory = std::filesystem::temp_directory_path();
  int schedules = 100'000;
  int seconds = 10;
  for (int i = 1; i + 1 < argc; i += 2) {
    if (std::strcmp(argv[i], "--dir") == 0) directory = argv[i + 1];
    if (std::strcmp(argv[i], "--schedules") == 0) schedules = std::atoi(argv[i + 1]);
    if (std::strcmp(argv[i], "--seconds") == 0) seconds = std::atoi(argv[i + 1]);
  }
  directory /= "millrace-schedule-bench-" + std::to_string(getpid());
  Measure(directory, 0, seconds);
  Measure(directory, schedules, seconds);
  return 0;
}
