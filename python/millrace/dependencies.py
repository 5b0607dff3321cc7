"""What a job waits or has waited for, as it is read back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, overload

from millrace import _core, serializer
from millrace.errors import TaskRevokedError

if TYPE_CHECKING:
    from millrace.links import StateName

_PAGE: Final = 1_000


class Dependency:
    """One job that another waits for.

    Attributes:
        name: Under which the waiting job knows it; may be empty.
        id: Its id.
        queue: Its queue.
        policy: What becomes of the waiting job if it fails.
        state: Where it stands, in the store's words: "ready", "active", "completed", "failed" ...
        done: Whether it holds the waiting job back no more.
    """

    __slots__ = ("_errors", "_info", "done", "id", "name", "policy", "queue", "state")

    def __init__(
        self, info: _core.DependencyInfo, errors: Mapping[str, type[Exception]] | None = None
    ) -> None:
        self.name: str = info.name
        self.id: str = info.id
        self.queue: str = info.queue
        self.policy: str = info.policy
        self.state: str = info.state
        self.done: bool = info.done
        self._info = info
        self._errors = errors

    def __repr__(self) -> str:
        return f"<Dependency {self.name or self.id} {self.state}>"

    @property
    def result(self) -> Any:
        """What it returned; None if it has not succeeded."""
        body = self._info.result
        return serializer.loads(body) if isinstance(body, str) and body else (body or None)

    @property
    def is_null(self) -> bool:
        """Whether it returned nothing, or has not succeeded; nothing is decoded for that."""
        return self._info.result in (None, "", "null")

    @property
    def error(self) -> Exception | None:
        """Why it failed, or was cancelled; None if it has not."""
        text = self._info.error
        if text is None:
            return None
        error = serializer.decode_error(text, self._errors)
        if self.state == "cancelled" and not isinstance(error, TaskRevokedError):
            return TaskRevokedError(str(error))
        return error

    def get(self) -> Any:
        """What it returned; raises its error if it failed."""
        error = self.error
        if error is not None:
            raise error
        return self.result


class Dependencies(Sequence[Dependency]):
    """What a job waits or has waited for, in the order in which it was given.

    `dependencies[0]`, `dependencies["name"]`, `dependencies.results()`.

    Attributes:
        pending: How many hold the job back still.
    """

    def __init__(
        self,
        infos: Sequence[_core.DependencyInfo] = (),
        errors: Mapping[str, type[Exception]] | None = None,
        *,
        pending: int = 0,
    ) -> None:
        self._all = [Dependency(info, errors) for info in infos]
        self.pending = pending

    def __len__(self) -> int:
        return len(self._all)

    @overload
    def __getitem__(self, index: int | str) -> Dependency: ...
    @overload
    def __getitem__(self, index: slice) -> list[Dependency]: ...
    def __getitem__(self, index: int | str | slice) -> Dependency | list[Dependency]:
        if not isinstance(index, str):
            return self._all[index]
        for dependency in self._all:
            if dependency.name == index:
                return dependency
        raise KeyError(index)

    def __repr__(self) -> str:
        return f"<Dependencies {self._all!r}>"

    def results(self, *, propagate: bool = True) -> list[Any]:
        """What they returned, in their order.

        Args:
            propagate: Raise the first error among them. If false, errors stand in the list.
        """
        if propagate:
            return [each.get() for each in self._all]
        return [each.error or each.result for each in self._all]

    def errors(self) -> list[Exception]:
        """Why some of them failed; empty if none did."""
        return [error for each in self._all if (error := each.error) is not None]


def read_dependencies(
    engine: _core.Engine,
    job_id: str,
    queue: str,
    errors: Mapping[str, type[Exception]],
    states: Iterable[StateName] = (),
) -> Dependencies:
    """All of a job's dependencies that stand in these states (in any, if there are none). Raises NotFound."""
    wanted = tuple(states)
    infos: list[_core.DependencyInfo] = []
    while True:
        page = engine.dependencies(job_id, queue, states=wanted, offset=len(infos), limit=_PAGE)
        infos += page.dependencies
        if len(page.dependencies) < _PAGE:
            return Dependencies(infos, errors, pending=page.pending)
