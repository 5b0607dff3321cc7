// Random jobs over groups, tasks and limits, on a store and on a simple model of it: no limit is
// ever exceeded, each group gives its jobs in their order, and a claim ends only when nothing may
// start.
#include <algorithm>
#include <map>
#include <random>
#include <set>
#include <tuple>

#include "jobs/change.h"
#include "jobs/finish.h"
#include "jobs/jobs_test_util.h"
#include "jobs/limit_rules.h"
#include "jobs/read.h"

namespace millrace::jobs {
namespace {

using Kind = Outcome::Kind;

struct ModelJob {
  std::string id;
  std::string task;
  std::string group;  // empty: none
  int64_t number = 0;
  int32_t priority = 0;
  int64_t due_at_ms = 0;
  JobState state = JobState::kReady;
  Lease lease = {};
};

// What holds for a scope, and what the model knows of its past.
struct ModelLimit {
  int64_t concurrency = 0;
  Rate rate = {};
  limits::Bucket bucket = {};
  int64_t limited_until_ms = 0;
  int64_t active = 0;
  bool paused = false;

  bool Open(int64_t now_ms) {
    if (paused || limited_until_ms > now_ms) return false;
    if (concurrency != 0 && active >= concurrency) return false;
    if (rate.count == 0) return true;
    limits::Refill(rate, now_ms, &bucket);
    return limits::Tokens(rate, bucket) > 0;
  }
  void Start(int64_t now_ms) {
    REQUIRE(Open(now_ms));
    ++active;
    if (rate.count != 0) limits::TakeToken(rate, &bucket);
  }
};

class Machine {
 public:
  explicit Machine(uint64_t seed) : random_(seed) {
    // Rates are set once, before anything starts, so that the model's buckets are exact.
    if (Random(2) == 0) SetRate(LimitScope::kQueue, "q");
    if (Random(3) == 0) SetRate(LimitScope::kStore, "");
    if (Random(2) == 0) SetRate(LimitScope::kTask, "t0");
    if (Random(2) == 0) SetRate(LimitScope::kGroup, "g1");
  }

  void Step() {
    const int what = Random(100);
    if (what < 30) return Enqueue();
    if (what < 55) return Claim(1 + Random(6));
    if (what < 78) return Settle();
    if (what < 86) return f_.clock.Advance(1 + Random(60));
    if (what < 90) return SetConcurrency();
    if (what < 92) return Throttle();
    if (what < 94) return TogglePause();
    if (what < 97) return Cancel();
    Remove();
  }

  void CheckInvariants() { f_.CheckInvariants(); }

