#include "wake/doorbell.h"

#include <algorithm>
#include <bit>
#include <cassert>
#include <chrono>
#include <mutex>
#include <vector>

#include "base/fork.h"
#include "base/id.h"
#include "wake/layout.h"
#include "wake/sidecar.h"
#include "wake/waiter.h"

namespace millrace::wake {
namespace {

using Clock = std::chrono::steady_clock;

constexpr uint32_t kAllReasons = kJobs | kEvents | kControl | kLocal;
constexpr int kBitsPerWord = 64;

uint32_t QueueHint(int64_t queue_id) {
  return static_cast<uint32_t>(queue_id);
}

// Between what is said here and what is read or written in the store. Thread sanitizers do not
// model fences; ours orders no plain memory, so they miss nothing.
void FullFence() {
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpragmas"
#pragma GCC diagnostic ignored "-Wtsan"
#endif
  std::atomic_thread_fence(std::memory_order_seq_cst);
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif
}

// The slots whose bit is set in `armed`, each once, beginning at `start` and going round. Stops
// when visit() says false.
template <typename Visit>
void ForEachArmed(const std::atomic<uint64_t> (&armed)[kMaxSlots / kBitsPerWord], int start,
                  Visit visit) {
  constexpr int kWords = kMaxSlots / kBitsPerWord;
  const int first_word = start / kBitsPerWord;
  const uint64_t from_start = ~uint64_t{0} << (start % kBitsPerWord);
  for (int i = 0; i <= kWords;
       ++i) {  // the first word twice: its upper part first, its lower part last
    const int word = (first_word + i) % kWords;
    uint64_t bits = armed[word].load(std::memory_order_relaxed);
    if (i == 0) bits &= from_start;
    if (i == kWords) bits &= ~from_start;
    for (; bits != 0; bits &= bits - 1) {
      if (!visit(word * kBitsPerWord + std::countr_zero(bits))) return;
    }
  }
}

void SetBit(std::atomic<uint64_t>* words, int slot, bool on) {
  std::atomic<uint64_t>& word = words[slot / kBitsPerWord];
  const uint64_t bit = uint64_t{1} << (slot % kBitsPerWord);
  const bool is_on = (word.load(std::memory_order_relaxed) & bit) != 0;
  if (on && !is_on) word.fetch_or(bit, std::memory_order_seq_cst);
  if (!on && is_on) word.fetch_and(~bit, std::memory_order_seq_cst);
}

// How an armed slot answers to one queue.
enum class Match { kNone, kExact, kAny };

Match Find(const Arming& arming, const std::atomic<uint32_t>* queues, uint32_t queue) {
  const uint32_t count = arming.count.load(std::memory_order_relaxed);
  for (uint32_t i = 0; i < std::min(count, kExactQueues); ++i) {
    if (queues[i].load(std::memory_order_relaxed) == queue) return Match::kExact;
  }
  return count > kExactQueues ? Match::kAny : Match::kNone;
}

// Takes the arming if it is for the queue; its free slots, or 0: not armed, not for this queue, or
// somebody else was first.
uint32_t Take(Arming* arming, const std::atomic<uint32_t>* queues, uint32_t queue, Match* match) {
  uint64_t word = arming->word.load(std::memory_order_acquire);
  if (word == 0) return 0;
  *match = Find(*arming, queues, queue);
  if (*match == Match::kNone) return 0;
  // Fails also if the list was rewritten while we read it: every arming has a generation of its
  // own.
  if (!arming->word.compare_exchange_strong(word, 0, std::memory_order_seq_cst)) return 0;
  return std::max(static_cast<uint32_t>(word), 1u);
}

class DoorbellImpl : public Doorbell {
 public:
  DoorbellImpl(const Options& options, std::shared_ptr<Sidecar> sidecar, Status status)
      : options_(options),
        waiter_(options.portable ? MakePollWaiter() : MakeFutexWaiter()),
        fork_generation_(ForkGeneration()),
        sidecar_(std::move(sidecar)),
        status_(std::move(status)),
        generation_(static_cast<uint32_t>(RandomBits64())),
        next_slot_(static_cast<uint32_t>(RandomBits64())) {
    if (options_.slot < 0) return;
    Slot* own = Own(sidecar_->layout());
    Forget(options_.slot, own->process_id.load(std::memory_order_seq_cst));
    Reset(sidecar_->layout(), own);
  }

