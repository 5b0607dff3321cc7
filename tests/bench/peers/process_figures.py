"""Memory and CPU time of a process and its children."""

from __future__ import annotations

from pathlib import Path

import common


def _family(pid: int) -> list[int]:
    """Return a process and its descendants: any of its threads may have started one."""
    threads = Path(f"/proc/{pid}/task").iterdir()
    children = [child for task in threads for child in (task / "children").read_text().split()]
    return [pid, *(p for child in children for p in _family(int(child)))]


def rss_mib(pid: int) -> float:
    """Return the resident memory of a process and its children, in MiB."""
    kib = 0
    for member in _family(pid):
        status = Path(f"/proc/{member}/status").read_text().splitlines()
        kib += next(int(line.split()[1]) for line in status if line.startswith("VmRSS:"))
    return kib / 1024


def cpu_ns(pid: int) -> int:
    """Return the time on a CPU of every thread of a process and its children, to the nanosecond."""
    tasks = [task for p in _family(pid) for task in Path(f"/proc/{p}/task").iterdir()]
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks)


def settled_rss_mib(pid: int) -> float:
    """Return the memory once it no longer changes."""
    values = [rss_mib(pid)]

    def settled() -> bool:
        values.append(rss_mib(pid))
        return len(values) > 5 and max(values[-5:]) - min(values[-5:]) < 0.05

    common.wait_for(settled, "steady memory", pause_s=0.2)
    return values[-1]
