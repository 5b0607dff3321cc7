#include "base/id.h"

#include <sys/random.h>
#include <unistd.h>

#include <array>
#include <cassert>
#include <chrono>

#include "base/fork.h"

namespace millrace {
namespace {

constexpr int kSaltLowBits = 22;
constexpr uint64_t kSaltLowMask = (uint64_t{1} << kSaltLowBits) - 1;
constexpr uint64_t kVersion = 7;
constexpr uint64_t kVariant = 2;  // RFC 9562: binary 10
constexpr uint8_t kNoDigit = 0xff;

constexpr std::array<char, 512> MakeHexPairs() {
  constexpr char kDigits[] = "0123456789abcdef";
  std::array<char, 512> pairs{};
  for (size_t byte = 0; byte < 256; ++byte) {
    pairs[2 * byte] = kDigits[byte >> 4];
    pairs[2 * byte + 1] = kDigits[byte & 15];
  }
  return pairs;
}
constexpr std::array<char, 512> kHexPairs = MakeHexPairs();

constexpr std::array<uint8_t, 256> MakeDigitValues() {
  std::array<uint8_t, 256> values{};
  for (auto& value : values) value = kNoDigit;
  for (uint8_t i = 0; i < 10; ++i) values[static_cast<size_t>('0') + i] = i;
  for (uint8_t i = 0; i < 6; ++i)
    values[static_cast<size_t>('a') + i] = static_cast<uint8_t>(10 + i);
  return values;
}
constexpr std::array<uint8_t, 256> kDigitValues = MakeDigitValues();

constexpr bool IsDash(int position) {
  return position == 8 || position == 13 || position == 18 || position == 23;
}

// Position in the text of each of the 16 bytes.
constexpr std::array<uint8_t, 16> kBytePosition = {0,  2,  4,  6,  9,  11, 14, 16,
                                                   19, 21, 24, 26, 28, 30, 32, 34};

}  // namespace

void FormatId(const IdParts& parts, char out[kIdLength]) {
  assert(parts.at_ms >= 0 && parts.at_ms < kIdTimeEnd);
  assert(parts.row >= 0 && parts.row < kIdRowEnd);
  assert(parts.salt < kIdSaltEnd);
  const uint64_t salt = parts.salt & (kIdSaltEnd - 1);
  const uint64_t row = static_cast<uint64_t>(parts.row) & (kIdRowEnd - 1);
  const uint64_t high =
      (static_cast<uint64_t>(parts.at_ms) << 16) | (kVersion << 12) | (salt >> kSaltLowBits);
  const uint64_t low = (kVariant << 62) | (row << kSaltLowBits) | (salt & kSaltLowMask);
  for (size_t i = 0; i < 16; ++i) {
    const uint64_t half = i < 8 ? high : low;
    const size_t byte = (half >> (56 - 8 * (i & 7))) & 0xff;
    out[kBytePosition[i]] = kHexPairs[2 * byte];
    out[kBytePosition[i] + 1] = kHexPairs[2 * byte + 1];
  }
  out[8] = out[13] = out[18] = out[23] = '-';
}

std::string FormatId(const IdParts& parts) {
  std::string text(kIdLength, '\0');
  FormatId(parts, text.data());
  return text;
}

std::optional<IdParts> ParseId(std::string_view id) {
  if (id.size() != kIdLength) return std::nullopt;
  uint64_t halves[2] = {0, 0};
  int digits = 0;
  for (int i = 0; i < kIdLength; ++i) {
    const char c = id[static_cast<size_t>(i)];
    if (IsDash(i)) {
      if (c != '-') return std::nullopt;
      continue;
    }
    const uint8_t value = kDigitValues[static_cast<unsigned char>(c)];
    if (value == kNoDigit) return std::nullopt;
    uint64_t& half = halves[digits++ / 16];
    half = (half << 4) | value;
  }
  const auto [high, low] = halves;
  if (((high >> 12) & 0xf) != kVersion || (low >> 62) != kVariant) return std::nullopt;
  IdParts parts;
  parts.at_ms = static_cast<int64_t>(high >> 16);
  parts.row = static_cast<int64_t>((low >> kSaltLowBits) & (kIdRowEnd - 1));
  parts.salt = ((high & 0xfff) << kSaltLowBits) | (low & kSaltLowMask);
  return parts;
}

namespace {

struct Generator {
  uint64_t state = 0;
  uint32_t fork_generation = 0;  // 0: never seeded
};
thread_local Generator t_generator;

void Seed(Generator* generator, uint32_t generation) {
  if (getentropy(&generator->state, sizeof(generator->state)) != 0) {
    // A sandbox without getrandom: two threads or processes still differ by address, pid and time.
    generator->state =
        reinterpret_cast<uintptr_t>(generator) ^ (static_cast<uint64_t>(getpid()) << 40) ^
        static_cast<uint64_t>(std::chrono::steady_clock::now().time_since_epoch().count());
  }
  generator->fork_generation = generation;
}

}  // namespace

// SplitMix64: one addition and a mix a call, full period from any seed.
uint64_t RandomBits64() {
  Generator& generator = t_generator;
  const uint32_t generation = ForkGeneration();
  if (generator.fork_generation != generation) [[unlikely]]
    Seed(&generator, generation);
  uint64_t z = generator.state += 0x9e3779b97f4a7c15;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}

uint64_t RandomBits34() {
  return RandomBits64() >> 30;
}

double Random01() {
  return static_cast<double>(RandomBits64() >> 11) * 0x1p-53;
}

}  // namespace millrace
