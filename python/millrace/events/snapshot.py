"""Cameras: called with what a monitor knows, now and again.

from millrace.events.snapshot import Polaroid

class Counter(Polaroid):
    clear_after = True

    def on_shutter(self, state):
        print(state.event_count, "events")

with Counter(state, freq=5.0, app=app):
    receiver.capture()
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

from millrace.log import logger

if TYPE_CHECKING:
    from types import TracebackType

    from millrace.app import Millrace
    from millrace.events.receiver import EventReceiver
    from millrace.events.state import State


class Polaroid:
    """A camera. Subclasses say what to do with a picture in `on_shutter`.

    Args:
        state: What is looked at.
        freq: Seconds between two pictures.
        maxrate: At most so many pictures in a time, such as "10/m".
        cleanup_freq: Seconds between two calls of `on_cleanup`.
        timer: Without meaning here.
        app: The application.

    Attributes:
        clear_after: Whether the state forgets what has ended after each picture.
    """

    clear_after = False

    def __init__(
        self,
        state: State,
        freq: float = 1.0,
        maxrate: str | None = None,
        cleanup_freq: float = 3600.0,
        timer: object = None,
        app: Millrace | None = None,
    ) -> None:
        self.state = state
        self.freq = freq
        self.cleanup_freq = cleanup_freq
        self.timer = timer
        self.app = app
        self._least_s = _least_time(maxrate)
        self._last = -1e9
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    def install(self) -> None:
        """Begins to take pictures, in a thread of its own."""
        self._thread = threading.Thread(target=self._run, name="millrace-camera", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        cleaned = time.monotonic()
        while not self._ended.wait(self.freq):
            self.capture()
            if time.monotonic() - cleaned >= self.cleanup_freq:
                cleaned = time.monotonic()
                self.cleanup()

    def on_shutter(self, state: State) -> None:
        """Does something with a picture; for subclasses."""

    def on_cleanup(self) -> None:
        """Forgets what is old; for subclasses."""

    def cleanup(self) -> None:
        """Calls `on_cleanup`."""
        self.on_cleanup()

    def shutter(self) -> None:
        """Takes a picture, unless that is too soon after the last one."""
        if time.monotonic() - self._last < self._least_s:
            return
        self._last = time.monotonic()
        try:
            with self.state.freeze_while():
                self.on_shutter(self.state)
                if self.clear_after:
                    self.state.clear()
        except Exception:  # noqa: BLE001 - whatever a camera does must not end the monitor
            logger.exception("The camera %s failed", type(self).__name__)

    def capture(self) -> None:
        """The same."""
        self.shutter()

    def cancel(self) -> None:
        """Ends it, with a last picture."""
        if not self._ended.is_set():
            self._ended.set()
            self.shutter()

    def __enter__(self) -> Polaroid:
        self.install()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.cancel()


def _least_time(maxrate: str | None) -> float:
    if not maxrate:
        return 0.0
    from millrace.limits import rate_fields

    fields = rate_fields(maxrate if "/" in maxrate else f"{maxrate}/s")
    return fields["rate_period_ms"] / 1000 / fields["rate_count"]


def evcam(
    camera: type[Polaroid] | str,
    freq: float = 1.0,
    maxrate: str | None = None,
    *,
    app: Millrace,
    timeout: float | None = None,
    **_ignored: Any,
) -> None:
    """Runs a camera until it is interrupted: what `millrace events --camera` does.

    Args:
        camera: Its class, or where that is: "module:Class" or "module.Class".
        freq: Seconds between two pictures.
        maxrate: At most so many in a time.
        app: The application.
        timeout: End when nothing has happened for so many seconds.
        **_ignored: Others of Celery's.
    """
    film(app.events.Receiver(), camera, freq, maxrate, timeout=timeout)


def film(
    receiver: EventReceiver,
    camera: type[Polaroid] | str,
    freq: float = 1.0,
    maxrate: str | None = None,
    *,
    timeout: float | None = None,
) -> None:
    """The same with a receiver of one's own, whose `stop` ends it.

    Args:
        receiver: What hears of events; its handlers are replaced.
        camera: As of `evcam`.
        freq: As of `evcam`.
        maxrate: As of `evcam`.
        timeout: As of `evcam`.
    """
    kind = load_camera(camera) if isinstance(camera, str) else camera
    state = receiver.app.events.State()
    receiver.handlers = {"*": state.event}
    with kind(state, freq=freq, maxrate=maxrate, app=receiver.app):
        try:
            receiver.capture(timeout=timeout)
        except (KeyboardInterrupt, TimeoutError):
            pass
        finally:
            receiver.close()


def load_camera(location: str) -> type[Polaroid]:
    """The class at "module:Class" or "module.Class"."""
    import importlib

    from millrace.errors import InvalidArgument

    where, colon, name = location.partition(":")
    if not colon:
        where, _, name = location.rpartition(".")
    try:
        found = getattr(importlib.import_module(where), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise InvalidArgument(f"--camera: {location!r} cannot be loaded: {error}") from None
    if not isinstance(found, type):
        raise InvalidArgument(f"--camera: {location!r} is no class")
    return found
