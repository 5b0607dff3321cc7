// The diagram in the documentation is the table in the code.
#include <fstream>
#include <sstream>

#include "catch.h"
#include "jobs/job_state.h"

namespace millrace::jobs {

TEST_CASE("the documentation shows the transitions as they are", "[job_state]") {
  std::ifstream file(std::string(MILLRACE_SOURCE_DIR) + "/docs/reference/states.md");
  std::stringstream text;
  text << file.rdbuf();
  INFO("docs/reference/states.md must hold this diagram:\n" << TransitionsDiagram());
  CHECK(text.str().find(TransitionsDiagram()) != std::string::npos);
}

}  // namespace millrace::jobs
