#include "millrace/events.h"

namespace millrace {

const char* EventTypeName(EventType type) {
  switch (type) {
    case EventType::kAdded:
      return "added";
    case EventType::kReady:
      return "ready";
    case EventType::kScheduled:
      return "scheduled";
    case EventType::kActive:
      return "active";
    case EventType::kProgress:
      return "progress";
    case EventType::kCompleted:
      return "completed";
    case EventType::kFailed:
      return "failed";
    case EventType::kCancelled:
      return "cancelled";
    case EventType::kRescued:
      return "rescued";
    case EventType::kRemoved:
      return "removed";
    case EventType::kDuplicate:
      return "duplicate";
    case EventType::kPaused:
      return "paused";
    case EventType::kResumed:
      return "resumed";
    case EventType::kDrained:
      return "drained";
    case EventType::kCleaned:
      return "cleaned";
    case EventType::kBlocked:
      return "blocked";
    case EventType::kCustom:
      return "custom";
  }
  return "unknown";
}

}  // namespace millrace
