// The bytes of the sidecar file NAME-mill. Hints only, written by any process that can open the
// file: every value that is read from it is checked or masked before it is used as an index.
#ifndef MILLRACE_WAKE_LAYOUT_H_
#define MILLRACE_WAKE_LAYOUT_H_

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace millrace::wake {

inline constexpr int kMaxSlots = 1024;  // as store::Store::kMaxSlots
inline constexpr uint32_t kExactQueues = 24;
inline constexpr uint64_t kMagic = 0x6c6c65626c6c696d;  // "millbell", little-endian
inline constexpr uint32_t kLayoutVersion =
    1;  // another number: the file is replaced, not converted

static_assert(std::atomic<uint64_t>::is_always_lock_free &&
                  std::atomic<uint32_t>::is_always_lock_free,
              "words shared between processes must not hide a lock");

// What a process asks to be rung for. `word` is 0 (not armed) or generation << 32 | free slots; a
// ringer takes it with one compare-and-swap, so it cannot take an arming whose list it has not
// read. The list may be rewritten while word is 0. Queue ids are cut to 32 bits: the store counts
// queues from 1.
struct Arming {
  std::atomic<uint64_t> word;
  std::atomic<uint32_t> count;  // kExactQueues + 1: every queue, beside the exact ones
};

// One process's doorbell. The first cache line is all that a ring without a match needs.
struct alignas(64) Slot {
  std::atomic<uint32_t> bell;      // counts rings; the futex word
  std::atomic<uint32_t> reasons;   // bits of Reason, cleared by the waiter
  std::atomic<uint32_t> sleeping;  // 0: the owner is awake, no need for a system call
  uint32_t reserved0;
  std::atomic<int64_t> process_id;
  Arming jobs;
  Arming events;
  uint64_t reserved1;
  std::atomic<uint32_t> job_queues[kExactQueues];
  std::atomic<uint32_t> event_queues[kExactQueues];
};
static_assert(sizeof(Slot) == 256 && offsetof(Slot, job_queues) == 64);

struct Layout {
  std::atomic<uint64_t> magic;
  std::atomic<uint32_t> version;
  std::atomic<uint32_t> size;  // sizeof(Layout)
  uint8_t reserved0[112];
  // One bit a slot: its owner is, or was a moment ago, armed. Set and cleared by the owner alone
  // (or by whoever found it dead), so that a ringer looks at the armed slots only.
  std::atomic<uint64_t> jobs_armed[kMaxSlots / 64];
  std::atomic<uint64_t> events_armed[kMaxSlots / 64];
  uint8_t reserved1[4096 - 384];
  Slot slots[kMaxSlots];
};
static_assert(offsetof(Layout, slots) == 4096 && sizeof(Layout) == 4096 + 256 * kMaxSlots);

}  // namespace millrace::wake

#endif  // MILLRACE_WAKE_LAYOUT_H_
