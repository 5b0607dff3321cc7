#include "registry.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <mutex>
#include <utility>

namespace millrace::node {

struct SharedStore {
  std::mutex mutex;  // held while the engine is opened and closed, so that the two never overlap
  std::unique_ptr<Engine> engine;
  OpenOptions options;  // those in force
  std::shared_ptr<ManualClock> manual_clock;
  int users = 0;
};

namespace {

// Two names of one file must find one engine. The file need not exist yet.
std::string StoreKey(const std::string& path) {
  constexpr std::string_view kScheme = "sqlite:///";
  std::string file = path;
  if (file.rfind(kScheme, 0) == 0) file.erase(0, kScheme.size());
  if (file == ":memory:") return file;
  std::error_code error;
  const std::filesystem::path canonical =
      std::filesystem::weakly_canonical(std::filesystem::absolute(file, error), error);
  return error ? file : canonical.string();
}

// Leaked on purpose: core threads may still run while the process destroys its statics.
std::shared_ptr<SharedStore> FindStore(const std::string& key) {
  static auto* mutex = new std::mutex;
  static auto* stores = new std::map<std::string, std::shared_ptr<SharedStore>>;
  const std::lock_guard<std::mutex> lock(*mutex);
  std::shared_ptr<SharedStore>& store = (*stores)[key];
  if (store == nullptr) store = std::make_shared<SharedStore>();
  return store;
}

bool Same(const Keep& a, const Keep& b) {
  return a.age_ms == b.age_ms && a.count == b.count;
}

bool Same(const Security& a, const Security& b) {
  const auto same_key = [](const SecurityKey& one, const SecurityKey& other) {
    return one.id == other.id && one.secret == other.secret;
  };
  return a.mode == b.mode && a.require == b.require &&
         std::equal(a.keys.begin(), a.keys.end(), b.keys.begin(), b.keys.end(), same_key);
}

Status CheckSame(const StoreOptions& asked, const OpenOptions& open) {
  const auto conflict = [&](const char* option) {
    return Status(Code::kInvalidArgument, std::string("store option ") + option +
                                              " differs from the one that " + open.path +
                                              " is already open with in this process");
  };
  if (asked.manual_clock_ms) return conflict("manualClock");
  if (asked.max_payload_bytes && *asked.max_payload_bytes != open.max_payload_bytes)
    return conflict("maxPayloadBytes");
  if (asked.busy_timeout_ms && *asked.busy_timeout_ms != open.busy_timeout_ms)
    return conflict("busyTimeout");
  if (asked.wal_limit_bytes && *asked.wal_limit_bytes != open.wal_limit_bytes)
    return conflict("walLimitBytes");
  if (asked.keep_events && *asked.keep_events != open.keep_events) return conflict("keepEvents");
  if (asked.keep_completed && !Same(*asked.keep_completed, open.keep_completed))
    return conflict("keepCompleted");
  if (asked.keep_failed && !Same(*asked.keep_failed, open.keep_failed))
    return conflict("keepFailed");
  if (asked.security && !Same(*asked.security, open.security)) return conflict("encryption");
  return Status::Ok();
}

OpenOptions Effective(const StoreOptions& options) {
  OpenOptions open = options.open;
  open.max_payload_bytes = options.max_payload_bytes.value_or(open.max_payload_bytes);
  open.busy_timeout_ms = options.busy_timeout_ms.value_or(open.busy_timeout_ms);
  open.wal_limit_bytes = options.wal_limit_bytes.value_or(open.wal_limit_bytes);
  open.keep_events = options.keep_events.value_or(open.keep_events);
  open.keep_completed = options.keep_completed.value_or(open.keep_completed);
  open.keep_failed = options.keep_failed.value_or(open.keep_failed);
  open.security = options.security.value_or(open.security);
  return open;
}

}  // namespace

ManualClock* EngineShare::manual_clock() const {
  return store_->manual_clock.get();
}

EngineShare::~EngineShare() {
  const std::lock_guard<std::mutex> lock(store_->mutex);
  if (--store_->users > 0) return;
  // An error here has no caller left; what could not be written was never acknowledged.
  (void)store_->engine->Close();
  store_->engine.reset();
  store_->manual_clock.reset();
}

Result<std::shared_ptr<EngineShare>> OpenShared(const StoreOptions& options) {
  std::shared_ptr<SharedStore> store = FindStore(StoreKey(options.open.path));
  const std::lock_guard<std::mutex> lock(store->mutex);
  if (store->engine == nullptr) {
    OpenOptions open = Effective(options);
    if (options.manual_clock_ms) {
      store->manual_clock = std::make_shared<ManualClock>(*options.manual_clock_ms);
      open.clock = store->manual_clock;
    }
    Result<std::unique_ptr<Engine>> engine = Engine::Open(open);
    if (!engine.ok()) return engine.status();
    store->engine = std::move(engine.value());
    store->options = open;
  } else if (Status same = CheckSame(options, store->options); !same.ok()) {
    return same;
  }
  ++store->users;
  Engine* engine = store->engine.get();
  return std::make_shared<EngineShare>(std::move(store), engine);
}

}  // namespace millrace::node
