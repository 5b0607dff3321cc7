#include "base/log.h"

namespace millrace {

void Log::Line(const std::string& line) const noexcept {
  if (!sink_) return;
  try {
    sink_(line);
  } catch (...) {  // NOLINT(bugprone-empty-catch): nowhere to report it
  }
}

}  // namespace millrace
