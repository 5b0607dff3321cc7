#!/usr/bin/env bash
# The Node tests: compiled from tests/**/*.test.ts, or written as modules. No file is a failure.
# NODE names another Node than that of PATH, to run them under: `npm i node@24` somewhere has one.
set -euo pipefail
cd "$(dirname "$0")/.."

node tools/build_ts.mjs --tests
mapfile -t files < <(find build/node-tests tests/node -name '*.test.js' -o -name '*.test.mjs' -o -name '*.test.cjs' | sort)
[ ${#files[@]} -gt 0 ] || {
  echo "no Node tests were found" >&2
  exit 1
}
"${NODE:-node}" --version
exec "${NODE:-node}" --enable-source-maps --test --test-timeout=300000 --test-reporter=spec "${files[@]}"