  ~DoorbellImpl() override {
    if (Forked() || options_.slot < 0) return;
    std::vector<int64_t> missed;
    {
      const auto sidecar = Current();
      Slot* own = Own(sidecar->layout());
      // Another id: a successor has taken the slot already. It must not be disturbed, and has
      // passed the rings on.
      int64_t expected = options_.process_id;
      if (!own->process_id.compare_exchange_strong(expected, 0)) return;
      const uint64_t word = own->jobs.word.exchange(0, std::memory_order_seq_cst);
      Clear(sidecar->layout(), own);
      if (armed_for_jobs_ && word == 0) missed = job_queues_;
    }
    for (const int64_t queue_id : missed) RingJobs(queue_id, 1);  // whoever finds more rings on
  }

  uint32_t Seen() const override {
    if (Forked() || options_.slot < 0) return 0;
    const auto sidecar = const_cast<DoorbellImpl*>(this)->Current();
    return Own(sidecar->layout())->bell.load(std::memory_order_seq_cst);
  }

  void ArmJobs(std::span<const int64_t> queue_ids, uint32_t free_slots) override {
    if (Forked() || options_.slot < 0) return;
    const auto sidecar = Current();
    Layout* layout = sidecar->layout();
    Slot* own = Own(layout);
    armed_for_jobs_ = free_slots > 0 && !queue_ids.empty();
    job_queues_.assign(queue_ids.begin(), queue_ids.end());
    Arm(&own->jobs, own->job_queues, queue_ids, armed_for_jobs_ ? free_slots : 0);
    SetBit(layout->jobs_armed, options_.slot, armed_for_jobs_);
    FullFence();
  }

  void ArmEvents(std::span<const int64_t> queue_ids) override {
    if (Forked() || options_.slot < 0) return;
    const auto sidecar = Current();
    Layout* layout = sidecar->layout();
    Slot* own = Own(layout);
    Arm(&own->events, own->event_queues, queue_ids, queue_ids.empty() ? 0 : 1);
    SetBit(layout->events_armed, options_.slot, !queue_ids.empty());
    FullFence();
  }

  uint32_t Wait(uint32_t seen, int64_t timeout_ms) override;

  void RingJobs(int64_t queue_id, int64_t new_jobs) override {
    if (Forked() || new_jobs <= 0) return;
    const auto sidecar = Current();
    Layout* layout = sidecar->layout();
    FullFence();
    int64_t uncovered = new_jobs;
    ForEachArmed(layout->jobs_armed, StartSlot(), [&](int index) {
      Slot& slot = layout->slots[index];
      Match match = Match::kNone;
      const uint32_t free_slots = Take(&slot.jobs, slot.job_queues, QueueHint(queue_id), &match);
      if (free_slots == 0) return true;
      Ring(&slot, kJobs);
      // Whoever asked for every queue may not serve this one.
      if (match == Match::kExact) uncovered -= free_slots;
      next_slot_.store(static_cast<uint32_t>(index) + 1, std::memory_order_relaxed);
      return uncovered > 0;
    });
  }

  void RingEvents(int64_t queue_id) override {
    if (Forked()) return;
    const auto sidecar = Current();
    Layout* layout = sidecar->layout();
    FullFence();
    ForEachArmed(layout->events_armed, 0, [&](int index) {
      Slot& slot = layout->slots[index];
      Match match = Match::kNone;
      if (Take(&slot.events, slot.event_queues, QueueHint(queue_id), &match) > 0) {
        Ring(&slot, kEvents);
      }
      return true;
    });
  }

  void RingProcess(int slot, int64_t process_id, Reason reason) override {
    if (Forked() || slot < 0 || slot >= kMaxSlots || process_id == 0) return;
    const auto sidecar = Current();
    Slot& other = sidecar->layout()->slots[slot];
    if (other.process_id.load(std::memory_order_seq_cst) == process_id) Ring(&other, reason);
  }

  void RingSelf(Reason reason) override {
    if (Forked() || options_.slot < 0) return;
    const auto sidecar = Current();
    Ring(Own(sidecar->layout()), reason);
  }

  void ForgetProcess(int slot, int64_t process_id) override {
    if (Forked() || slot < 0 || slot >= kMaxSlots || slot == options_.slot) return;
    Forget(slot, process_id);
  }

  Status CheckFile() override;

 private:
  bool Forked() const { return ForkGeneration() != fork_generation_; }
  Slot* Own(Layout* layout) const {
    return options_.slot < 0 ? nullptr : &layout->slots[options_.slot];
  }

