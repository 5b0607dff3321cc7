"""Signals: functions that are called when something happens, without those who make it happen knowing them."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final, TypeVar, overload

from millrace.errors import InvalidArgument

__all__ = ["Signal"]

F = TypeVar("F", bound=Callable[..., Any])
_Key = tuple[object, object]

_VARKEYWORDS: Final = 0x08
_RETRY_FIRST_S: Final = 2
_RETRY_MAX_S: Final = 30
_ANYBODY: Final = None


class Signal:
    """Somebody may be told of something. Thread-safe.

        @task_failure.connect(sender=charge)
        def report(sender, task_id, exception, **kwargs): ...

    A receiver is called with `signal`, `sender` and what the signal provides, all by keyword; it must take `**kwargs`.

    Attributes:
        name: Its name.
        providing_args: What receivers are given, beside `signal` and `sender`.
        receivers: Who is connected; empty if nobody is, so that a sender can ask before it prepares anything.

    Args:
        providing_args: See there.
        use_caching: No effect.
        name: Its name.
        family: A list in which it stands while somebody is connected: senders of several ask that once for all.
    """

    def __init__(
        self,
        providing_args: Iterable[str] | None = None,
        use_caching: bool = False,
        name: str | None = None,
        *,
        family: list[Signal] | None = None,
    ) -> None:
        self.name = name
        self._family = family
        self.providing_args = frozenset(providing_args or ())
        self.use_caching = use_caching
        self.receivers: list[tuple[_Key, Any]] = []
        self._lock = threading.Lock()
        self._has_dead = False

    def __repr__(self) -> str:
        return f"<Signal {self.name}>"

    @overload
    def connect(
        self,
        receiver: F,
        /,
        sender: object = None,
        weak: bool = True,
        dispatch_uid: object = None,
        retry: bool = False,
    ) -> F: ...
    @overload
    def connect(
        self,
        /,
        *,
        sender: object = None,
        weak: bool = True,
        dispatch_uid: object = None,
        retry: bool = False,
    ) -> Callable[[F], F]: ...
    def connect(
        self,
        receiver: Any = None,
        /,
        sender: object = None,
        weak: bool = True,
        dispatch_uid: object = None,
        retry: bool = False,
    ) -> Any:
        """Has a function called whenever the signal is sent. Usable as a decorator, with or without parentheses.

        Args:
            receiver: The function or method.
            sender: Only what this one sends: a task, or a name where names send (those about publishing).
            weak: Do not keep the receiver alive: one that nobody else refers to is gone at once. False keeps it.
            dispatch_uid: Receivers with the same one count as one: the first stays.
            retry: Call it again, after a growing pause, until it does not raise. It is kept alive then.
        """

        def add(function: Any) -> Any:
            self._connect(function, sender, weak, dispatch_uid, retry)
            return function

        return add if receiver is None else add(receiver)

    def _connect(
        self, receiver: Any, sender: object, weak: bool, dispatch_uid: object, retry: bool
    ) -> None:
        if not callable(receiver):
            raise TypeError(f"receiver must be callable, not {type(receiver).__name__}")
        if not _takes_keywords(receiver):
            raise InvalidArgument(
                f"receiver {receiver!r} of {self.name} must take **kwargs: signals gain arguments"
            )
        key = _key(receiver, sender, dispatch_uid)
        kept: Any = receiver
        if retry:
            kept = _Insistent(receiver)
        elif weak:
            if hasattr(receiver, "__self__") and hasattr(receiver, "__func__"):
                kept = weakref.WeakMethod(receiver, self._note_dead)
            else:
                kept = weakref.ref(receiver, self._note_dead)
        with self._lock:
            self._drop_dead()
            if all(known != key for known, _ in self.receivers):
                self.receivers.append((key, kept))
            self._tell_family()

    def disconnect(
        self,
        receiver: Callable[..., Any] | None = None,
        sender: object = None,
        weak: bool | None = None,  # noqa: ARG002 - Celery's signature; it has no effect there either
        dispatch_uid: object = None,
    ) -> bool:
        """Undoes `connect` with the same receiver (or `dispatch_uid`) and sender; false if there was none such."""
        key = _key(receiver, sender, dispatch_uid)
        with self._lock:
            self._drop_dead()
            left = [entry for entry in self.receivers if entry[0] != key]
            found = len(left) < len(self.receivers)
            self.receivers[:] = left
            self._tell_family()
        return found

    def has_listeners(self, sender: object = None) -> bool:
        """Whether anybody would be told of what this sender sends."""
        return any(True for _ in self._live(sender))

    def send(self, sender: object, **named: Any) -> list[tuple[Callable[..., Any], Any]]:
        """Calls the receivers; answers each with what it returned, or with the exception that it raised.

        A receiver that raises harms nobody else: its exception is logged.
        """
        if not self.receivers:
            return []
        answers: list[tuple[Callable[..., Any], Any]] = []
        for receiver in list(self._live(sender)):
            try:
                answer = receiver(signal=self, sender=sender, **named)
            except Exception as error:  # noqa: BLE001 - a receiver's trouble is not the sender's
                from millrace.log import logger

                logger.error(
                    "Receiver %r of signal %s raised %s: %s",
                    receiver,
                    self.name,
                    type(error).__name__,
                    error,
                    exc_info=error,
                )
                answer = error
            answers.append((receiver, answer))
        return answers

    send_robust = send

    def _live(self, sender: object) -> Iterator[Callable[..., Any]]:
        wanted = _identity(sender)
        with self._lock:
            self._drop_dead()
            entries = list(self.receivers)
        for (_, of), kept in entries:
            if of is _ANYBODY or of == wanted:
                receiver = kept() if isinstance(kept, weakref.ReferenceType) else kept
                if receiver is not None:
                    yield receiver

    def _tell_family(self) -> None:
        family = self._family
        if family is None:
            return
        if not self.receivers:
            family[:] = [signal for signal in family if signal is not self]
        elif self not in family:
            family.append(self)

    def _note_dead(self, _reference: object) -> None:
        # Called by the garbage collector, maybe while this thread holds the lock: only a note.
        self._has_dead = True

    def _drop_dead(self) -> None:
        if self._has_dead:
            self._has_dead = False
            self.receivers[:] = [
                entry
                for entry in self.receivers
                if not (isinstance(entry[1], weakref.ReferenceType) and entry[1]() is None)
            ]
            self._tell_family()


class _Insistent:
    """A receiver that is called until it does not raise."""

    def __init__(self, receiver: Callable[..., Any]) -> None:
        self.receiver = receiver

    def __repr__(self) -> str:
        return repr(self.receiver)

    def __call__(self, **named: Any) -> Any:
        pause_s = _RETRY_FIRST_S
        while True:
            try:
                return self.receiver(**named)
            except Exception as error:  # noqa: BLE001 - whatever it is, it is tried again
                from millrace.log import logger

                logger.error(
                    "Receiver %r raised %s: %s; again in %d s",
                    self.receiver,
                    type(error).__name__,
                    error,
                    pause_s,
                )
            pause(pause_s)
            pause_s = min(_RETRY_MAX_S, pause_s + _RETRY_FIRST_S)


def pause(seconds: float) -> None:
    """Waits between two calls of a receiver with `retry`. Tests replace it."""
    import time

    time.sleep(seconds)


def _identity(thing: object) -> object:
    """What tells senders and receivers apart: text by its value, anything else by itself."""
    if thing is None or isinstance(thing, str | bytes):
        return thing
    current = getattr(type(thing), "_get_current_object", None)
    if current is not None:
        thing = current(thing)
    if hasattr(thing, "__func__") and hasattr(thing, "__self__"):
        return id(thing.__self__), id(thing.__func__)
    return id(thing)


def _key(receiver: object, sender: object, dispatch_uid: object) -> _Key:
    return (
        ("uid", dispatch_uid) if dispatch_uid else _identity(receiver),
        _identity(sender),
    )


def _takes_keywords(receiver: Any) -> bool:
    function = receiver
    for _ in range(10):
        inner = getattr(function, "__wrapped__", None) or getattr(function, "func", None)
        if inner is None:
            break
        function = inner
    called: Any = type(function).__call__ if callable(function) else None
    code = getattr(function, "__code__", None) or getattr(called, "__code__", None)
    return code is None or bool(code.co_flags & _VARKEYWORDS)
