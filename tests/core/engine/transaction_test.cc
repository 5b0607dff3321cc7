// Jobs and the user's own tables in one commit: what is there after each way in which a transaction
// can end.
#include <signal.h>

#include <atomic>
#include <chrono>
#include <nlohmann/json.hpp>
#include <thread>

#include "catch.h"
#include "engine/engine_test_util.h"
#include "store/store.h"
#include "wake/child_process.h"

namespace millrace::testing {
namespace {

constexpr const char* kCreate =
    "CREATE TABLE IF NOT EXISTS app_orders (id INTEGER PRIMARY KEY, what TEXT UNIQUE)";
constexpr const char* kInsert = "INSERT INTO app_orders (what) VALUES (?)";

struct Shop {
  Shop() : engine(Must(Engine::Open({.path = dir.file()}))) {
    auto tx = Begin();
    Must(tx->Execute(kCreate, {}));
    Must(tx->Commit());
  }
  std::unique_ptr<Transaction> Begin(const TransactionOptions& options = {}) {
    return Must(engine->Begin(options));
  }
  int64_t Orders() {
    auto tx = Begin();
    return CountOrders(*tx);
  }
  static int64_t CountOrders(Transaction& tx) {
    const SqlResult counted = Must(tx.Execute("SELECT count(*) FROM app_orders", {}));
    return std::get<int64_t>(counted.rows.at(0).at(0));
  }
  int64_t Jobs() { return Must(engine->Counts("q")).ready; }

