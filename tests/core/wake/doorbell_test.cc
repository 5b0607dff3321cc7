// Who is rung, and how often: several doorbells on one sidecar, without threads, so that every
// count is exact.
#include "wake/doorbell.h"

#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <memory>
#include <numeric>
#include <string>
#include <thread>
#include <vector>

#include "catch.h"
#include "wake/child_process.h"

namespace millrace::wake {
namespace {

// As many processes as wanted, as far as the doorbell can tell.
class Street {
 public:
  explicit Street(int houses, bool portable = false) : path_(directory_.File("store.db-mill")) {
    for (int slot = 0; slot < houses; ++slot) Add(slot, portable);
  }

  Doorbell& Add(int slot, bool portable = false) {
    Doorbell::Options options;
    options.sidecar_path = path_;
    options.slot = slot;
    options.process_id = ProcessId(slot);
    options.portable = portable;
    auto bell = Doorbell::Open(options);
    REQUIRE(bell.ok());
    REQUIRE((*bell)->CheckFile().ok());
    bells_.push_back(std::move(*bell));
    seen_.push_back(bells_.back()->Seen());
    return *bells_.back();
  }

  static int64_t ProcessId(int slot) { return 1'000 + slot; }
  Doorbell& operator[](size_t i) { return *bells_[i]; }
  size_t size() const { return bells_.size(); }
  void Close(size_t i) { bells_[i].reset(); }

  // Arms all of them.
  void Arm(std::vector<int64_t> queues, uint32_t free_slots) {
    for (auto& bell : bells_) bell->ArmJobs(queues, free_slots);
  }

  // Who was rung since the last call, and takes the reasons.
  std::vector<size_t> Rung() {
    std::vector<size_t> rung;
    for (size_t i = 0; i < bells_.size(); ++i) {
      if (!bells_[i] || bells_[i]->Seen() == seen_[i]) continue;
      rung.push_back(i);
      seen_[i] = bells_[i]->Seen();
      reasons_ = bells_[i]->Wait(seen_[i] - 1, 0);
    }
    return rung;
  }
  uint32_t last_reasons() const { return reasons_; }
  const std::string& path() const { return path_; }

 private:
  TemporaryDirectory directory_;
  const std::string path_;
  std::vector<std::unique_ptr<Doorbell>> bells_;
  std::vector<uint32_t> seen_;
  uint32_t reasons_ = 0;
};

using Indexes = std::vector<size_t>;

TEST_CASE("new jobs wake no more processes than needed", "[wake][doorbell]") {
  Street street(5);
  street.Arm({7}, 1);
  street[0].RingJobs(7, 2);
  CHECK(street.Rung().size() == 2);
  CHECK(street.last_reasons() == kJobs);
  street[0].RingJobs(7, 2);  // those two are consumed: others
  CHECK(street.Rung().size() == 2);
  street[0].RingJobs(7, 2);  // one is left
  CHECK(street.Rung().size() == 1);
  street[0].RingJobs(7, 2);
  CHECK(street.Rung().empty());
}

TEST_CASE("a process is counted with its free slots", "[wake][doorbell]") {
  Street street(4);
  street.Arm({7}, 10);
  street[0].RingJobs(7, 10);
  CHECK(street.Rung().size() == 1);
  street.Arm({7}, 10);
  street[0].RingJobs(7, 11);
  CHECK(street.Rung().size() == 2);
  street.Arm({7}, 10);
  street[0].RingJobs(7, 1'000'000);
  CHECK(street.Rung().size() == 4);
  street.Arm({7}, 10);
  street[0].RingJobs(7, 0);
  street[0].RingJobs(7, -3);
  CHECK(street.Rung().empty());
}

TEST_CASE("only those armed for the queue are rung", "[wake][doorbell]") {
  Street street(4);
  street[0].ArmJobs(std::array<int64_t, 2>{7, 8}, 1);
  street[1].ArmJobs(std::array<int64_t, 1>{9}, 1);
  street[2].ArmJobs(std::array<int64_t, 1>{8}, 0);
  street[3].ArmJobs({}, 5);
  street[1].RingJobs(8, 100);
  CHECK(street.Rung() == Indexes{0});
  street[1].RingJobs(10, 100);
  CHECK(street.Rung().empty());
  street[1].RingJobs(9, 100);
  CHECK(street.Rung() == Indexes{1});
  street[0].ArmJobs(std::array<int64_t, 1>{7}, 1);
  street[0].ArmJobs(std::array<int64_t, 1>{8}, 1);  // instead of, not beside
  street[1].RingJobs(7, 1);
  CHECK(street.Rung().empty());
  street[1].RingJobs(8, 1);
  CHECK(street.Rung() == Indexes{0});
}

TEST_CASE("a process of more queues than fit is rung for all, but counted for its own only",
          "[wake][doorbell]") {
  Street street(2);
  std::vector<int64_t> many(30);
  std::iota(many.begin(), many.end(), 1);
  street[0].ArmJobs(many, 1);
  street[1].ArmJobs(std::array<int64_t, 1>{29}, 1);
  street[0].RingJobs(29,
                     1);  // not among the first 24 of process 0: it is rung, and process 1 as well
  CHECK(street.Rung() == Indexes{0, 1});
  many.resize(24);
  street[0].ArmJobs(many, 1);
  street[0].RingJobs(29, 1);
  CHECK(street.Rung().empty());
  street[0].RingJobs(24, 1);
  CHECK(street.Rung() == Indexes{0});
}

TEST_CASE("rings go round, so that no slot is always first", "[wake][doorbell]") {
  Street street(4);
  std::vector<int> times(4, 0);
  for (int round = 0; round < 40; ++round) {
    street.Arm({7}, 1);
    street[0].RingJobs(7, 1);
    const Indexes rung = street.Rung();
    REQUIRE(rung.size() == 1);
    ++times[rung[0]];
  }
  CHECK(times == std::vector<int>{10, 10, 10, 10});
}

TEST_CASE("slots all over the table are found", "[wake][doorbell]") {
  Street street(0);
  for (const int slot : {0, 1, 62, 63, 64, 65, 511, 1022, 1023}) street.Add(slot);
  for (int64_t round = 0; round < 100; ++round) {
    street.Arm({7}, 1);
    for (size_t ring = 0; ring < street.size(); ++ring) {
      street[0].RingJobs(7, 1);
      REQUIRE(street.Rung().size() == 1);
    }
    street[0].RingJobs(7, 1);
    REQUIRE(street.Rung().empty());
  }
}

TEST_CASE("events ring every follower once", "[wake][doorbell]") {
  Street street(3);
  street[0].ArmEvents(std::array<int64_t, 1>{7});
  street[1].ArmEvents(std::array<int64_t, 2>{6, 7});
  street[2].ArmEvents(std::array<int64_t, 1>{6});
  street[2].RingEvents(7);
  CHECK(street.Rung() == Indexes{0, 1});
  CHECK(street.last_reasons() == kEvents);
  street[2].RingEvents(7);
  CHECK(street.Rung().empty());
  street[0].ArmEvents(std::array<int64_t, 1>{7});
  street[0].ArmEvents({});
  street[2].RingEvents(7);
  CHECK(street.Rung().empty());
}

TEST_CASE("one process is rung by its slot and id", "[wake][doorbell]") {
  Street street(3);
  street[0].RingProcess(1, Street::ProcessId(1), kControl);
  CHECK(street.Rung() == Indexes{1});
  CHECK(street.last_reasons() == kControl);
  street[0].RingProcess(1, Street::ProcessId(2), kControl);  // the slot has another owner by now
  street[0].RingProcess(-1, Street::ProcessId(2), kControl);
  street[0].RingProcess(1024, Street::ProcessId(2), kControl);
  street[0].RingProcess(900, 0, kControl);
  CHECK(street.Rung().empty());
  street[2].RingSelf(kLocal);
  CHECK(street.Rung() == Indexes{2});
  CHECK(street.last_reasons() == kLocal);
}

TEST_CASE("reasons add up until they are taken", "[wake][doorbell]") {
  Street street(2);
  street.Arm({7}, 1);
  street[1].ArmEvents(std::array<int64_t, 1>{7});
  const uint32_t seen = street[1].Seen();
  street[0].RingProcess(1, Street::ProcessId(1), kControl);
  street[0].RingJobs(7, 2);
  street[0].RingEvents(7);
  CHECK(street[1].Wait(seen, 60'000) == (kJobs | kEvents | kControl));
  CHECK(street[1].Wait(street[1].Seen(), 0) == 0);
}

TEST_CASE("a ring between looking and waiting is not lost", "[wake][doorbell]") {
  const bool portable = GENERATE(false, true);
  Street street(2, portable);
  const uint32_t seen = street[0].Seen();
  street[1].RingProcess(0, Street::ProcessId(0), kControl);
  CHECK(street[0].Wait(seen, 3'600'000) == kControl);
  CHECK(street[0].Wait(street[0].Seen(), 5) == 0);
}

TEST_CASE("several ringers at once take each arming once", "[wake][doorbell]") {
  constexpr size_t kRingers = 4;
  Street street(8);
  for (int round = 0; round < 200; ++round) {
    street.Arm({7}, 1);
    std::vector<std::thread> ringers;
    for (size_t i = 0; i < kRingers; ++i) {
      ringers.emplace_back([&street, i] { street[i].RingJobs(7, 1); });
    }
    for (auto& ringer : ringers) ringer.join();
    REQUIRE(street.Rung().size() == kRingers);
    street.Arm({}, 0);
  }
}

TEST_CASE("the ring of a process that dies is passed on", "[wake][doorbell]") {
  Street street(3);
  street[0].ArmJobs(std::array<int64_t, 2>{7, 8}, 1);
  street[1].RingJobs(7, 1);
  CHECK(street.Rung() == Indexes{0});
  street[1].ArmJobs(std::array<int64_t, 1>{7}, 1);
  street[2].ForgetProcess(0, Street::ProcessId(2));  // not its id
  CHECK(street.Rung().empty());
  street[2].ForgetProcess(0, Street::ProcessId(0));
  CHECK(street.Rung() == Indexes{1});
  street[1].ArmJobs(std::array<int64_t, 1>{7}, 1);
  street[2].ForgetProcess(0, Street::ProcessId(0));  // once
  CHECK(street.Rung().empty());
  street[2].RingProcess(0, Street::ProcessId(0), kControl);
  CHECK(street.Rung().empty());
}

TEST_CASE("a dead process that was not rung is only disarmed", "[wake][doorbell]") {
  Street street(3);
  street[0].ArmJobs(std::array<int64_t, 1>{7}, 5);
  street[1].ArmJobs(std::array<int64_t, 1>{7}, 1);
  street[2].ForgetProcess(0, Street::ProcessId(0));
  CHECK(street.Rung().empty());
  street[2].RingJobs(7, 1);
  CHECK(street.Rung() == Indexes{1});
}

TEST_CASE("whoever takes a dead process's slot passes its ring on", "[wake][doorbell]") {
  Street street(2);
  street[0].ArmJobs(std::array<int64_t, 1>{7}, 1);
  street[1].RingJobs(7, 1);
  CHECK(street.Rung() == Indexes{0});
  street[1].ArmJobs(std::array<int64_t, 1>{7}, 1);
  street.Add(0);  // as after a SIGKILL: the first owner of slot 0 has not cleaned up
  CHECK(street.Rung() == Indexes{1});
}

TEST_CASE("closing late leaves the slot's next owner alone", "[wake][doorbell]") {
  Street street(1);
  Doorbell::Options options;
  options.sidecar_path = street.path();
  options.slot = 0;
  options.process_id = 77;
  auto successor = Doorbell::Open(options);
  REQUIRE(successor.ok());
  (*successor)->ArmJobs(std::array<int64_t, 1>{7}, 1);
  const uint32_t seen = (*successor)->Seen();
  street.Close(0);
  CHECK((*successor)->Seen() == seen);
  (*successor)->RingJobs(7, 1);
  CHECK((*successor)->Wait(seen, 60'000) == kJobs);
}

TEST_CASE("closing passes on what the process was rung for", "[wake][doorbell]") {
  Street street(2);
  street[0].ArmJobs(std::array<int64_t, 1>{7}, 3);
  street[1].RingJobs(7, 1);
  CHECK(street.Rung() == Indexes{0});
  street[1].ArmJobs(std::array<int64_t, 1>{7}, 1);
  street.Close(0);
  CHECK(street.Rung() == Indexes{1});
  street[1].ArmJobs(std::array<int64_t, 1>{7}, 1);
  Doorbell& next = street.Add(0);
  next.ArmJobs(std::array<int64_t, 1>{7}, 3);
  street.Close(2);  // armed and not rung: nothing to pass on
  CHECK(street.Rung().empty());
}

TEST_CASE("a doorbell without a path is private to its process", "[wake][doorbell]") {
  Doorbell::Options options;
  options.process_id = 5;
  auto bell = Doorbell::Open(options);
  REQUIRE(bell.ok());
  (*bell)->ArmJobs(std::array<int64_t, 1>{7}, 1);
  const uint32_t seen = (*bell)->Seen();
  (*bell)->RingJobs(7, 1);
  CHECK((*bell)->Wait(seen, 60'000) == kJobs);
  CHECK((*bell)->CheckFile().ok());
}

TEST_CASE("a doorbell without a slot can ring", "[wake][doorbell]") {
  Street street(1);
  street.Arm({7}, 1);
  Doorbell::Options options;
  options.sidecar_path = street.path();
  options.slot = -1;
  auto bell = Doorbell::Open(options);
  REQUIRE(bell.ok());
  (*bell)->RingJobs(7, 1);
  CHECK(street.Rung() == Indexes{0});
  (*bell)->ArmJobs(std::array<int64_t, 1>{7}, 1);
  (*bell)->ArmEvents(std::array<int64_t, 1>{7});
  (*bell)->RingSelf(kLocal);
  CHECK((*bell)->Seen() == 0);
  CHECK(street.Rung().empty());
}

TEST_CASE("a slot out of range is refused", "[wake][doorbell]") {
  for (const int slot : {-2, 1024, 1 << 30}) {
    Doorbell::Options options;
    options.slot = slot;
    const auto bell = Doorbell::Open(options);
    REQUIRE_FALSE(bell.ok());
    CHECK(bell.status().code() == Code::kInvalidArgument);
  }
}

TEST_CASE("after fork the child touches nothing of its parent's doorbell", "[wake][doorbell]") {
  Street street(2);
  street.Arm({7}, 1);
  const pid_t child = fork();
  if (child == 0) {
    street[0].RingJobs(7, 2);
    street[0].RingEvents(7);
    street[0].RingSelf(kLocal);
    street[0].RingProcess(1, Street::ProcessId(1), kControl);
    street[0].ForgetProcess(1, Street::ProcessId(1));
    street.Arm({7}, 1);
    const bool quiet =
        street[0].Seen() == 0 && street[0].Wait(0, 3'600'000) == 0 && street[0].CheckFile().ok();
    street.Close(0);
    street.Close(1);
    _exit(quiet ? 0 : 1);
  }
  REQUIRE(child > 0);
  int status = -1;
  CHECK(waitpid(child, &status, 0) == child);
  CHECK(status == 0);
  CHECK(street.Rung().empty());
  street[0].RingJobs(7, 2);
  CHECK(street.Rung() == Indexes{0, 1});
}

}  // namespace
}  // namespace millrace::wake
