// The engines of this process, one per store, shared by every environment in it (the main thread
// and all workers).
#ifndef MILLRACE_BINDINGS_NODE_REGISTRY_H_
#define MILLRACE_BINDINGS_NODE_REGISTRY_H_

#include <memory>
#include <optional>
#include <string>

#include "millrace/engine.h"

namespace millrace::node {

// What a caller asked for by name; the rest is the engine's default.
struct StoreOptions {
  OpenOptions open;
  // Settings that hold for the whole store: who opens it again must name the same value or none.
  std::optional<int64_t> max_payload_bytes;
  std::optional<int64_t> busy_timeout_ms;
  std::optional<int64_t> wal_limit_bytes;
  std::optional<int64_t> keep_events;
  std::optional<Keep> keep_completed;
  std::optional<Keep> keep_failed;
  std::optional<Security> security;
  // Tests: a clock that stands still at this time until it is advanced.
  std::optional<int64_t> manual_clock_ms;
};

struct SharedStore;

// A share in an open engine; the last one to go closes it, which blocks for the disk. Thread-safe.
class EngineShare {
 public:
  EngineShare(std::shared_ptr<SharedStore> store, Engine* engine)
      : store_(std::move(store)), engine_(engine) {}
  ~EngineShare();
  EngineShare(const EngineShare&) = delete;
  EngineShare& operator=(const EngineShare&) = delete;

  Engine* operator->() const { return engine_; }
  // The store's manual clock; nullptr: it has a real one.
  ManualClock* manual_clock() const;

 private:
  std::shared_ptr<SharedStore> store_;
  Engine* engine_;
};

// Opens the store, or joins those who have it open already. Blocks. Errors: as Engine::Open, and
// kInvalidArgument if an option differs from the one that the store was opened with.
Result<std::shared_ptr<EngineShare>> OpenShared(const StoreOptions& options);

}  // namespace millrace::node

#endif  // MILLRACE_BINDINGS_NODE_REGISTRY_H_
