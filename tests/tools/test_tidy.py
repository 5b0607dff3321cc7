"""Each rule of `make tidy` finds what it is for, and lets the rest alone."""

from __future__ import annotations

import pytest
from tidy_rules import cpp

# Spelled apart, so that this file keeps the rules that it tests.
MARK = "XODO".replace("X", "T")
HOST = "https://registry." + "npmjs.org/a"
HOME = "!root!x".replace("!", "/")


def test_a_repository_that_keeps_the_rules_has_no_findings(check):
    assert check() == []


@pytest.mark.parametrize(
    ("path", "text", "expected"),
    [
        ("core/src/base/id.cc", '#include "store/writer.h"\n', "'base' must not include"),
        ("core/src/store/writer.cc", '#include "jobs/claim.h"\n', "'store' must not include"),
        ("core/src/store/writer.cc", '#include "wake/waiter.h"\n', "'store' must not include"),
        ("core/src/jobs/claim.cc", '#include "flows/flow.h"\n', "'jobs' must not include"),
        ("core/src/jobs/claim.cc", '#include "engine/engine.h"\n', "'jobs' must not include"),
        ("core/src/jobs/claim.cc", "#include <sqlite3.h>\n", "only core/src/store may include"),
        (
            "core/src/jobs/claim.cc",
            "void F() { sqlite3_step(nullptr); }\n",
            "belongs in core/src/store",
        ),
        ("core/src/store/writer.cc", "int op = FUTEX_WAIT;\n", "belongs in core/src/wake"),
        ("core/src/store/writer.cc", "int fd = SYS_pidfd_open;\n", "belongs in core/src/wake"),
        ("core/src/misc/a.h", "int a;\n", "has no place in the layers"),
        ("core/include/millrace/status.h", "#include <sqlite3.h>\n", "public header must not"),
        ("core/include/millrace/status.h", '#include "store/writer.h"\n', "public header must not"),
        ("bindings/python/module.cc", '#include "store/writer.h"\n', "bindings include only"),
        ("bindings/python/module.cc", "#include <sqlite3.h>\n", "bindings must not include"),
        ("python/millrace/app/base.py", "import sqlite3\n", "a second SQLite"),
        ("node/src/queue.ts", 'import { DatabaseSync } from "node:sqlite";\n', "a second SQLite"),
        ("python/millrace/app/base.py", "def f():\n    import fastapi\n", "in contrib only"),
        ("node/src/queue.ts", 'import express from "express";\n', "in contrib only"),
        ("python/millrace/app/base.py", "from tests.x import y\n", "must not import 'tests.x'"),
    ],
)
def test_an_import_that_points_up_is_an_error(check, path, text, expected):
    assert any(f.startswith(path) and expected in f for f in check({path: text}))


def test_flows_may_use_jobs_but_not_the_reverse(check):
    flows = {"core/src/flows/flow.h": '#include "jobs/claim.h"\n'}
    assert check(flows) == []


@pytest.mark.parametrize(
    "changes",
    [
        {
            "core/src/base/id.h": '#include "base/b.h"\n',
            "core/src/base/b.h": '#include "base/id.h"\n',
        },
        {"python/millrace/errors.py": "from .app import base\n"},
        {"node/src/job.ts": 'import { Queue } from "./queue.js";\n'},
    ],
)
def test_a_circular_import_is_an_error(check, changes):
    assert [f for f in check(changes) if "circular import" in f]


@pytest.mark.parametrize(
    "text",
    [
        "def f():\n    from millrace import app\n",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from millrace import app\n",
    ],
)
def test_an_import_that_does_not_run_at_load_time_closes_no_cycle(check, text):
    assert check({"python/millrace/errors.py": text}) == []


def test_file_sizes(check):
    path = "core/src/base/id.h"
    assert check({path: "int a;\n" * 300}) == []
    assert "warning" in check({path: "int a;\n" * 301})[0]
    assert "error: 501 lines" in check({path: "int a;\n" * 501})[0]
    assert "error: 251 lines" in check({"core/include/millrace/status.h": "int a;\n" * 251})[0]


def test_long_lines_of_cpp(check):
    assert "101 columns" in check({"core/src/base/id.h": "/" * 101 + "\n"})[0]


def test_long_functions(check):
    python = "def f():\n" + "    x = 1\n" * 70
    assert "'f' has 71 lines" in check({"python/millrace/errors.py": python})[0]
    cxx = "int Id() {\n" + "  a();\n" * 69 + "}\n"
    assert "'Id' has 71 lines" in check({"core/src/base/id.cc": cxx})[0]
    assert "warning" in check({"tests/core/base/id_test.cc": cxx})[0]


def test_functions_of_a_cpp_file_are_found_through_their_surroundings():
    source = """
namespace a {
struct S {
  S() : x{1} {}
  int x = 0;
};
const char* kText = R"sql(SELECT } FROM {)sql";
int table[] = {1, 2};
// a comment { with a brace
Result<int> S::Get(const std::string& s) const {
  if (s == "}") {
    return [] { return 1; }();
  }
  char c = '{';
  return 1'000;
}
}  // namespace a
"""
    assert [(name, length) for name, _, length in cpp.functions(source)] == [
        ("S", 1),
        ("S::Get", 7),
    ]


@pytest.mark.parametrize(
    "statement",
    [
        'auto s = "SELECT id FROM jobs";\n',
        'auto s = "INSERT INTO jobs VALUES (1)";\n',
        'auto s = "UPDATE jobs SET a = 1";\n',
        'auto s = "CREATE TABLE t (a)";\n',
    ],
)
def test_sql_in_the_program_is_an_error(check, statement):
    assert "SQL text belongs" in check({"core/src/jobs/claim.cc": statement})[0]


def test_pragmas_and_prose_are_not_statements(check):
    text = 'auto s = "PRAGMA journal_mode";\n// SELECT a FROM b reads\nauto m = "Select a queue";\n'
    assert check({"core/src/jobs/claim.cc": text}) == []


def test_a_statement_without_contract_is_an_error(check):
    findings = check({"core/sql/jobs.sql": "-- name: a\nSELECT 1;\n"})
    assert "the contract comment of 'a' lacks in:" in findings[0]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"// {MARK}: later\n", "unfinished work"),
        (f'auto p = "{HOME}";\n', "a path of somebody's machine"),
        ("int a; \n", "white space"),
        ("int a;", "no line break"),
        ("<<<<<<< HEAD\n", "merge conflict"),
    ],
)
def test_texts(check, text, expected):
    assert expected in check({"core/src/base/id.h": text})[0]


def test_a_lock_file_names_no_registry(check):
    lock = f'{{ "packages": {{ "node_modules/a": {{ "resolved": "{HOST}" }} }} }}\n'
    findings = check({"package-lock.json": lock})
    assert any("the address of a registry" in f for f in findings)
    assert any("has a 'resolved' address" in f for f in findings)


def test_every_source_of_the_core_has_a_test_or_a_reason(check):
    assert "no tests/core/base/id_test.cc" in check({"tests/core/base/id_test.cc": None})[0]
    extra = {"tests/core/store/writer_test.cc": "int a;\n"}
    assert "has a test now" in check(extra)[0]
    listed = {"tests/core/tested_elsewhere.txt": "core/src/gone.cc: through x\n"}
    assert any("'core/src/gone.cc' does not exist" in f for f in check(listed))
