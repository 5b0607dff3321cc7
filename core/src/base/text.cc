#include "base/text.h"

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "base/utf8.h"

namespace millrace {
namespace {

constexpr char kHexDigits[] = "0123456789abcdef";

void AppendEscaped(std::string* out, unsigned char c) {
  switch (c) {
    case '"':
      out->append("\\\"");
      return;
    case '\\':
      out->append("\\\\");
      return;
    case '\b':
      out->append("\\b");
      return;
    case '\f':
      out->append("\\f");
      return;
    case '\n':
      out->append("\\n");
      return;
    case '\r':
      out->append("\\r");
      return;
    case '\t':
      out->append("\\t");
      return;
    default:
      out->append("\\u00");
      out->push_back(kHexDigits[c >> 4]);
      out->push_back(kHexDigits[c & 15]);
  }
}

// C0, DEL and C1 (U+0080..U+009F, which UTF-8 writes as C2 80..9F). The text is valid UTF-8.
bool HasControlCharacter(std::string_view text) {
  for (size_t i = 0; i < text.size(); ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    if (c < 0x20 || c == 0x7f) return true;
    if (c == 0xc2 && static_cast<unsigned char>(text[i + 1]) < 0xa0) return true;
  }
  return false;
}

}  // namespace

bool IsValidUtf8(std::string_view text) {
  const char* p = text.data();
  const char* const end = p + text.size();
  while (p < end) {
    if (end - p >= 8 && utf8::IsAscii8(p)) {
      p += 8;
      continue;
    }
    const size_t length = utf8::SequenceLength(p, end);
    if (length == 0) return false;
    p += length;
  }
  return true;
}

void AppendJsonString(std::string* out, std::string_view text) {
  out->push_back('"');
  const char* p = text.data();
  const char* const end = p + text.size();
  const char* run = p;  // start of the bytes that need no change and are not yet copied
  while (p < end) {
    const auto c = static_cast<unsigned char>(*p);
    const size_t length = utf8::SequenceLength(p, end);
    if (length > 0 && c >= 0x20 && c != '"' && c != '\\' && c != 0x7f) {
      p += length;
      continue;
    }
    out->append(run, p);
    if (length == 0) {
      out->append("\xef\xbf\xbd");
    } else {
      AppendEscaped(out, c);
    }
    run = ++p;
  }
  out->append(run, end);
  out->push_back('"');
}

std::string Quoted(std::string_view text, size_t max_bytes) {
  std::string out;
  if (text.size() <= max_bytes) {
    AppendJsonString(&out, text);
    return out;
  }
  size_t cut = max_bytes;
  // Not in the middle of a character, where there is one.
  for (int i = 0; i < 3 && cut > 0 && (static_cast<unsigned char>(text[cut]) & 0xc0) == 0x80; ++i)
    --cut;
  AppendJsonString(&out, text.substr(0, cut));
  return out + "... (" + std::to_string(text.size()) + " bytes)";
}

Status CheckName(std::string_view value, const char* argument) {
  const char* problem = nullptr;
  if (value.empty()) {
    problem = "is empty";
  } else if (value.size() > kNameMaxBytes) {
    problem = "is too long";
  } else if (!IsValidUtf8(value)) {
    problem = "is not valid UTF-8";
  } else if (HasControlCharacter(value)) {
    problem = "contains a control character";
  }
  if (problem == nullptr) return Status::Ok();
  return Status(Code::kInvalidArgument,
                std::string(argument) + " " + problem + ": got " + Quoted(value) +
                    ", accepted are 1 to 255 bytes of UTF-8 without control characters");
}

Status CheckHeaders(std::string_view json) {
  if (json.empty()) return Status::Ok();
  if (json.size() > kHeadersMaxBytes) {
    return Status(Code::kTooLarge, "headers are too large: got " + std::to_string(json.size()) +
                                       " bytes of JSON, accepted are at most " +
                                       std::to_string(kHeadersMaxBytes));
  }
  const auto refuse = [&](const char* problem) {
    return Status(Code::kInvalidArgument,
                  std::string("headers ") + problem + ": got " + Quoted(json) +
                      ", accepted is a JSON object whose values are all strings");
  };
  if (!IsJson(json, kJsonMaxDepth)) return refuse("are not valid JSON");
  const size_t first = json.find_first_not_of(" \t\r\n");
  if (json[first] != '{') return refuse("are not an object");
  // In valid JSON, an object of strings has nothing but punctuation outside its strings.
  bool in_string = false;
  for (size_t i = first + 1; i < json.size(); ++i) {
    const char c = json[i];
    if (c == '"') {
      in_string = !in_string;
    } else if (in_string) {
      if (c == '\\') ++i;
    } else if (std::strchr(" \t\r\n,:}", c) == nullptr) {
      return refuse("hold a value that is not a string");
    }
  }
  return Status::Ok();
}

}  // namespace millrace
