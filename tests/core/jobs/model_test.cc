// Random operations on a store and on a simple model of it; after each, both must agree, and what
// must always hold does.
#include <algorithm>
#include <array>
#include <map>
#include <random>

#include "jobs/bulk.h"
#include "jobs/change.h"
#include "jobs/dedup.h"
#include "jobs/finish.h"
#include "jobs/jobs_test_util.h"

namespace millrace::jobs {
namespace {

using Kind = Outcome::Kind;
using Mode = Deduplication::Mode;

struct ModelJob {
  JobState state = JobState::kReady;
  int64_t number = 0;  // in the order of enqueueing, negative for LIFO
  int32_t priority = 0;
  int64_t due_at_ms = 0;
  int32_t max_attempts = 1;
  int32_t made = 0;
  int32_t crashes = 0;
  bool cancel_requested = false;
  Lease lease = {};
  Delivery delivery = Delivery::kAtLeastOnce;
  Deduplication dedup = {};
  int64_t created_at_ms = 0;
  int64_t ended_at_ms = 0;
};

// Who was added last under a key, and until when the key is held whatever becomes of that one.
struct ModelKey {
  std::string holder;
  int64_t number = 0;  // of the holder: its id may be given again
  std::optional<int64_t> until_ms = {};
};

class Machine {
 public:
  explicit Machine(uint64_t seed) : random_(seed) {}

  void Step() {
    const int what = Random(100);
    if (what < 25) return Enqueue();
    if (what < 45) return Claim();
    if (what < 65) return Settle();
    if (what < 70) return f_.clock.Advance(Random(30));
    if (what < 75) return Cancel();
    if (what < 80) return Redrive();
    if (what < 84) return Promote();
    if (what < 88) return Remove();
    if (what < 92) return Report();
    if (what < 95) return Crash();
    if (what < 97) return Bulk();
    if (what < 99) return TogglePause();
    LoseLease();
  }

  void Compare() {
    QueueCounts expected;
    for (const auto& [id, job] : jobs_) {
      CAPTURE(id);
      const JobInfo info = f_.Read(id);
      REQUIRE(info.state == job.state);
      REQUIRE(info.attempts_made ==
              (job.state == JobState::kActive ? job.made : info.attempts_made));
      REQUIRE(info.crashes == job.crashes);
      REQUIRE(info.due_at_ms == (job.state == JobState::kScheduled ? job.due_at_ms : 0));
      expected.ready += job.state == JobState::kReady;
      expected.prioritized += job.state == JobState::kReady && job.priority != 0;
      expected.scheduled += job.state == JobState::kScheduled;
      expected.active += job.state == JobState::kActive;
      expected.completed += job.state == JobState::kCompleted;
      expected.failed += job.state == JobState::kFailed;
      expected.cancelled += job.state == JobState::kCancelled;
    }
    for (const auto& [key, row] : keys_) REQUIRE(StoredHolder(key) == ModelHolder(row));
    const QueueCounts counts = f_.Counts();
    REQUIRE(counts.ready == expected.ready);
    REQUIRE(counts.prioritized == expected.prioritized);
    REQUIRE(counts.scheduled == expected.scheduled);
    REQUIRE(counts.active == expected.active);
    REQUIRE(counts.completed == expected.completed);
    REQUIRE(counts.failed == expected.failed);
    REQUIRE(counts.cancelled == expected.cancelled);
    REQUIRE(counts.paused == paused_);
    REQUIRE(f_.Int("SELECT count(*) FROM jobs") == std::ssize(jobs_));
  }

  void CheckInvariants() { f_.CheckInvariants(); }

 private:
  using Entry = std::pair<const std::string, ModelJob>;

  int Random(int end) { return static_cast<int>(random_() % static_cast<uint64_t>(end)); }

  // A random job, of one state if it matters; null if there is none.
  Entry* Pick(std::optional<JobState> state = std::nullopt) {
    std::vector<Entry*> some;
    for (Entry& entry : jobs_) {
      if (!state || entry.second.state == *state) some.push_back(&entry);
    }
    return some.empty() ? nullptr
                        : some[static_cast<size_t>(Random(static_cast<int>(some.size())))];
  }

