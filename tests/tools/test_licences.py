"""What the packages say of the licences of what is compiled into them."""

from __future__ import annotations

import json
import re
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
NOTICES = ROOT / "LICENSE-THIRD-PARTY"


def test_both_packages_carry_the_notices() -> None:
    pyproject = (ROOT / "pyproject.toml").read_text()
    listed = re.search(r"^license-files = (\[.*\])$", pyproject, re.MULTILINE)
    assert listed is not None
    assert json.loads(listed[1]) == ["LICENSE", NOTICES.name]
    assert NOTICES.name in json.loads((ROOT / "package.json").read_text())["files"]


def test_the_notices_name_what_is_compiled_in() -> None:
    notices = NOTICES.read_text()
    for part in ("CCTZ", "libsodium", "pybind11", "node-addon-api", "SQLite"):
        assert part in notices, part
    fetched = list((ROOT / "build" / "deps").glob("cctz-*/LICENSE"))
    for licence in fetched:
        assert licence.read_text().strip("\n") in notices
    assert "Apache License" in notices
