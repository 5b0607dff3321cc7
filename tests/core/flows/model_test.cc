// Random flows with random policies and outcomes, on a store and on the model; after each operation
// both must agree.
#include <algorithm>
#include <random>

#include "flows/flows_model.h"
#include "flows/flows_test_util.h"
#include "flows/members.h"
#include "jobs/change.h"
#include "jobs/finish.h"

namespace millrace::flows {
namespace {

class Machine {
 public:
  explicit Machine(uint64_t seed) : random_(seed) {}

  void Step() {
    const int what = Random(100);
    if (what < 25) {
      AddFlow();
    } else if (what < 45) {
      Claim();
    } else if (what < 75) {
      EndAttempt();
    } else if (what < 82) {
      AddChild();
    } else if (what < 87) {
      Cancel();
    } else if (what < 91) {
      Remove();
    } else {
      Redrive();
    }
    model_.Settle();
  }

  void Compare() {
    int64_t existing = 0;
    int64_t blocked = 0;
    for (size_t i = 0; i < model_.jobs.size(); ++i) {
      const ModelJob& job = model_.jobs[i];
      CAPTURE(job.id);
      if (!job.exists) {
        REQUIRE_FALSE(f_.Exists(job.id));
        continue;
      }
      ++existing;
      const JobInfo info = f_.Read(job.id);
      REQUIRE(std::string(JobStateName(info.state)) == JobStateName(job.state));
      if (job.state != JobState::kBlocked) continue;
      ++blocked;
      REQUIRE(info.pending == model_.Pending(i));
      REQUIRE(info.pending > 0);
    }
    REQUIRE(f_.Int("SELECT count(*) FROM jobs") == existing);
    REQUIRE(f_.Counts().blocked == blocked);
  }

  void CheckInvariants() { f_.CheckInvariants(); }
  int64_t claimed() const { return claimed_; }

  // With nothing failing any more and everything redriven, nobody waits for ever. A job may fail
  // once more because of one that goes meanwhile, hence the rounds.
  void Drain() {
    for (int round = 0; round < 20 && (round == 0 || Unfinished() != 0); ++round) {
      for (size_t i = 0; i < model_.jobs.size(); ++i) {
        if (model_.jobs[i].exists && model_.jobs[i].state >= JobState::kFailed) RedriveOne(i);
      }
      while (!leases_.empty()) Finish(0, Kind::kCompleted);
      while (Claim()) Finish(0, Kind::kCompleted);
    }
    REQUIRE(Unfinished() == 0);
    Compare();
  }

 private:
  int Random(int n) { return static_cast<int>(random_() % static_cast<uint64_t>(n)); }
  DependencyPolicy Policy() { return static_cast<DependencyPolicy>(Random(7)); }
  std::string NewId() { return "j" + std::to_string(model_.jobs.size()); }

  // A random job that the condition allows; npos if there is none at hand.
  template <typename F>
  size_t Pick(F allowed) {
    for (int i = 0; i < 20 && !model_.jobs.empty(); ++i) {
      const auto job = static_cast<size_t>(Random(static_cast<int>(model_.jobs.size())));
      if (model_.jobs[job].exists && allowed(model_.jobs[job])) return job;
    }
    return SIZE_MAX;
  }

  void AddFlow() {
    const int count = 1 + Random(5);
    const size_t base = model_.jobs.size();
    std::vector<JobSpec> specs;
    std::vector<ModelJob> added;
    for (int i = 0; i < count; ++i) {
      JobSpec spec = Spec("j" + std::to_string(base + static_cast<size_t>(i)));
      ModelJob job{.id = spec.id};
      for (int on = 0; on < i; ++on) {
        if (Random(2) == 0) continue;
        spec.after.push_back({.index = on, .policy = Policy()});
        job.edges.push_back({.on = base + static_cast<size_t>(on),
                             .policy = spec.after.back().policy,
                             .member = true});
      }
      const size_t existing =
          Random(3) == 0 ? Pick([](const ModelJob&) { return true; }) : SIZE_MAX;
      if (existing != SIZE_MAX) {
        const ModelJob& on = model_.jobs[existing];
        spec.after.push_back({.job = {.id = on.id, .queue = ""}, .policy = Policy()});
        job.edges.push_back({.on = existing, .policy = spec.after.back().policy});
        if (on.state >= JobState::kCompleted) job.edges.back().ended = on.state;
      }
      if (!spec.after.empty() && Random(4) == 0) {
        spec.join = job.join = Random(2) == 0 ? JoinKind::kForward : JoinKind::kCollect;
      }
      specs.push_back(spec);
      added.push_back(std::move(job));
    }
    f_.AddAll(specs);
    for (ModelJob& job : added) model_.Add(std::move(job));
  }

