#!/usr/bin/env bash
# The proofs with processes that are killed (queues, flows, canvases), sandboxes and threads that end
# in the middle, event loops that are blocked, power that is cut and disks that fail. With MILLRACE_TORTURE=1 they run for minutes, and those of the C++ tests too, which
# `make test` has run in their short form before.
set -euo pipefail
cd "$(dirname "$0")/.."
if [ -n "${MILLRACE_TORTURE:-}" ]; then
  tools/core_tests.sh release "~[.]"
fi
.venv/bin/python -m pytest -q -s ${MILLRACE_TORTURE:+--timeout=3600} tests/crash
