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
pytest() { .venv/bin/python -m pytest -q "$@"; }

step build tools/build.sh
step tidy .venv/bin/python tools/tidy.py
step lint tools/lint.sh
step "C++ tests" tools/core_tests.sh release
step "symbols stay private" tests/build/symbols.sh
step "Python tests" pytest tests/tools tests/python
step "Node tests" tools/node_tests.sh
step "conformance, interop, documentation, examples" pytest tests/conformance tests/interop tests/docs tests/examples
step "torture, short" tools/torture.sh
step "C++ tests, address and undefined behaviour" tools/core_tests.sh asan
step "C++ tests, threads" tools/core_tests.sh tsan
printf '\n== all passed in %d s\n' $((SECONDS - started))