  bool Claim() {
    const std::vector<jobs::Claimed> claimed = f_.Claim();
    if (claimed.empty()) {
      for (const ModelJob& job : model_.jobs) {
        REQUIRE((!job.exists || job.state != JobState::kReady));
      }
      return false;
    }
    ++claimed_;
    const size_t job = std::stoul(claimed[0].lease.key.custom_id.substr(1));
    ModelJob& at = model_.jobs[job];
    CAPTURE(at.id);
    REQUIRE((at.exists && at.state == JobState::kReady));
    // It runs after all that it waits for.
    for (const ModelEdge& edge : at.edges) {
      if (!at.continued && !edge.forgotten) REQUIRE(edge.done);
    }
    at.state = JobState::kActive;
    leases_.push_back({job, claimed[0].lease});
    return true;
  }

  void Finish(size_t held, Kind kind) {
    const auto [job, lease] = leases_[held];
    leases_.erase(leases_.begin() + static_cast<std::ptrdiff_t>(held));
    f_.Finish(lease, jobs::MakeOutcome(kind, kind == Kind::kFailed ? kBoom : "1"));
    ModelJob& at = model_.jobs[job];
    const bool cancelled = at.cancel_requested && kind != Kind::kCompleted;
    at.cancel_requested = cancelled && kind == Kind::kWaiting;
    if (kind == Kind::kWaiting) {
      model_.Wait(job);
    } else if (cancelled) {
      model_.End(job, JobState::kCancelled);
    } else if (kind == Kind::kReleased) {
      model_.GoBack(job);
    } else {
      model_.End(job, kind == Kind::kCompleted ? JobState::kCompleted : JobState::kFailed);
    }
    model_.Settle();
  }

  void EndAttempt() {
    if (leases_.empty()) return;
    static constexpr Kind kKinds[] = {Kind::kCompleted, Kind::kCompleted, Kind::kFailed,
                                      Kind::kReleased, Kind::kWaiting};
    Finish(static_cast<size_t>(Random(static_cast<int>(leases_.size()))), kKinds[Random(5)]);
  }

  void AddChild() {
    const size_t parent = Pick([](const ModelJob& job) {
      return job.state == JobState::kBlocked || job.state == JobState::kActive;
    });
    if (parent == SIZE_MAX) return;
    int64_t token = 0;
    for (const auto& [job, lease] : leases_) {
      if (job == parent) token = lease.token;
    }
    const DependencyPolicy policy = Policy();
    const std::string id = NewId();
    f_.AddAll({ChildOf(Spec(id), model_.jobs[parent].id, token, policy)});
    model_.jobs[parent].edges.push_back(
        {.on = model_.jobs.size(), .policy = policy, .member = true});
    model_.Add({.id = id});
  }

  void Cancel() {
    const size_t job = Pick([](const ModelJob&) { return true; });
    if (job == SIZE_MAX) return;
    CancelResult result{};
    f_.MustDo([&](jobs::Ledger& ledger) {
      return flows::CancelJob(ledger, {model_.jobs[job].id, ""}, "", &result);
    });
    model_.CancelFlow(job);
  }

  void Remove() {
    const size_t job = Pick([](const ModelJob& at) { return at.state != JobState::kActive; });
    if (job == SIZE_MAX) return;
    f_.MustDo(
        [&](jobs::Ledger& ledger) { return flows::RemoveJob(ledger, {model_.jobs[job].id, ""}); });
    model_.RemoveFlow(job);
  }

  void Redrive() {
    const size_t job = Pick([](const ModelJob& at) { return at.state >= JobState::kCompleted; });
    if (job != SIZE_MAX) RedriveOne(job);
  }

  void RedriveOne(size_t job) {
    f_.MustDo(
        [&](jobs::Ledger& ledger) { return jobs::RedriveJob(ledger, {model_.jobs[job].id, ""}); });
    model_.Redrive(job);
    model_.Settle();
  }

  int64_t Unfinished() const {
    return std::count_if(model_.jobs.begin(), model_.jobs.end(), [](const ModelJob& job) {
      return job.exists && job.state < JobState::kCompleted;
    });
  }

  FlowsFixture f_;
  FlowsModel model_;
  std::vector<std::pair<size_t, Lease>> leases_;
  std::mt19937_64 random_;
  int64_t claimed_ = 0;
};

TEST_CASE("random flows do what the model says", "[flows][model]") {
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    CAPTURE(seed);
    Machine machine(seed);
    for (int i = 0; i < 120; ++i) {
      CAPTURE(i);
      machine.Step();
      machine.Compare();
      if (i % 40 == 39) machine.CheckInvariants();
    }
    machine.Drain();
    machine.CheckInvariants();
    CHECK(machine.claimed() > 10);
  }
}

}  // namespace
}  // namespace millrace::flows