  // Nothing is left behind once nothing limits any more.
  void LiftAllAndDrain() {
    for (auto& [name, limit] : groups_) {
      Set(LimitScope::kGroup, name, limit, 0, {});
      if (limit.paused) PauseTo(name, false);
      Put(LimitScope::kGroup, name, limit, 0);
    }
    for (auto& [name, limit] : tasks_) {
      Set(LimitScope::kTask, name, limit, 0, {});
      Put(LimitScope::kTask, name, limit, 0);
    }
    Set(LimitScope::kQueue, "q", queue_, 0, {});
    Put(LimitScope::kQueue, "q", queue_, 0);
    Set(LimitScope::kStore, "", store_, 0, {});
    Put(LimitScope::kStore, "", store_, 0);
    f_.clock.Advance(1'000);
    Claim(1'000);
    for (const ModelJob& job : jobs_) REQUIRE(job.state != JobState::kReady);
    while (Settle(Kind::kCompleted)) {
    }
    f_.AddId();  // the last claim looks at what is to be forgotten
    f_.Settle(f_.ClaimOne(), Kind::kCompleted);
    CheckInvariants();
    for (const char* table : {"groups", "group_ready", "group_timers", "turns", "stalled", "parked",
                              "limits", "ready", "active"}) {
      CAPTURE(table);
      REQUIRE(f_.Int(("SELECT count(*) FROM " + std::string(table)).c_str()) == 0);
    }
  }

 private:
  int Random(int end) { return static_cast<int>(random_() % static_cast<uint64_t>(end)); }
  int64_t now() { return f_.clock.WallMs(); }

  static Limit Scope(LimitScope scope, const std::string& name) {
    Limit limit;
    limit.scope = scope;
    if (scope == LimitScope::kQueue || scope == LimitScope::kGroup) limit.queue = "q";
    if (scope == LimitScope::kTask) limit.task = name;
    if (scope == LimitScope::kGroup) limit.group = name;
    return limit;
  }

  void Set(LimitScope scope, const std::string& name, ModelLimit& model, int64_t concurrency,
           const Rate& rate) {
    Limit limit = Scope(scope, name);
    limit.concurrency = model.concurrency = concurrency;
    limit.rate = model.rate = rate;
    f_.MustDo([&](Ledger& ledger) { return SetLimit(ledger, limit); });
  }

  void Put(LimitScope scope, const std::string& name, ModelLimit& model, int64_t ms) {
    model.limited_until_ms = ms > 0 ? now() + ms : 0;
    f_.MustDo([&](Ledger& ledger) { return ThrottleScope(ledger, Scope(scope, name), ms); });
  }

  void SetRate(LimitScope scope, const std::string& name) {
    ModelLimit& model = Of(scope, name);
    const Rate rate{.count = 1 + Random(4), .period_ms = 10 + Random(90)};
    Set(scope, name, model, 0, rate);
    model.bucket = {.credit = rate.count * rate.period_ms, .refilled_at_ms = now()};
  }

  ModelLimit& Of(LimitScope scope, const std::string& name) {
    if (scope == LimitScope::kStore) return store_;
    if (scope == LimitScope::kQueue) return queue_;
    return scope == LimitScope::kTask ? tasks_[name] : groups_[name];
  }

  std::pair<LimitScope, std::string> AnyScope() {
    switch (Random(6)) {
      case 0:
        return {LimitScope::kStore, ""};
      case 1:
        return {LimitScope::kQueue, "q"};
      case 2:
      case 3:
        return {LimitScope::kTask, "t" + std::to_string(Random(3))};
      default:
        return {LimitScope::kGroup, "g" + std::to_string(Random(5))};
    }
  }

  void SetConcurrency() {
    const auto [scope, name] = AnyScope();
    ModelLimit& model = Of(scope, name);
    Set(scope, name, model, Random(4), model.rate);
  }

  void Throttle() {
    const auto [scope, name] = AnyScope();
    Put(scope, name, Of(scope, name), Random(3) == 0 ? 0 : 1 + Random(80));
  }

  void PauseTo(const std::string& group, bool paused) {
    groups_[group].paused = paused;
    f_.MustDo([&](Ledger& ledger) { return PauseGroup(ledger, "q", group, paused); });
  }

  void TogglePause() {
    const std::string group = "g" + std::to_string(Random(5));
    PauseTo(group, !groups_[group].paused);
  }

  void Enqueue() {
    for (int n = 1 + Random(4); n > 0; --n) {
      JobSpec spec = Spec("job-" + std::to_string(++enqueued_));
      spec.name = "t" + std::to_string(Random(3));
      if (Random(3) != 0) spec.group = "g" + std::to_string(Random(5));
      spec.priority = Random(5) == 0 ? Random(3) - 1 : 0;
      spec.lifo = Random(8) == 0;
      spec.delay_ms = Random(6) == 0 ? 1 + Random(50) : 0;
      spec.retry.max_attempts = 3;
      spec.keep_completed = spec.keep_failed = Keep{.age_ms = -1, .count = 0};
      f_.Add(spec);
      jobs_.push_back({.id = spec.id,
                       .task = spec.name,
                       .group = spec.group,
                       .number = spec.lifo ? -enqueued_ : enqueued_,
                       .priority = spec.priority,
                       .due_at_ms = spec.delay_ms > 0 ? now() + spec.delay_ms : 0,
                       .state = spec.delay_ms > 0 ? JobState::kScheduled : JobState::kReady});
    }
  }

  ModelJob& Find(const std::string& id) {
    return *std::find_if(jobs_.begin(), jobs_.end(), [&](const ModelJob& j) { return j.id == id; });
  }

  // The first ready job of each group.
  std::map<std::string, ModelJob*> Heads() {
    std::map<std::string, ModelJob*> heads;
    for (ModelJob& job : jobs_) {
      if (job.state != JobState::kReady || job.group.empty()) continue;
      ModelJob*& head = heads[job.group];
      if (!head || std::pair(job.priority, job.number) < std::pair(head->priority, head->number)) {
        head = &job;
      }
    }
    return heads;
  }

  bool MayStart(const ModelJob& job, const std::map<std::string, ModelJob*>& heads) {
    if (job.state != JobState::kReady) return false;
    if (!store_.Open(now()) || !queue_.Open(now()) || !tasks_[job.task].Open(now())) return false;
    if (job.group.empty()) return true;
    return groups_[job.group].Open(now()) && heads.at(job.group) == &job;
  }

  bool AnyMayStart() {
    const auto heads = Heads();
    return std::any_of(jobs_.begin(), jobs_.end(),
                       [&](const ModelJob& job) { return MayStart(job, heads); });
  }

  void Start(const Claimed& claimed) {
    ModelJob& job = Find(claimed.job.spec.id);
    CAPTURE(job.id, job.task, job.group);
    REQUIRE(MayStart(job, Heads()));
    if (job.group.empty()) RequireFirstOfItsTask(job);
    store_.Start(now());
    queue_.Start(now());
    tasks_[job.task].Start(now());
    if (!job.group.empty()) groups_[job.group].Start(now());
    job.state = JobState::kActive;
    job.lease = claimed.lease;
  }

  // Held back or not, those without a group start in their order within a task.
  void RequireFirstOfItsTask(const ModelJob& job) {
    for (const ModelJob& other : jobs_) {
      if (other.state != JobState::kReady || other.task != job.task || !other.group.empty())
        continue;
      REQUIRE(std::pair(other.priority, other.number) >= std::pair(job.priority, job.number));
    }
  }

  void Claim(int32_t want) {
    for (ModelJob& job : jobs_) {
      if (job.state == JobState::kScheduled && job.due_at_ms <= now()) job.state = JobState::kReady;
    }
    const bool some = AnyMayStart();
    const int64_t queue_id = RequireOk(QueueIdOf(f_.connection(), "q"));
    if (queue_id == 0) return;
    // A look finds all that a claim would find.
    if (some) REQUIRE(RequireOk(HasClaimable(f_.connection(), queue_id, now())));
    const std::vector<Claimed> claimed = f_.Claim(want);
    for (const Claimed& job : claimed) Start(job);
    if (std::ssize(claimed) == want) return;
    REQUIRE_FALSE(AnyMayStart());
    REQUIRE_FALSE(RequireOk(HasClaimable(f_.connection(), queue_id, now())));
    CheckNextTime(queue_id);
  }

  // If time alone will let a job start, the look says when.
  void CheckNextTime(int64_t queue_id) {
    const int64_t next_ms = RequireOk(EarliestDue(f_.connection(), queue_id, now()));
    const int64_t start_ms = now();
    const auto before = std::tuple(store_, queue_, tasks_, groups_);  // looking ahead fills buckets
    LookAhead(next_ms, start_ms);
    f_.clock.JumpWall(start_ms - now());
    std::tie(store_, queue_, tasks_, groups_) = before;
  }

  void LookAhead(int64_t next_ms, int64_t start_ms) {
    for (int64_t ms = 1; ms <= 40; ++ms) {
      f_.clock.JumpWall(1);
      for (const ModelJob& job : jobs_) {
        if (job.state == JobState::kScheduled && job.due_at_ms == now()) return;
      }
      if (!AnyMayStart()) continue;
      CAPTURE(next_ms - start_ms, ms);
      REQUIRE(next_ms > start_ms);
      REQUIRE(next_ms <= now());
      return;
    }
  }

  bool Settle(Kind kind) {
    std::vector<ModelJob*> active;
    for (ModelJob& job : jobs_) {
      if (job.state == JobState::kActive) active.push_back(&job);
    }
    if (active.empty()) return false;
    ModelJob& job = *active[static_cast<size_t>(Random(static_cast<int>(active.size())))];
    --store_.active;
    --queue_.active;
    --tasks_[job.task].active;
    if (!job.group.empty()) --groups_[job.group].active;
    Outcome outcome = MakeOutcome(kind, kind == Kind::kCompleted ? "null" : "{}");
    if (kind == Kind::kReleased && Random(2) == 0) outcome.throttle = ThrottleLike(job);
    if (kind == Kind::kRetry) outcome.delay_ms = Random(2) * 20;
    const Settled settled = f_.Settle(job.lease, outcome);
    RequireOk(settled.status);
    job.state = settled.state;
    job.due_at_ms = settled.due_at_ms;
    if (settled.state >= JobState::kCompleted) jobs_.erase(jobs_.begin() + (&job - jobs_.data()));
    return true;
  }

  millrace::Throttle ThrottleLike(const ModelJob& job) {
    const bool group = !job.group.empty() && Random(2) == 0;
    ModelLimit& limit = group ? groups_[job.group] : tasks_[job.task];
    const int64_t ms = 1 + Random(50);
    limit.limited_until_ms = std::max(limit.limited_until_ms, now() + ms);
    return {.scope = group ? LimitScope::kGroup : LimitScope::kTask, .ms = ms};
  }

  void Settle() {
    static constexpr std::array kKinds{Kind::kCompleted, Kind::kCompleted, Kind::kFailed,
                                       Kind::kRetry,     Kind::kReleased,  Kind::kCancelled};
    Settle(kKinds[static_cast<size_t>(Random(kKinds.size()))]);
  }

  ModelJob* PickWaiting() {
    std::vector<ModelJob*> waiting;
    for (ModelJob& job : jobs_) {
      if (job.state != JobState::kActive) waiting.push_back(&job);
    }
    if (waiting.empty()) return nullptr;
    return waiting[static_cast<size_t>(Random(static_cast<int>(waiting.size())))];
  }

  void Cancel() {
    ModelJob* const job = PickWaiting();
    if (!job) return;
    CancelResult result = CancelResult::kFinished;
    f_.MustDo(
        [&](Ledger& ledger) -> Status { return CancelJob(ledger, {job->id, ""}, "", &result); });
    REQUIRE(result == CancelResult::kCancelled);
    jobs_.erase(jobs_.begin() + (job - jobs_.data()));
  }

  void Remove() {
    ModelJob* const job = PickWaiting();
    if (!job) return;
    f_.MustDo([&](Ledger& ledger) { return RemoveJob(ledger, {job->id, ""}); });
    jobs_.erase(jobs_.begin() + (job - jobs_.data()));
  }

  JobsFixture f_;
  std::mt19937_64 random_;
  std::vector<ModelJob> jobs_;
  int64_t enqueued_ = 0;
  ModelLimit store_;
  ModelLimit queue_;
  std::map<std::string, ModelLimit> tasks_;
  std::map<std::string, ModelLimit> groups_;
};

TEST_CASE("limits and groups do what their model does", "[jobs][limits][model]") {
  for (uint64_t seed = 1; seed <= 12; ++seed) {
    CAPTURE(seed);
    Machine machine(seed);
    for (int step = 0; step < 400; ++step) {
      CAPTURE(step);
      machine.Step();
      if (step % 20 == 0) machine.CheckInvariants();
    }
    machine.CheckInvariants();
    machine.LiftAllAndDrain();
  }
}

TEST_CASE("no group is served twice while another waits", "[jobs][group][model]") {
  std::mt19937_64 random(11);
  for (int round = 0; round < 10; ++round) {
    JobsFixture f;
    std::map<std::string, int> waiting;
    for (int i = 0; i < 300; ++i) {
      JobSpec spec = Spec();
      spec.group = "g" + std::to_string(random() % 3 == 0 ? random() % 20 : 0);
      f.Add(spec);
      ++waiting[spec.group];
    }
    std::map<std::string, std::set<std::string>> since;  // who was served since a group was
    for (;;) {
      const std::vector<Claimed> claimed = f.Claim(1 + static_cast<int32_t>(random() % 7));
      if (claimed.empty()) break;
      for (const Claimed& job : claimed) {
        const std::string& group = job.job.spec.group;
        for (auto& [other, served] : since) {
          if (other == group || waiting[other] == 0) continue;
          REQUIRE(served.insert(group).second);
        }
        since[group].clear();
        --waiting[group];
        if (random() % 2 == 0) f.Settle(job.lease, Outcome::Kind::kCompleted);
      }
    }
    for (const auto& [group, left] : waiting) REQUIRE(left == 0);
    f.CheckInvariants();
  }
}

}  // namespace
}  // namespace millrace::jobs
