"""A monthly report: regions are summed up side by side, then put together; a region that fails spoils only itself."""

from __future__ import annotations

import csv
import os
from collections import Counter
from pathlib import Path

from millrace import Millrace

app = Millrace("report", store=os.environ.get("MILLRACE_STORE", "report.db"))


@app.task(autoretry_for=(OSError,), retry_backoff=0.1, max_retries=2)
def sum_region(path: str) -> dict[str, int]:
    """Cents by product of one region's file."""
    total: Counter[str] = Counter()
    with Path(path).open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            total[row["product"]] += int(row["cents"])
    return dict(total)


@app.task
def put_together(regions: list[dict[str, int]], target: str) -> str:
    """The report of all regions."""
    total: Counter[str] = Counter()
    for region in regions:
        total.update(region)
    lines = [f"{name:<10}{cents / 100:>10.2f}" for name, cents in sorted(total.items())]
    Path(target).write_text("\n".join(lines) + "\n", encoding="utf-8")
    return target


@app.task
def tell(target: str) -> str:
    """Announces a report that is there."""
    return f"{Path(target).name} has {len(Path(target).read_text().splitlines())} products"


@app.task
def apologise(failed_id: str) -> None:
    """Called with the id of the job that failed."""
    with Path(os.environ.get("APOLOGIES", "apologies.txt")).open("a") as file:
        file.write(f"{failed_id}\n")
