// IsJson of base/text.h: a validator with a stack of one bit for each open array or object.
#include <algorithm>
#include <bitset>
#include <cstdint>
#include <cstring>

#include "base/text.h"
#include "base/utf8.h"

namespace millrace {
namespace {

bool IsDigit(char c) {
  return c >= '0' && c <= '9';
}
bool IsHex(char c) {
  return IsDigit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

// Whether none of the 8 bytes at p ends or interrupts a plain run of a string: quote, backslash,
// control, not ASCII.
bool IsPlain8(const char* p) {
  constexpr uint64_t kOnes = 0x0101010101010101;
  constexpr uint64_t kHighs = 0x8080808080808080;
  uint64_t word;
  std::memcpy(&word, p, sizeof(word));
  // The high bit of a byte is set by x - 1 when x was 0, so each test is "some byte of x is zero";
  // a borrow can only make it fire too often, and then the slow path decides.
  const uint64_t quote = word ^ (kOnes * '"');
  const uint64_t slash = word ^ (kOnes * '\\');
  const uint64_t hits = (word - kOnes * 0x20) | (quote - kOnes) | (slash - kOnes) | word;
  return (hits & kHighs) == 0;
}

class Validator {
 public:
  Validator(std::string_view text, int max_depth)
      : p_(text.data()), end_(p_ + text.size()), max_depth_(std::min(max_depth, kJsonMaxDepth)) {}

  bool Run() {
    for (;;) {
      // Here a value begins.
      SkipSpace();
      if (p_ == end_) return false;
      if (*p_ == '{' || *p_ == '[') {
        bool closed = false;
        if (!Open(*p_ == '{', &closed)) return false;
        if (!closed) continue;
      } else if (!Scalar()) {
        return false;
      }
      // Here a value has ended.
      bool more = false;
      if (!AfterValue(&more)) return false;
      if (!more) return p_ == end_;
    }
  }

 private:
  void SkipSpace() {
    while (p_ < end_ && (*p_ == ' ' || *p_ == '\n' || *p_ == '\r' || *p_ == '\t')) ++p_;
  }

  bool Take(char c) {
    if (p_ == end_ || *p_ != c) return false;
    ++p_;
    return true;
  }

  // At an opening bracket. Afterwards at the first value, or past the end of an empty container
  // (*closed).
  bool Open(bool object, bool* closed) {
    ++p_;
    if (depth_ >= max_depth_) return false;
    SkipSpace();
    if (Take(object ? '}' : ']')) {
      *closed = true;
      return true;
    }
    objects_[static_cast<size_t>(depth_++)] = object;
    return !object || Key();
  }

  // A member's name and its colon.
  bool Key() {
    SkipSpace();
    if (!Take('"') || !String()) return false;
    SkipSpace();
    return Take(':');
  }

  // Past a value: closes what ends here; *more: another value follows. Neither at the end of the
  // text.
  bool AfterValue(bool* more) {
    for (;;) {
      SkipSpace();
      if (depth_ == 0) return true;
      const bool object = objects_[static_cast<size_t>(depth_ - 1)];
      if (Take(',')) {
        *more = true;
        return !object || Key();
      }
      if (!Take(object ? '}' : ']')) return false;
      --depth_;
    }
  }

  bool Scalar() {
    switch (*p_) {
      case '"':
        ++p_;
        return String();
      case 't':
        return Literal("true");
      case 'f':
        return Literal("false");
      case 'n':
        return Literal("null");
      default:
        return Number();
    }
  }

  bool Literal(std::string_view word) {
    if (static_cast<size_t>(end_ - p_) < word.size()) return false;
    if (std::memcmp(p_, word.data(), word.size()) != 0) return false;
    p_ += word.size();
    return true;
  }

  bool Digits() {
    const char* const start = p_;
    while (p_ < end_ && IsDigit(*p_)) ++p_;
    return p_ > start;
  }

  bool Number() {
    Take('-');
    if (!Take('0') && !Digits()) return false;
    if (Take('.') && !Digits()) return false;
    if (Take('e') || Take('E')) {
      if (!Take('+')) Take('-');
      return Digits();
    }
    return true;
  }

  // Past the opening quote; afterwards past the closing one.
  bool String() {
    while (p_ < end_) {
      if (end_ - p_ >= 8 && IsPlain8(p_)) {
        p_ += 8;
        continue;
      }
      const auto c = static_cast<unsigned char>(*p_);
      if (c == '"') {
        ++p_;
        return true;
      }
      if (c < 0x20) return false;
      if (c == '\\') {
        if (!Escape()) return false;
        continue;
      }
      const size_t length = utf8::SequenceLength(p_, end_);
      if (length == 0) return false;
      p_ += length;
    }
    return false;
  }

  bool Escape() {
    ++p_;
    if (p_ == end_) return false;
    const char c = *p_++;
    if (c != 'u') return c != '\0' && std::strchr("\"\\/bfnrt", c) != nullptr;
    if (end_ - p_ < 4) return false;
    const bool hex = IsHex(p_[0]) && IsHex(p_[1]) && IsHex(p_[2]) && IsHex(p_[3]);
    p_ += 4;
    return hex;
  }

  const char* p_;
  const char* const end_;
  const int max_depth_;
  int depth_ = 0;
  std::bitset<kJsonMaxDepth> objects_;  // for each open container: is it an object?
};

}  // namespace

bool IsJson(std::string_view text, int max_depth) {
  return Validator(text, max_depth).Run();
}

}  // namespace millrace
