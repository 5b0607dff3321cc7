// Sleeping until a word changes. What wakes whom between processes is in wake_up_test.cc.
#include "wake/waiter.h"

#include <atomic>
#include <memory>
#include <thread>

#include "catch.h"

namespace millrace::wake {
namespace {

constexpr int64_t kLongMs = 60'000;  // a wait that only a wake-up ends in time

}  // namespace

TEST_CASE("a word that has changed already is not waited for", "[wake][waiter]") {
  const std::unique_ptr<Waiter> waiter = GENERATE(0, 1) == 0 ? MakeFutexWaiter() : MakePollWaiter();
  const std::atomic<uint32_t> word{2};
  waiter->Sleep(word, 1, kLongMs);
  SUCCEED("it came back");
}

TEST_CASE("a word that does not change is waited for no longer than asked", "[wake][waiter]") {
  const std::unique_ptr<Waiter> waiter = GENERATE(0, 1) == 0 ? MakeFutexWaiter() : MakePollWaiter();
  const std::atomic<uint32_t> word{1};
  waiter->Sleep(word, 1, 1);
  SUCCEED("it came back");
}

TEST_CASE("a change with a wake-up ends the sleep", "[wake][waiter]") {
  const std::unique_ptr<Waiter> waiter = GENERATE(0, 1) == 0 ? MakeFutexWaiter() : MakePollWaiter();
  std::atomic<uint32_t> word{1};
  std::atomic<bool> awake{false};
  std::thread sleeper([&] {
    while (word.load() == 1) waiter->Sleep(word, 1, kLongMs);
    awake = true;
  });
  word = 2;
  // Whether the sleeper was asleep already or comes later, it must end: the word decides.
  waiter->Wake(word);
  sleeper.join();
  CHECK(awake);
}

}  // namespace millrace::wake
