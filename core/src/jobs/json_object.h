// Writing a JSON object member by member.
#ifndef MILLRACE_JOBS_JSON_OBJECT_H_
#define MILLRACE_JOBS_JSON_OBJECT_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "base/text.h"

namespace millrace::jobs {

// Keys are literals of ours. `Raw` takes JSON text.
class JsonObject {
 public:
  JsonObject& Raw(std::string_view key, std::string_view json) {
    text_ += text_.empty() ? '{' : ',';
    AppendJsonString(&text_, key);
    text_ += ':';
    text_ += json;
    return *this;
  }
  JsonObject& Text(std::string_view key, std::string_view value) {
    std::string json;
    AppendJsonString(&json, value);
    return Raw(key, json);
  }
  JsonObject& Int(std::string_view key, int64_t value) { return Raw(key, std::to_string(value)); }
  JsonObject& Bool(std::string_view key, bool value) { return Raw(key, value ? "true" : "false"); }
  // null for 0, which is "none" among times and limits.
  JsonObject& IntOrNull(std::string_view key, int64_t value) {
    return value == 0 ? Raw(key, "null") : Int(key, value);
  }
  std::string Take() { return text_.empty() ? "{}" : std::move(text_) + '}'; }

 private:
  std::string text_;
};

}  // namespace millrace::jobs

#endif  // MILLRACE_JOBS_JSON_OBJECT_H_