  void Enqueue() {
    JobSpec spec = Spec(Random(2) == 0 ? "id-" + std::to_string(Random(40)) : "");
    spec.lifo = Random(4) == 0;
    spec.priority = Random(3) - 1;
    spec.delay_ms = Random(3) == 0 ? 1 + Random(40) : 0;
    spec.retry = {.max_attempts = 1 + Random(3),
                  .backoff = {.kind = Backoff::Kind::kFixed, .delay_ms = Random(2) * 10}};
    spec.max_crashes = 1;
    spec.keep_logs = Random(3) - 1;
    spec.delivery = Random(4) == 0 ? Delivery::kAtMostOnce : Delivery::kAtLeastOnce;
    spec.dedup = RandomKey();
    const std::string dropped_for = DroppedFor(spec);
    const EnqueueAck ack = f_.Add(spec);
    REQUIRE(ack.existing == !dropped_for.empty());
    if (ack.existing) {
      REQUIRE(ack.id == dropped_for);
      const auto found = jobs_.find(ack.id);
      REQUIRE(ack.state == (found == jobs_.end() ? JobState::kCompleted : found->second.state));
      return;
    }
    REQUIRE(ack.replaced_id == ReplacedBy(spec));
    if (!ack.replaced_id.empty()) Forget(ack.replaced_id);
    ++enqueued_;
    TakeKey(ack.id, spec.dedup);
    jobs_[ack.id] = {.state = spec.delay_ms > 0 ? JobState::kScheduled : JobState::kReady,
                     .number = spec.lifo ? -enqueued_ : enqueued_,
                     .priority = spec.priority,
                     .due_at_ms = spec.delay_ms > 0 ? f_.clock.WallMs() + spec.delay_ms : 0,
                     .max_attempts = spec.retry.max_attempts,
                     .delivery = spec.delivery,
                     .dedup = spec.dedup,
                     .created_at_ms = f_.clock.WallMs()};
  }

  void Claim() {
    const int want = 1 + Random(4);
    const std::vector<Claimed> claimed = f_.Claim(want);
    if (paused_) {
      REQUIRE(claimed.empty());
      return;
    }
    std::vector<Entry*> ready;
    for (Entry& entry : jobs_) {
      ModelJob& job = entry.second;
      if (job.state == JobState::kScheduled && job.due_at_ms <= f_.clock.WallMs())
        job.state = JobState::kReady;
      if (job.state == JobState::kReady) ready.push_back(&entry);
    }
    std::sort(ready.begin(), ready.end(), [](const Entry* a, const Entry* b) {
      return std::pair(a->second.priority, a->second.number) <
             std::pair(b->second.priority, b->second.number);
    });
    REQUIRE(claimed.size() == std::min(ready.size(), static_cast<size_t>(want)));
    for (size_t i = 0; i < claimed.size(); ++i) {
      REQUIRE(claimed[i].job.spec.id == ready[i]->first);
      ModelJob& job = ready[i]->second;
      REQUIRE(claimed[i].job.attempt == job.made + 1);
      REQUIRE(claimed[i].job.crashes == job.crashes);
      job.state = JobState::kActive;
      job.cancel_requested = false;
      job.lease = claimed[i].lease;
    }
  }

  void Settle() {
    Entry* entry = Pick(JobState::kActive);
    if (!entry) return;
    ModelJob& job = entry->second;
    const Kind kinds[] = {Kind::kCompleted, Kind::kFailed, Kind::kRetry, Kind::kReleased,
                          Kind::kCancelled};
    Outcome outcome = MakeOutcome(kinds[Random(5)], "{}");
    outcome.retryable = Random(5) != 0;
    if (Random(2) == 0) outcome.delay_ms = Random(3) * 10;
    const Settled settled = f_.Settle(job.lease, outcome);
    RequireOk(settled.status);
    const bool failed = outcome.kind == Kind::kFailed || outcome.kind == Kind::kRetry;
    if (outcome.kind == Kind::kCompleted) {
      job.state = JobState::kCompleted;
    } else if (outcome.kind == Kind::kCancelled || job.cancel_requested) {
      job.state = JobState::kCancelled;
    } else if (failed && (!outcome.retryable || job.made + 1 >= job.max_attempts)) {
      job.state = JobState::kFailed;
    } else {
      job.made += failed;
      job.due_at_ms = settled.due_at_ms;
      job.state = settled.due_at_ms != 0 ? JobState::kScheduled : JobState::kReady;
      if (outcome.delay_ms) REQUIRE((settled.due_at_ms == 0) == (*outcome.delay_ms == 0));
    }
    REQUIRE(settled.state == job.state);
    job.ended_at_ms = f_.clock.WallMs();
  }

  void Cancel() {
    Entry* entry = Pick();
    if (!entry) return;
    CancelResult result{};
    f_.MustDo([&](Ledger& ledger) { return CancelJob(ledger, {entry->first, ""}, "", &result); });
    ModelJob& job = entry->second;
    if (job.state == JobState::kActive) {
      REQUIRE(result == CancelResult::kRequested);
      job.cancel_requested = true;
    } else if (job.state < JobState::kActive) {
      REQUIRE(result == CancelResult::kCancelled);
      job.state = JobState::kCancelled;
      job.ended_at_ms = f_.clock.WallMs();
    } else {
      REQUIRE(result == CancelResult::kFinished);
    }
  }

