#!/usr/bin/env bash
# Builds everything once (build/release) and makes it usable in the tree: python/millrace imports from .venv, and
# node/dist loads node/native/millrace.node.
set -euo pipefail
cd "$(dirname "$0")/.."

# Moves a file into place at once, and only if it changed: running processes keep the module that they have mapped.
place() {
  if ! cmp -s "$1" "$2"; then
    mkdir -p "$(dirname "$2")"
    cp "$1" "$2.new"
    mv -f "$2.new" "$2"
  fi
}

# Two builds in one directory at once would spoil it.
mkdir -p build
exec 9>build/release.lock
flock 9

[ -f build/release/build.ninja ] || cmake --preset release
cmake --build --preset release --target millrace_python millrace_node

stage=build/release/stage
rm -rf "$stage"
cmake --install build/release --component python --prefix "$stage" --strip >/dev/null
cmake --install build/release --component node --prefix "$stage" --strip >/dev/null

for module in "$stage"/millrace/_core.*; do
  place "$module" "python/millrace/$(basename "$module")"
done
place "$stage/native/millrace.node" node/native/millrace.node

# The Python package is used from the tree, with its command on .venv's path.
site=$(.venv/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
pwd | sed 's|$|/python|' >"$site/millrace.pth"
printf '#!%s\nimport sys\n\nfrom millrace.cli import main\n\nsys.exit(main())\n' "$PWD/.venv/bin/python" \
  >.venv/bin/millrace
chmod +x .venv/bin/millrace

# TypeScript is compiled only when a source is newer than the last result.
ts_stamp=build/release/ts.stamp
if [ ! -e "$ts_stamp" ] || [ ! -d node/dist ] ||
  [ -n "$(find node/src node/tsconfig.*.json package.json tools/build_ts.mjs \
    \( -name '*ts' -o -name '*.json' -o -name '*.mjs' \) -newer "$ts_stamp" -print -quit)" ]; then
  touch "$ts_stamp.new"
  node tools/build_ts.mjs
  mv -f "$ts_stamp.new" "$ts_stamp"
fi
