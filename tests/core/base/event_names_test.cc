// Names of event types: part of the API of both languages.
#include <set>
#include <string>

#include "catch.h"
#include "millrace/events.h"

namespace millrace {

TEST_CASE("every event type has a name of its own, and its number never changes", "[base]") {
  const std::string in_order[] = {"added",     "ready",  "scheduled", "active",  "progress",
                                  "completed", "failed", "cancelled", "rescued", "removed",
                                  "duplicate", "paused", "resumed",   "drained", "cleaned",
                                  "blocked",   "custom"};
  int number = 0;  // on disk: a type keeps its place for ever
  for (const std::string& name : in_order) {
    CHECK(EventTypeName(static_cast<EventType>(++number)) == name);
  }
  CHECK(number == static_cast<int>(EventType::kCustom));
  CHECK(std::string(EventTypeName(static_cast<EventType>(number + 1))) == "unknown");
  CHECK(std::string(EventTypeName(static_cast<EventType>(0))) == "unknown");
}

}  // namespace millrace
