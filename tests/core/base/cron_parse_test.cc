#include <string>

#include "base/cron.h"
#include "catch.h"

namespace millrace {
namespace {

std::string Refusal(const std::string& text) {
  const auto cron = Cron::Parse(text);
  if (cron.ok()) return "";
  CHECK(cron.status().code() == Code::kInvalidArgument);
  return cron.status().message();
}

bool Says(const std::string& message, const std::string& part) {
  return message.find(part) != std::string::npos;
}

TEST_CASE("cron text that is not understood is refused with its field", "[base][cron]") {
  CHECK(Refusal("61 * * * *") == "cron minute is out of range: got \"61\", accepted are 0 to 59");
  CHECK(Refusal("* 24 * * *") == "cron hour is out of range: got \"24\", accepted are 0 to 23");
  CHECK(Says(Refusal("60 * * * * *"), "cron second is out of range: got \"60\""));
  CHECK(Says(Refusal("* * 0 * *"), "cron day-of-month is out of range: got \"0\""));
  CHECK(Says(Refusal("* * 32 * *"), "cron day-of-month is out of range: got \"32\""));
  CHECK(Says(Refusal("* * * 13 *"), "cron month is out of range: got \"13\""));
  CHECK(Says(Refusal("* * * mai *"), "cron month is not valid: got \"mai\""));
  CHECK(Says(Refusal("* * * * 8"), "cron day-of-week is out of range: got \"8\""));
  CHECK(Says(Refusal("* * * * L"), "cron day-of-week is not valid: got \"l\""));
  CHECK(Says(Refusal("* * * * xL"), "cron day-of-week is not valid: got \"xl\""));
  CHECK(Says(Refusal("* L * * *"), "cron hour is not valid: got \"l\""));
  CHECK(Says(Refusal("* * * * fri#0"), "number after #: got \"fri#0\", accepted are #1 to #5"));
  CHECK(Says(Refusal("* * * * fri#6"), "number after #"));
  CHECK(Says(Refusal("* * 3#1 * *"), "cron day-of-month is not valid: got \"3#1\""));
  CHECK(Says(Refusal("*/0 * * * *"), "cron minute has an impossible step: got \"0\""));
  CHECK(Says(Refusal("*/61 * * * *"), "got \"61\", accepted are 1 to 60"));
  CHECK(Says(Refusal("*/ * * * *"), "cron minute has an impossible step"));
  CHECK(Says(Refusal("*/x * * * *"), "cron minute has an impossible step"));
  CHECK(Says(Refusal("1,,2 * * * *"), "cron minute has an empty item"));
  CHECK(Says(Refusal("1- * * * *"), "cron minute is not valid"));
  CHECK(Says(Refusal("-1 * * * *"), "cron minute is not valid"));
  CHECK(Says(Refusal("+1 * * * *"), "cron minute is not valid"));
  CHECK(Says(Refusal("1-2-3 * * * *"), "cron minute is not valid"));
  CHECK(Says(Refusal("99999999999999999999 * * * *"), "cron minute is out of range"));
  CHECK(Says(Refusal("* * 15W * *"), "cron day-of-month is not valid: got \"15w\""));
}

TEST_CASE("cron text of another shape is refused", "[base][cron]") {
  CHECK(Says(Refusal(""), "cron has 0 fields: got \"\", accepted are 5 fields"));
  CHECK(Says(Refusal("   "), "cron has 0 fields"));
  CHECK(Says(Refusal("* * * *"), "cron has 4 fields"));
  CHECK(Says(Refusal("* * * * * * 2024"), "cron has 7 fields"));
  CHECK(Says(Refusal("@reboot"), "cron is an unknown shorthand: got \"@reboot\""));
  CHECK(Says(Refusal("@"), "cron is an unknown shorthand"));
  CHECK(Says(Refusal("@daily *"), "cron has 2 fields"));
  CHECK(Says(Refusal(std::string(2'000, '*')), "cron is too long"));
  CHECK_FALSE(Refusal(std::string("* * * * *\0", 10)).empty());
  CHECK_FALSE(Refusal("\xff * * * *").empty());
}

TEST_CASE("cron text that can never fire is refused", "[base][cron]") {
  CHECK(Refusal("0 0 30 2 *") ==
        "cron can never fire: got \"0 0 30 2 *\", accepted are days that exist in one of the "
        "months");
  CHECK(Says(Refusal("0 0 31 feb,apr,jun,sep,nov *"), "cron can never fire"));
  CHECK(Says(Refusal("0 0 0 30-31 2 ?"), "cron can never fire"));
  CHECK(Refusal("0 0 29 2 *").empty());
  CHECK(Refusal("0 0 30 2 mon").empty());  // Mondays are enough
  CHECK(Refusal("0 0 * 2 mon#5").empty());
}

TEST_CASE("white space and case do not matter", "[base][cron]") {
  CHECK(Refusal("  0\t9   * * MON-Fri ").empty());
  CHECK(Refusal("0 9 l JAN ?").empty());
}

}  // namespace
}  // namespace millrace
