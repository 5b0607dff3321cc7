import contextlib
import logging

from millrace import log


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
