"""The mechanism of signals; that they are sent is tested where they are sent."""

import functools
import gc

import pytest
from millrace import signals
from millrace.errors import InvalidArgument
from millrace.utils import dispatch
from millrace.utils.dispatch import Signal

CELERY_SIGNALS = [
    "before_task_publish",
    "after_task_publish",
    "task_received",
    "task_prerun",
    "task_postrun",
    "task_success",
    "task_retry",
    "task_failure",
    "task_internal_error",
    "task_revoked",
    "task_rejected",
    "task_unknown",
    "task_sent",
    "celeryd_init",
    "celeryd_after_setup",
    "import_modules",
    "worker_init",
    "worker_before_create_process",
    "worker_process_init",
    "worker_process_shutdown",
    "worker_ready",
    "worker_shutting_down",
    "worker_shutdown",
    "heartbeat_sent",
    "setup_logging",
    "after_setup_logger",
    "after_setup_task_logger",
    "beat_init",
    "beat_embedded_init",
    "eventlet_pool_started",
    "eventlet_pool_preshutdown",
    "eventlet_pool_postshutdown",
    "eventlet_pool_apply",
    "user_preload_options",
]


def test_every_signal_is_here():
    assert sorted(signals.__all__) == sorted(CELERY_SIGNALS)
    for name in CELERY_SIGNALS:
        assert getattr(signals, name).name == name
    assert signals.task_prerun.providing_args == {"task_id", "task", "args", "kwargs"}


def test_connect_as_a_call_and_as_a_decorator():
    signal = Signal(("x",), name="s")
    heard = []

    def plain(x, **kwargs):
        heard.append(("plain", x, sorted(kwargs)))
        return 1

    assert signal.connect(plain) is plain

    @signal.connect
    def decorated(x, **kwargs):
        heard.append(("decorated", x))
        return 2

    @signal.connect(sender="me")
    def only_me(sender, **kwargs):
        heard.append(("only_me", sender))

    assert signal.send("you", x=5) == [(plain, 1), (decorated, 2)]
    assert heard == [("plain", 5, ["sender", "signal"]), ("decorated", 5)]
    heard.clear()
    signal.send_robust(sender="me", x=6)
    assert heard[-1] == ("only_me", "me")


def test_senders_are_told_apart_by_identity_and_text_by_value():
    signal = Signal(name="s")
    heard = []
    first, second = object(), object()

    @signal.connect(sender=first)
    def hear(sender, **kwargs):
        heard.append(sender)

    signal.send(second)
    signal.send(first)
    assert heard == [first]
    assert signal.has_listeners(first)
    assert not signal.has_listeners(second)
    assert not signal.has_listeners("first")


def test_receivers_are_held_weakly_unless_asked_for():
    signal = Signal(name="s")

    class Listener:
        def hear(self, **kwargs):
            return "method"

    def make(weak):
        def hear(**kwargs):
            return weak

        signal.connect(hear, weak=weak)

    listener = Listener()
    signal.connect(listener.hear)
    make(True)
    make(False)
    gc.collect()
    assert [answer for _, answer in signal.send(None)] == ["method", False]
    del listener
    gc.collect()
    assert [answer for _, answer in signal.send(None)] == [False]
    assert len(signal.receivers) == 1


def test_a_dispatch_uid_connects_once():
    signal = Signal(name="s")

    def first(**kwargs):
        return 1

    def second(**kwargs):
        return 2

    signal.connect(first, dispatch_uid="only")
    signal.connect(second, dispatch_uid="only")
    signal.connect(first)
    signal.connect(first)
    assert [answer for _, answer in signal.send(None)] == [1, 1]
    assert signal.disconnect(dispatch_uid="only")
    assert not signal.disconnect(dispatch_uid="only")
    assert signal.disconnect(first)
    assert signal.receivers == []


def test_disconnect_needs_the_same_sender():
    signal = Signal(name="s")

    def hear(**kwargs): ...

    signal.connect(hear, sender="a")
    assert not signal.disconnect(hear)
    assert signal.disconnect(hear, sender="a")


def test_a_receiver_that_raises_harms_nobody_else(caplog):
    signal = Signal(name="odd")

    @signal.connect
    def bad(**kwargs):
        raise KeyError("k")

    @signal.connect
    def good(**kwargs):
        return "fine"

    (_, error), (_, answer) = signal.send(None)
    assert isinstance(error, KeyError)
    assert answer == "fine"
    assert "signal odd raised KeyError" in caplog.text


def test_retry_calls_again_until_it_works(monkeypatch):
    signal = Signal(name="s")
    pauses, calls = [], []
    monkeypatch.setattr(dispatch, "pause", pauses.append)

    def connect():
        @signal.connect(retry=True)
        def hear(**kwargs):
            calls.append(1)
            if len(calls) < 4:
                raise OSError("not yet")
            return "in the end"

        return hear

    hear = connect()
    assert [answer for _, answer in signal.send(None)] == ["in the end"]
    assert pauses == [2, 4, 6]
    assert signal.disconnect(hear)


def test_a_receiver_must_take_keywords():
    signal = Signal(name="s")
    with pytest.raises(InvalidArgument, match=r"\*\*kwargs"):
        signal.connect(lambda sender: None)
    with pytest.raises(TypeError, match="callable"):
        signal.connect(5)
    partial = functools.partial(lambda a, **kwargs: a, 1)
    signal.connect(partial)
    assert [answer for _, answer in signal.send(None)] == [1]


def test_nobody_connected_costs_nothing():
    signal = Signal(name="s")
    assert signal.receivers == []
    assert signal.send("x", anything=1) == []
