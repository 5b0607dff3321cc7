#!/usr/bin/env bash
# Packs the npm package with the addon of this platform inside, into dist/. Run after `make build`.
set -euo pipefail
cd "$(dirname "$0")/.."
platform=$(node -p 'const glibc = process.report.getReport().header.glibcVersionRuntime;
  `${process.platform}-${process.arch}${process.platform === "linux" && !glibc ? "-musl" : ""}`')
mkdir -p "node/prebuilds/$platform" third_party/sqlite dist
# The copy goes after packing: in a clone it would stand in for an addon of newer sources.
trap 'rm -rf third_party "node/prebuilds/$platform"' EXIT
cp node/native/millrace.node "node/prebuilds/$platform/millrace.node"
cp build/deps/sqlite-*/sqlite3.[ch] third_party/sqlite/
rm -rf third_party/cctz
cp -r build/deps/cctz-* third_party/cctz
npm pack --ignore-scripts --silent --pack-destination dist
