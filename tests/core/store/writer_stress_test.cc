// Many threads, and a fork: nothing is lost, done twice or left behind.
#include <sys/wait.h>
#include <unistd.h>

#include <deque>
#include <memory>
#include <random>
#include <thread>
#include <vector>

#include "catch.h"
#include "store/writer_fake_store.h"

namespace millrace::store {
namespace {

struct Load {
  int threads = 8;
  int operations = 400;  // of each thread
  bool async = true;     // half of them
  bool errors = true;    // some of them
  bool power = true;     // half of them
};

// What each thread did; the operations stay alive to the end, so that a second Done() would be
// counted.
struct Author {
  std::deque<NoteOp> ops;
  int refused = 0;
  int returned_early = 0;  // (Catch's checks are for one thread only)
};

NoteOp& AddOp(Author* author, int64_t id, int number, const Load& load, std::mt19937& random) {
  const Durability level =
      load.power && random() % 2 == 0 ? Durability::kPower : Durability::kProcess;
  const auto kind = load.errors ? random() % 40 : 39;
  if (kind == 0) {
    return author->ops.emplace_back(
        [](Connection&) { return Status(Code::kWrongState, "refused"); }, level);
  }
  if (kind == 1) {
    return author->ops.emplace_back(
        [id, number](Connection& connection) {
          const Status inserted = InsertNote(connection, id, number);
          return inserted.ok() ? Status(Code::kInternal, "half way") : inserted;
        },
        level);
  }
  return author->ops.emplace_back(id, number, level);
}

void Write(Writer& writer, Author* author, int64_t id, const Load& load) {
  std::mt19937 random(static_cast<uint32_t>(id));
  for (int i = 0; i < load.operations; ++i) {
    NoteOp& op = AddOp(author, id, i, load, random);
    if (load.async && random() % 2 == 0) {
      const bool wait = random() % 4 != 0;
      if (!writer.Submit(&op, wait).ok()) ++author->refused;
    } else {
      static_cast<void>(writer.Run(&op, true));
      author->returned_early += op.done == 1 ? 0 : 1;
    }
  }
}

void CheckAll(FakeStore& store, std::vector<Author>& authors) {
  int64_t succeeded = 0;
  for (Author& author : authors) {
    int not_done = 0;
    for (NoteOp& op : author.ops) {
      CHECK(op.done <= 1);
      not_done += op.done == 0 ? 1 : 0;
      CHECK(op.committed == (op.done == 1 && op.status.ok() ? 1 : 0));
      succeeded += op.committed;
    }
    CHECK(not_done == author.refused);
    CHECK(author.returned_early == 0);
  }
  CHECK(store.Count("SELECT count(*) FROM notes") == succeeded);
}

void RunLoad(const Load& load, const Writer::Options& options) {
  FakeStore store;
  CountingHooks hooks;
  const std::unique_ptr<Writer> writer = Writer::Create(store, hooks, options);
  std::vector<Author> authors(static_cast<size_t>(load.threads));
  std::vector<std::thread> threads;
  for (int i = 0; i < load.threads; ++i) {
    threads.emplace_back([&, i] { Write(*writer, &authors[static_cast<size_t>(i)], i, load); });
  }
  for (std::thread& thread : threads) thread.join();
  writer->Stop();
  CheckAll(store, authors);
  CHECK(hooks.begins == hooks.commits + hooks.rollbacks);
}

}  // namespace

TEST_CASE("many synchronous callers", "[writer][stress]") {
  RunLoad({.async = false, .errors = false}, {});
}

TEST_CASE("synchronous and asynchronous callers with errors", "[writer][stress]") {
  RunLoad({}, {});
}

TEST_CASE("the same through a queue that is nearly always full", "[writer][stress]") {
  RunLoad({.threads = 6, .operations = 300}, {.max_ops = 3, .max_group_ops = 2});
}

TEST_CASE("callers of one operation each, so that the last to come must not be left behind",
          "[writer][stress]") {
  FakeStore store;
  CountingHooks hooks;
  const std::unique_ptr<Writer> writer = Writer::Create(store, hooks, {});
  for (int round = 0; round < 150; ++round) {
    std::deque<NoteOp> ops;
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i) {
      NoteOp& op = ops.emplace_back(round, i);
      threads.emplace_back([&writer, &op, i] {
        if (i == 0) {
          if (writer->Submit(&op, true).ok()) op.Await();
        } else {
          static_cast<void>(writer->Run(&op, true));
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
    for (const NoteOp& op : ops) REQUIRE(op.done == 1);
  }
  CHECK(store.Count("SELECT count(*) FROM notes") == 600);
}

TEST_CASE("a forked child is told so, and can let go of the writer", "[writer][fork]") {
  FakeStore store;
  CountingHooks hooks;
  std::unique_ptr<Writer> writer = Writer::Create(store, hooks, {});
  NoteOp before(1, 1);
  REQUIRE(writer->Submit(&before, true).ok());  // the thread exists
  before.Await();
  const pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    alarm(20);  // a child that hangs ends, and fails the test
    NoteOp op(2, 1);
    const bool told = writer->Run(&op, true).code() == Code::kForkedChild &&
                      writer->Submit(&op, true).code() == Code::kForkedChild && op.done == 0;
    writer->Stop();
    writer.reset();
    _exit(told ? 0 : 1);
  }
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  CHECK(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 0);
  NoteOp after(1, 2);
  CHECK(writer->Run(&after, true).ok());
}

}  // namespace millrace::store
