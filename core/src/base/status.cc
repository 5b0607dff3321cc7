#include "millrace/status.h"

namespace millrace {

const char* CodeName(Code code) {
  switch (code) {
    case Code::kOk:
      return "ok";
    case Code::kInvalidArgument:
      return "invalid_argument";
    case Code::kNotFound:
      return "not_found";
    case Code::kWrongState:
      return "wrong_state";
    case Code::kLeaseLost:
      return "lease_lost";
    case Code::kTooLarge:
      return "too_large";
    case Code::kQueueFull:
      return "queue_full";
    case Code::kGroupFull:
      return "group_full";
    case Code::kTimeout:
      return "timeout";
    case Code::kClosed:
      return "closed";
    case Code::kForkedChild:
      return "forked_child";
    case Code::kBusy:
      return "busy";
    case Code::kDiskFull:
      return "disk_full";
    case Code::kIoError:
      return "io_error";
    case Code::kCorrupt:
      return "corrupt";
    case Code::kNotAStore:
      return "not_a_store";
    case Code::kNewerSchema:
      return "newer_schema";
    case Code::kUnsupportedFilesystem:
      return "unsupported_filesystem";
    case Code::kPermissionDenied:
      return "permission_denied";
    case Code::kInternal:
      return "internal";
  }
  return "unknown";
}

std::string Status::ToString() const {
  if (message_.empty()) return CodeName(code_);
  return std::string(CodeName(code_)) + ": " + message_;
}

}  // namespace millrace
