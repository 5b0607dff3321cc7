#include "engine/presence.h"

#include <unistd.h>

#include "base/macros.h"
#include "engine/operation.h"

namespace millrace::engine {
namespace {

constexpr int64_t kRescueSlice = 500;  // jobs of a dead process taken back in one commit

std::string HostName() {
  char name[256] = {};
  if (gethostname(name, sizeof(name) - 1) != 0) return "unknown";
  return name;
}

}  // namespace

std::string Presence::SidecarPath() const {
  return store_.in_memory() ? "" : store_.path() + "-mill";
}

Status Presence::Start(store::Writer* writer, jobs::Ledger* ledger) {
  writer_ = writer;
  ledger_ = ledger;
  wake::Doorbell::Options options{.sidecar_path = SidecarPath(),
                                  .slot = store_.in_memory() ? 0 : -1,
                                  .process_id = store_.in_memory() ? 1 : 0,
                                  .portable = options_.test_portable_wake};
  ASSIGN_OR_RETURN(ringer_, wake::Doorbell::Open(options));
  return Status::Ok();
}

Status Presence::Appear() {
  const std::lock_guard lock(mutex_);
  if (process_id() != 0) return Status::Ok();
  if (left_) return Status(Code::kClosed, "the engine was closed");
  int slot = 0;
  if (!store_.in_memory()) {
    ASSIGN_OR_RETURN(slot, store_.ClaimSlot());
  }
  int64_t id = 0;
  Status status = Register(slot, &id);
  if (status.ok() && !store_.in_memory()) {
    auto bell = wake::Doorbell::Open({.sidecar_path = SidecarPath(),
                                      .slot = slot,
                                      .process_id = id,
                                      .portable = options_.test_portable_wake});
    if (bell.ok()) own_bell_ = std::move(bell.value());
    status = bell.status();
  }
  if (!status.ok()) {
    if (!store_.in_memory()) store_.ReleaseSlot(slot);
    return status;
  }
  slot_ = slot;
  bell_.store(own_bell_ ? own_bell_.get() : ringer_.get(), std::memory_order_release);
  process_id_.store(id, std::memory_order_release);
  // The others watch this process from now on, not only from their next probe on.
  for (const wake::Peer& peer : Peers())
    ringer_->RingProcess(peer.slot, peer.process_id, wake::kControl);
  return Status::Ok();
}

void Presence::LookForPeers() {
  const std::lock_guard lock(mutex_);
  if (liveness_) liveness_->Refresh();
}

// A slot has one holder: whoever was registered with it before is dead, and its jobs go back first.
Status Presence::Register(int slot, int64_t* process_id) {
  ASSIGN_OR_RETURN(const auto processes, [&]() -> Result<std::vector<jobs::ProcessRow>> {
    ASSIGN_OR_RETURN(store::Reader reader, store_.Read());
    return jobs::ListProcesses(*reader);
  }());
  for (const jobs::ProcessRow& process : processes) {
    if (process.slot != slot) continue;
    ringer_->ForgetProcess(slot, process.process_id);
    std::vector<std::string> ids;
    RETURN_IF_ERROR(RescueAll(process.process_id, &ids));
  }
  return RunChange(*writer_, *ledger_, Durability::kProcess, true, [&](jobs::Ledger& ledger) {
    *process_id = ledger.NextNumber();
    return jobs::InsertProcess(ledger, {.process_id = *process_id, .slot = slot, .pid = getpid()},
                               HostName());
  });
}

Status Presence::RescueAll(int64_t process_id, std::vector<std::string>* ids) {
  for (bool more = true; more;) {
    std::vector<std::string> slice;
    RETURN_IF_ERROR(RunIsolated(
        *writer_, *ledger_, kRescueSlice,
        [&](jobs::Ledger& ledger, int64_t most) {
          slice.clear();
          RETURN_IF_ERROR(jobs::RescueFrom(ledger, process_id, most, &slice, &more));
          return more ? Status::Ok() : jobs::DeleteProcess(ledger, process_id);
        },
        [&](jobs::Ledger& ledger, const Status& failed) {
          slice.clear();
          more = true;
          return jobs::TakeAwayFirst(ledger, process_id, failed);
        }));
    ids->insert(ids->end(), slice.begin(), slice.end());
  }
  return Status::Ok();
}

std::vector<wake::Peer> Presence::Peers() {
  std::vector<wake::Peer> peers;
  auto reader = store_.Read();
  if (!reader.ok()) return peers;
  auto processes = jobs::ListProcesses(**reader);
  if (!processes.ok()) return peers;
  for (const jobs::ProcessRow& process : *processes) {
    if (process.process_id == process_id()) continue;
    peers.push_back({.process_id = process.process_id, .slot = process.slot, .pid = process.pid});
  }
  return peers;
}

void Presence::WatchOthers(std::function<void(const std::vector<std::string>&)> on_rescued) {
  const std::lock_guard lock(mutex_);
  if (liveness_ || left_ || store_.in_memory()) return;
  on_rescued_ = std::move(on_rescued);
  wake::Liveness::Options options;
  options.slot_held = [this](int slot) { return store_.SlotHeld(slot); };
  options.list_peers = [this] { return Peers(); };
  options.on_death = [this](const wake::Peer& peer) { Rescue(peer); };
  liveness_ = wake::Liveness::Start(std::move(options));
}

void Presence::Rescue(const wake::Peer& peer) {
  ringer_->ForgetProcess(peer.slot, peer.process_id);  // first: its jobs must ring the living
  std::vector<std::string> ids;
  const Status status = RescueAll(peer.process_id, &ids);
  if (!status.ok() && options_.on_log) {
    options_.on_log("taking back the jobs of dead process " + std::to_string(peer.pid) +
                    " failed and will be tried again: " + status.ToString());
  }
  if (!ids.empty()) on_rescued_(ids);
}

void Presence::Control(int64_t process_id) {
  if (process_id == this->process_id()) {
    if (wake::Doorbell* own = bell()) own->RingSelf(wake::kControl);
    return;
  }
  auto reader = store_.Read();
  if (!reader.ok()) return;  // a hint: the owner's safety check finds it within a second
  auto slot = jobs::SlotOf(**reader, process_id);
  if (slot.ok() && *slot >= 0) ringer_->RingProcess(*slot, process_id, wake::kControl);
}

void Presence::CheckFiles() {
  for (wake::Doorbell* const one : {own_bell_.get(), ringer_.get()}) {
    if (!one) continue;
    const Status status = one->CheckFile();
    const bool news = !status.ok() && !told_of_files_;
    told_of_files_ = !status.ok();
    if (news && options_.on_log) {
      options_.on_log("wake-ups from other processes may take up to a second: " +
                      status.ToString());
    }
    if (told_of_files_) return;
  }
}

void Presence::Disappear() {
  std::unique_ptr<wake::Liveness> liveness;
  {
    const std::lock_guard lock(mutex_);
    left_ = true;  // a session that is being opened meanwhile must bring nothing back
    liveness = std::move(liveness_);
  }
  liveness.reset();  // joins: its callback may be waiting for the writer
  const std::lock_guard lock(mutex_);
  if (process_id() == 0) return;
  const Status status =
      RunChange(*writer_, *ledger_, Durability::kProcess, true,
                [&](jobs::Ledger& ledger) { return jobs::LeaveProcess(ledger, process_id()); });
  if (!status.ok() && options_.on_log) options_.on_log("leaving the store: " + status.ToString());
  bell()->ArmJobs({}, 0);  // the pump has stopped: nobody else arms
  bell()->ArmEvents({});
  if (!store_.in_memory()) store_.ReleaseSlot(slot_);
  process_id_.store(0, std::memory_order_release);
}

}  // namespace millrace::engine