  // The mapping to use for one short pass. Intact a moment ago: see Sidecar.
  std::shared_ptr<Sidecar> Current() {
    const std::lock_guard lock(mutex_);
    if (!sidecar_->Intact()) Remap();
    return sidecar_;
  }

  void Forget(int slot, int64_t process_id);
  void Remap();
  void Clear(Layout* layout, Slot* own);
  void Reset(Layout* layout, Slot* own);
  void Arm(Arming* arming, std::atomic<uint32_t>* list, std::span<const int64_t> queue_ids,
           uint32_t free_slots);

  int StartSlot() const {
    return static_cast<int>(next_slot_.load(std::memory_order_relaxed) % kMaxSlots);
  }

  void Ring(Slot* slot, uint32_t reason) {
    slot->reasons.fetch_or(reason, std::memory_order_seq_cst);
    slot->bell.fetch_add(1, std::memory_order_seq_cst);
    if (slot->sleeping.load(std::memory_order_seq_cst) != 0) waiter_->Wake(slot->bell);
  }

  const Options options_;
  const std::unique_ptr<Waiter> waiter_;
  const uint32_t fork_generation_;

  std::mutex mutex_;  // guards sidecar_ and status_
  std::shared_ptr<Sidecar> sidecar_;
  Status status_;  // why sidecar_ is private memory although there is a path

  // The waiting thread's own.
  std::atomic<uint32_t> generation_;
  bool armed_for_jobs_ = false;
  std::vector<int64_t> job_queues_;

