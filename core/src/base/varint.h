// LEB128 numbers: seven bits a byte, the lowest first.
#ifndef MILLRACE_BASE_VARINT_H_
#define MILLRACE_BASE_VARINT_H_

#include <cstdint>
#include <string>
#include <string_view>

namespace millrace {

inline void AppendVarint(std::string* out, uint64_t value) {
  while (value >= 0x80) {
    out->push_back(static_cast<char>(value | 0x80));
    value >>= 7;
  }
  out->push_back(static_cast<char>(value));
}

// Takes a number off the front of *in; false (and *in in an undefined place) if there is none.
inline bool ReadVarint(std::string_view* in, uint64_t* value) {
  *value = 0;
  for (int shift = 0; shift < 64 && !in->empty(); shift += 7) {
    const auto byte = static_cast<uint8_t>(in->front());
    in->remove_prefix(1);
    *value |= static_cast<uint64_t>(byte & 0x7f) << shift;
    if (byte < 0x80) return true;
  }
  return false;
}

}  // namespace millrace

#endif  // MILLRACE_BASE_VARINT_H_
