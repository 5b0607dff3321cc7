// Processes that fire schedules are killed in the middle of it, again and again: every slot has one
// job all the same. MILLRACE_TORTURE=1: a hundred times longer.
#include <signal.h>

#include <cstdlib>
#include <map>
#include <memory>
#include <thread>

#include "base/id.h"
#include "catch.h"
#include "engine/engine_test_util.h"
#include "wake/child_process.h"

namespace millrace::testing {
namespace {

constexpr int kChildren = 3;
constexpr int64_t kEveryMs = 5;

int64_t SlotOf(const JobInfo& job) {
  const std::string name = "\"millrace-slot\":\"";
  return std::atoll(job.spec.headers.c_str() + job.spec.headers.find(name) + name.size());
}

std::unique_ptr<wake::ChildProcess> Start(const std::string& file) {
  auto child = std::make_unique<wake::ChildProcess>("engine child: fires schedules",
                                                    std::vector<std::string>{file});
  REQUIRE(child->ReadLine() == "ready");
  return child;
}

// Waits until the schedule has made so many jobs; children fire it.
void WaitForFired(Engine& engine, int64_t fired) {
  while (Must(engine.GetSchedule("s")).fired < fired) std::this_thread::yield();
}

}  // namespace

TEST_CASE("engine child: fires schedules", "[.child]") {
  auto engine = Must(Engine::Open({.path = wake::ChildArguments().at(0)}));
  auto session = Must(engine->OpenSession({.queues = {"nothing"}}));
  wake::ChildWriteLine("ready");
  wake::ChildReadLine();  // until the parent is gone
}

TEST_CASE("a slot has one job though those who fire it are killed", "[engine][schedule]") {
  const int kills = std::getenv("MILLRACE_TORTURE") != nullptr ? 2'000 : 20;
  TempDir dir;
  auto engine = Must(Engine::Open({.path = dir.file(), .durability = Durability::kProcess}));
  ScheduleSpec spec;
  spec.id = "s";
  spec.timing.every_ms = kEveryMs;
  spec.job = Spec();
  spec.catch_up = CatchUp::kAll;
  spec.catch_up_max = 10'000;
  std::vector<std::unique_ptr<wake::ChildProcess>> children;
  for (int i = 0; i < kChildren; ++i) children.push_back(Start(dir.file()));
  Must(engine->PutSchedule(spec, {}));
  int64_t fired = 0;
  for (int i = 0; i < kills; ++i) {
    fired += 1 + static_cast<int64_t>(RandomBits64() % 20);
    WaitForFired(*engine, fired);
    auto& child = children[RandomBits64() % children.size()];
    child->Signal(SIGKILL);
    child->Join();
    child = Start(dir.file());
    fired = std::max(fired, Must(engine->GetSchedule("s")).fired);
  }
  Must(engine->PauseSchedule("s", true, {}));
  const ScheduleInfo info = Must(engine->GetSchedule("s"));
  std::map<int64_t, int> jobs;
  for (int64_t offset = 0;; offset += 10'000) {
    const auto page = Must(engine->ListJobs({.queue = "q", .offset = offset, .limit = 10'000}));
    for (const JobInfo& job : page) ++jobs[SlotOf(job)];
    if (page.size() < 10'000) break;
  }
  CHECK(info.skipped == 0);
  CHECK(static_cast<int64_t>(jobs.size()) == info.fired);
  int64_t expected = jobs.begin()->first;
  for (const auto& [slot, count] : jobs) {
    CHECK(count == 1);
    CHECK(slot == expected);  // no slot was left out
    expected = slot + kEveryMs;
  }
  CHECK(info.last_at_ms == jobs.rbegin()->first);
  CHECK(Must(engine->DoctorJson()).find("\"ok\":true,\"checks\"") == 1);
}

}  // namespace millrace::testing