  // Applies a change that is possible in some states only.
  bool Try(Status (*change)(Ledger&, const JobRef&), const std::string& id, bool possible) {
    const Status status = f_.Do([&](Ledger& ledger) { return change(ledger, {id, ""}); });
    REQUIRE(status.ok() == possible);
    if (!possible) REQUIRE(status.code() == Code::kWrongState);
    return possible;
  }

  void Redrive() {
    Entry* entry = Pick();
    if (!entry) return;
    ModelJob& job = entry->second;
    const auto redrive = [](Ledger& ledger, const JobRef& ref) { return RedriveJob(ledger, ref); };
    if (!Try(redrive, entry->first, job.state >= JobState::kCompleted)) return;
    Redriven(*entry);
  }

  void Redriven(Entry& entry) {
    Retake(entry);
    Reset(&entry.second);
  }

  static void Reset(ModelJob* job) {
    job->state = JobState::kReady;
    job->made = job->crashes = 0;
  }

  void Promote() {
    Entry* entry = Pick();
    if (!entry) return;
    if (Try(PromoteJob, entry->first, entry->second.state == JobState::kScheduled)) {
      entry->second.state = JobState::kReady;
    }
  }

  void Remove() {
    Entry* entry = Pick();
    if (!entry) return;
    const std::string id = entry->first;
    if (Try(RemoveJob, id, entry->second.state != JobState::kActive)) Forget(id);
  }

  void Report() {
    Entry* entry = Pick();
    if (!entry) return;
    f_.MustDo([&](Ledger& ledger) {
      if (Random(2) == 0) return AppendLog(ledger, {entry->first, ""}, "a line");
      return SetProgress(ledger, {entry->first, ""}, "1", 100);
    });
  }

  void Crash() {
    Entry* entry = Pick(JobState::kActive);
    if (!entry) return;
    ModelJob& job = entry->second;
    bool lost = true;
    f_.MustDo(
        [&](Ledger& ledger) { return RescueJob(ledger, job.lease, "its worker died", &lost); });
    REQUIRE_FALSE(lost);
    ++job.crashes;
    const bool lost_for_good = job.crashes > 1 || job.delivery == Delivery::kAtMostOnce;
    job.state = job.cancel_requested ? JobState::kCancelled
                : lost_for_good      ? JobState::kFailed
                                     : JobState::kReady;
    job.ended_at_ms = f_.clock.WallMs();
  }

  // A holder that was declared dead comes back.
  void LoseLease() {
    Entry* entry = Pick(JobState::kActive);
    if (!entry) return;
    Lease old = entry->second.lease;
    old.token = 0;
    REQUIRE(f_.Settle(old, Kind::kCompleted).status.code() == Code::kLeaseLost);
  }

  void Bulk() {
    static constexpr JobState kStates[] = {JobState::kReady, JobState::kScheduled,
                                           JobState::kCompleted, JobState::kFailed,
                                           JobState::kCancelled};
    const JobState state = kStates[Random(5)];
    const bool redrive = state >= JobState::kCompleted && Random(2) == 0;
    int64_t changed = 0;
    BulkCursor cursor;
    for (SliceResult result{.more = true}; result.more;) {
      f_.MustDo([&](Ledger& ledger) {
        const BulkQuery query{.queue = "q", .state = state};
        return redrive ? RedriveSlice(ledger, query, 3, &cursor, &result)
                       : RemoveSlice(ledger, query, 3, &cursor, &result);
      });
      changed += result.changed;
    }
    std::vector<Entry*> hits;
    for (Entry& entry : jobs_) {
      if (entry.second.state == state) hits.push_back(&entry);
    }
    REQUIRE(changed == std::ssize(hits));
    // As they ended: of several with one key the first takes it.
    std::sort(hits.begin(), hits.end(), [](const Entry* a, const Entry* b) {
      return std::pair(a->second.ended_at_ms, std::abs(a->second.number)) <
             std::pair(b->second.ended_at_ms, std::abs(b->second.number));
    });
    for (Entry* const entry : hits) {
      if (redrive) {
        Redriven(*entry);
      } else {
        Forget(std::string(entry->first));
      }
    }
  }

  // --- Deduplication ---

  Deduplication RandomKey() {
    if (Random(2) == 0) return {};
    Deduplication dedup{.key = "key-" + std::to_string(Random(4))};
    dedup.mode = std::array{Mode::kUnfinished, Mode::kThrottle, Mode::kDebounce,
                            Mode::kStates}[static_cast<size_t>(Random(4))];
    if (dedup.mode == Mode::kThrottle) dedup.ttl_ms = 1 + Random(60);
    if (dedup.mode != Mode::kStates) return dedup;
    dedup.states = 1U << (1 + Random(7)) | 1U << (1 + Random(7));
    dedup.ttl_ms = Random(2) * 50;
    return dedup;
  }

