// One UTF-8 sequence at a time, for the functions of base/text.h.
#ifndef MILLRACE_BASE_UTF8_H_
#define MILLRACE_BASE_UTF8_H_

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace millrace::utf8 {

// Whether the 8 bytes at p are all ASCII.
inline bool IsAscii8(const char* p) {
  uint64_t word;
  std::memcpy(&word, p, sizeof(word));
  return (word & 0x8080808080808080) == 0;
}

inline bool IsTail(const char* p) {
  return (static_cast<unsigned char>(*p) & 0xc0) == 0x80;
}

// Bytes of the well-formed sequence at p (p < end), 0 if there is none: overlong, surrogate, above
// U+10FFFF, cut off.
inline size_t SequenceLength(const char* p, const char* end) {
  const auto lead = static_cast<unsigned char>(p[0]);
  if (lead < 0x80) return 1;
  if (lead < 0xc2 || lead > 0xf4) return 0;
  const size_t length = lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
  if (static_cast<size_t>(end - p) < length) return 0;
  for (size_t i = 1; i < length; ++i) {
    if (!IsTail(p + i)) return 0;
  }
  const auto second = static_cast<unsigned char>(p[1]);
  if (lead == 0xe0 && second < 0xa0) return 0;   // overlong
  if (lead == 0xed && second >= 0xa0) return 0;  // surrogate
  if (lead == 0xf0 && second < 0x90) return 0;   // overlong
  if (lead == 0xf4 && second >= 0x90) return 0;  // above U+10FFFF
  return length;
}

}  // namespace millrace::utf8

#endif  // MILLRACE_BASE_UTF8_H_
