// Following events of queues: a position in the log, and the pump's word that there is more.
#ifndef MILLRACE_ENGINE_SUBSCRIPTION_H_
#define MILLRACE_ENGINE_SUBSCRIPTION_H_

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "base/fork.h"
#include "engine/pump.h"
#include "jobs/event_log.h"
#include "millrace/events.h"
#include "store/store.h"

namespace millrace::engine {

// Listens to queues for the pump. Thread-safe.
class Follower : public PumpFollower {
 public:
  Follower(std::vector<int64_t> queue_ids, std::function<void()> on_news)
      : queue_ids_(std::move(queue_ids)), on_news_(std::move(on_news)) {}

  const std::vector<int64_t>& queue_ids() const override { return queue_ids_; }
  bool Listening() override;
  void Newest(int64_t seq) override;

  // Says up to where the log has been read, and listens again. The answer: whether there was more
  // already.
  void Seen(int64_t seq);
  // Waits for news, Close() or the time-out (-1: none). False: the time-out passed.
  bool Wait(int64_t timeout_ms);
  void Close();
  bool closed();

 private:
  const std::vector<int64_t> queue_ids_;
  const std::function<void()> on_news_;
  std::mutex mutex_;
  std::condition_variable changed_;
  int64_t seen_ = 0;
  bool news_ = false;
  bool closed_ = false;
};

class EventSubscription : public Subscription {
 public:
  EventSubscription(store::Store& store, Pump& pump, const Keyring& keyring,
                    std::shared_ptr<Follower> follower, EventQuery query,
                    std::vector<jobs::LogQueue> queues, jobs::EventPosition from)
      : store_(store),
        pump_(pump),
        keyring_(keyring),
        follower_(std::move(follower)),
        query_(std::move(query)),
        queues_(std::move(queues)),
        position_(from) {}
  ~EventSubscription() override;

  Result<EventPage> Next(int64_t timeout_ms) override;
  void Close() override;

 private:
  Result<EventPage> ReadPage();
  // The newest position that may hold an event.
  Result<int64_t> Newest(store::Connection& connection);

  store::Store& store_;
  Pump& pump_;
  const Keyring& keyring_;
  std::shared_ptr<Follower> follower_;
  const uint32_t fork_generation_ = ForkGeneration();
  const EventQuery query_;
  std::vector<jobs::LogQueue> queues_;  // read anew for each page if it follows all
  std::mutex reading_;                  // one Next() at a time
  jobs::EventPosition position_;
};

}  // namespace millrace::engine

#endif  // MILLRACE_ENGINE_SUBSCRIPTION_H_
