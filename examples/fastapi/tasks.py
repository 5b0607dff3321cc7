"""A slow task that tells how far it is."""

from __future__ import annotations

import os
import time
from typing import Any

from millrace import Millrace, Task

app = Millrace("prime", store=os.environ.get("MILLRACE_STORE", "primes.db"))


@app.task(bind=True, name="primes", soft_time_limit=60)
def primes(self: Task[..., Any], limit: int, steps: int = 10) -> dict[str, int]:
    """Counts the primes up to a limit, in steps."""
    sieve = bytearray([1]) * (limit + 1)
    sieve[:2] = b"\0\0"[: len(sieve)]
    for number in range(2, int(limit**0.5) + 1):
        if sieve[number]:
            sieve[number * number :: number] = bytes(len(range(number * number, limit + 1, number)))
    count = 0
    for step in range(1, steps + 1):
        begin, end = (limit + 1) * (step - 1) // steps, (limit + 1) * step // steps
        count += sum(sieve[begin:end])
        self.update_state(meta={"percent": 100 * step // steps, "found": count})
        time.sleep(
            float(os.environ.get("STEP_SECONDS", "0.3"))
        )  # so that there is something to see
    return {"primes": count}
