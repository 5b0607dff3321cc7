#!/usr/bin/env bash
# Everything that must pass, in order of what tells most first. Stops at the first failure; nothing is skipped.
set -euo pipefail
cd "$(dirname "$0")/.."

started=$SECONDS
step() {
  local name=$1 begin=$SECONDS
  shift
  printf '\n== %s\n' "$name"
  "$@" || {
    local status=$?
    printf '== FAILED: %s (exit status %d)\n' "$name" "$status" >&2
    exit "$status"
  }
  printf '== %s: ok, %d s\n' "$name" $((SECONDS - begin))
}
# The Node tests: compiled from tests/**/*.test.ts, or written as modules. No file is a failure.
node_tests() {
  local files
  node tools/build_ts.mjs --tests
  mapfile -t files < <(find build/node-tests tests/node -name '*.test.js' -o -name '*.test.mjs' -o -name '*.test.cjs' | sort)
  [ ${#files[@]} -gt 0 ] || { echo "no Node tests were found" >&2; return 1; }
  node --enable-source-maps --test --test-timeout=300000 --test-reporter=spec "${files[@]}"
}
pytest() { .venv/bin/python -m pytest -q "$@"; }

step build tools/build.sh
step tidy .venv/bin/python tools/tidy.py
step lint tools/lint.sh
step "C++ tests" tools/core_tests.sh release
step "symbols stay private" tests/build/symbols.sh
step "Python tests" pytest tests/tools tests/python
step "Node tests" node_tests
step "conformance, interop, documentation, examples" pytest tests/conformance tests/interop tests/docs tests/examples
step "torture, short" tools/torture.sh
step "C++ tests, address and undefined behaviour" tools/core_tests.sh asan
step "C++ tests, threads" tools/core_tests.sh tsan
printf '\n== all passed in %d s\n' $((SECONDS - started))