  const ModelJob* Holder(const ModelKey& row) const {
    const auto found = jobs_.find(row.holder);
    const bool same = found != jobs_.end() && std::abs(found->second.number) == row.number;
    return same ? &found->second : nullptr;
  }

  // What a dropped job is told of the one that counts.
  JobState StateFor(const JobSpec& spec) {
    if (jobs_.count(spec.id) == 1) return jobs_[spec.id].state;
    const ModelJob* const holder = Holder(keys_.at(spec.dedup.key));
    return holder ? holder->state : JobState::kCompleted;
  }

  bool Held(const ModelKey& row, const Deduplication& by) {
    const int64_t now_ms = f_.clock.WallMs();
    if (row.until_ms) return *row.until_ms > now_ms;
    if (!Holder(row)) return false;
    const ModelJob& holder = *Holder(row);
    const int64_t age_ms = now_ms - holder.created_at_ms;
    if (by.mode == Mode::kThrottle) return age_ms < by.ttl_ms;
    if (by.mode != Mode::kStates) return holder.state < JobState::kCompleted;
    return (by.states & 1U << static_cast<uint32_t>(holder.state)) != 0 &&
           (by.ttl_ms == 0 || age_ms < by.ttl_ms);
  }

  // The scheduled job that a debounced one takes the place of.
  std::string ReplacedBy(const JobSpec& spec) {
    const auto row = keys_.find(spec.dedup.key);
    if (spec.dedup.mode != Mode::kDebounce || row == keys_.end() || row->second.until_ms) return "";
    const ModelJob* const holder = Holder(row->second);
    return holder && holder->state == JobState::kScheduled ? row->second.holder : "";
  }

  std::string DroppedFor(const JobSpec& spec) {
    if (jobs_.count(spec.id) == 1) return spec.id;
    const auto row = keys_.find(spec.dedup.key);
    if (spec.dedup.key.empty() || row == keys_.end() || !Held(row->second, spec.dedup)) return "";
    return ReplacedBy(spec).empty() ? row->second.holder : "";
  }

  void TakeKey(const std::string& id, const Deduplication& dedup) {
    if (dedup.key.empty()) return;
    ModelKey row{.holder = id, .number = enqueued_};
    if (dedup.mode == Mode::kThrottle) row.until_ms = f_.clock.WallMs() + dedup.ttl_ms;
    keys_[dedup.key] = row;
  }

  void Retake(const Entry& entry) {
    const Deduplication& dedup = entry.second.dedup;
    if (dedup.key.empty() || dedup.mode == Mode::kThrottle) return;
    const auto row = keys_.find(dedup.key);
    const bool own = row != keys_.end() && row->second.holder == entry.first;
    if (row != keys_.end() && Held(row->second, dedup) && (!own || row->second.until_ms)) return;
    keys_[dedup.key] = {.holder = entry.first, .number = std::abs(entry.second.number)};
  }

  void Forget(const std::string& id) {
    for (auto it = keys_.begin(); it != keys_.end();) {
      const bool held = it->second.holder == id && !it->second.until_ms;
      it = held ? keys_.erase(it) : std::next(it);
    }
    jobs_.erase(id);
  }

  std::string StoredHolder(const std::string& key) {
    return RequireOk(ReadHolder(f_.connection(), "q", key, f_.clock.WallMs()));
  }

  std::string ModelHolder(const ModelKey& row) {
    const ModelJob* const holder = Holder(row);
    const Deduplication own = holder ? holder->dedup : Deduplication{};
    return Held(row, own) ? row.holder : "";
  }

  void TogglePause() {
    paused_ = !paused_;
    f_.MustDo([&](Ledger& ledger) {
      return paused_ ? PauseQueue(ledger, "q") : ResumeQueue(ledger, "q");
    });
  }

  std::mt19937_64 random_;
  JobsFixture f_{{.keep_completed = {}, .keep_failed = {}, .keep_events = 200}};
  std::map<std::string, ModelJob> jobs_;
  std::map<std::string, ModelKey> keys_;
  int64_t enqueued_ = 0;
  bool paused_ = false;
};

TEST_CASE("random operations agree with a model of the jobs", "[jobs][model]") {
  const auto seed = static_cast<uint64_t>(GENERATE(1, 2, 3, 4));
  CAPTURE(seed);
  Machine machine(seed);
  for (int step = 0; step < 600; ++step) {
    CAPTURE(step);
    machine.Step();
    machine.Compare();
    if (step % 50 == 49) machine.CheckInvariants();
  }
}

}  // namespace
}  // namespace millrace::jobs
