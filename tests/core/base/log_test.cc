// Lines for a human: they reach the sink, and nothing that a sink does reaches us.
#include "base/log.h"

#include <stdexcept>
#include <string>
#include <vector>

#include "catch.h"

namespace millrace {

TEST_CASE("lines reach the sink in order, also through a copy", "[base]") {
  std::vector<std::string> lines;
  const Log log([&](const std::string& line) { lines.push_back(line); });
  const Log copy = log;
  log.Line("one");
  copy.Line("two");
  CHECK(lines == std::vector<std::string>{"one", "two"});
}

TEST_CASE("without a sink a line is dropped, and a sink that throws is ignored", "[base]") {
  Log().Line("nobody hears it");
  int calls = 0;
  const Log log([&](const std::string&) {
    ++calls;
    throw std::runtime_error("user code");
  });
  log.Line("one");
  log.Line("two");
  CHECK(calls == 2);
}

}  // namespace millrace
