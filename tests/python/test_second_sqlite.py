"""Python's own sqlite3 module opens and closes the store's file in the process that writes it.

With ordinary POSIX locks each close drops all of the process's locks on the file: another process is then admitted, and
commits that were acknowledged are lost. The core's private SQLite uses locks of the open file instead.
"""

import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import millrace
from millrace import _core

PROCESSES, THREADS, COMMITS = 3, 3, 150

WRITER = """
import sqlite3, sys, threading
sys.path.insert(0, sys.argv[1])
from millrace import _core
store, name, threads, commits = sys.argv[2], sys.argv[3], int(sys.argv[4]), int(sys.argv[5])
engine = _core.Engine(store, durability="process")
stop = threading.Event()
def meddle():
    while not stop.is_set():
        other = sqlite3.connect(store)
        other.execute("SELECT count(*) FROM sqlite_master").fetchone()
        other.close()
acknowledged = []
def write(index):
    for i in range(commits):
        spec = _core.JobSpec("q", name, data="{}", id=f"{name}-{index}-{i}")
        acknowledged.append(engine.enqueue([spec])[0][0])
meddler = threading.Thread(target=meddle)
meddler.start()
writers = [threading.Thread(target=write, args=(i,)) for i in range(threads)]
for w in writers: w.start()
for w in writers: w.join()
stop.set()
meddler.join()
engine.close()
print(*acknowledged)
"""


def test_no_commit_is_lost(store: Path):
    root = str(Path(millrace.__file__).parent.parent)
    engine = _core.Engine(str(store), durability="process")
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, root, str(store), f"w{i}", str(THREADS), str(COMMITS)],
            stdout=subprocess.PIPE,
            text=True,
        )
        for i in range(PROCESSES)
    ]
    acknowledged: set[str] = set()
    for writer in writers:
        output, _ = writer.communicate()
        assert writer.returncode == 0
        acknowledged.update(output.split())
    assert len(acknowledged) == PROCESSES * THREADS * COMMITS
    assert engine.counts("q").ready == len(acknowledged)
    for job_id in acknowledged:
        assert engine.get_outcome(job_id, "q").state == "ready"
    engine.close()
    with sqlite3.connect(store) as check:
        assert check.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    check.close()


def test_meddling_threads_beside_one_engine(store: Path):
    engine = _core.Engine(str(store), durability="process")
    stop = threading.Event()

    def meddle() -> None:
        while not stop.is_set():
            with sqlite3.connect(store) as other:
                other.execute("SELECT count(*) FROM sqlite_master").fetchone()
            other.close()

    meddler = threading.Thread(target=meddle)
    meddler.start()
    try:
        for i in range(300):
            engine.enqueue([_core.JobSpec("q", "n", data="{}", id=str(i))])
    finally:
        stop.set()
        meddler.join()
    assert engine.counts("q").ready == 300
    engine.close()
