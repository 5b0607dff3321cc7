"""The tables of names: what they accept, what they find, and what they write."""

from __future__ import annotations

import names
import pytest

TOML = """
["Tasks"]
"Task.delay" = { grade = "A", status = "todo" }
"a | b" = { grade = "B", status = "same", test = "tests/python/test_a.py::test_or" }
"""
PYTHON = (
    '@pytest.mark.parametrize("name", ["x_y"])\n'
    "def test_or(name): ...\n\n\nclass TestB:\n    def test_c(self): ...\n"
)
NODE = "test('Queue.add: adds', () => {});\nit(\"Queue.it's\", () => {});\n"
FILES = {"tests/python/test_a.py": PYTHON, "tests/node/q.test.ts": NODE}


def found(status: str, test: str | list[str] = (), note: str = "") -> list[str]:
    tests = (test,) if isinstance(test, str) else tuple(test)
    row = names.Row("Tasks", "x", "A", status, tests, note)
    return [message for _, message in names.problems([row], FILES.get)]


@pytest.mark.parametrize(
    "test",
    [
        "tests/python/test_a.py::test_or",
        "tests/python/test_a.py::test_or[x_y]",
        "tests/python/test_a.py::TestB::test_c",
        "tests/node/q.test.ts::Queue.add",
        "tests/node/q.test.ts::Queue.add: adds",
        "tests/node/q.test.ts::Queue.it's",
        ["tests/node/q.test.ts::Queue.add", "tests/python/test_a.py::test_or"],
    ],
)
def test_a_row_with_its_test_is_right(test):
    assert found("same", test) == []


@pytest.mark.parametrize(
    ("status", "test", "note", "expected"),
    [
        ("same", (), "", "names no test"),
        ("ignored", (), "why", "names no test"),
        ("different", "tests/python/test_a.py::test_or", "", "has no note"),
        ("absent", (), "", "has no note"),
        ("same", "tests/python/test_gone.py::test_or", "", "there is no test"),
        ("same", "tests/python/test_a.py::test_o", "", "there is no test"),
        ("same", "tests/python/test_a.py::test_c", "", "there is no test"),
        ("same", "tests/python/test_a.py::test_or[y]", "", "has no case 'y'"),
        ("same", "tests/node/q.test.ts::Queue", "", "there is no test"),
    ],
)
def test_a_claim_that_nothing_shows_is_found(status, test, note, expected):
    assert [message for message in found(status, test, note) if expected in message]


def test_what_is_not_yet_there_needs_nothing():
    assert found("todo") == []
    assert found("absent", note="no broker") == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('[a]\nx = { grade = "D", status = "same" }', "unknown grade"),
        ('[a]\nx = { grade = "A", status = "done" }', "unknown grade or status"),
        ('[a]\nx = { grade = "A", status = "same", tests = "a" }', "unknown keys: tests"),
    ],
)
def test_a_row_with_a_slip_is_refused(text, expected):
    with pytest.raises(ValueError, match=expected):
        names.rows(text)


def test_the_document_shows_every_row_and_how_many_are_missing():
    document = f"# Title\n\n{names.BEGIN}\nold\n{names.END}\nafter\n"
    text = names.with_tables(document, names.rows(TOML))
    assert "Not yet here: 1 of 2." in text
    assert "| `Task.delay` | not yet |  |  |" in text
    assert r"| `a \| b` | same |  | [test_a](../tests/python/test_a.py) |" in text
    assert text.startswith("# Title\n\n<!--")
    assert text.endswith("-->\nafter\n")
    assert names.with_tables(text, names.rows(TOML)) == text
    with pytest.raises(ValueError, match="no lines"):
        names.with_tables("# Title\n", [])


def test_rows_are_filled_by_name():
    changed = names.filled(
        TOML, {"Task.delay": ("different", "a.py::test_a b.py::test_b", 'a "b"')}
    )
    row = names.rows(changed)[0]
    assert (row.status, row.tests, row.note) == (
        "different",
        ("a.py::test_a", "b.py::test_b"),
        'a "b"',
    )
    assert names.rows(changed)[1] == names.rows(TOML)[1]
    with pytest.raises(SystemExit, match="no such names"):
        names.filled(TOML, {"Task.dela": ("same", "", "")})


def test_tidy_finds_false_claims_and_stale_documents(check):
    document = f"{names.BEGIN}\n{names.END}\n"
    table = '[a]\n"x" = { grade = "A", status = "same" }\n'
    findings = check({"tests/names/celery.toml": table, "docs/celery.md": document})
    assert any(f.startswith("tests/names/celery.toml:2: error: 'x'") for f in findings)
    assert any("docs/celery.md:1: error: the tables are stale" in f for f in findings)
    table = '[a]\n"x" = { grade = "A", status = "todo" }\n'
    document = names.with_tables(document, names.rows(table))
    assert check({"tests/names/celery.toml": table, "docs/celery.md": document}) == []
    assert "no lines" in check({"tests/names/celery.toml": table, "docs/celery.md": None})[0]
