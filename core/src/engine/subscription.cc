#include "engine/subscription.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "base/macros.h"
#include "jobs/payloads.h"

namespace millrace::engine {

bool Follower::Listening() {
  const std::lock_guard lock(mutex_);
  return !news_ && !closed_;
}

void Follower::Newest(int64_t seq) {
  {
    const std::lock_guard lock(mutex_);
    if (seq <= seen_ || news_ || closed_) return;
    news_ = true;
  }
  changed_.notify_all();
  if (on_news_) on_news_();
}

void Follower::Seen(int64_t seq) {
  const std::lock_guard lock(mutex_);
  seen_ = std::max(seen_, seq);
  news_ = false;
}

bool Follower::Wait(int64_t timeout_ms) {
  std::unique_lock lock(mutex_);
  auto ready = [&] { return news_ || closed_; };
  if (timeout_ms < 0) {
    changed_.wait(lock, ready);
    return true;
  }
  return changed_.wait_for(lock, std::chrono::milliseconds(timeout_ms), ready);
}

void Follower::Close() {
  {
    const std::lock_guard lock(mutex_);
    if (closed_) return;
    closed_ = true;
  }
  changed_.notify_all();
  if (on_news_) on_news_();
}

bool Follower::closed() {
  const std::lock_guard lock(mutex_);
  return closed_;
}

EventSubscription::~EventSubscription() {
  if (fork_generation_ == ForkGeneration()) {
    Close();
  } else {
    // A thread of the parent may hold its lock or wait in it: never touched, never freed.
    static_cast<void>(new std::shared_ptr<Follower>(std::move(follower_)));
  }
}

void EventSubscription::Close() {
  if (fork_generation_ != ForkGeneration()) return;
  follower_->Close();
  pump_.Remove(follower_.get());
}

Result<int64_t> EventSubscription::Newest(store::Connection& connection) {
  if (follower_->queue_ids().empty()) {
    ASSIGN_OR_RETURN(const int64_t newest, jobs::EndOfLog(connection));  // before the queues' names
    ASSIGN_OR_RETURN(queues_, jobs::QueuesOf(connection, query_));
    return newest;
  }
  ASSIGN_OR_RETURN(const jobs::EventPosition newest, jobs::NewestEvent(connection, queues_));
  return newest.seq;
}

// Reads on from the position; a page without a matching event goes on as long as the log does.
Result<EventPage> EventSubscription::ReadPage() {
  for (;;) {
    ASSIGN_OR_RETURN(store::Reader reader, store_.Read());
    ASSIGN_OR_RETURN(const int64_t newest, Newest(*reader));
    ASSIGN_OR_RETURN(EventPage page, jobs::ReadEventPage(*reader, queues_, query_, position_));
    const jobs::EventPosition before = position_;
    ASSIGN_OR_RETURN(position_, jobs::ParseEventId(page.next, "next"));
    jobs::ShowEvents(keyring_, &page.events);
    if (!page.events.empty()) return page;
    // The newest of all queues may be a number that no event has.
    if (position_.seq >= newest || (position_.seq == before.seq && position_.n == before.n)) {
      follower_->Seen(newest);
      return page;
    }
  }
}

Result<EventPage> EventSubscription::Next(int64_t timeout_ms) {
  const auto until = std::chrono::steady_clock::now() +
                     std::chrono::milliseconds(std::max<int64_t>(timeout_ms, 0));
  const std::lock_guard lock(reading_);
  for (;;) {
    if (follower_->closed()) return Status(Code::kClosed, "the subscription was closed");
    ASSIGN_OR_RETURN(EventPage page, ReadPage());
    if (!page.events.empty() || timeout_ms == 0) {
      if (page.events.empty()) pump_.Nudge();  // listens again
      return page;
    }
    pump_.Nudge();
    int64_t left_ms = -1;
    if (timeout_ms > 0) {
      left_ms = std::chrono::duration_cast<std::chrono::milliseconds>(
                    until - std::chrono::steady_clock::now())
                    .count();
      if (left_ms <= 0) return page;
    }
    if (!follower_->Wait(left_ms)) return page;
  }
}

}  // namespace millrace::engine
