"""What became of a job."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Generic, NoReturn, Protocol, TypeVar, overload

from millrace import _core, options, serializer, states
from millrace.errors import NotFound, TaskRevokedError, Timeout
from millrace.request import current_request

if TYPE_CHECKING:
    from millrace.aio import ResultCalls
    from millrace.app import Millrace
    from millrace.dependencies import Dependencies
    from millrace.flow_tree import FlowTree
    from millrace.links import StateName
    from millrace.options import Seconds

R = TypeVar("R")
Ack = tuple[str, bool, str, str, str]


class Acks(Protocol):
    """What an enqueue of many answers."""

    def __len__(self) -> int: ...
    def __getitem__(self, index: int, /) -> Ack: ...


class AsyncResult(Generic[R]):
    """A job's state and result, read from the store whenever they are asked for.

    Attributes:
        id: The job's id.
        queue: Its queue; empty if not known, then the newest job of this id is meant.
    """

    __slots__ = ("_ack", "_app", "_final", "id", "queue")

    def __init__(self, id: str, app: Millrace, queue: str = "", ack: Ack | None = None) -> None:  # noqa: A002
        self.id = id
        self.queue = queue
        self._app = app
        self._ack = ack
        self._final: _core.JobOutcome | None = None

    def __repr__(self) -> str:
        return f"<AsyncResult {self.id}>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, AsyncResult) and (self.id, self.queue) == (other.id, other.queue)

    def __hash__(self) -> int:
        return hash(self.id)

    @property
    def task_id(self) -> str:
        """The same as `id`."""
        return self.id

    @property
    def app(self) -> Millrace:
        """The application it belongs to."""
        return self._app

    @property
    def existing(self) -> bool:
        """Whether the enqueue wrote nothing, as its `task_id` or the holder of its `dedup` key was there already."""
        return self._ack is not None and self._ack[1]

    @property
    def replaced_id(self) -> str | None:
        """The id of the job whose place this one has taken by its `dedup` key; None if there was none."""
        return (self._ack[4] or None) if self._ack is not None else None

    @property
    def durability(self) -> str | None:
        """What the enqueue reached: "memory", "process" or "power". None if this was not made by an enqueue."""
        return self._ack[3] if self._ack is not None else None

    # --- State ------------------------------------------------------------------------------------

    def _outcome(self) -> _core.JobOutcome | None:
        if self._final is not None:
            return self._final
        try:
            outcome = self._app.engine.get_outcome(self.id, self.queue)
        except NotFound:
            return None
        if outcome.state in states.FINISHED:
            self._final = outcome
        return outcome

    @property
    def state(self) -> str:
        """PENDING, STARTED, RETRY, SUCCESS, FAILURE, REVOKED, or what the task set by `update_state`.

        A job that the store does not know, or no longer knows, is PENDING, as it is for Celery.
        """
        return _state(self._outcome())

    status = state

    @property
    def result(self) -> Any:
        """The task's return value, or the exception of a failed job; what `update_state` stored while it runs."""
        return self._info(self._outcome())

    info = result

    def ready(self) -> bool:
        """Whether it has ended: succeeded, failed or was revoked."""
        outcome = self._outcome()
        return outcome is not None and outcome.state in states.FINISHED

    def successful(self) -> bool:
        """Whether it has succeeded."""
        return self.state == states.SUCCESS

    def failed(self) -> bool:
        """Whether it has failed for good."""
        return self.state == states.FAILURE

    @property
    def traceback(self) -> str | None:
        """The traceback (or the stack of another language) of a failed job."""
        outcome = self._outcome()
        if outcome is None or not outcome.error:
            return None
        try:
            stack = json.loads(outcome.error).get("stack")
        except (ValueError, AttributeError):
            return None
        return stack if isinstance(stack, str) else None

    @property
    def date_done(self) -> dt.datetime | None:
        """When it ended."""
        outcome = self._outcome()
        if outcome is None or not outcome.finished_at_ms:
            return None
        return dt.datetime.fromtimestamp(outcome.finished_at_ms / 1000, dt.timezone.utc)

    def details(self) -> _core.JobInfo:
        """Everything that the store knows about the job. Raises NotFound."""
        return self._app.engine.get_job(self.id, self.queue)

    def logs(self, *, offset: int = 0, limit: int = 1000) -> list[str]:
        """The lines that the task wrote with `self.log`, oldest first."""
        return [
            line.text
            for line in self._app.engine.get_logs(self.id, self.queue, offset=offset, limit=limit)
        ]

    def dependencies(self, *, states: Iterable[StateName] = ()) -> Dependencies:
        """What the job waits or waited for, in order, with results and errors.

        Args:
            states: Only what stands there, in the store's words: ("failed", "cancelled"). Default: all.
        """
        from millrace.dependencies import read_dependencies

        app = self._app
        return read_dependencies(app.engine, self.id, self.queue, app.registered_errors, states)

    def flow(self, *, depth: int = 1000, children: int = 100) -> FlowTree:
        """The job and, below it, what it waits or waited for, and so on, with states.

        Args:
            depth: How many levels at most; 1 to 1,000.
            children: How many of each job at most.
        """
        from millrace.flow_tree import parse_tree

        options.check_int("depth", depth, least=1)
        options.check_int("children", children, least=1)
        return parse_tree(
            self._app.engine.flow_json(self.id, self.queue, depth=depth, children=children)
        )

    # --- Wait -------------------------------------------------------------------------------------

    def get(
        self,
        timeout: Seconds | None = None,
        *,
        propagate: bool = True,
        disable_sync_subtasks: bool = True,
    ) -> R:
        """Waits for the job's end and answers its result.

        Args:
            timeout: Seconds (or a timedelta) to wait at most; None waits without end.
            propagate: Raise the job's error. If false it is the answer.
            disable_sync_subtasks: Refuse to wait inside a task, where it can lock a worker up for ever.

        Raises:
            Timeout: The time-out passed (also a TimeoutError).
            NotFound: There is no such job.
            TaskRevokedError: It was revoked, or expired.
            Exception: What the task raised: the class itself if it is built in or was registered with
                `app.register_error`, else a RemoteError. The remote traceback is its cause.
        """
        if disable_sync_subtasks:
            refuse_inside_task()
        timeout_ms = options.to_wait_ms("timeout", timeout)
        if self._final is None:
            try:
                self._final = self._app.engine.wait_finished(self.id, self.queue, timeout_ms)
            except Timeout:
                raise Timeout(f"job {self.id} has not ended within {timeout} s") from None
        return self._answer(self._final, propagate=propagate)  # type: ignore[no-any-return]

    wait = get

    def __await__(self) -> Generator[Any, None, R]:
        return self.aio.get().__await__()

    async def aget(self, timeout: Seconds | None = None, *, propagate: bool = True) -> R:
        """The same as `get`, to be awaited."""
        return await self.aio.get(timeout, propagate=propagate)

    @property
    def aio(self) -> ResultCalls[R]:
        """The same calls, to be awaited. They never block the event loop."""
        from millrace.aio import ResultCalls

        return ResultCalls(self)

    # --- Change -----------------------------------------------------------------------------------

    def revoke(self, *, terminate: bool = False, reason: str = "revoked") -> str:
        """Cancels the job, for good: the store remembers it.

        A waiting job will not run. A running one is told: an asyncio task is cancelled, others see
        `self.request.cancelled`. With `terminate` a worker of the process pool also kills the process that runs it.

        Returns:
            "cancelled" (it was waiting), "requested" (it runs and was told) or "finished" (too late).
        """
        options.check_flag("terminate", terminate)
        options.check_text("reason", reason)
        return self._app.engine.cancel(
            self.id, self.queue, reason=TERMINATE if terminate else reason
        )

    def forget(self) -> None:
        """Removes the job and its result from the store; no error if it is gone. Raises WrongState while it runs."""
        with suppress(NotFound):
            self._app.engine.remove(self.id, self.queue)
        self._final = None

    # --- Shared with the awaitable twin -----------------------------------------------------------

    def _info(self, outcome: _core.JobOutcome | None) -> Any:
        if outcome is None:
            return None
        if outcome.state == "completed":
            return _value(outcome)
        if outcome.state in states.FINISHED:
            return self._error(outcome)
        return _progress(outcome)[1]

    def _answer(self, outcome: _core.JobOutcome, *, propagate: bool) -> Any:
        if outcome.state == "completed":
            return _value(outcome)
        error = self._error(outcome)
        if propagate:
            raise error
        return error

    def _error(self, outcome: _core.JobOutcome) -> Exception:
        error = serializer.decode_error(outcome.error or "{}", self._app.registered_errors)
        if outcome.state == "cancelled" and not isinstance(error, TaskRevokedError):
            return TaskRevokedError(str(error))
        return error


