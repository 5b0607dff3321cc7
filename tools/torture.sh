#!/usr/bin/env bash
# The proofs with processes that are killed and disks that fail. MILLRACE_TORTURE=long runs them for minutes.
set -euo pipefail
cd "$(dirname "$0")/.."
export MILLRACE_TORTURE=${MILLRACE_TORTURE:-short}
.venv/bin/python -m pytest -q -s tests/crash
