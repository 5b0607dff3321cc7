#include "jobs/process.h"

#include "jobs/change.h"
#include "jobs/jobs_test_util.h"

namespace millrace::jobs {
namespace {

constexpr int64_t kProcess = JobsFixture::kProcess;

TEST_CASE("processes and their sessions are listed until they are forgotten", "[jobs][process]") {
  JobsFixture f;
  f.MustDo([](Ledger& ledger) {
    return InsertProcess(ledger, {.process_id = 5, .slot = 3, .pid = 42}, "host");
  });
  f.MustDo([](Ledger& ledger) {
    return InsertSession(ledger, {.session_id = 6,
                                  .process_id = 5,
                                  .name = "painter \"1\"",
                                  .language = "python",
                                  .queues = {"a", "b\"c"},
                                  .slots = 4});
  });
  f.MustDo([](Ledger& ledger) { return UpdateSessionSlots(ledger, 6, 9); });
  const std::vector<ProcessRow> processes = RequireOk(ListProcesses(f.connection()));
  REQUIRE(processes.size() == 1);
  CHECK(processes[0].slot == 3);
  CHECK(RequireOk(SlotOf(f.connection(), 5)) == 3);
  CHECK(RequireOk(SlotOf(f.connection(), 6)) == -1);
  const std::vector<ListedWorker> workers = RequireOk(ListSessions(f.connection()));
  REQUIRE(workers.size() == 1);
  CHECK(workers[0].slot == 3);
  CHECK(workers[0].info.name == "painter \"1\"");
  CHECK(workers[0].info.host == "host");
  CHECK(workers[0].info.pid == 42);
  CHECK(workers[0].info.slots == 9);
  CHECK(workers[0].info.queues == std::vector<std::string>{"a", "b\"c"});
  f.MustDo([](Ledger& ledger) { return DeleteProcess(ledger, 5); });
  CHECK(RequireOk(ListProcesses(f.connection())).empty());
  CHECK(RequireOk(ListSessions(f.connection())).empty());
}

TEST_CASE("a dead process's jobs are taken back in slices, in their old places",
          "[jobs][process]") {
  JobsFixture f;
  for (int i = 0; i < 5; ++i) f.AddId(std::to_string(i));
  f.Claim(4);
  std::vector<std::string> ids;
  bool more = true;
  int slices = 0;
  for (; more; ++slices) {
    f.MustDo([&](Ledger& ledger) { return RescueFrom(ledger, kProcess, 2, &ids, &more); });
  }
  CHECK(slices == 3);
  CHECK(ids.size() == 4);
  CHECK(f.Counts().ready == 5);
  CHECK(f.ClaimOne().key.custom_id == "0");
  CHECK(f.Read("0").crashes == 1);
  f.CheckInvariants();
}

TEST_CASE("a process that leaves with leases stays known to those who take them back",
          "[jobs][process]") {
  JobsFixture f;
  f.AddId("a");
  f.MustDo([](Ledger& ledger) {
    return InsertProcess(ledger, {.process_id = kProcess, .slot = 3, .pid = 42}, "host");
  });
  f.Claim(1);
  f.MustDo([](Ledger& ledger) { return LeaveProcess(ledger, kProcess); });
  REQUIRE(RequireOk(ListProcesses(f.connection())).size() == 1);
  std::vector<std::string> ids;
  bool more = true;
  f.MustDo([&](Ledger& ledger) { return RescueFrom(ledger, kProcess, 2, &ids, &more); });
  CHECK(ids == std::vector<std::string>{"a"});
  f.MustDo([](Ledger& ledger) { return LeaveProcess(ledger, kProcess); });
  CHECK(RequireOk(ListProcesses(f.connection())).empty());
  f.CheckInvariants();
}

TEST_CASE("who is over the hard limit is failed, and told", "[jobs][process]") {
  JobsFixture f;
  JobSpec spec = Spec("slow");
  spec.time_limit_ms = 100;
  f.Add(spec);
  f.AddId("free");
  f.Claim(2);
  const auto time_out = [&] {
    f.MustDo([](Ledger& ledger) { return TimeOutOverdue(ledger, 50, 10); });
  };
  f.clock.Advance(150);
  time_out();
  CHECK(f.StateOf("slow") == JobState::kActive);
  CHECK_FALSE(RequireOk(AnyOverdue(f.connection(), f.clock.MonotonicMs() - 50)));
  f.clock.Advance(1);
  CHECK(RequireOk(AnyOverdue(f.connection(), f.clock.MonotonicMs() - 50)));
  time_out();
  CHECK(f.StateOf("slow") == JobState::kFailed);
  CHECK(f.StateOf("free") == JobState::kActive);
  CHECK(f.controlled == std::vector<int64_t>{kProcess});
  f.CheckInvariants();
}

TEST_CASE("a lease without its job is taken out of the way", "[jobs][process]") {
  JobsFixture f;
  for (int i = 0; i < 4; ++i) {
    JobSpec spec = Spec(std::to_string(i));
    spec.time_limit_ms = 100;
    f.Add(spec);
  }
  const std::vector<Claimed> claimed = f.Claim(4);
  const std::string row = std::to_string(claimed[1].lease.key.row);
  RequireOk(f.connection().Exec(("DELETE FROM jobs WHERE job = " + row).c_str()));
  SECTION("when its process died") {
    std::vector<std::string> ids;
    bool more = true;
    f.MustDo([&](Ledger& ledger) { return RescueFrom(ledger, kProcess, 10, &ids, &more); });
    CHECK(ids == std::vector<std::string>{"0", "2", "3"});
    CHECK(f.Counts().ready == 3);
  }
  SECTION("when its process hangs") {
    f.clock.Advance(200);
    f.MustDo([](Ledger& ledger) { return TimeOutOverdue(ledger, 0, 10); });
    CHECK(f.Counts().failed == 3);
  }
  CHECK(f.Counts().active == 0);
  CHECK(f.Int("SELECT count(*) FROM active") == 0);
  CHECK(f.Int("SELECT count(*) FROM quarantine") == 1);
}

TEST_CASE("the first lease of a process can be taken away alone", "[jobs][process]") {
  JobsFixture f;
  f.AddId("a");
  f.AddId("b");
  f.Claim(2);
  const Status failed(Code::kCorrupt, "what it failed with");
  f.MustDo([&](Ledger& ledger) { return TakeAwayFirst(ledger, kProcess, failed); });
  CHECK(f.Counts().active == 1);
  CHECK(f.StateOf("b") == JobState::kActive);
  CHECK(RequireOk(f.connection().QueryText("SELECT what FROM quarantine")) ==
        "corrupt: what it failed with");
  f.clock.Advance(1);
  const Status none = f.Do([&](Ledger& ledger) { return TakeAwayOverdue(ledger, 0, failed); });
  CHECK(none.code() == Code::kCorrupt);
}

TEST_CASE("a wall clock that jumps ends no attempt", "[jobs][process]") {
  JobsFixture f;
  JobSpec spec = Spec("a");
  spec.time_limit_ms = 100;
  f.Add(spec);
  f.ClaimOne();
  f.clock.JumpWall(86'400'000);
  f.MustDo([](Ledger& ledger) { return TimeOutOverdue(ledger, 0, 10); });
  CHECK(f.StateOf("a") == JobState::kActive);
}

TEST_CASE("a holder reads what was asked of its leases", "[jobs][process]") {
  JobsFixture f;
  f.AddId("a");
  f.AddId("b");
  f.Claim(2);
  CancelResult result{};
  f.MustDo([&](Ledger& ledger) { return CancelJob(ledger, {"b", ""}, "why not", &result); });
  const std::vector<LeaseNews> leases = RequireOk(ReadLeases(f.connection(), kProcess));
  REQUIRE(leases.size() == 2);
  CHECK_FALSE(leases[0].cancel_requested);
  CHECK(leases[1].cancel_requested);
  CHECK(leases[1].cancel_reason == "why not");
  CHECK(RequireOk(ReadLeases(f.connection(), 1)).empty());
}

}  // namespace
}  // namespace millrace::jobs
