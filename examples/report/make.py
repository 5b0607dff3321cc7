"""Makes a report of region files: `python make.py TARGET FILE...`."""

from __future__ import annotations

import sys

from millrace import chain, chord
from millrace.exceptions import ChordError
from millrace.worker import Worker
from tasks import apologise, app, put_together, sum_region, tell


def main(target: str, files: list[str]) -> None:
    regions = [sum_region.s(path) for path in files]
    body = chain(put_together.s(target), tell.s())
    body.link_error(apologise.s())
    with Worker(app, pool="threads", concurrency=4):
        result = chord(regions, body).delay()
        try:
            print(result.get(timeout=60))
        except ChordError as error:
            print(f"no report: {error}")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
