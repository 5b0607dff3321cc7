"""The signals of a worker's life, at the moments that Celery sends them; and its settings."""

import logging
import sys
import threading

import pytest
from millrace import Worker, signals
from millrace.app.log import Logging, LoggingProxy, TaskFormatter
from millrace.contrib.testing.worker import start_worker
from millrace.errors import InvalidArgument
from millrace.worker import WorkerOptions
from millrace.worker.main import WorkController
from worker_support import PATIENCE_S

LIFE = (
    "celeryd_init",
    "worker_init",
    "celeryd_after_setup",
    "worker_ready",
    "worker_shutting_down",
    "worker_shutdown",
)


@pytest.fixture
def heard():
    """What was sent of a worker's life: (name, sender, arguments)."""
    events = []
    receivers = []
    for name in (*LIFE, "import_modules", "worker_process_init", "heartbeat_sent"):

        def receive(sender, _name=name, **given):
            events.append((_name, sender, given))

        receivers.append((name, receive))
        getattr(signals, name).connect(receive, weak=False)
    yield events
    for name, receive in receivers:
        getattr(signals, name).disconnect(receive)


def test_the_life_of_a_worker(app, heard):
    with start_worker(app, hostname="w1@h") as worker:
        pass
    names = [name for name, _, _ in heard if name in LIFE]
    assert names == list(LIFE)
    senders = {name: sender for name, sender, _ in heard}
    given = {name: arguments for name, _, arguments in heard}
    assert senders["celeryd_init"] == senders["celeryd_after_setup"] == "w1@h"
    assert senders["worker_init"] is senders["worker_ready"] is senders["worker_shutdown"] is worker
    assert senders["worker_shutting_down"] == "w1@h"
    assert given["celeryd_init"]["instance"] is worker
    assert given["celeryd_init"]["conf"] is app.conf
    assert given["celeryd_after_setup"]["instance"] is worker
    assert given["worker_shutting_down"]["how"] == "Warm"
    assert "worker_process_init" in names + [name for name, _, _ in heard]


def test_heartbeats_are_sent_on_request(app, heard):
    with start_worker(app) as worker:
        app.control.heartbeat(reply=True, timeout=PATIENCE_S)
    assert ("heartbeat_sent", worker) in [(name, sender) for name, sender, _ in heard]