  TempDir dir;
  std::unique_ptr<Engine> engine;
};

void Order(Transaction& tx, const std::string& what) {
  Must(tx.Execute(kInsert, {what}));
}

std::string Doctor(Engine& engine) {
  const nlohmann::json answer = nlohmann::json::parse(Must(engine.DoctorJson()));
  return answer.at("ok").get<bool>() ? "" : answer.dump();
}

}  // namespace

TEST_CASE("jobs and rows are there together after a commit", "[transaction]") {
  Shop shop;
  auto session = Must(shop.engine->OpenSession({.queues = {"q"}}));
  auto tx = shop.Begin();
  Order(*tx, "a");
  const EnqueueAck ack = Must(tx->Enqueue({Spec("ship")})).front();
  CHECK(ack.durability == Durability::kPower);
  CHECK(Shop::CountOrders(*tx) == 1);
  CHECK(shop.Jobs() == 0);  // nobody sees it yet
  Must(tx->Commit());
  CHECK(TakeOne(*session).spec.id == ack.id);  // and the worker was woken
  CHECK(shop.Orders() == 1);
  CHECK(Doctor(*shop.engine).empty());
}

TEST_CASE("nothing is there after a rollback", "[transaction]") {
  Shop shop;
  auto tx = shop.Begin();
  Order(*tx, "a");
  Must(tx->Enqueue({Spec(), Spec()}));
  Must(tx->Execute("CREATE TABLE app_more (x)", {}));
  Must(tx->Rollback());
  Must(tx->Rollback());  // idempotent
  CHECK(shop.Orders() == 0);
  CHECK(shop.Jobs() == 0);
  CHECK(shop.Begin()->Execute("SELECT * FROM app_more", {}).status().code() ==
        Code::kInvalidArgument);
  CHECK(Doctor(*shop.engine).empty());
}

TEST_CASE("a transaction that is forgotten is rolled back", "[transaction]") {
  Shop shop;
  {
    auto tx = shop.Begin();
    Order(*tx, "a");
    Must(tx->Enqueue({Spec()}));
  }
  CHECK(shop.Orders() == 0);
  CHECK(shop.Jobs() == 0);
}

TEST_CASE("a transaction that has ended answers so", "[transaction]") {
  Shop shop;
  auto committed = shop.Begin();
  Order(*committed, "a");
  Must(committed->Commit());
  CHECK(committed->Commit().code() == Code::kClosed);
  CHECK(committed->Rollback().code() == Code::kClosed);
  CHECK(committed->Enqueue({Spec()}).status().code() == Code::kClosed);
  CHECK(committed->Execute("SELECT 1", {}).status().message() == "the transaction was committed");

  auto rolled_back = shop.Begin();
  Must(rolled_back->Rollback());
  CHECK(rolled_back->Commit().message() == "the transaction was rolled back");
  CHECK(rolled_back->Execute("SELECT 1", {}).status().code() == Code::kClosed);

  auto empty = shop.Begin();
  Must(empty->Commit());
  CHECK(empty->Commit().code() == Code::kClosed);
}

TEST_CASE("a failed statement leaves the transaction usable", "[transaction]") {
  Shop shop;
  auto tx = shop.Begin();
  Order(*tx, "a");
  CHECK(tx->Execute(kInsert, {std::string("a")}).status().code() == Code::kInvalidArgument);
  CHECK(tx->Execute("DELETE FROM jobs", {}).status().code() == Code::kPermissionDenied);
  JobSpec wrong = Spec();
  wrong.priority = 3'000'000;
  CHECK(tx->Enqueue({wrong}).status().code() == Code::kInvalidArgument);
  Must(tx->Enqueue({Spec()}));
  Must(tx->Commit());
  CHECK(shop.Orders() == 1);
  CHECK(shop.Jobs() == 1);
}

TEST_CASE("a statement that rolls back takes the jobs with it", "[transaction]") {
  Shop shop;
  auto tx = shop.Begin();
  Order(*tx, "a");
  Must(tx->Enqueue({Spec()}));
  const Status status =
      tx->Execute("INSERT OR ROLLBACK INTO app_orders (what) VALUES ('a')", {}).status();
  CHECK(status.code() == Code::kInvalidArgument);
  CHECK(tx->Commit().code() == Code::kClosed);
  CHECK(shop.Orders() == 0);
  CHECK(shop.Jobs() == 0);
  CHECK(Doctor(*shop.engine).empty());
}

TEST_CASE("an enqueue that fails half way leaves only the rollback", "[transaction]") {
  Shop shop;
  {
    // As if the file were damaged: a body can be written, its id cannot.
    auto store = Must(store::Store::Open({.path = shop.dir.file()}));
    Must(store->LockWriter());
    Must(
        store->writer().Exec("CREATE TRIGGER broken BEFORE INSERT ON job_keys "
                             "BEGIN SELECT RAISE(ABORT, 'broken'); END"));
    store->UnlockWriter();
  }
  JobSpec spec = Spec();
  spec.id = "mine";
  auto tx = shop.Begin();
  Order(*tx, "a");
  const Status failed = tx->Enqueue({Spec(), spec}).status();
  CHECK(failed.message().find("broken") != std::string::npos);
  CHECK(tx->Execute("SELECT 1", {}).status().code() == Code::kWrongState);
  CHECK(tx->Enqueue({Spec()}).status().code() == Code::kWrongState);
  CHECK(tx->Commit().code() == Code::kWrongState);
  Must(tx->Rollback());
  CHECK(shop.Orders() == 0);
  CHECK(shop.Jobs() == 0);
  CHECK(Doctor(*shop.engine).empty());
}

TEST_CASE("a refused enqueue leaves no event of what it had come by", "[transaction]") {
  Shop shop;
  Must(shop.engine->SetLimit(
      {.scope = LimitScope::kGroup, .queue = "q", .group = "full", .max_size = 1}, {}));
  JobSpec grouped = Spec();
  grouped.group = "full";
  JobSpec first = Spec();
  first.id = "first";
  Must(shop.engine->Enqueue({grouped, first}, {}));
  auto tx = shop.Begin();
  CHECK(tx->Enqueue({first, grouped}).status().code() == Code::kGroupFull);
  CHECK(tx->Commit().code() == Code::kWrongState);
  Must(tx->Rollback());
  // The same in a call of its own, and what comes after it.
  CHECK(shop.engine->Enqueue({first, grouped}, {}).status().code() == Code::kGroupFull);
  Must(shop.engine->Enqueue({Spec()}, {}));
  EventQuery query;
  query.queues = {"q"};
  query.types = {EventType::kDuplicate};
  CHECK(Must(shop.engine->ReadEvents(query)).events.empty());
  // What was refused before anything was gathered leaves a transaction usable.
  tx = shop.Begin();
  CHECK(tx->Enqueue({grouped}).status().code() == Code::kGroupFull);
  Must(tx->Commit());
}

TEST_CASE("an open transaction ends at its deadline", "[transaction]") {
  Shop shop;
  auto tx = shop.Begin({.timeout_ms = 30});
  Order(*tx, "a");
  Must(tx->Enqueue({Spec()}));
  // Waits for the writer, which is free when the deadline has passed.
  std::thread other([&] { Add(*shop.engine, Spec("other")); });
  other.join();
  CHECK(tx->Execute("SELECT 1", {}).status().code() == Code::kTimeout);
  CHECK(tx->Commit().code() == Code::kTimeout);
  Must(tx->Rollback());
  CHECK(shop.Orders() == 0);
  CHECK(shop.Jobs() == 1);
}

TEST_CASE("a statement ends at the deadline", "[transaction]") {
  Shop shop;
  auto tx = shop.Begin({.timeout_ms = 30});
  const Status status = tx->Execute(
                              "WITH RECURSIVE n (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM "
                              "n) SELECT max(x) FROM n",
                              {})
                            .status();
  CHECK(status.code() == Code::kTimeout);
  CHECK(tx->Commit().code() == Code::kTimeout);
}

TEST_CASE("options of a transaction are checked", "[transaction]") {
  Shop shop;
  CHECK(shop.engine->Begin({.timeout_ms = 0}).status().message() ==
        "timeout_ms is 0; 1 to 60000 is accepted");
  CHECK(shop.engine->Begin({.timeout_ms = 60'001}).status().code() == Code::kInvalidArgument);
  auto tx = shop.Begin({.durability = Durability::kMemory});
  CHECK(Must(tx->Enqueue({Spec()})).front().durability == Durability::kProcess);
}

TEST_CASE("a thread does not wait for its own transaction", "[transaction]") {
  Shop shop;
  auto tx = shop.Begin();
  auto second = shop.Begin();
  Order(*tx, "a");
  CHECK(shop.engine->Begin({}).status().code() == Code::kWrongState);
  CHECK(second->Execute("SELECT 1", {}).status().code() == Code::kWrongState);
  CHECK(shop.engine->Enqueue({Spec()}, {}).status().code() == Code::kWrongState);
  CHECK(shop.engine->Pause("q", {}).code() == Code::kWrongState);
  CHECK(shop.engine->OpenSession({.queues = {"q"}}).status().code() == Code::kWrongState);
  CHECK(Must(shop.engine->Counts("q")).ready == 0);  // reading is no problem
  Must(tx->Commit());
  CHECK(Add(*shop.engine, Spec()).state == JobState::kReady);
  Order(*second, "b");
  Must(second->Rollback());
}

TEST_CASE("in memory even reading would wait for itself", "[transaction]") {
  auto engine = Must(Engine::Open({.path = ":memory:"}));
  auto tx = Must(engine->Begin({}));
  Must(tx->Execute(kCreate, {}));
  CHECK(Must(tx->Enqueue({Spec()})).front().durability == Durability::kMemory);
  CHECK(engine->Counts("q").status().code() == Code::kWrongState);
  Must(tx->Commit());
  CHECK(Must(engine->Counts("q")).ready == 1);
}

TEST_CASE("other threads wait their turn", "[transaction]") {
  Shop shop;
  constexpr int kThreads = 4;
  constexpr int kRounds = 20;
  std::vector<std::thread> threads;
  for (int thread = 0; thread < kThreads; ++thread) {
    threads.emplace_back([&shop, thread] {
      for (int round = 0; round < kRounds; ++round) {
        if (thread % 2 == 0) {
          Add(*shop.engine, Spec());
          continue;
        }
        auto tx = shop.Begin();
        const int64_t before = Shop::CountOrders(*tx);
        Order(*tx, std::to_string(thread) + "-" + std::to_string(round));
        Must(tx->Enqueue({Spec(), Spec()}));
        if (Shop::CountOrders(*tx) != before + 1) throw std::runtime_error("somebody else wrote");
        if (round % 4 == 0) {
          Must(tx->Rollback());
        } else {
          Must(tx->Commit());
        }
      }
    });
  }
  std::atomic<int> answered{0};
  for (int i = 0; i < kRounds; ++i) {
    shop.engine->EnqueueAsync({Spec()}, {}, [&](auto acks) {
      Must(std::move(acks));
      if (++answered == kRounds) answered.notify_all();
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (int seen = answered; seen != kRounds; seen = answered) answered.wait(seen);
  CHECK(shop.Orders() == 2 * kRounds * 3 / 4);
  CHECK(shop.Jobs() == 2 * kRounds + 2 * 2 * kRounds * 3 / 4 + kRounds);
  CHECK(Doctor(*shop.engine).empty());
}

TEST_CASE("a transaction does not keep others who are done", "[transaction]") {
  Shop shop;
  auto tx = shop.Begin();
  Order(*tx, "a");
  std::atomic<int> done{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 3; ++i) {
    threads.emplace_back([&] {
      Add(*shop.engine, Spec());
      ++done;
    });
  }
  std::thread waiting([&] {
    auto next = shop.Begin();
    Order(*next, "b");
    Must(next->Commit());
    ++done;
  });
  CHECK(Shop::CountOrders(*tx) == 1);
  CHECK(done == 0);
  Must(tx->Commit());
  for (std::thread& thread : threads) thread.join();
  waiting.join();
  CHECK(shop.Orders() == 2);
  CHECK(shop.Jobs() == 3);
}

TEST_CASE("closing the engine rolls an open transaction back", "[transaction]") {
  Shop shop;
  auto tx = shop.Begin({.timeout_ms = 60'000});
  auto never_used = shop.Begin();
  auto session = Must(shop.engine->OpenSession({.queues = {"q"}}));
  Order(*tx, "a");
  Must(tx->Enqueue({Spec()}));
  Must(shop.engine->Close());
  CHECK(tx->Commit().code() == Code::kClosed);
  CHECK(never_used->Execute("SELECT 1", {}).status().code() == Code::kClosed);
  CHECK(shop.engine->Begin({}).status().code() == Code::kClosed);
  auto again = Must(Engine::Open({.path = shop.dir.file()}));
  CHECK(Must(again->Counts("q")).ready == 0);
  CHECK(Shop::CountOrders(*Must(again->Begin({}))) == 0);
  session.reset();
  shop.engine.reset();
  CHECK(tx->Execute("SELECT 1", {}).status().code() == Code::kClosed);  // outlives its engine
}

TEST_CASE("closing the engine gives up a statement that runs", "[transaction]") {
  Shop shop;
  std::atomic<bool> begun{false};
  Status status;
  std::thread user([&] {
    auto tx = shop.Begin({.timeout_ms = 60'000});
    Order(*tx, "a");
    begun = true;
    begun.notify_all();
    status = tx->Execute(
                   "WITH RECURSIVE n (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT "
                   "max(x) FROM n",
                   {})
                 .status();
  });
  begun.wait(false);
  Must(shop.engine->Close());
  user.join();
  CHECK(status.code() == Code::kClosed);
}

TEST_CASE("transaction child: works and waits to be killed", "[.][child]") {
  auto engine = Must(Engine::Open({.path = wake::ChildArguments().at(0)}));
  const std::string until = wake::ChildArguments().at(1);
  auto tx = Must(engine->Begin({.timeout_ms = 60'000}));
  Order(*tx, "a");
  if (until != "statement") Must(tx->Enqueue({Spec()}));
  if (until == "commit") Must(tx->Commit());
  wake::ChildWriteLine("there");
  wake::ChildReadLine();
}

TEST_CASE("a process that dies in a transaction leaves nothing of it", "[transaction]") {
  for (const std::string until : {"statement", "enqueue", "commit"}) {
    INFO(until);
    Shop shop;
    wake::ChildProcess child("transaction child: works and waits to be killed",
                             {shop.dir.file(), until});
    REQUIRE(child.ReadLine() == "there");
    // Another process waits for the writer until the kernel has taken the lock from the dead.
    std::thread other([&] { Add(*shop.engine, Spec("other")); });
    child.Signal(SIGKILL);
    CHECK(child.Join() == 128 + SIGKILL);
    other.join();
    CHECK(shop.Orders() == (until == "commit" ? 1 : 0));
    CHECK(shop.Jobs() == (until == "commit" ? 2 : 1));
    CHECK(Doctor(*shop.engine).empty());
  }
}

TEST_CASE("two processes take turns", "[transaction]") {
  Shop shop;
  wake::ChildProcess child("transaction child: works and waits to be killed",
                           {shop.dir.file(), "commit"});
  auto tx = shop.Begin();
  Order(*tx, "b");
  Must(tx->Commit());
  REQUIRE(child.ReadLine() == "there");
  child.WriteLine("end");
  CHECK(child.Join() == 0);
  CHECK(shop.Orders() == 2);
}

TEST_CASE("references of the user's own tables are nobody's fault", "[transaction]") {
  Shop shop;
  auto tx = shop.Begin();
  Must(tx->Execute("CREATE TABLE app_lines (order_id INTEGER REFERENCES app_orders (id))", {}));
  Must(tx->Execute("INSERT INTO app_lines VALUES (99)", {}));
  Must(tx->Commit());
  CHECK(Doctor(*shop.engine).empty());
}

TEST_CASE("the id of a job is known before the commit", "[transaction]") {
  Shop shop;
  auto tx = shop.Begin();
  JobSpec spec = Spec();
  spec.id = shop.engine->NewId();
  CHECK(Must(tx->Enqueue({spec})).front().id == spec.id);
  Must(tx->Enqueue({Spec()}));
  Must(tx->Commit());
  CHECK(StateOf(*shop.engine, spec.id) == JobState::kReady);
}

}  // namespace millrace::testing
