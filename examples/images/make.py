"""Makes a contact sheet: `python make.py FOLDER` (with a worker inside; `millrace worker tasks:app` may help)."""

from __future__ import annotations

import sys
from pathlib import Path

from millrace import chord
from millrace.worker import Worker
from tasks import app, contact_sheet, thumbnail

SUFFIXES = {".jpg", ".jpeg", ".png", ".webp"}


def main() -> None:
    folder = Path(sys.argv[1])
    target = folder / "small"
    target.mkdir(exist_ok=True)
    images = sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES)
    sheet = contact_sheet.s(str(folder / "small" / "sheet.png"))
    with Worker(app, pool="processes", concurrency=2):
        # One commit: either all jobs are there, or none.
        result = chord([thumbnail.s(str(path), str(target)) for path in images], sheet).delay()
        print(result.get(timeout=120))


if __name__ == "__main__":  # the processes of the pool import this file
    main()
