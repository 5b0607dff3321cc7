"""A process with an open engine forks."""

import os
import subprocess
import sys
import warnings

import pytest
from millrace import _core, errors


def in_child(function) -> int:
    """Runs a function in a forked child; its exit status: 0 if it returned true."""
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore", DeprecationWarning
        )  # 3.12: the process has threads; that is the point here
        pid = os.fork()
    if pid == 0:
        status = 3
        try:
            status = 0 if function() else 4
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def test_the_layer_opens_the_store_afresh_in_a_child(app):
    @app.task(name="f")
    def f(x): ...

    f.delay(1)

    def use() -> bool:
        f.delay(2)
        f.delay_many([(3,), (4,)])
        return app.counts().ready == 4

    assert in_child(use) == 0
    f.delay(5)
    assert app.counts().ready == 5


def test_a_raw_engine_says_that_it_was_forked(store):
    engine = _core.Engine(str(store), durability="process")
    engine.counts("q")

    def use() -> bool:
        with pytest.raises(errors.ForkedChild) as caught:
            engine.counts("q")
        with pytest.raises(errors.ForkedChild):
            engine.enqueue([_core.JobSpec("q", "n", data="{}")])
        return caught.value.code == "forked_child"

    assert in_child(use) == 0
    assert engine.counts("q").ready == 0
    engine.close()


def test_collecting_a_forked_engine_does_no_harm(store):
    engines = [_core.Engine(str(store), durability="process")]
    engines[0].enqueue([_core.JobSpec("q", "n", data="{}")])
    assert in_child(lambda: engines.clear() is None) == 0
    assert engines[0].counts("q").ready == 1
    engines[0].close()


def test_a_signal_just_after_a_fork_is_the_childs_alone():
    """Before, it could reach the worker by the pipe that both have, and leave the child alive."""
    code = (
        "import os, signal\n"
        "os.register_at_fork(after_in_child=lambda: os.kill(os.getpid(), signal.SIGTERM))\n"
        "from millrace.worker.mailbox import Mailbox\n"
        "mailbox = Mailbox()\n"
        "mailbox.install_signals()\n"
        "pid = os.fork()\n"
        "if pid == 0:\n"
        "    os._exit(7)\n"
        "print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), mailbox.read())\n"
        "os.kill(os.getpid(), signal.SIGTERM)\n"
        "print(mailbox.wait(30))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "-15 []\n[15]\n"
