"""The result of a group, and how it is kept under the group's id."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

from millrace import _core, options, serializer
from millrace.errors import NotFound
from millrace.result.base import AsyncResult, app_of
from millrace.result.sets import ResultSet, _flattened

if TYPE_CHECKING:
    from millrace.app import Millrace

R = TypeVar("R")
T = TypeVar("T")

SAVED_QUEUE = "millrace.groups"
_SAVED_NAME = "millrace.group"
_FAR_MS = 100 * 365 * 24 * 3600 * 1000


class GroupResult(ResultSet[R]):
    """The results of a group's jobs.

    Args:
        id: The group's id.
        results: The results of its jobs; those of a chain that ends in a group are `GroupResult`s themselves.
        parent: The result before it in a chain.
        app: The application.

    Attributes:
        id: The group's id.
        parent: The result before it in a chain; None if there is none.
    """

    def __init__(
        self,
        id: str | None = None,  # noqa: A002
        results: Iterable[Any] | None = None,
        parent: Any = None,
        app: Millrace | None = None,
        ready_barrier: Any = None,
    ) -> None:
        super().__init__(results or (), app, ready_barrier)
        self.id = id
        self.parent = parent

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self.id} [{', '.join(str(each) for each in self)}]>"

    def __str__(self) -> str:
        return str(self.id)

    def __bool__(self) -> bool:
        return bool(self.id or self.results)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, GroupResult):
            same = self.id == other.id and self.parent == other.parent
            return same and self.results == other.results
        if isinstance(other, str):
            return self.id == other
        return NotImplemented

    def __hash__(self) -> int:
        return hash(self.id)

    def __reduce__(self) -> Any:
        return GroupResult, (self.id, self.results, self.parent)

    @property
    def children(self) -> list[Any]:
        """The same as `results`."""
        return self.results

    def forget(self) -> None:
        """Removes the jobs and their results from the store, and what was saved of the group."""
        super().forget()
        if self.id:
            self.delete()

    def as_tuple(self) -> Any:
        """As nested tuples of ids, for `result_from_tuple`."""
        parent = self.parent.as_tuple() if self.parent is not None else None
        return (self.id, parent), [result.as_tuple() for result in self]

    def as_list(self) -> list[str | None]:
        """Its id, and the ids of those before it in its chain."""
        return [self.id, *(self.parent.as_list() if self.parent is not None else [])]

    # --- Kept under its id ------------------------------------------------------------------------

    def save(self, backend: Any = None) -> GroupResult[R]:
        """Keeps it under its id, for `restore` by any process.

        It is a job that no worker runs, in the queue `millrace.groups`: it waits for the group's jobs, so that these
        are kept, and is removed in its time after they have ended. What stands before it in a chain is not kept.
        """
        del backend
        spec = _core.JobSpec(
            SAVED_QUEUE,
            _SAVED_NAME,
            id=options.check_text("id", self.id),
            data=serializer.dumps(_saved(self)),
        )
        after = [
            _core.Dependency(result.id, result.queue, policy="ignore")
            for result in _flattened(self)
            if result.exists()
        ]
        if after:
            spec = spec.replace(after=after, join="forward")
        else:  # nothing to wait for: it lies there until it expires
            expires_ms = max(1, self.app._keep_ms)
            spec = spec.replace(delay_ms=_FAR_MS, expires_in_ms=expires_ms)
        self.delete()
        self.app._enqueue([spec], None)
        return self

    def delete(self, backend: Any = None) -> None:
        """Removes what `save` has kept; the jobs and their results stay."""
        del backend
        with suppress(NotFound):
            self.app.engine.remove(str(self.id), SAVED_QUEUE)

    @classmethod
    def restore(
        cls,
        id: str,  # noqa: A002
        backend: Any = None,
        app: Millrace | None = None,
    ) -> GroupResult[Any] | None:
        """What was saved under this id; None if there is nothing."""
        from millrace.result.tuples import result_from_tuple

        found = app or getattr(cls, "_bound_app", None) or app_of(backend)
        try:
            info = found.engine.get_job(options.check_text("id", id), SAVED_QUEUE)
        except NotFound:
            return None
        made = result_from_tuple(serializer.loads(str(info.spec.data)), app=found)
        return made if isinstance(made, GroupResult) else None


def _saved(result: Any) -> Any:
    """As `as_tuple`, without the parents: a chain may be longer than JSON can be deep."""
    members = getattr(result, "results", None)
    return (result.id, None), None if members is None else [_saved(each) for each in members]


def bound(cls: type[T], app: Millrace) -> type[T]:
    """The class with this application in place of the current one: what `app.GroupResult` is."""

    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:  # noqa: N807
        kwargs.setdefault("app", app)
        cls.__init__(self, *args, **kwargs)

    def __reduce__(self: Any) -> Any:  # noqa: N807 - the class itself cannot be found by name
        return cls.__reduce__(self)

    namespace = {"__init__": __init__, "__reduce__": __reduce__, "_bound_app": app}
    if issubclass(cls, AsyncResult):
        namespace["__slots__"] = ()
    return type(cls.__name__, (cls,), namespace)
