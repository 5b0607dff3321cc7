"""The parts of `AsyncResult` beyond its state and value: what is known of the job, and the results that hang on it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar, cast

from millrace import serializer
from millrace.errors import IncompleteStream, NotFound

if TYPE_CHECKING:
    from millrace import _core
    from millrace.result.base import AsyncResult
    from millrace.result.graph import DependencyGraph

S = TypeVar("S", bound="ResultExtras")

_CHILDREN_MAX = 10_000


class ResultExtras:
    """Not used by itself."""

    __slots__ = ()

    id: str
    parent: Any
    _app: Any
    _ignored: bool
    _final: Any

    # --- What is known of the job -----------------------------------------------------------------

    def _details(self) -> _core.JobInfo | None:
        with suppress(NotFound):
            return self._result().details()
        return None

    def _result(self) -> AsyncResult[Any]:
        return cast("AsyncResult[Any]", self)

    @property
    def name(self) -> str | None:
        """The task's name; None if the store does not know the job."""
        info = self._details()
        return None if info is None else info.spec.name

    def _payload(self) -> Any:
        info = self._details()
        if info is None or not isinstance(info.spec.data, str):
            return {}
        return serializer.loads(info.spec.data)

    @property
    def args(self) -> Sequence[Any]:
        """The positional arguments, if it was enqueued with some that names cannot say; else they are in `kwargs`."""
        payload = self._payload()
        return payload.get("$args", []) if isinstance(payload, dict) else [payload]

    @property
    def kwargs(self) -> Mapping[str, Any]:
        """The arguments by name."""
        payload = self._payload()
        if not isinstance(payload, dict):
            return {}
        return payload.get("$kwargs", {}) if "$args" in payload else payload

    @property
    def worker(self) -> str | None:
        """The name of the worker that runs it; None if none does."""
        info = self._details()
        return None if info is None else info.worker

    @property
    def retries(self) -> int | None:
        """How often it has been retried."""
        info = self._details()
        return None if info is None else max(0, info.attempts_made - 1)

    @property
    def ignored(self) -> bool:
        """Whether `get` answers None at once, because nobody is interested in the result."""
        return self._ignored

    @ignored.setter
    def ignored(self, value: bool) -> None:
        self._result()._ignored = bool(value)

    def exists(self) -> bool:
        """Whether the store knows the job."""
        return self._result()._outcome() is not None

    # --- Errors -----------------------------------------------------------------------------------

    def maybe_throw(
        self, propagate: bool = True, callback: Callable[[str, Any], object] | None = None
    ) -> Any:
        """The job's value, as far as it has one; raises its error if it has failed.

        Args:
            propagate: If false, the error is the answer.
            callback: Called with (id, value).
        """
        result = self._result()
        outcome = result._outcome()
        value = result._info(outcome)
        if propagate and result.state in ("FAILURE", "REVOKED") and isinstance(value, Exception):
            raise value
        if callback is not None:
            callback(self.id, value)
        return value

    maybe_reraise = maybe_throw

    def throw(self, error: BaseException | None = None) -> Any:
        """Raises this error, or the job's own if there is one."""
        if error is not None:
            raise error
        return self.maybe_throw()

    def then(
        self: S,
        callback: Callable[[S], object],
        on_error: Callable[[S], object] | None = None,
        weak: bool = False,  # noqa: ARG002 - the callback is kept
    ) -> S:
        """Has `callback(result)` called when the job has succeeded, or `on_error(result)` when it has not.

        At once if it has ended; else in a thread of its own, which sleeps until the store has news.
        """
        from millrace.result.watch import when_ended

        when_ended(cast("Any", self), cast("Any", callback), cast("Any", on_error))
        return self

    # --- Results that hang on it ------------------------------------------------------------------

    @property
    def children(self) -> list[Any]:
        """Results of the jobs that wait for this one, and of those that its task has enqueued while it ran."""
        from millrace.result.graph import children_of

        return children_of(self._result(), _CHILDREN_MAX)

    def iterdeps(self, intermediate: bool = False) -> Iterator[tuple[Any, Any]]:
        """(parent, result) of this result and all below it, parents first.

        Args:
            intermediate: Whether results that have not ended are left out with what is below them. If false they raise
                IncompleteStream.
        """
        stack: list[tuple[Any, Any]] = [(None, self)]
        while stack:
            parent, node = stack.pop()
            yield parent, node
            if node.ready():
                stack.extend((node, child) for child in reversed(node.children or []))
            elif not intermediate:
                raise IncompleteStream(f"{node} has not ended")

    def collect(self, intermediate: bool = False, **get_options: Any) -> Iterator[tuple[Any, Any]]:
        """(result, value) of this result and all below it, waiting for each."""
        for _, node in self.iterdeps(intermediate=intermediate):
            yield node, node.get(**get_options)

    def get_leaf(self) -> Any:
        """The value of the last result below this one."""
        value = None
        for _, node in self.iterdeps():
            value = node.get()
        return value

    def build_graph(self, intermediate: bool = False, formatter: Any = None) -> DependencyGraph:
        """This result and all below it as a graph, which can be printed in the DOT language."""
        from millrace.result.graph import DependencyGraph

        graph = DependencyGraph(formatter=formatter)
        for parent, node in self.iterdeps(intermediate=intermediate):
            graph.add_arc(node)
            if parent is not None:
                graph.add_edge(parent, node)
        return graph

    @property
    def graph(self) -> DependencyGraph:
        """As `build_graph()`."""
        return self.build_graph()

    # --- Other forms ------------------------------------------------------------------------------

    def as_tuple(self) -> Any:
        """As nested tuples of ids, for `result_from_tuple`."""
        chain: list[Any] = [self]
        while isinstance(chain[-1].parent, ResultExtras):  # not by recursion: a chain may be long
            chain.append(chain[-1].parent)
        last = chain[-1].parent
        made: Any = last.as_tuple() if last is not None else None
        for each in reversed(chain):
            made = (each.id, made), None
        return made

    def as_list(self) -> list[str]:
        """Its id, and the ids of those before it in its chain."""
        ids: list[str] = []
        each: Any = self
        while each is not None:
            ids.append(each.id)
            each = each.parent
        return ids
