#!/usr/bin/env bash
# No symbol of SQLite, of the core or of the C++ library's templates may leave the modules that we ship: a host program
# with its own SQLite would otherwise mix the two copies, and lose commits.
set -euo pipefail
cd "$(dirname "$0")/../.."
failed=0
checked=0
for module in python/millrace/_core.*.so node/native/millrace.node; do
  [ -e "$module" ] || { echo "$module: missing; run make build first" >&2; exit 1; }
  checked=$((checked + 1))
  # Defined dynamic symbols, except the entry points that the interpreters look up.
  exported=$(nm -D --defined-only "$module" | awk '{print $NF}' |
    grep -vE '^(PyInit__core|PyModExport__core|napi_register_module_v1|node_api_module_get_api_version_v1)$' || true)
  if [ -n "$exported" ]; then
    printf '%s exports more than its entry point:\n%s\n' "$module" "$(head -20 <<<"$exported")" >&2
    failed=1
  fi
  # A shared module links even when a function of ours was never defined; it would only fail when it is first called.
  undefined=$(nm -D --undefined-only "$module" | grep millrace | c++filt || true)
  if [ -n "$undefined" ]; then
    printf '%s lacks functions of ours:\n%s\n' "$module" "$undefined" >&2
    failed=1
  fi
  # And it must not take SQLite from outside.
  if nm -D --undefined-only "$module" | grep -q ' sqlite3'; then
    printf '%s takes SQLite from another library\n' "$module" >&2
    failed=1
  fi
  # Nor libsodium, which is linked statically so that the modules run where it is not installed.
  if nm -D --undefined-only "$module" | grep -qE ' (sodium|crypto|randombytes)_'; then
    printf '%s takes libsodium from another library\n' "$module" >&2
    failed=1
  fi
done
printf 'symbols: %d modules checked\n' "$checked"
exit "$failed"
