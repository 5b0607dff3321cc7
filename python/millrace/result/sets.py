"""Several results as one."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

from millrace import options
from millrace.errors import Timeout
from millrace.result.base import Acks, AsyncResult, ResultBase, app_of
from millrace.result.blocking import allow_join_result, refuse_inside_task

if TYPE_CHECKING:
    from collections.abc import Generator

    from millrace.app import Millrace
    from millrace.options import Seconds

R = TypeVar("R")


class ResultSet(ResultBase, Sequence[AsyncResult[R]], Generic[R]):
    """The results of several jobs, in their order.

    Args:
        results: The results.
        app: The application; default that of the first result.
    """

    # What `enqueue` answered, until somebody asks for results: they are made one by one, or all at once.
    _acks: Acks | None = None
    _queue: str | Sequence[str] = ""
    _results: list[Any] | None = None

    TimeoutError = Timeout
    supports_native_join = True

    def __init__(
        self, results: Iterable[Any] = (), app: Millrace | None = None, ready_barrier: Any = None
    ) -> None:
        del ready_barrier  # results are not told by promises here
        self.parent = None
        self._app = app
        self._results = list(results)

    @classmethod
    def of_acks(cls, app: Millrace, acks: Acks, queue: str | Sequence[str] = "") -> ResultSet[Any]:
        """A set of what an enqueue of many has answered; `queue` of all of them, or of each."""
        made = cls.__new__(cls)
        made.parent = None
        made._app = app
        made._acks = acks
        made._queue = queue
        return made

    @property
    def results(self) -> list[Any]:
        """The list of its results; changing it changes the set."""
        if self._results is None:
            self._results = [self._at(index) for index in range(len(self))]
        return self._results

    @results.setter
    def results(self, value: list[Any]) -> None:
        self._results = value

    @property
    def app(self) -> Millrace:
        """The application."""
        if self._app is None:
            first = next(iter(self.results), None)
            self._app = app_of(first)
        return self._app

    @app.setter
    def app(self, value: Millrace) -> None:
        self._app = value

    @property
    def backend(self) -> Any:
        """The application's `backend`."""
        return getattr(self.app, "backend", self.app)

    def _at(self, index: int) -> AsyncResult[R]:
        assert self._acks is not None
        ack = self._acks[index]
        queue = self._queue if isinstance(self._queue, str) else self._queue[index]
        return AsyncResult(ack[0], self._app, queue=queue, ack=ack)

    # --- As a sequence ----------------------------------------------------------------------------

    def __len__(self) -> int:
        if self._results is None and self._acks is not None:
            return len(self._acks)
        return len(self.results)

    @overload
    def __getitem__(self, index: int) -> AsyncResult[R]: ...
    @overload
    def __getitem__(self, index: slice) -> list[AsyncResult[R]]: ...
    def __getitem__(self, index: int | slice) -> AsyncResult[R] | list[AsyncResult[R]]:
        if self._results is None and isinstance(index, int):
            return self._at(index)
        return self.results[index]

    def __iter__(self) -> Iterator[AsyncResult[R]]:
        if self._results is None:
            return (self._at(index) for index in range(len(self)))
        return iter(self._results)

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: [{', '.join(str(each) for each in self)}]>"

    def __eq__(self, other: object) -> bool:
        if isinstance(other, ResultSet):
            return self.results == other.results
        return NotImplemented

    def __hash__(self) -> int:
        raise TypeError(f"unhashable type: {type(self).__name__}; it can be changed")

    def add(self, result: Any) -> None:
        """Adds a result, unless it is in the set already."""
        if result not in self.results:
            self.results.append(result)

    def remove(self, result: Any) -> None:
        """Takes out a result, given by itself or by its id; raises KeyError if it is not in the set."""
        try:
            self.results.remove(result)
        except ValueError:
            raise KeyError(result) from None

    def discard(self, result: Any) -> None:
        """Takes out a result if it is in the set."""
        with suppress(KeyError):
            self.remove(result)

    def update(self, results: Iterable[Any]) -> None:
        """Adds those that are not in the set."""
        for result in results:
            self.add(result)

    def clear(self) -> None:
        """Takes out all."""
        self.results[:] = []

    # --- State ------------------------------------------------------------------------------------

    def successful(self) -> bool:
        """Whether all have succeeded."""
        return all(result.successful() for result in self)

    def failed(self) -> bool:
        """Whether one has failed."""
        return any(result.failed() for result in self)

    def waiting(self) -> bool:
        """Whether one has not ended."""
        return any(not result.ready() for result in self)

    def ready(self) -> bool:
        """Whether all have ended."""
        return all(result.ready() for result in self)

    def completed_count(self) -> int:
        """How many have succeeded."""
        return sum(int(result.successful()) for result in self)

    def maybe_throw(
        self, callback: Callable[[str, Any], object] | None = None, propagate: bool = True
    ) -> None:
        """Raises the error of the first that has failed."""
        for result in self:
            result.maybe_throw(callback=callback, propagate=propagate)

    maybe_reraise = maybe_throw

    # --- Wait -------------------------------------------------------------------------------------

    def join(
        self,
        timeout: Seconds | None = None,
        propagate: bool = True,
        interval: float = 0.5,
        callback: Callable[[str, Any], object] | None = None,
        no_ack: bool = True,
        on_message: Callable[[dict[str, Any]], object] | None = None,
        disable_sync_subtasks: bool = True,
        on_interval: Callable[[], object] | None = None,
    ) -> list[R]:
        """The results of all, in their order. The time-out is for the whole.

        Args:
            timeout: Seconds (or a timedelta) to wait at most.
            propagate: Raise the error of the first that failed. If false, errors stand in the list.
            interval: Seconds between calls of `on_interval`.
            callback: Called with (id, result) for each; the answer is then an empty list.
            no_ack: No effect.
            on_message: Called with what is known of each when it has ended.
            disable_sync_subtasks: Refuse to wait inside a task.
            on_interval: Called every `interval` seconds while waiting.
        """
        if disable_sync_subtasks:
            refuse_inside_task()
        deadline = (
            None if timeout is None else time.monotonic() + options.to_ms("timeout", timeout) / 1000
        )
        answers: list[Any] = []
        with allow_join_result():
            for result in self:
                left = None if deadline is None else max(0.0, deadline - time.monotonic())
                try:
                    value = result.get(
                        timeout=left,
                        propagate=propagate,
                        interval=interval,
                        no_ack=no_ack,
                        on_message=on_message,
                        on_interval=on_interval,
                    )
                except Timeout:
                    if deadline is None or result.ready():
                        raise  # it is what the task has raised
                    raise Timeout(
                        f"not all of {len(self)} jobs have ended within {timeout} s"
                    ) from None
                if callback is not None:
                    callback(result.id, value)
                else:
                    answers.append(value)
        return answers

    get = join
    join_native = join

    def iter_native(
        self, timeout: Seconds | None = None, interval: float = 0.5, no_ack: bool = True, **_: Any
    ) -> Iterator[tuple[str, dict[str, Any]]]:
        """(id, {"status", "result", ...}) of each, in the order in which they end."""
        del interval, no_ack
        from millrace.result.watch import iterate_ended

        flat = list(_flattened(self))
        seconds = None if timeout is None else options.to_ms("timeout", timeout) / 1000
        for result in iterate_ended(self.app, flat, seconds):
            outcome = result._outcome()
            if outcome is not None:
                yield result.id, result._meta(outcome)

    def then(
        self,
        callback: Callable[[Any], object],
        on_error: Callable[[Any], object] | None = None,
        weak: bool = False,
    ) -> ResultSet[R]:
        """Has `callback(self)` called when all have succeeded, or `on_error(self)` when one has not."""
        del weak
        from millrace.result.watch import when_all_ended

        when_all_ended(self, callback, on_error)
        return self

    def __await__(self) -> Generator[Any, None, list[R]]:
        return self.aget().__await__()

    async def aget(
        self,
        timeout: Seconds | None = None,
        *,
        propagate: bool = True,
        disable_sync_subtasks: bool = True,
    ) -> list[R]:
        """As `get`, to be awaited."""
        import asyncio

        if disable_sync_subtasks:
            refuse_inside_task()
        seconds = None if timeout is None else options.to_ms("timeout", timeout) / 1000

        async def one(result: Any) -> Any:
            return await result.aget(propagate=propagate)

        with allow_join_result():
            try:
                return list(
                    await asyncio.wait_for(asyncio.gather(*(one(each) for each in self)), seconds)
                )
            except asyncio.TimeoutError:
                raise Timeout(
                    f"not all of {len(self)} jobs have ended within {timeout} s"
                ) from None

    # --- Change -----------------------------------------------------------------------------------

    def forget(self) -> None:
        """Removes the jobs and their results from the store."""
        for result in self:
            result.forget()

    def revoke(
        self,
        connection: Any = None,
        terminate: bool = False,
        signal: str | None = None,
        wait: bool = False,
        timeout: Seconds | None = None,
    ) -> list[str]:
        """Cancels all jobs; as `AsyncResult.revoke`."""
        return [result.revoke(connection, terminate, signal, wait, timeout) for result in self]


def _flattened(results: Iterable[Any]) -> Iterator[AsyncResult[Any]]:
    for result in results:
        if isinstance(result, ResultSet):
            yield from _flattened(result)
        else:
            yield result
