#!/usr/bin/env bash
# Builds the C++ tests with one preset and runs them. Usage: tools/core_tests.sh dev|release|asan|tsan [Catch2 arguments]
set -euo pipefail
cd "$(dirname "$0")/.."
preset=$1
shift
mkdir -p build
exec 9>"build/$preset.lock"
flock 9
[ -f "build/$preset/build.ninja" ] || cmake --preset "$preset" >/dev/null
cmake --build --preset "$preset" --target millrace_core_tests
exec 9>&- # the lock is for building
if [ $# -gt 0 ]; then
  exec "build/$preset/tests/core/millrace_core_tests" --warn NoTests "$@"
fi
exec ctest --preset "$preset"
