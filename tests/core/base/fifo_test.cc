#include "base/fifo.h"

#include <deque>
#include <memory>
#include <random>
#include <utility>
#include <vector>

#include "catch.h"

namespace millrace {
namespace {

using Value = std::unique_ptr<int>;

std::vector<Value> Values(int first, int count) {
  std::vector<Value> values;
  for (int i = 0; i < count; ++i) values.push_back(std::make_unique<int>(first + i));
  return values;
}

TEST_CASE("a fifo gives what it got, in that order, however it grows and empties", "[fifo]") {
  std::mt19937_64 random(11);
  Fifo<Value> fifo;
  std::deque<int> expected;
  std::vector<Value> more;
  int next = 0;
  for (int round = 0; round < 2'000; ++round) {
    const int count = static_cast<int>(random() % (round % 100 == 0 ? 600 : 8));
    for (Value& value : Values(next, count)) more.push_back(std::move(value));
    for (int i = 0; i < count; ++i) expected.push_back(next++);
    fifo.Append(&more);
    CHECK(more.empty());
    for (auto left = random() % 9; left > 0 && !fifo.empty(); --left) {
      const Value taken = std::move(fifo.front());
      fifo.pop_front();
      REQUIRE(*taken == expected.front());
      expected.pop_front();
    }
    REQUIRE(fifo.size() == expected.size());
    REQUIRE(fifo.empty() == expected.empty());
    if (round % 50 == 49) {
      while (!fifo.empty()) fifo.pop_front();
      expected.clear();
    }
  }
}

TEST_CASE("an emptied fifo hands its room over and keeps no large one", "[fifo]") {
  Fifo<Value> fifo;
  std::vector<Value> more = Values(0, 100);
  fifo.Append(&more);
  while (!fifo.empty()) fifo.pop_front();
  fifo.Append(&more);  // nothing, for its room
  CHECK(more.capacity() >= 100);
  more = Values(0, 10'000);
  fifo.Append(&more);
  while (!fifo.empty()) fifo.pop_front();
  fifo.Append(&more);
  CHECK(more.capacity() < 10'000);
}

}  // namespace
}  // namespace millrace
