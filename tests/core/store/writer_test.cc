#include "store/writer.h"

#include <deque>
#include <memory>
#include <thread>
#include <vector>

#include "catch.h"
#include "store/writer_fake_store.h"

namespace millrace::store {
namespace {

struct Bench {
  explicit Bench(const Writer::Options& options = {})
      : writer(Writer::Create(store, hooks, options)) {}

  FakeStore store;
  CountingHooks hooks;
  std::unique_ptr<Writer> writer;
};

constexpr const char* kCountNotes = "SELECT count(*) FROM notes";

// Holds the lead inside an operation until Release(), so that what is submitted meanwhile becomes
// one group.
class HeldLead {
 public:
  explicit HeldLead(Writer& writer)
      : op_([this](Connection& connection) {
          if (op_.applied == 1) gate_.Pass();
          return InsertNote(connection, 999, 0);
        }),
        thread_([this, &writer] { result_ = writer.Run(&op_, true); }) {
    gate_.AwaitArrival();
  }
  ~HeldLead() { Release(); }
  void Release() {
    gate_.Open();
    if (thread_.joinable()) thread_.join();
  }
  const Status& result() const { return result_; }

 private:
  Gate gate_;
  NoteOp op_;
  Status result_;
  std::thread thread_;
};

}  // namespace

TEST_CASE("a lone caller commits by itself and comes back when it is done", "[writer]") {
  Bench bench;
  NoteOp op(1, 1, Durability::kPower);
  const std::thread::id self = std::this_thread::get_id();
  std::thread::id done_by;
  op.on_done = [&](const Status&) { done_by = std::this_thread::get_id(); };
  REQUIRE(bench.writer->Run(&op, true).ok());
  CHECK(op.applied == 1);
  CHECK(op.committed == 1);
  CHECK(op.done == 1);
  CHECK(done_by == self);
  CHECK(bench.store.syncs == 1);
  CHECK(bench.store.after_commits == 1);
  CHECK(bench.store.Count(kCountNotes) == 1);
  CHECK(bench.writer->stats().commits == 1);
  CHECK(bench.writer->stats().operations == 1);
}

TEST_CASE("an operation below power is not synced", "[writer]") {
  Bench bench;
  NoteOp op(1, 1, Durability::kProcess);
  REQUIRE(bench.writer->Run(&op, true).ok());
  CHECK(bench.store.syncs == 0);
}

TEST_CASE("whatever is queued while somebody leads becomes one group", "[writer]") {
  Bench bench;
  std::deque<NoteOp> ops;
  {
    HeldLead lead(*bench.writer);
    for (int i = 0; i < 100; ++i) REQUIRE(bench.writer->Submit(&ops.emplace_back(1, i), true).ok());
    CHECK(bench.store.Count(kCountNotes) == 0);
  }
  for (NoteOp& op : ops) op.Await();
  CHECK(bench.store.Count("SELECT count(*) FROM notes WHERE author = 1") == 100);
  CHECK(bench.hooks.commits == 2);
  CHECK(
      bench.store.Count("SELECT count(*) FROM notes AS a JOIN notes AS b ON b.rowid = a.rowid + 1 "
                        "WHERE a.author = 1 AND b.number <> a.number + 1") == 0);
}

TEST_CASE("a group is bounded in operations and bytes", "[writer]") {
  Bench bench({.max_group_ops = 10, .max_group_bytes = 1000});
  std::deque<NoteOp> ops;
  {
    HeldLead lead(*bench.writer);
    for (int i = 0; i < 20; ++i) REQUIRE(bench.writer->Submit(&ops.emplace_back(1, i), true).ok());
    for (int i = 20; i < 24; ++i) {
      ops.emplace_back(1, i).bytes = 500;
      REQUIRE(bench.writer->Submit(&ops.back(), true).ok());
    }
  }
  for (NoteOp& op : ops) op.Await();
  CHECK(bench.hooks.commits == 1 + 2 + 2);
}

TEST_CASE("an operation that is alone shares no commit", "[writer]") {
  Bench bench;
  NoteOp before(1, 1);
  NoteOp single(1, 2);
  single.alone = true;
  NoteOp after(1, 3);
  {
    HeldLead lead(*bench.writer);
    for (NoteOp* op : {&before, &single, &after}) REQUIRE(bench.writer->Submit(op, true).ok());
  }
  for (NoteOp* op : {&before, &single, &after}) op->Await();
  CHECK(bench.hooks.commits == 1 + 3);
  CHECK(bench.writer->stats().operations == 1 + 3);
}

TEST_CASE("an operation that is alone is led by the thread that runs it", "[writer]") {
  Bench bench;
  constexpr int kThreads = 4;
  constexpr int kRounds = 50;
  std::atomic<int> elsewhere{0};
  std::atomic<int> refused{0};
  std::vector<std::thread> threads;
  for (int thread = 0; thread < kThreads; ++thread) {
    threads.emplace_back([&, thread] {
      for (int round = 0; round < kRounds; ++round) {
        const std::thread::id self = std::this_thread::get_id();
        NoteOp op([&, self](Connection& connection) {
          if (thread % 2 == 0 && std::this_thread::get_id() != self) ++elsewhere;
          return InsertNote(connection, thread, round);
        });
        op.alone = thread % 2 == 0;
        NoteOp other(thread, kRounds + round);
        // The assertions of the test are its own thread's.
        if (!bench.writer->Submit(&other, true).ok()) {
          ++refused;
          continue;
        }
        if (!bench.writer->Run(&op, true).ok()) ++refused;
        other.Await();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(refused == 0);
  CHECK(elsewhere == 0);
  CHECK(bench.store.Count(kCountNotes) == 2 * kThreads * kRounds);
}

TEST_CASE("an error without a change fails its operation only", "[writer]") {
  Bench bench;
  NoteOp good(1, 1);
  NoteOp refused([](Connection&) { return Status(Code::kWrongState, "no"); });
  NoteOp also_good(1, 2);
  {
    HeldLead lead(*bench.writer);
    for (NoteOp* op : {&good, &refused, &also_good}) REQUIRE(bench.writer->Submit(op, true).ok());
  }
  for (NoteOp* op : {&good, &refused, &also_good}) op->Await();
  CHECK(good.status.ok());
  CHECK(refused.status.code() == Code::kWrongState);
  CHECK(refused.committed == 0);
  CHECK(also_good.status.ok());
  CHECK(also_good.applied == 1);
  CHECK(bench.hooks.rollbacks == 0);
  CHECK(bench.store.Count(kCountNotes) == 3);
}

TEST_CASE("an operation that changed something and failed is undone alone", "[writer]") {
  Bench bench;
  NoteOp good(1, 1);
  NoteOp guilty([](Connection& connection) {
    const Status inserted = InsertNote(connection, 2, 1);
    return inserted.ok() ? Status(Code::kInternal, "half way") : inserted;
  });
  NoteOp also_good(1, 2);
  {
    HeldLead lead(*bench.writer);
    for (NoteOp* op : {&good, &guilty, &also_good}) REQUIRE(bench.writer->Submit(op, true).ok());
  }
  for (NoteOp* op : {&good, &guilty, &also_good}) op->Await();
  CHECK(good.status.ok());
  CHECK(good.committed == 1);
  CHECK(guilty.status.code() == Code::kInternal);
  CHECK(also_good.status.ok());
  CHECK(bench.hooks.rollbacks == 2);  // the group's and the guilty one's
  CHECK(bench.store.Count("SELECT count(*) FROM notes WHERE author = 2") == 0);
  CHECK(bench.store.Count("SELECT count(*) FROM notes WHERE author = 1") == 2);
}

TEST_CASE("an operation that only gathered something and failed is undone alone", "[writer]") {
  Bench bench;
  NoteOp good(1, 1);
  NoteOp guilty([&](Connection&) {
    ++bench.hooks.noted;
    return Status(Code::kGroupFull, "no room");
  });
  NoteOp also_good(1, 2);
  {
    HeldLead lead(*bench.writer);
    for (NoteOp* op : {&good, &guilty, &also_good}) REQUIRE(bench.writer->Submit(op, true).ok());
  }
  for (NoteOp* op : {&good, &guilty, &also_good}) op->Await();
  CHECK(good.applied == 2);
  CHECK(good.committed == 1);
  CHECK(guilty.status.code() == Code::kGroupFull);
  CHECK(also_good.status.ok());
  CHECK(bench.hooks.rollbacks == 2);  // the group's and the guilty one's
  CHECK(bench.store.Count("SELECT count(*) FROM notes WHERE author = 1") == 2);
}

TEST_CASE("a failed Flush is answered to the one that causes it", "[writer]") {
  Bench bench;
  bench.hooks.on_flush = [](Connection& connection) {
    const Result<int64_t> bad = connection.QueryInt("SELECT count(*) FROM notes WHERE author = 13");
    if (!bad.ok()) return bad.status();
    return *bad == 0 ? Status::Ok() : Status(Code::kCorrupt, "thirteen");
  };
  NoteOp good(1, 1);
  NoteOp guilty(13, 1);
  {
    HeldLead lead(*bench.writer);
    for (NoteOp* op : {&good, &guilty}) REQUIRE(bench.writer->Submit(op, true).ok());
  }
  good.Await();
  guilty.Await();
  CHECK(good.status.ok());
  CHECK(guilty.status.code() == Code::kCorrupt);
  CHECK(bench.store.Count("SELECT count(*) FROM notes WHERE author = 13") == 0);
  CHECK(bench.store.Count("SELECT count(*) FROM notes WHERE author = 1") == 1);
}

TEST_CASE("a lock that cannot be had fails the group once, and the next one works", "[writer]") {
  Bench bench;
  int calls = 0;
  bench.store.on_lock = [&] {
    return ++calls == 1 ? Status(Code::kIoError, "no lock") : Status::Ok();
  };
  NoteOp first(1, 1);
  NoteOp second(1, 2);
  CHECK(bench.writer->Run(&first, true).code() == Code::kIoError);
  CHECK(first.applied == 0);
  CHECK(bench.writer->Run(&second, true).ok());
}

TEST_CASE(
    "a failed sync fails those who wait for it, and the store is recovered before the next commit",
    "[writer]") {
  Bench bench;
  bool broken = true;
  bench.store.on_sync = [&] { return broken ? Status(Code::kIoError, "EIO") : Status::Ok(); };
  NoteOp power(1, 1, Durability::kPower);
  NoteOp process(1, 2, Durability::kProcess);
  NoteOp also_power(1, 3, Durability::kPower);
  {
    HeldLead lead(*bench.writer);
    for (NoteOp* op : {&power, &process, &also_power}) REQUIRE(bench.writer->Submit(op, true).ok());
  }
  for (NoteOp* op : {&power, &process, &also_power}) op->Await();
  CHECK(power.status.code() == Code::kIoError);
  CHECK(process.status.ok());
  CHECK(also_power.status.code() == Code::kIoError);
  CHECK(bench.store.recoveries == 0);

  int refusals = 1;
  bench.store.on_recover = [&] {
    return refusals-- > 0 ? Status(Code::kIoError, "still") : Status::Ok();
  };
  NoteOp early(1, 4, Durability::kPower);
  CHECK(bench.writer->Run(&early, true).message() == "still");
  CHECK(early.applied == 0);

  broken = false;
  NoteOp late(1, 5, Durability::kPower);
  CHECK(bench.writer->Run(&late, true).ok());
  CHECK(bench.store.recoveries == 2);
}

TEST_CASE("a full disk reaches the one that does not fit, and writing works again afterwards",
          "[writer]") {
  Bench bench;
  NoteOp first(1, 1);
  REQUIRE(bench.writer->Run(&first, true).ok());
  bench.store.disk().SetCapacity(bench.store.disk().used());
  NoteOp second(1, 2);
  CHECK(bench.writer->Run(&second, true).code() == Code::kDiskFull);
  CHECK(bench.store.Count(kCountNotes) == 1);
  bench.store.disk().Heal();
  NoteOp third(1, 3);
  CHECK(bench.writer->Run(&third, true).ok());
  CHECK(bench.store.Count(kCountNotes) == 2);
}

TEST_CASE("the next group commits while one syncs, and those without sync do not wait for it",
          "[writer]") {
  Bench bench;
  Gate gate;
  bench.store.on_sync = [&] {
    gate.Pass();
    return Status::Ok();
  };
  NoteOp power(1, 1, Durability::kPower);
  NoteOp same_group(1, 2, Durability::kProcess);
  {
    HeldLead lead(*bench.writer);
    for (NoteOp* op : {&power, &same_group}) REQUIRE(bench.writer->Submit(op, true).ok());
  }
  gate.AwaitArrival();
  same_group.Await();
  NoteOp other(2, 1, Durability::kProcess);
  CHECK(bench.writer->Run(&other, true).ok());
  CHECK(power.done == 0);
  CHECK(power.committed == 1);
  gate.Open();
  power.Await();
  CHECK(power.status.ok());
}

TEST_CASE("a full queue refuses those who will not wait and holds back those who will",
          "[writer]") {
  Bench bench({.max_ops = 16, .max_bytes = 1000});
  std::deque<NoteOp> ops;
  std::thread waiting;
  NoteOp refused(2, 1);
  NoteOp held_back(2, 2);
  Status answer;
  {
    HeldLead lead(*bench.writer);
    for (int i = 0; i < 15; ++i) REQUIRE(bench.writer->Submit(&ops.emplace_back(1, i), false).ok());
    CHECK(bench.writer->Submit(&refused, false).code() == Code::kQueueFull);
    CHECK(bench.writer->Run(&refused, false).code() == Code::kQueueFull);
    waiting = std::thread([&] { answer = bench.writer->Submit(&held_back, true); });
    while (bench.writer->stats().queue_full_waits == 0) std::this_thread::yield();
    CHECK(held_back.applied == 0);
  }
  waiting.join();
  REQUIRE(answer.ok());
  held_back.Await();
  for (NoteOp& op : ops) op.Await();
  CHECK(refused.applied == 0);
  CHECK(refused.done == 0);
}

TEST_CASE("the largest queue is what the lock-free one can hold", "[writer]") {
  constexpr int kMost = 65'534;
  Bench bench({.max_ops = 1'000'000});
  std::deque<NoteOp> ops;
  {
    HeldLead lead(*bench.writer);
    for (int i = 0; i < kMost - 1; ++i) {
      ops.emplace_back([](Connection&) { return Status(Code::kWrongState, "not needed"); });
      if (!bench.writer->Submit(&ops.back(), false).ok()) FAIL("operation " << i << " was refused");
    }
    NoteOp one_too_many(1, 1);
    CHECK(bench.writer->Submit(&one_too_many, false).code() == Code::kQueueFull);
  }
  ops.back().Await();
}

TEST_CASE("the queue is bounded in bytes, and one larger operation passes alone", "[writer]") {
  Bench bench({.max_ops = 16, .max_bytes = 1000});
  NoteOp large(1, 1);
  large.bytes = 5000;
  CHECK(bench.writer->Run(&large, false).ok());
  NoteOp half(1, 2);
  NoteOp too_much(1, 3);
  half.bytes = 600;
  too_much.bytes = 600;
  {
    HeldLead lead(*bench.writer);
    CHECK(bench.writer->Submit(&half, false).ok());
    CHECK(bench.writer->Submit(&too_much, false).code() == Code::kQueueFull);
  }
  half.Await();
  CHECK(bench.writer->Run(&too_much, false).ok());
}

TEST_CASE("Done may submit a successor, also into a queue of which it holds the last place",
          "[writer]") {
  Bench bench({.max_ops = 1});
  std::deque<NoteOp> chain;
  std::atomic<int> accepted{0};
  std::atomic<int> refused{0};
  for (int i = 0; i < 50; ++i) chain.emplace_back(1, i);
  for (size_t i = 0; i + 1 < chain.size(); ++i) {
    chain[i].on_done = [&bench, &chain, &accepted, &refused, i](const Status&) {
      ++(bench.writer->Submit(&chain[i + 1], false).ok() ? accepted : refused);
    };
  }
  REQUIRE(bench.writer->Submit(&chain.front(), true).ok());
  while (accepted < 49 && refused == 0) std::this_thread::yield();
  REQUIRE(refused == 0);
  chain.back().Await();
  CHECK(bench.store.Count(kCountNotes) == 50);
}

TEST_CASE("Stop completes what is queued and refuses what comes later", "[writer]") {
  Bench bench;
  std::deque<NoteOp> ops;
  auto lead = std::make_unique<HeldLead>(*bench.writer);
  for (int i = 0; i < 50; ++i) REQUIRE(bench.writer->Submit(&ops.emplace_back(1, i), true).ok());
  std::thread first([&] { bench.writer->Stop(); });
  std::thread second([&] { bench.writer->Stop(); });
  lead->Release();
  first.join();
  second.join();
  for (NoteOp& op : ops) CHECK(op.status.ok());
  NoteOp later(2, 2);
  CHECK(bench.writer->Run(&later, true).code() == Code::kClosed);
  CHECK(later.done == 0);
  CHECK(bench.store.Count("SELECT count(*) FROM notes WHERE author = 1") == 50);
}

}  // namespace millrace::store
