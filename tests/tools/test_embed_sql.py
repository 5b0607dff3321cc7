"""The SQL generator: what it writes, and what it refuses."""

from __future__ import annotations

from pathlib import Path

import embed_sql
import pytest

CONTRACT = "-- Reads. in: none; out: one row; index: none\n"
FIRST = f"-- name: first\n{CONTRACT}SELECT ';';\n"
GOOD = f"-- The jobs.\n\n{FIRST}\n-- name: second_one\n{CONTRACT}SELECT 2\n  AS b;\n"


def test_statements_become_constants(tmp_path: Path):
    sql, out = tmp_path / "sql", tmp_path / "out"
    (sql / "migrations").mkdir(parents=True)
    (sql / "jobs.sql").write_text(GOOD)
    (sql / "migrations" / "0001_initial.sql").write_text("CREATE TABLE a (b);\n")
    assert embed_sql.main(["--sql", str(sql), "--out", str(out)]) == 0
    header = (out / "sql_statements.h").read_text()
    assert "namespace jobs {" in header
    assert "inline constexpr const char* kFirst = R\"sql(SELECT ';';)sql\";" in header
    assert 'kSecondOne = R"sql(SELECT 2\n  AS b;)sql";' in header
    assert "extern const std::array<Migration, 1> kMigrations;" in header
    source = (out / "sql_statements.cc").read_text()
    assert '{1, "initial", R"sql(CREATE TABLE a (b);\n)sql"},' in source


def test_an_unchanged_result_keeps_its_time(tmp_path: Path):
    path = tmp_path / "a.h"
    embed_sql.write_if_changed(path, "a")
    before = path.stat().st_mtime_ns
    embed_sql.write_if_changed(path, "a")
    assert path.stat().st_mtime_ns == before


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("SELECT 1;\n", "x.sql:1: statement without a '-- name:' line"),
        ("-- name: a\nSELECT 1;\n", "x.sql:1: the contract comment of 'a' lacks in:"),
        ("-- name: a\n-- in: none\nSELECT 1;\n", "lacks out: or changes:"),
        (f"-- name: A\n{CONTRACT}SELECT 1;\n", "not in lower_snake_case"),
        (f"-- name: a\n{CONTRACT}", "'a' has no statement"),
        (f"-- name: a\n{CONTRACT}SELECT 1\n", "does not end with ';'"),
        (f"-- name: a\n{CONTRACT}SELECT 1; SELECT 2;\n", "more than one statement"),
        (f"-- name: a\n{CONTRACT}SELECT 1;\n" * 2, "x.sql:4: name 'a' is already used in line 1"),
        (f"-- name: a\n{CONTRACT}SELECT\n" + "1 +\n" * 39 + "1;\n", "has 41 lines; at most 40"),
    ],
)
def test_a_broken_rule_names_file_and_line(text, expected):
    with pytest.raises(embed_sql.SqlError) as caught:
        embed_sql.parse_statements(text, "x.sql")
    assert expected in str(caught.value)


@pytest.mark.parametrize("names", [["0002_b.sql"], ["0001_a.sql", "0003_c.sql"], ["1_a.sql"]])
def test_migrations_are_numbered_without_gaps(tmp_path: Path, names):
    for name in names:
        (tmp_path / name).write_text("SELECT 1;\n")
    with pytest.raises(embed_sql.SqlError):
        embed_sql.read_migrations(tmp_path)


def test_the_repository_own_sql_is_accepted():
    root = Path(__file__).parent.parent.parent
    assert embed_sql.main(["--sql", str(root / "core" / "sql")]) == 0