TERMINATE = "terminate"
"""The reason by which a revoke tells a worker of the process pool to kill the process."""


def refuse_inside_task() -> None:
    """Raises RuntimeError if the current code runs for a job."""
    if current_request.get() is not None:
        raise RuntimeError(
            "get() inside a task: all workers may end up waiting for jobs that no worker is free to run. "
            "Enqueue the follow-up from the other task, or pass disable_sync_subtasks=False if another queue runs it"
        )


def _value(outcome: _core.JobOutcome) -> Any:
    body = outcome.result
    return serializer.loads(body) if isinstance(body, str) and body else (body or None)


def _progress(outcome: _core.JobOutcome) -> tuple[str | None, Any]:
    if outcome.progress is None:
        return None, None
    value = serializer.loads(outcome.progress)
    if isinstance(value, dict) and "$state" in value:
        return str(value["$state"]), value.get("meta")
    return "PROGRESS", value


def _state(outcome: _core.JobOutcome | None) -> str:
    if outcome is None:
        return states.PENDING
    if outcome.state == "active":
        return _progress(outcome)[0] or states.STARTED
    return states.from_store(outcome.state, outcome.attempts_made)


class ResultSet(Sequence[AsyncResult[R]]):
    """The results of jobs that were enqueued together, in their order."""

    def __init__(self, app: Millrace, acks: Acks, queue: str | Sequence[str] = "") -> None:
        self._app = app
        self._acks = acks
        self._queue = queue

    @classmethod
    def of(cls, results: Sequence[AsyncResult[R]]) -> ResultSet[R]:
        """A set of these results."""
        acks = [each._ack or (each.id, False, "", "", "") for each in results]
        return cls(results[0].app, acks, [each.queue for each in results])

    def __len__(self) -> int:
        return len(self._acks)

    @overload
    def __getitem__(self, index: int) -> AsyncResult[R]: ...
    @overload
    def __getitem__(self, index: slice) -> list[AsyncResult[R]]: ...
    def __getitem__(self, index: int | slice) -> AsyncResult[R] | list[AsyncResult[R]]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        ack = self._acks[index]
        queue = self._queue if isinstance(self._queue, str) else self._queue[index]
        return AsyncResult(ack[0], self._app, queue, ack)

    def __iter__(self) -> Iterator[AsyncResult[R]]:
        return (self[i] for i in range(len(self)))

    def __repr__(self) -> str:
        return f"<ResultSet of {len(self)}>"

    def get(self, timeout: Seconds | None = None, *, propagate: bool = True) -> list[R]:
        """The results of all, in their order. The time-out is for the whole."""
        import time

        deadline = (
            None if timeout is None else time.monotonic() + options.to_ms("timeout", timeout) / 1000
        )
        answers: list[R] = []
        for result in self:
            left = None if deadline is None else max(0.0, deadline - time.monotonic())
            answers.append(result.get(left, propagate=propagate))
        return answers

    join = get

    def completed_count(self) -> int:
        """How many have succeeded."""
        return sum(result.successful() for result in self)

    def ready(self) -> bool:
        """Whether all have ended."""
        return all(result.ready() for result in self)

    def __reduce__(self) -> NoReturn:
        raise TypeError("a ResultSet cannot be pickled; keep the ids")
