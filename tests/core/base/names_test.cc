// Names of codes, states and durabilities: part of the API of both languages.
#include <set>
#include <string>

#include "catch.h"
#include "millrace/status.h"
#include "millrace/types.h"

namespace millrace {

TEST_CASE("every code has a name of its own", "[base]") {
  std::set<std::string> names;
  for (int code = 0; code <= static_cast<int>(Code::kInternal); ++code) {
    names.insert(CodeName(static_cast<Code>(code)));
  }
  CHECK(names.size() == static_cast<size_t>(Code::kInternal) + 1);
  CHECK(names.count("unknown") == 0);
  CHECK(std::string(CodeName(static_cast<Code>(999))) == "unknown");
  CHECK(Status(Code::kLeaseLost, "taken over").ToString() == "lease_lost: taken over");
  CHECK(Status::Ok().ToString() == "ok");
}

TEST_CASE("names of states and durabilities can be read back", "[base]") {
  for (int value = 1; value <= 7; ++value) {
    const auto state = static_cast<JobState>(value);
    CHECK(ParseJobState(JobStateName(state)) == state);
  }
  CHECK_FALSE(ParseJobState("Ready").has_value());
  CHECK(std::string(JobStateName(static_cast<JobState>(0))) == "unknown");
  for (int value = 0; value <= 2; ++value) {
    const auto durability = static_cast<Durability>(value);
    CHECK(ParseDurability(DurabilityName(durability)) == durability);
  }
  CHECK_FALSE(ParseDurability("fsync").has_value());
}

}  // namespace millrace
