"""The result of a task that ran in the caller's own process, at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from millrace import states
from millrace.errors import TaskRevokedError
from millrace.result.base import AsyncResult

if TYPE_CHECKING:
    from millrace.app import Millrace

R = TypeVar("R")


class EagerResult(AsyncResult[R]):
    """What `Task.apply` answers: everything is known already, and nothing is in the store.

    Args:
        id: The id that the task saw as its own.
        ret_value: What it returned, or the exception that it raised.
        state: How it ended.
        traceback: Where it failed, as text.
        name: The task's name.
    """

    __slots__ = ("_children", "_name", "_state", "_traceback", "_value")

    supports_native_join = False

    def __init__(
        self,
        id: str,  # noqa: A002
        ret_value: Any,
        state: str,
        traceback: str | None = None,
        name: str | None = None,
        *,
        app: Millrace | None = None,
        parent: Any = None,
    ) -> None:
        # Not by the base class: there may be no application, and there is no job.
        self.id = id
        self.parent = parent
        self._queue = ""
        self._app = app  # type: ignore[assignment]
        self._ack = None
        self._final = None
        self._ignored = False
        self._value = ret_value
        self._state = state
        self._traceback = traceback
        self._name = name
        self._children: list[Any] = []

    def __repr__(self) -> str:
        return f"<EagerResult: {self.id}>"

    def __copy__(self) -> EagerResult[R]:
        return EagerResult(
            self.id, self._value, self._state, self._traceback, self._name, app=self._app
        )

    def __reduce__(self) -> Any:
        return EagerResult, (self.id, self._value, self._state, self._traceback, self._name)

    @property
    def state(self) -> str:
        """How it ended."""
        return self._state

    status = state

    @property
    def result(self) -> Any:
        """What it returned, or the exception that it raised."""
        return self._value

    info = result

    @property
    def traceback(self) -> str | None:
        """Where it failed, as text."""
        return self._traceback

    @property
    def name(self) -> str | None:
        """The task's name."""
        return self._name

    @property
    def children(self) -> list[Any]:
        """Results of its callbacks."""
        return self._children

    def ready(self) -> bool:
        """Always true."""
        return True

    def exists(self) -> bool:
        """Always true."""
        return True

    def get(
        self,
        timeout: Any = None,  # noqa: ARG002 - it has ended
        propagate: bool = True,
        interval: float = 0.5,  # noqa: ARG002
        no_ack: bool = True,  # noqa: ARG002
        follow_parents: bool = True,  # noqa: ARG002
        callback: Callable[[str, R], object] | None = None,
        on_message: Callable[[dict[str, Any]], object] | None = None,  # noqa: ARG002
        on_interval: Callable[[], object] | None = None,  # noqa: ARG002
        disable_sync_subtasks: bool = True,  # noqa: ARG002 - nobody waits
    ) -> R:
        """What the task returned; raises what it raised, unless `propagate` is false."""
        return self.maybe_throw(propagate, callback)  # type: ignore[no-any-return]

    wait = get

    async def aget(
        self, timeout: Any = None, *, propagate: bool = True, disable_sync_subtasks: bool = True
    ) -> R:
        """As `get`."""
        del disable_sync_subtasks  # nothing is waited for
        return self.get(timeout, propagate)

    def __await__(self) -> Any:
        return self.aget().__await__()

    def maybe_throw(
        self, propagate: bool = True, callback: Callable[[str, Any], object] | None = None
    ) -> Any:
        """The value; raises the error unless `propagate` is false."""
        failed = self._state in states.PROPAGATE_STATES
        if failed and propagate:
            raise self._value if isinstance(self._value, BaseException) else Exception(self._value)
        if callback is not None:
            callback(self.id, self._value)
        return self._value

    def then(self, callback: Any, on_error: Any = None, weak: bool = False) -> EagerResult[R]:
        """Calls one of the two at once."""
        del weak
        chosen = on_error if self._state in states.PROPAGATE_STATES else callback
        if chosen is not None:
            chosen(self)
        return self

    def forget(self) -> None:
        """No effect."""

    def revoke(self, *_: Any, **__: Any) -> str:
        """From now on it counts as revoked; what the task did is done."""
        self._state = states.REVOKED
        self._value = TaskRevokedError("revoked")
        return "finished"
