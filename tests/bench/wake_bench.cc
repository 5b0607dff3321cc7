// What a wake-up costs: the way between two processes and back, a ring over armed and idle slots,
// an arming.
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "wake/doorbell.h"
#include "wake/sidecar.h"

namespace millrace::wake {
namespace {

constexpr int kRounds = 50'000;
constexpr int kCalls = 200'000;
constexpr double kFallAsleepUs = 20;
constexpr int64_t kPatienceMs = 10'000;
constexpr std::array<int64_t, 1> kQueue{7};

double NowUs() {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration<double, std::micro>(now).count();
}

double Percentile(std::vector<double>* samples, double fraction) {
  if (samples->empty()) std::exit(1);
  std::sort(samples->begin(), samples->end());
  return (*samples)[static_cast<size_t>(static_cast<double>(samples->size() - 1) * fraction)];
}

std::unique_ptr<Doorbell> OpenBell(const std::string& path, int slot, bool portable = false) {
  Doorbell::Options options;
  options.sidecar_path = path;
  options.slot = slot;
  options.process_id = 100 + slot;
  options.portable = portable;
  auto bell = Doorbell::Open(options);
  if (bell.ok() && (*bell)->CheckFile().ok()) return std::move(*bell);
  std::fprintf(stderr, "cannot open %s\n", path.c_str());
  std::exit(1);
}

// As a worker's pump: look, arm, wait; `seen` is what the last round left.
bool AwaitJob(Doorbell& bell, uint32_t* seen) {
  bell.ArmJobs(kQueue, 1);
  const bool rung = (bell.Wait(*seen, kPatienceMs) & kJobs) != 0;
  *seen = bell.Seen();
  return rung;
}

// The child arms itself, tells so, is rung by RingJobs and answers; we measure from our ring to its
// answer.
void Echo(const std::string& path, bool portable, int rounds) {
  const auto bell = OpenBell(path, 1, portable);
  uint32_t seen = bell->Seen();
  bell->RingProcess(0, 100, kControl);
  for (int i = 0; i < rounds; ++i) {
    if (!AwaitJob(*bell, &seen)) _exit(1);
    bell->RingProcess(0, 100, kControl);
  }
  _exit(0);
}

void RoundTrip(const std::string& path, bool portable) {
  const int rounds = portable ? 1'000 : kRounds;
  const auto bell = OpenBell(path, 0, portable);
  uint32_t seen = bell->Seen();
  const pid_t child = fork();
  if (child == 0) Echo(path, portable, rounds);
  bell->Wait(seen, kPatienceMs);
  std::vector<double> samples;
  const auto sidecar = *Sidecar::OpenFile(path);
  const Slot& other = sidecar->layout()->slots[1];
  for (int i = 0; i < rounds; ++i) {
    while (other.jobs.word.load() == 0 || (!portable && other.sleeping.load() == 0)) {
    }
    // From saying that it sleeps to sleeping in the kernel it has a way to go.
    for (const double until_us = NowUs() + kFallAsleepUs; NowUs() < until_us;) {
    }
    seen = bell->Seen();
    const double start_us = NowUs();
    bell->RingJobs(kQueue[0], 1);
    if ((bell->Wait(seen, kPatienceMs) & kControl) == 0) break;
    samples.push_back(NowUs() - start_us);
  }
  waitpid(child, nullptr, 0);
  std::printf("%-44s p50 %8.2f us  p99 %8.2f us  p99.9 %8.2f us  (%zu rounds)\n",
              portable ? "two processes, there and back, 1 ms poll"
                       : "two processes, there and back, futex",
              Percentile(&samples, 0.5), Percentile(&samples, 0.99), Percentile(&samples, 0.999),
              samples.size());
}

template <typename Call>
void Cost(const char* what, Call call) {
  const double start_us = NowUs();
  for (int i = 0; i < kCalls; ++i) call();
  std::printf("%-44s %8.1f ns\n", what, (NowUs() - start_us) * 1'000 / kCalls);
}

void RingCost(const std::string& path) {
  const auto bell = OpenBell(path, 0);
  const auto sidecar = *Sidecar::OpenFile(path);
  Layout* layout = sidecar->layout();
  for (const int used : {0, 10, 1'000}) {
    for (size_t slot = 1; slot <= static_cast<size_t>(used); ++slot) {
      layout->slots[slot].job_queues[0].store(8);
      layout->slots[slot].jobs.count.store(1);
      layout->slots[slot].jobs.word.store(1);
      layout->jobs_armed[slot / 64].fetch_or(uint64_t{1} << (slot % 64));
    }
    const std::string what = "ring, " + std::to_string(used) + " slots armed for other queues";
    Cost(what.c_str(), [&] { bell->RingJobs(kQueue[0], 1); });
  }
  Cost("arm one queue", [&] { bell->ArmJobs(kQueue, 1); });
  Cost("look (Seen)", [&] { bell->Seen(); });
  Cost("arm, be rung while awake, take the reason", [&] {
    bell->ArmJobs(kQueue, 1);
    const uint32_t seen = bell->Seen();
    bell->RingSelf(kJobs);
    bell->Wait(seen, 0);
  });
}

void Run() {
  std::string directory = "/tmp/millrace-bench-XXXXXX";
  if (mkdtemp(directory.data()) == nullptr) std::exit(1);
  const std::string path = directory + "/store.db-mill";
  RoundTrip(path, false);
  RoundTrip(path, true);
  RingCost(path);
  unlink(path.c_str());
  rmdir(directory.c_str());
}

}  // namespace
}  // namespace millrace::wake

int main() {
  millrace::wake::Run();
}
