#!/usr/bin/env bash
# Builds the source distribution, then the wheel from it, into dist/: so the sdist is known to carry all that it needs.
set -euo pipefail
cd "$(dirname "$0")/.."

# The sdist carries SQLite and CCTZ, so that a user's build needs neither npm nor a network.
cmake -DMILLRACE_DEPS_DIR="$PWD/build/deps" -P cmake/FetchSqlite.cmake
cmake -DMILLRACE_DEPS_DIR="$PWD/build/deps" -P cmake/FetchCctz.cmake
rm -rf third_party
mkdir -p third_party/sqlite
trap 'rm -rf third_party' EXIT
cp build/deps/sqlite-*/sqlite3.[ch] third_party/sqlite/
cp -r build/deps/cctz-* third_party/cctz
.venv/bin/python -m build --outdir dist .
