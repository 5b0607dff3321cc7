#!/usr/bin/env bash
# Formatters and linters. Without arguments they only report; --fix rewrites what can be rewritten.
set -euo pipefail
cd "$(dirname "$0")/.."

fix=no
[ "${1:-}" = --fix ] && fix=yes
failed=()
run() {
  local name=$1
  shift
  if "$@"; then printf 'lint: %s ok\n' "$name"; else failed+=("$name"); fi
}
# Our C++ files, tracked or new.
cxx_files() { git ls-files -co --exclude-standard -- '*.h' '*.cc' | while read -r f; do [ -e "$f" ] && echo "$f"; done; }

if [ "$fix" = yes ]; then
  cxx_files | xargs -r .venv/bin/clang-format -i
  .venv/bin/ruff check --fix --quiet . || true
  .venv/bin/ruff format --quiet .
  npx --no-install prettier --write --log-level=warn .
fi

# clang-format comes pinned with .venv: its versions disagree in details, and a gate must not depend on the machine.
clang_format_check() { cxx_files | xargs -r .venv/bin/clang-format --dry-run -Werror 2>&1 | { ! grep -m 20 'error:'; }; }
run clang-format clang_format_check
run "ruff check" .venv/bin/ruff check --quiet .
run "ruff format" .venv/bin/ruff format --check --quiet .
run mypy .venv/bin/mypy --no-error-summary
run prettier npx --no-install prettier --check --log-level=warn .
run eslint npx --no-install eslint --max-warnings=0 .
if [ ${#failed[@]} -gt 0 ]; then
  printf 'lint: FAILED: %s\n' "${failed[*]}" >&2
  exit 1
fi
