"""One measurement of one Python library, chosen by --lib and --mode; prints one line of JSON.

The code is the same for every library: a lib_*.py module gives enqueue_one(), enqueue_many(),
enqueue_stamp(), worker_command(), finished() and what else it has. The environment names the target
(BENCH_TARGET: a Redis URL or a store's path).
"""

from __future__ import annotations

import argparse
import importlib

import py_modes
import py_modes_start
from common import HERE

MODES = {
    "one": py_modes.one,
    "many": py_modes.many,
    "work": py_modes.work,
    "latency": py_modes.latency,
    "flow": py_modes.flow,
    "delayed": py_modes.delayed,
    "worker": py_modes.run_worker,
    "put": py_modes.put,
    "fill": py_modes.fill,
    "start": py_modes_start.start,
    "naps": py_modes_start.naps,
    "command": py_modes_start.command,
    "status": py_modes_start.status,
}


def main() -> None:
    """Parse the command line and run one mode."""
    parser = argparse.ArgumentParser(description=__doc__)
    libraries = sorted(path.stem.removeprefix("lib_") for path in HERE.glob("lib_*.py"))
    parser.add_argument("--lib", required=True, choices=libraries)
    parser.add_argument("--mode", required=True, choices=list(MODES))
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--chunk", type=int, default=2_500, help="jobs in one call")
    parser.add_argument("--shape", default="chord", choices=["chord", "chain"])
    parser.add_argument("--pool", default="threads")
    parser.add_argument("--concurrency", type=int, default=1)
    parser.add_argument("--name", default="stamp", choices=["stamp", "hold"])
    parser.add_argument("--words", type=str.split, default=[], help="of the command that is timed")
    args = parser.parse_args()
    MODES[args.mode](importlib.import_module(f"lib_{args.lib}"), args)


if __name__ == "__main__":
    main()
