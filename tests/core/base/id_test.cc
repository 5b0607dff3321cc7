#include "base/id.h"

#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "base/fork.h"
#include "catch.h"

namespace millrace {
namespace {

IdParts RandomParts() {
  IdParts parts;
  parts.at_ms = static_cast<int64_t>(RandomBits64() >> 16);
  parts.row = static_cast<int64_t>(RandomBits64() >> 24);
  parts.salt = RandomBits34();
  return parts;
}

TEST_CASE("an id holds its parts where the header says", "[base][id]") {
  IdParts parts;
  parts.at_ms = 0x0123456789ab;
  parts.row = 0xa1b2c3d4e5;
  parts.salt = (uint64_t{0xfed} << 22) | 0x155555;
  // low half: 10, row, salt: 0b10 << 62 | 0xa1b2c3d4e5 << 22 | 0x155555
  CHECK(FormatId(parts) == "01234567-89ab-7fed-a86c-b0f539555555");
}

TEST_CASE("ids survive the round trip", "[base][id]") {
  for (int i = 0; i < 20'000; ++i) {
    const IdParts parts = RandomParts();
    const std::string id = FormatId(parts);
    const auto parsed = ParseId(id);
    REQUIRE(parsed.has_value());
    REQUIRE(parsed->at_ms == parts.at_ms);
    REQUIRE(parsed->row == parts.row);
    REQUIRE(parsed->salt == parts.salt);
    REQUIRE(FormatId(*parsed) == id);
  }
}

TEST_CASE("the extremes of every part survive", "[base][id]") {
  for (const int64_t at_ms : {int64_t{0}, kIdTimeEnd - 1}) {
    for (const int64_t row : {int64_t{0}, kIdRowEnd - 1}) {
      for (const uint64_t salt : {uint64_t{0}, kIdSaltEnd - 1}) {
        const auto parsed = ParseId(FormatId({at_ms, row, salt}));
        REQUIRE(parsed.has_value());
        CHECK(parsed->at_ms == at_ms);
        CHECK(parsed->row == row);
        CHECK(parsed->salt == salt);
      }
    }
  }
}

TEST_CASE("ids sort by time as text", "[base][id]") {
  for (int i = 0; i < 20'000; ++i) {
    const IdParts a = RandomParts();
    const IdParts b = RandomParts();
    if (a.at_ms == b.at_ms) continue;
    REQUIRE((a.at_ms < b.at_ms) == (FormatId(a) < FormatId(b)));
  }
}

TEST_CASE("only the canonical form parses", "[base][id]") {
  const std::string id = FormatId({1'700'000'000'000, 42, 7});
  REQUIRE(ParseId(id).has_value());
  CHECK_FALSE(ParseId("").has_value());
  CHECK_FALSE(ParseId(id + "0").has_value());
  CHECK_FALSE(ParseId(id.substr(1)).has_value());
  CHECK_FALSE(ParseId("{" + id.substr(1)).has_value());
  CHECK_FALSE(ParseId("01234567-89ab-4fed-a86c-b0f539555555").has_value());  // version 4
  CHECK_FALSE(ParseId("01234567-89ab-7fed-c86c-b0f539555555").has_value());  // another variant
  CHECK_FALSE(ParseId("01234567-89AB-7fed-a86c-b0f539555555").has_value());  // upper case
  // One wrong byte anywhere: refused, or another canonical id.
  for (size_t at = 0; at < id.size(); ++at) {
    for (int byte = 0; byte < 256; ++byte) {
      std::string changed = id;
      changed[at] = static_cast<char>(byte);
      const auto parsed = ParseId(changed);
      if (parsed) REQUIRE(FormatId(*parsed) == changed);
    }
  }
}

TEST_CASE("random bits differ between calls and threads", "[base][id]") {
  constexpr size_t kThreads = 4;
  constexpr size_t kEach = 2'000;
  std::array<std::vector<uint64_t>, kThreads> drawn;
  std::vector<std::thread> threads;
  for (auto& numbers : drawn) {
    threads.emplace_back([&numbers] {
      for (size_t i = 0; i < kEach; ++i) numbers.push_back(RandomBits64());
    });
  }
  for (auto& thread : threads) thread.join();
  std::set<uint64_t> all;
  for (const auto& numbers : drawn) all.insert(numbers.begin(), numbers.end());
  CHECK(all.size() == kThreads * kEach);
  for (int i = 0; i < 10'000; ++i) {
    REQUIRE(RandomBits34() < kIdSaltEnd);
    const double uniform = Random01();
    REQUIRE((uniform >= 0 && uniform < 1));
  }
}

TEST_CASE("a forked child draws other random bits than its parent", "[base][id]") {
  RandomBits64();  // seeded before the fork
  int pipe_fds[2];
  REQUIRE(pipe(pipe_fds) == 0);
  const uint32_t generation = ForkGeneration();
  const pid_t child = fork();
  if (child == 0) {
    const uint64_t sent[2] = {RandomBits64(), ForkGeneration()};
    _exit(write(pipe_fds[1], sent, sizeof(sent)) == sizeof(sent) ? 0 : 1);
  }
  REQUIRE(child > 0);
  const uint64_t ours = RandomBits64();
  uint64_t theirs[2] = {0, 0};
  CHECK(read(pipe_fds[0], theirs, sizeof(theirs)) == sizeof(theirs));
  int exit_status = -1;
  CHECK(waitpid(child, &exit_status, 0) == child);
  CHECK(exit_status == 0);
  CHECK(theirs[0] != ours);
  CHECK(theirs[1] != generation);
  CHECK(ForkGeneration() == generation);
  close(pipe_fds[0]);
  close(pipe_fds[1]);
}

}  // namespace
}  // namespace millrace
