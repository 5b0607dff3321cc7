import contextlib
import gc
import logging
import threading

from millrace import Millrace, log


@contextlib.contextmanager
def bare_root():
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    root.handlers.clear()
    try:
        yield root
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
        log.logger.setLevel(logging.NOTSET)


def test_the_worker_sets_up_logging_only_if_nobody_has():
    with bare_root() as root:
        log.configure("info")
        assert len(root.handlers) == 1
        assert log.logger.isEnabledFor(logging.INFO)
        log.configure("error")
        assert len(root.handlers) == 1
        assert not log.logger.isEnabledFor(logging.INFO)


def test_a_task_logger_outside_a_task_is_a_logger(caplog):
    logger = log.get_task_logger("test.log")
    assert log.get_task_logger("test.log") is logger
    assert sum(isinstance(h, log.JobLogHandler) for h in logger.handlers) == 1
    logger.warning("plain")
    assert "plain" in caplog.text


def test_the_loggers_of_celerys_users(caplog):
    from millrace.utils import log as utils_log

    assert utils_log.get_task_logger is log.get_task_logger
    assert utils_log.get_logger("own_log").parent is utils_log.base_logger
    assert utils_log.task_logger.name == "millrace.task"
    assert utils_log.worker_logger.name == "millrace.worker"
    assert utils_log.current_task_id() is None


def test_what_the_core_has_to_say_is_logged(tmp_path, caplog):
    app = Millrace("logged", store=tmp_path / "jobs.db")
    told = threading.Event()

    class Tell(logging.Handler):
        def emit(self, record):
            if "wake-ups from other processes" in record.getMessage():
                assert record.levelno == logging.WARNING
                told.set()

    handler = Tell()
    log.logger.addHandler(handler)
    try:
        with app:
            subscription = app.engine.subscribe("default")  # from now on it hears of others
            sidecar = tmp_path / "jobs.db-mill"
            sidecar.unlink()
            sidecar.mkdir()  # so that it cannot be made again
            assert told.wait(30)
            subscription.close()
    finally:
        log.logger.removeHandler(handler)


def test_its_thread_ends_with_it():
    before = {*threading.enumerate()}
    core_log = log.CoreLog()
    (thread,) = {*threading.enumerate()} - before
    core_log.close()
    core_log.close()
    assert not thread.is_alive()
    assert core_log.lines.take() is None


def test_an_application_that_is_gone_leaves_no_thread(tmp_path):
    before = {*threading.enumerate()}
    app = Millrace("gone", store=tmp_path / "jobs.db", set_as_current=False)
    app.engine.now_ms()
    (thread,) = [each for each in {*threading.enumerate()} - before if each.name == "millrace-log"]
    del app
    gc.collect()
    thread.join(30)
    assert not thread.is_alive()