  std::atomic<uint32_t>
      next_slot_;  // where the next pass begins, so that the low slots are not always first
};

// The bell keeps its count.
void DoorbellImpl::Clear(Layout* layout, Slot* own) {
  own->jobs.word.store(0, std::memory_order_seq_cst);
  own->events.word.store(0, std::memory_order_seq_cst);
  SetBit(layout->jobs_armed, options_.slot, false);
  SetBit(layout->events_armed, options_.slot, false);
  own->sleeping.store(0, std::memory_order_relaxed);
  own->reasons.store(0, std::memory_order_relaxed);
}

// Makes the slot this process's own, empty, whoever had it before.
void DoorbellImpl::Reset(Layout* layout, Slot* own) {
  Clear(layout, own);
  own->process_id.store(options_.process_id, std::memory_order_seq_cst);
}

void DoorbellImpl::Arm(Arming* arming, std::atomic<uint32_t>* list,
                       std::span<const int64_t> queue_ids, uint32_t free_slots) {
  // Off while the list changes; the acquire half keeps the stores to the list behind it.
  arming->word.exchange(0, std::memory_order_seq_cst);
  if (free_slots == 0) return;
  const size_t exact = std::min<size_t>(queue_ids.size(), kExactQueues);
  for (size_t i = 0; i < exact; ++i) {
    list[i].store(QueueHint(queue_ids[i]), std::memory_order_relaxed);
  }
  const bool every = std::find(queue_ids.begin(), queue_ids.end(), kEveryQueue) != queue_ids.end();
  const bool more = every || queue_ids.size() > kExactQueues;
  if (every) std::fill(list + exact, list + kExactQueues, 0);
  arming->count.store(more ? kExactQueues + 1 : static_cast<uint32_t>(exact),
                      std::memory_order_relaxed);
  const uint64_t generation = generation_.fetch_add(1, std::memory_order_relaxed);
  arming->word.store(generation << 32 | free_slots, std::memory_order_seq_cst);
}

uint32_t DoorbellImpl::Wait(uint32_t seen, int64_t timeout_ms) {
  assert(options_.slot >= 0);
  if (Forked() || options_.slot < 0) return 0;
  const auto deadline = Clock::now() + std::chrono::milliseconds(std::max<int64_t>(timeout_ms, 0));
  for (;;) {
    const auto sidecar = Current();
    Slot* own = Own(sidecar->layout());
    int64_t left_ms = 0;
    if (own->bell.load(std::memory_order_seq_cst) == seen) {
      const auto left = deadline - Clock::now();
      left_ms = std::chrono::ceil<std::chrono::milliseconds>(left).count();
    }
    if (left_ms <= 0) return own->reasons.exchange(0, std::memory_order_seq_cst) & kAllReasons;
    own->sleeping.store(1, std::memory_order_seq_cst);
    waiter_->Sleep(own->bell, seen, left_ms);
    if (sidecar->Intact()) own->sleeping.store(0, std::memory_order_relaxed);
  }
}

// Also for this process's own slot, when it is opened: its last owner may have died a moment ago,
// unnoticed.
void DoorbellImpl::Forget(int slot, int64_t process_id) {
  if (process_id == 0) return;
  std::vector<int64_t> queues;
  uint64_t word = 0;
  {
    const auto sidecar = Current();
    Layout* layout = sidecar->layout();
    Slot& dead = layout->slots[slot];
    word = dead.jobs.word.load(std::memory_order_seq_cst);
    uint64_t events_word = dead.events.word.load(std::memory_order_seq_cst);
    // The first of the survivors does it. A successor may take the slot from here on: its words
    // differ from these.
    if (!dead.process_id.compare_exchange_strong(process_id, 0)) return;
    const bool armed = word != 0 && dead.jobs.word.compare_exchange_strong(word, 0);
    dead.events.word.compare_exchange_strong(events_word, 0);
    SetBit(layout->jobs_armed, slot, false);
    SetBit(layout->events_armed, slot, false);
    if (dead.process_id.load(std::memory_order_seq_cst) != 0) {
      SetBit(layout->jobs_armed, slot,
             true);  // a successor's: too many bits cost a look, too few a ring
      SetBit(layout->events_armed, slot, true);
    }
    if (armed) return;  // no ring was on its way
    const uint32_t count = std::min(dead.jobs.count.load(std::memory_order_relaxed), kExactQueues);
    for (uint32_t i = 0; i < count; ++i) {
      queues.push_back(dead.job_queues[i].load(std::memory_order_relaxed));
    }
  }
  // One ring a queue is enough, as whoever finds more jobs there rings on.
  for (const int64_t queue_id : queues) RingJobs(queue_id, 1);
}

// With mutex_ held. Afterwards the waiter's `seen` is old and every reason is set: something may
// have been missed meanwhile.
void DoorbellImpl::Remap() {
  auto opened = Sidecar::OpenFile(options_.sidecar_path);
  status_ = opened.status();
  // No file: keep what works inside this process. Without memory there is nothing to go on with
  // either.
  if (!opened.ok() && sidecar_->is_file()) opened = Sidecar::MakePrivate();
  if (!opened.ok()) return;
  const std::shared_ptr<Sidecar> old = std::exchange(sidecar_, std::move(opened.value()));
  Slot* own = Own(sidecar_->layout());
  if (own == nullptr) return;
  uint32_t bell = static_cast<uint32_t>(RandomBits64());
  Slot* before = Own(old->layout());
  const bool readable = old->Intact();
  if (readable) bell = before->bell.load(std::memory_order_seq_cst);
  Reset(sidecar_->layout(), own);
  own->reasons.store(kAllReasons, std::memory_order_seq_cst);
  own->bell.store(bell + 1, std::memory_order_seq_cst);
  if (!readable) return;
  before->bell.fetch_add(1,
                         std::memory_order_seq_cst);  // for a thread that sleeps on the old memory
  waiter_->Wake(before->bell);
}

Status DoorbellImpl::CheckFile() {
  if (Forked() || options_.sidecar_path.empty()) return Status::Ok();
  const std::lock_guard lock(mutex_);
  if (!sidecar_->IsAt(options_.sidecar_path) || !sidecar_->Intact()) {
    Remap();
  } else if (Slot* own = Own(sidecar_->layout())) {
    own->process_id.store(options_.process_id,
                          std::memory_order_relaxed);  // whatever others wrote there
  }
  return status_;
}

}  // namespace

Result<std::unique_ptr<Doorbell>> Doorbell::Open(const Options& options) {
  if (options.slot < -1 || options.slot >= kMaxSlots) {
    return Status(Code::kInvalidArgument,
                  "slot is out of range: got " + std::to_string(options.slot) +
                      ", accepted are -1 (none) to " + std::to_string(kMaxSlots - 1));
  }
  auto sidecar = options.sidecar_path.empty() ? Sidecar::MakePrivate()
                                              : Sidecar::OpenFile(options.sidecar_path);
  const Status status = sidecar.status();
  if (!sidecar.ok()) sidecar = Sidecar::MakePrivate();
  if (!sidecar.ok()) return sidecar.status();
  return std::unique_ptr<Doorbell>(
      std::make_unique<DoorbellImpl>(options, std::move(sidecar.value()), status));
}

}  // namespace millrace::wake
