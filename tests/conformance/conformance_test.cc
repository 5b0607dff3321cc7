// The scenarios of this folder against the core.
#include <filesystem>
#include <fstream>
#include <set>

#include "catch.h"
#include "conformance/scenario_runner.h"
#include "engine/engine_test_util.h"

namespace millrace::testing {
namespace {

std::set<std::filesystem::path> ScenarioFiles() {
  std::set<std::filesystem::path> files;
  for (const auto& entry :
       std::filesystem::directory_iterator(MILLRACE_SOURCE_DIR "/tests/conformance/scenarios")) {
    if (entry.path().extension() == ".json") files.insert(entry.path());
  }
  return files;
}

Json ReadJson(const std::filesystem::path& file) {
  std::ifstream in(file);
  return Json::parse(in);
}

void PlayScenario(const Json& scenario) {
  const TempDir dir;
  ScenarioRunner runner(dir.file(), scenario.value("store", Json::object()));
  size_t number = 0;
  for (const Json& step : scenario.at("steps")) {
    INFO("step " << number++ << ": " << step.dump().substr(0, 300));
    REQUIRE(runner.Play(Expand(step)) == "");
  }
  CHECK(runner.Finish() == "");
}

}  // namespace

TEST_CASE("the engine does what the scenarios say", "[conformance]") {
  size_t played = 0;
  for (const std::filesystem::path& file : ScenarioFiles()) {
    const Json topic = ReadJson(file);
    for (const Json& scenario : topic.at("scenarios")) {
      INFO(file.filename().string() << ": " << scenario.at("name").get<std::string>());
      PlayScenario(scenario);
      ++played;
    }
  }
  CHECK(played >= 20);
}

TEST_CASE("an answer is compared with what is expected of it", "[conformance]") {
  const Json actual =
      Json::parse(R"({"n": 5, "list": [1, 2], "text": "abc", "flag": true, "nothing": null})");
  for (const char* fits :
       {R"({})", R"({"n": 5, "flag": true})", R"({"n": {"between": [5, 6]}})",
        R"({"text": {"contains": "b"}})", R"({"list": [1, 2]})", R"({"nothing": null})"}) {
    CHECK(Difference(Json::parse(fits), actual) == "");
  }
  for (const char* wrong :
       {R"([])", R"({"n": 6})", R"({"m": 5})", R"({"n": {"between": [6, 9]}})", R"({"n": null})",
        R"({"text": {"contains": "x"}})", R"({"list": [1]})", R"({"list": [1, 2, 3]})",
        R"({"list": [2, 1]})", R"({"flag": 1})", R"({"nothing": 0})"}) {
    CHECK(Difference(Json::parse(wrong), actual) != "");
  }
}

}  // namespace millrace::testing
