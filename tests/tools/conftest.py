"""A small repository that keeps every rule, for tests that then break one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import tidy
from tidy_rules.tree import Tree

GOOD = {
    "core/include/millrace/engine.h": '#include <string>\n\n#include "millrace/status.h"\n',
    "core/include/millrace/status.h": "#include <string>\n",
    "core/src/base/id.cc": '#include "base/id.h"\n\nint Id() { return 1; }\n',
    "core/src/base/id.h": "#include <string>\n",
    "core/src/store/writer.cc": '#include <sqlite3.h>\n\n#include "base/id.h"\n',
    "core/src/jobs/claim.cc": '#include "store/store.h"\n#include "sql_statements.h"\n',
    "core/src/wake/waiter.cc": "#include <linux/futex.h>\n\nint op = FUTEX_WAIT;\n",
    "core/src/engine/engine.cc": '#include "jobs/claim.h"\n#include "millrace/engine.h"\n',
    "core/sql/jobs.sql": "-- name: a\n-- Counts. in: none; out: n\nSELECT count(*) FROM jobs;\n",
    "bindings/python/convert.h": '#include <pybind11/pybind11.h>\n\n#include "millrace/engine.h"\n',
    "bindings/python/module.cc": '#include "convert.h"\n',
    "python/millrace/app/base.py": "from millrace.errors import Error\n\nimport json\n",
    "python/millrace/errors.py": "class Error(Exception):\n    pass\n",
    "python/millrace/contrib/fastapi.py": "import fastapi\n",
    "node/src/queue.ts": 'import { Job } from "./job.js";\n',
    "node/src/job.ts": 'import type { Queue } from "./queue.js";\n',
    "package-lock.json": '{ "packages": { "": {}, "node_modules/a": { "version": "1.0.0" } } }\n',
    "tests/core/base/id_test.cc": '#include "base/id.h"\n',
    "tests/core/tested_elsewhere.txt": (
        "core/src/store/writer.cc: through the engine\n"
        "core/src/jobs/claim.cc: through the engine\n"
        "core/src/wake/waiter.cc: through the engine\n"
        "core/src/engine/engine.cc: through conformance\n"
    ),
}

Check = Callable[..., list[str]]


@pytest.fixture
def check(tmp_path: Path) -> Check:
    """Runs tidy over the good repository with some files replaced; None removes one."""

    def run(changes: dict[str, str | None] | None = None) -> list[str]:
        files = {**GOOD, **(changes or {})}
        for path, text in files.items():
            if text is not None:
                (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
                (tmp_path / path).write_text(text, encoding="utf-8")
        paths = [path for path, text in files.items() if text is not None]
        return [str(finding) for finding in tidy.run(Tree.of_paths(tmp_path, paths))]

    return run