def test_signals_in_the_processes_of_a_pool(tmp_path):
    import subprocess

    script = tmp_path / "lives.py"
    script.write_text(
        "import os, sys, threading\n"
        "from millrace import Millrace, Worker, signals\n"
        "app = Millrace('lives', store='lives.db', durability='process')\n"
        "@app.task\ndef f(): return os.getpid()\n"
        "def say(name):\n"
        "    def receive(sender, **given):\n"
        "        print(name, os.getpid(), sorted(given), flush=True)\n"
        "    return receive\n"
        "for name in ('worker_before_create_process', 'worker_process_init', 'worker_process_shutdown'):\n"
        "    getattr(signals, name).connect(say(name), weak=False)\n"
        "if __name__ == '__main__':\n"
        "    with Worker(app, concurrency=1):\n"
        "        print('parent', os.getpid())\n"
        "        print('child', f.delay().get(timeout=30))\n"
    )
    done = subprocess.run(
        [sys.executable, script],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    said = {line.split()[0]: line.split()[1] for line in done.stdout.splitlines()}
    assert said["worker_before_create_process"] == said["parent"]
    assert said["worker_process_init"] == said["worker_process_shutdown"] == said["child"]
    assert "['exitcode', 'pid', 'signal']" in done.stdout or "['exitcode', 'pid']" in done.stdout


# --- Settings -------------------------------------------------------------------------------------------------------


def test_options_from_the_settings(app):
    app.conf.update(
        worker_concurrency=3,
        worker_pool="threads",
        worker_max_tasks_per_child=9,
        worker_max_memory_per_child=12_000,
        worker_soft_shutdown_timeout=4.5,
        worker_enable_remote_control=False,
        worker_prefetch_multiplier=2,
        task_queues={"a": {}, "b": {}},
    )
    made = WorkerOptions.for_app(app)
    assert (made.concurrency, made.pool, made.queues) == (3, "threads", ("a", "b"))
    assert (made.max_tasks_per_child, made.max_memory_per_child) == (9, 12_000)
    assert (made.soft_shutdown_timeout, made.remote_control) == (4.5, False)
    assert made.prefetch == 3
    assert WorkerOptions.for_app(app, concurrency=1, exclude_queues=["a"]).queues == ("b",)
    app.conf.worker_disable_prefetch = True
    assert WorkerOptions.for_app(app).prefetch == 0
    with pytest.raises(InvalidArgument, match="all queues are excluded"):
        WorkerOptions.for_app(app, exclude_queues=["a", "b"])


def test_a_worker_as_celerys(app):
    made = app.Worker(
        hostname="w2@h", pool_cls="threads", concurrency=2, without_gossip=True, statedb=None
    )
    assert isinstance(made, WorkController)
    assert (made.hostname, made.options.pool, made.options.concurrency) == ("w2@h", "threads", 2)
    thread = threading.Thread(target=made.start)
    thread.start()
    assert made._ready.wait(PATIENCE_S)
    made.stop()
    thread.join(PATIENCE_S)
    assert made.exitcode == 0
    other = Worker(app, pool="threads")
    other.stop()
    assert other.run() == 0


# --- Logging --------------------------------------------------------------------------------------------------------


@pytest.fixture
def root():
    logger = logging.getLogger()
    handlers, level = logger.handlers[:], logger.level
    logger.handlers.clear()
    yield logger
    for handler in logger.handlers:
        handler.close()
    logger.handlers[:] = handlers
    logger.setLevel(level)


def test_log_formats_file_and_hijack(app, root, tmp_path):
    root.handlers.clear()  # pytest's own
    app.conf.worker_log_format = "W %(message)s"
    app.conf.worker_task_log_format = "T %(task_name)s %(message)s"
    assert app.log.setup("info", str(tmp_path / "%n.log"), hostname="w1@h") is True
    from millrace.utils.log import get_task_logger

    task_log = get_task_logger("shop.tasks")
    logging.getLogger("other").warning("plain")
    task_log.warning("of a task")
    assert (tmp_path / "w1.log").read_text() == "W plain\nT ??? of a task\n"
    (first,) = root.handlers
    app.log.setup("info")
    assert root.handlers == [first]
    app.conf.worker_hijack_root_logger = True
    app.log.setup("info", str(tmp_path / "second.log"))
    assert root.handlers != [first]
    first.close()


def test_logging_signals(app, root):
    seen = []

    def receive(sender, **given):
        seen.append(given)

    def after(sender, logger, **given):
        seen.append(logger.name)

    signals.after_setup_logger.connect(after)
    signals.after_setup_task_logger.connect(after)
    try:
        app.log.setup("warning")
        assert seen == ["root", "millrace.task"]
        signals.setup_logging.connect(receive)
        root.handlers.clear()
        assert app.log.setup("debug") is False
        assert not root.handlers
        assert seen[-1]["loglevel"] == logging.DEBUG
        assert {"logfile", "format", "colorize"} <= seen[-1].keys()
    finally:
        signals.setup_logging.disconnect(receive)
        signals.after_setup_logger.disconnect(after)
        signals.after_setup_task_logger.disconnect(after)


def test_redirected_output(app, root, caplog, monkeypatch):
    monkeypatch.setattr(sys, "stdout", sys.stdout)
    monkeypatch.setattr(sys, "stderr", sys.stderr)
    app.conf.worker_redirect_stdouts = True
    app.conf.worker_redirect_stdouts_level = "ERROR"
    root.addHandler(caplog.handler)
    app.log.setup("info")
    proxy = sys.stdout
    assert isinstance(proxy, LoggingProxy)
    print("printed\nlines")
    proxy.writelines(["more\n"])
    proxy.flush()
    assert not proxy.isatty()
    assert [(r.levelname, r.message) for r in caplog.records] == [
        ("ERROR", "printed"),
        ("ERROR", "lines"),
        ("ERROR", "more"),
    ]
    assert isinstance(app.log, Logging)
    assert app.log.get_default_logger().name == "millrace"
    assert app.log.setup_task_loggers("debug").level == logging.DEBUG
    record = logging.LogRecord("x", logging.INFO, "", 0, "m", None, None)
    assert TaskFormatter("%(task_id)s %(message)s").format(record) == "??? m"
