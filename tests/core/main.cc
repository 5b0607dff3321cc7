// The test program's entry. Alone in its file, because Catch2's implementation takes 15 s to
// compile.
#define CATCH_CONFIG_RUNNER
#include "catch.h"

int main(int argc, char* argv[]) {
  return Catch::Session().run(argc, argv);
}
