// The engine's implementation of a worker session. See millrace/session.h for what it promises.
//
// One write operation of a session is under way at a time (SessionStep): it settles what has been
// said since the last one and claims for the slots that this frees, in one commit. While it is
// written, more gathers for the next.
#ifndef MILLRACE_ENGINE_SESSION_H_
#define MILLRACE_ENGINE_SESSION_H_

#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/fifo.h"
#include "base/fork.h"
#include "base/log.h"
#include "base/seal.h"
#include "engine/isolation.h"
#include "engine/pump.h"
#include "engine/session_state.h"
#include "jobs/ledger.h"
#include "millrace/session.h"
#include "store/writer.h"

namespace millrace::engine {

// What a session needs of its engine. The engine outlives it.
struct SessionContext {
  store::Writer* writer = nullptr;
  jobs::Ledger* ledger = nullptr;
  const Keyring* keyring = nullptr;
  Clock* clock = nullptr;
  Pump* pump = nullptr;
  int64_t process_id = 0;
  int64_t session_id = 0;
  int64_t max_payload_bytes = 0;
  Log log;
  Durability durability = Durability::kPower;
  std::vector<std::pair<int64_t, std::string>> queues;
};

// Lock order: mutex_ is a leaf; never held while calling the writer, the pump or on_ready.
class SessionCore : public PumpSession,
                    public store::WriteOp,
                    public std::enable_shared_from_this<SessionCore> {
 public:
  SessionCore(SessionContext context, SessionOptions options);

  Result<std::vector<LeasedJob>> Take(int32_t max, int64_t timeout_ms);
  Status Settle(int64_t token, Outcome outcome);
  Result<Notices> Drain(int64_t timeout_ms);
  Status Write(int64_t token, Note::Kind kind, std::string text);
  void SetSlots(int32_t slots);
  void Pause();
  void Resume();
  int32_t active();
  void Stop();
  Status Close(int64_t timeout_ms);
  // Whether everything that was said is in the store.
  bool AllWritten();
  // The engine took jobs back from a dead process: shown as a notice.
  void NoteRescued(const std::vector<std::string>& ids);

  // PumpSession
  int32_t Hunger(std::vector<int64_t>* queue_ids) override;
  void Queues(std::vector<int64_t>* queue_ids) override;
  void Feed() override;
  void FindNothing() override;
  int64_t Tick(int64_t monotonic_ms) override;
  bool HoldsLeases() override;
  void Hear(const std::vector<jobs::LeaseNews>& leases) override;
  void Fail(const Status& status) override;

  // store::WriteOp: the step
  Status Apply(store::Connection& connection) override;
  void Committed() override;
  void Done(const Status& status) override;

 private:
  using Lock = std::unique_lock<std::mutex>;

  // Claims wanted now, given slots, what runs and what waits. With mutex_ held.
  int32_t Want() const;
  // Starts a step if there is something to write or to claim and none is under way. Releases the
  // lock.
  Status Kick(Lock lock);
  bool StartStep();  // with mutex_ held: true if the caller must submit it
  void GiveBackWaiting();
  void ConcludeLeft();
  void Notify(Lock lock, bool jobs, bool notices);
  void Tell(const Running& running, Signal::Kind kind, std::string reason);
  // Take() before the payloads are opened.
  Result<std::vector<LeasedJob>> TakeWaiting(int32_t max, int64_t timeout_ms);
  // session_payloads.cc
  void OpenTaken(std::vector<LeasedJob>* jobs);
  void Refuse(const LeasedJob& job, const Status& why);
  Status SealOutcome(int64_t token, Outcome* outcome);
  void SealNote(int64_t token, Note::Kind kind, std::string* text);
  void SealFor(int64_t token, SealField field, std::string* payload);
  std::string OpenReason(const Running& running, std::string stored) const;
  Status ApplyNote(Note& note);
  Status ApplyReport(const Note& note);
  Status ClaimForQueues(int32_t want);
  Status TakeAway(Note& note);
  void DropNotes(size_t count);
  void FinishStep(const Status& status);
  bool Isolate(const Status& status);
  bool TellSettled(const Status& status);
  std::string QueueName(int64_t queue_id) const;
  template <typename Ready>
  bool WaitFor(Lock& lock, std::condition_variable& changed, int64_t timeout_ms, Ready ready);

  const SessionContext context_;
  const SessionOptions options_;
  std::mutex mutex_;
  std::condition_variable jobs_changed_;
  std::condition_variable notices_changed_;
  std::condition_variable step_ended_;  // what Close() waits for
  int32_t slots_;
  int32_t slots_to_write_ = 0;  // for listings; 0: they know
  bool paused_;
  bool stopping_ = false;
  int32_t takers_ = 0;         // threads inside Take()
  bool unresponsive_ = false;  // gave back what nobody took in time
  bool closed_ = false;
  std::unordered_map<int64_t, std::shared_ptr<Running>> running_;  // taken, by token
  Fifo<jobs::Claimed> waiting_;                                    // claimed, not taken
  int64_t waiting_since_ms_ = 0;  // when the last one was taken or came; real time
  std::vector<Note> notes_;       // to be written by the next step
  Notices notices_;
  bool jobs_announced_ = false;
  bool notices_announced_ = false;
  bool step_under_way_ = false;
  bool hungry_ = true;        // the last claim found less than it wanted
  bool looked_for_ = false;   // the pump looks for jobs for it now
  bool new_ = true;           // no step was made, and the pump has not yet looked in vain
  int64_t next_tick_ms_ = 0;  // when the pump will call Tick() again, as far as it knows
  int64_t retry_at_ms_ = 0;   // monotonic; after a failed step
  int64_t settled_since_ = 0;
  PrefetchGauge gauge_;
  std::vector<jobs::Ledger::FlowNote> left_;  // of damaged steps: to be concluded apart

  // Of the step under way; touched by its leading thread only, between StartStep() and
  // FinishStep().
  std::vector<Note> step_notes_;
  std::vector<Settled> step_settled_;
  std::vector<jobs::Claimed> step_claimed_;
  int32_t step_want_ = 0;
  bool step_more_ = false;  // there is more to claim than this step has looked at
  bool step_committed_ = false;
  int32_t step_slots_ = 0;
  size_t step_count_ = 0;  // notes that this step writes: all but after damage
  Isolation isolation_;    // changes between steps
  Status step_failed_;     // what the last step failed with, if isolation_ is active
  std::vector<jobs::Ledger::FlowNote> step_left_;  // what it has not concluded
  size_t next_queue_ = 0;
  std::vector<int64_t> heard_tokens_;  // of the pump's thread
};

// The public handle: keeps the core alive while the pump or the writer may still call it.
class SessionHandle : public Session {
 public:
  SessionHandle(std::shared_ptr<SessionCore> core, std::function<void()> on_closed)
      : core_(std::move(core)), on_closed_(std::move(on_closed)) {}
  ~SessionHandle() override;

