// Checks on text that came from outside, and JSON text without a JSON library.
#ifndef MILLRACE_BASE_TEXT_H_
#define MILLRACE_BASE_TEXT_H_

#include <cstddef>
#include <string>
#include <string_view>

#include "millrace/status.h"

namespace millrace {

inline constexpr size_t kNameMaxBytes = 255;
inline constexpr size_t kHeadersMaxBytes = 64 << 10;
inline constexpr int kJsonMaxDepth = 4096;  // the deepest nesting that IsJson can follow

// Strict: no overlong form, no surrogate, nothing above U+10FFFF.
bool IsValidUtf8(std::string_view text);

// The text as a JSON string with its quotes, for any bytes: control characters are escaped, bytes
// that are not UTF-8 become U+FFFD.
void AppendJsonString(std::string* out, std::string_view text);

// For messages: AppendJsonString of at most max_bytes of the text, then "... (N bytes)" if it was
// cut.
std::string Quoted(std::string_view text, size_t max_bytes = 60);

// RFC 8259 to the letter, valid UTF-8 included. False for more than max_depth (at most
// kJsonMaxDepth) nested arrays and objects. No recursion, no allocation.
bool IsJson(std::string_view text, int max_depth);

// Names of queues, tasks and jobs: 1..255 bytes of valid UTF-8 without control characters.
// kInvalidArgument otherwise; the message begins with `argument`.
Status CheckName(std::string_view value, const char* argument);

// Empty, or the JSON text of an object whose values are all strings, at most 64 KiB. kTooLarge or
// kInvalidArgument otherwise.
Status CheckHeaders(std::string_view json);

}  // namespace millrace

#endif  // MILLRACE_BASE_TEXT_H_
