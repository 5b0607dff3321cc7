// This process in the store: its slot with the kernel lock, its row, its doorbell; and the watch
// over the others.
#ifndef MILLRACE_ENGINE_PRESENCE_H_
#define MILLRACE_ENGINE_PRESENCE_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "jobs/ledger.h"
#include "jobs/process.h"
#include "millrace/options.h"
#include "store/store.h"
#include "store/writer.h"
#include "wake/doorbell.h"
#include "wake/liveness.h"

namespace millrace::engine {

// Thread-safe. A process that only enqueues rings others but has no slot; the first session or
// subscription calls Appear().
class Presence : public jobs::Ledger::Wakes {
 public:
  Presence(store::Store& store, const OpenOptions& options) : store_(store), options_(options) {}
  ~Presence() override { Disappear(); }

  // Opens the bell to ring with. Before the first commit.
  Status Start(store::Writer* writer, jobs::Ledger* ledger);
  // Claims a slot, registers the process, takes back what a predecessor in the slot held.
  // Idempotent.
  Status Appear();
  // Starts the watch over other processes (sessions only). `on_rescued` gets the ids of jobs taken
  // back. Idempotent.
  void WatchOthers(std::function<void(const std::vector<std::string>&)> on_rescued);
  // A process may have come: watch it too.
  void LookForPeers();
  // Unregisters, and gives the slot up. Leases that could not be released are left to be taken
  // back like those of a dead process.
  void Disappear();

  int64_t process_id() const { return process_id_.load(std::memory_order_acquire); }
  wake::Doorbell* bell() const {
    return bell_.load(std::memory_order_acquire);
  }  // to wait on; null before Appear()
  // Called by the pump about once a second; trouble is logged once.
  void CheckFiles();

  // jobs::Ledger::Wakes
  void NewJobs(int64_t queue_id, int64_t count) override { ringer_->RingJobs(queue_id, count); }
  void NewEvents(int64_t queue_id) override { ringer_->RingEvents(queue_id); }
  void Control(int64_t process_id) override;

 private:
  Status Register(int slot, int64_t* process_id);
  void Rescue(const wake::Peer& peer);
  Status RescueAll(int64_t process_id, std::vector<std::string>* ids);
  std::vector<wake::Peer> Peers();
  std::string SidecarPath() const;

  store::Store& store_;
  const OpenOptions& options_;
  store::Writer* writer_ = nullptr;
  jobs::Ledger* ledger_ = nullptr;
  std::unique_ptr<wake::Doorbell> ringer_;    // rings; in memory also waits
  std::unique_ptr<wake::Doorbell> own_bell_;  // waits
  std::atomic<wake::Doorbell*> bell_{nullptr};
  std::mutex mutex_;
  int slot_ = -1;
  bool left_ = false;  // Disappear() was called
  bool told_of_files_ = false;
  std::atomic<int64_t> process_id_{0};
  std::unique_ptr<wake::Liveness> liveness_;
  std::function<void(const std::vector<std::string>&)> on_rescued_;
};

}  // namespace millrace::engine

#endif  // MILLRACE_ENGINE_PRESENCE_H_