  Result<std::vector<LeasedJob>> Take(int32_t max, int64_t timeout_ms) override {
    return core_->Take(max, timeout_ms);
  }
  Status Settle(int64_t token, Outcome outcome) override {
    return core_->Settle(token, std::move(outcome));
  }
  Status SettleMany(std::vector<std::pair<int64_t, Outcome>> outcomes,
                    size_t* failed_index) override;
  Result<Notices> Drain(int64_t timeout_ms) override { return core_->Drain(timeout_ms); }
  Status Progress(int64_t token, std::string json) override {
    return core_->Write(token, Note::Kind::kProgress, std::move(json));
  }
  Status Log(int64_t token, std::string line) override {
    return core_->Write(token, Note::Kind::kLog, std::move(line));
  }
  Status Checkpoint(int64_t token, std::string json) override {
    return core_->Write(token, Note::Kind::kCheckpoint, std::move(json));
  }
  void SetSlots(int32_t slots) override { core_->SetSlots(slots); }
  void Pause() override { core_->Pause(); }
  void Resume() override { core_->Resume(); }
  int32_t active() const override { return core_->active(); }
  void Stop() override { core_->Stop(); }
  Status Close(int64_t timeout_ms) override;

 private:
  std::shared_ptr<SessionCore> core_;
  const uint32_t fork_generation_ = ForkGeneration();
  std::mutex mutex_;
  std::function<void()> on_closed_;  // unregisters; once
};

}  // namespace millrace::engine

#endif  // MILLRACE_ENGINE_SESSION_H_
