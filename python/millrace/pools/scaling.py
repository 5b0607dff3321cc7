"""How many processes a pool should have: more while all are busy and jobs wait, fewer when some have been idle."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from millrace.pools.child_process import ChildProcess

KEEPALIVE_S: Final = float(os.environ.get("AUTOSCALE_KEEPALIVE") or 30)
_LOOK_AGAIN_S: Final = 1.0  # while all are busy and nothing waits; an idle pool has no such timer


class Autoscaler:
    """Decides by what the children tell of themselves. Used by the supervisor's thread only.

    Args:
        most: Processes at most.
        least: And at least.
        waiting: How many jobs could be started now.
    """

    def __init__(self, most: int, least: int, waiting: Callable[[], int]) -> None:
        self.most = most
        self.least = least
        self._waiting = waiting
        self._look_at = 0.0
        self._busiest = 0
        self._quiet_since = time.monotonic()

    def wanted(self, children: Collection[ChildProcess]) -> int:
        """How many there should be now."""
        count = len(children)
        if not self.least <= count <= self.most:
            return min(max(count, self.least), self.most)
        now = time.monotonic()
        busy = sum(child.busy for child in children)
        # A child that does not work yet may take what waits.
        if busy == count < self.most and now >= self._look_at:
            self._look_at = now + _LOOK_AGAIN_S
            if self._waiting() > 0:
                return count + 1
        if busy >= count:
            self._quiet_since = now
            self._busiest = 0
            return count
        self._busiest = max(self._busiest, busy)
        if count > self.least and now - self._quiet_since >= KEEPALIVE_S:
            fewer = max(self.least, self._busiest)
            self._quiet_since, self._busiest = now, busy
            return min(count, fewer)
        return count

    def timeout(self, children: Collection[ChildProcess]) -> float | None:
        """After how many seconds to ask `wanted` again although nothing has happened; None for never."""
        count = len(children)
        busy = sum(child.busy for child in children)
        now = time.monotonic()
        if busy == count < self.most:
            return max(0.0, self._look_at - now)
        if count > self.least:
            return max(0.0, self._quiet_since + KEEPALIVE_S - now)
        return None
