// When the pump fires schedules: keeps the earliest slot in memory, so that waiting for it costs
// nothing however many schedules there are.
#ifndef MILLRACE_ENGINE_SCHEDULE_TIMER_H_
#define MILLRACE_ENGINE_SCHEDULE_TIMER_H_

#include <cstdint>
#include <optional>
#include <utility>

#include "base/log.h"
#include "jobs/ledger.h"
#include "millrace/options.h"
#include "schedule/fire.h"
#include "store/store.h"
#include "store/writer.h"

namespace millrace::engine {

// The job of a slot, as Engine::Enqueue would add it (schedule::EnqueueJobFn).
Status EnqueueScheduled(jobs::Ledger& ledger, const JobSpec& job, EnqueueAck* ack);

// Not thread-safe: of the pump's thread.
class ScheduleTimer {
 public:
  // `log` hears of a schedule that was stopped or passed by because of damage, and of trouble that
  // keeps all of them waiting.
  ScheduleTimer(store::Store& store, store::Writer& writer, jobs::Ledger& ledger, Clock& clock,
                Log log)
      : store_(store), writer_(writer), ledger_(ledger), clock_(clock), log_(std::move(log)) {}

  // Fires what has come and answers when it wants to be called again (monotonic ms; INT64_MAX: it
  // waits for nothing that it knows of). `look`: others may have changed schedules; it also looks
  // by itself once a second.
  int64_t Tick(bool look);

 private:
  void LookForEarliest();
  // One commit, or several if something of it is damaged; false if it failed and is to be tried
  // again later.
  bool Fire();
  void Tell(const Status& status);

  store::Store& store_;
  store::Writer& writer_;
  jobs::Ledger& ledger_;
  Clock& clock_;
  const Log log_;
  Code told_ = Code::kOk;               // the trouble that the log knows of
  std::optional<int64_t> earliest_ms_;  // wall clock
  int64_t retry_at_ms_ = 0;             // monotonic
  int64_t next_look_ns_ = 0;
};

}  // namespace millrace::engine

#endif  // MILLRACE_ENGINE_SCHEDULE_TIMER_H_
