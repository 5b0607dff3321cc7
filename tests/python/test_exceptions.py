"""The exceptions under Celery's names: who is whose base, and what they carry."""

import datetime as dt
import pickle
import sys

import pytest
from millrace import _core, errors, exceptions

CELERY = """
    AlreadyRegistered AlwaysEagerIgnored BackendError BackendGetMetaError BackendStoreError
    CDeprecationWarning CPendingDeprecationWarning CeleryCommandException CeleryError CeleryWarning
    ChordError DuplicateNodenameWarning DuplicateTaskNameWarning FixupWarning Ignore
    ImproperlyConfigured IncompleteStream InvalidTaskError MaxRetriesExceededError NotConfigured
    NotRegistered OperationalError QueueNotFound Reject Retry SecurityError SecurityWarning
    SoftTimeLimitExceeded TaskError TaskPredicate TaskRevokedError Terminated TimeLimitExceeded
    TimeoutError WorkerLostError WorkerShutdown WorkerTerminate reraise
"""


def test_every_name_of_celerys_is_here():
    assert set(CELERY.split()) <= set(exceptions.__all__)
    for name in exceptions.__all__:
        assert callable(getattr(exceptions, name))


def test_what_millrace_raises_is_one_class_under_both_names():
    assert exceptions.Retry is errors.Retry
    assert exceptions.CeleryError is errors.MillraceError
    assert exceptions.TimeoutError is errors.Timeout


@pytest.mark.parametrize(
    ("name", "bases"),
    [
        ("Retry", "TaskPredicate"),
        ("Ignore", "TaskPredicate"),
        ("Reject", "TaskPredicate"),
        ("TaskPredicate", "CeleryError"),
        ("TaskError", "CeleryError"),
        ("ImproperlyConfigured", "CeleryError"),
        ("SecurityError", "CeleryError"),
        ("QueueNotFound", "TaskError KeyError"),
        ("NotRegistered", "TaskError KeyError"),
        ("AlreadyRegistered", "TaskError"),
        ("MaxRetriesExceededError", "TaskError"),
        ("TaskRevokedError", "TaskError"),
        ("InvalidTaskError", "TaskError"),
        ("IncompleteStream", "TaskError"),
        ("ChordError", "TaskError"),
        ("TimeoutError", "CeleryError OSError"),
        ("BackendGetMetaError", "BackendError"),
        ("BackendStoreError", "BackendError"),
        ("WorkerShutdown", "SystemExit"),
        ("WorkerTerminate", "SystemExit"),
        ("CeleryWarning", "UserWarning"),
        ("AlwaysEagerIgnored", "CeleryWarning"),
        ("CDeprecationWarning", "DeprecationWarning"),
        ("CPendingDeprecationWarning", "PendingDeprecationWarning"),
        ("SoftTimeLimitExceeded", "Exception"),
        ("TimeLimitExceeded", "Exception"),
        ("WorkerLostError", "Exception"),
        ("Terminated", "Exception"),
    ],
)
def test_bases_are_celerys(name, bases):
    for base in bases.split():
        expected = getattr(exceptions, base, None) or getattr(sys.modules["builtins"], base)
        assert issubclass(getattr(exceptions, name), expected)


def test_retry_carries_when_and_why():
    cause = KeyError("k")
    retry = exceptions.Retry("again", cause, 2.5, True, "sig")
    assert (retry.message, retry.exc, retry.when, retry.is_eager, retry.sig) == (
        "again",
        cause,
        2.5,
        True,
        "sig",
    )
    assert (str(retry), retry.delay_ms, retry.humanize()) == ("again", 2500, "in 2.5s")
    assert str(exceptions.Retry(exc=cause, when=3)) == "Retry in 3s: KeyError('k')"
    assert exceptions.Retry(exc="text").excs == "text"
    past = dt.datetime(2000, 1, 1, tzinfo=dt.timezone.utc)
    assert exceptions.Retry(when=past).delay_ms == 0
    assert str(exceptions.Retry(when=past)) == "Retry at 2000-01-01 00:00:00+00:00"
    assert exceptions.Retry().delay_ms is None
    with pytest.raises(errors.InvalidArgument, match="when"):
        exceptions.Retry(when=-1)


def test_max_retries_exceeded_carries_the_arguments():
    error = exceptions.MaxRetriesExceededError("no more", task_args=(1,), task_kwargs={"a": 2})
    again = pickle.loads(pickle.dumps(error))
    assert (str(again), again.task_args, again.task_kwargs) == ("no more", (1,), {"a": 2})
    assert exceptions.MaxRetriesExceededError().task_kwargs == {}


def test_backend_errors_carry_the_id():
    assert exceptions.BackendGetMetaError("x", task_id="1").task_id == "1"
    error = exceptions.BackendStoreError("x", state="FAILURE", task_id="1")
    assert (error.state, error.task_id) == ("FAILURE", "1")


def test_the_store_out_of_reach_is_an_operational_error(tmp_path):
    text = tmp_path / "text.db"
    text.write_text("this is no database " * 100)
    with pytest.raises(exceptions.OperationalError):
        _core.Engine(str(text))
    assert not issubclass(errors.InvalidArgument, exceptions.OperationalError)
    assert issubclass(errors.IoError, OSError)


def test_key_errors_are_readable():
    assert str(exceptions.NotRegistered("no task 'a'")) == "no task 'a'"
    assert str(exceptions.QueueNotFound("no queue 'a'")) == "no queue 'a'"


def test_a_command_exception_has_an_exit_status():
    assert exceptions.CeleryCommandException("bad", exit_code=3).exit_code == 3


def test_reraise_takes_another_traceback():
    try:
        raise KeyError("inner")
    except KeyError as error:
        trace = error.__traceback__
    with pytest.raises(ValueError, match="mine") as caught:
        exceptions.reraise(ValueError, ValueError("mine"), trace)
    assert trace in list(_chain(caught.value.__traceback__))


def _chain(trace):
    while trace is not None:
        yield trace
        trace = trace.tb_next
