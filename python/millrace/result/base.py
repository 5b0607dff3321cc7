"""One job's state and result."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Generator, Iterable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar, cast

from millrace import _core, options, serializer, states
from millrace.errors import NotFound, Timeout
from millrace.result.blocking import refuse_inside_task
from millrace.result.extras import ResultExtras

if TYPE_CHECKING:
    from millrace.aio import ResultCalls
    from millrace.app import Millrace
    from millrace.dependencies import Dependencies
    from millrace.flow_tree import FlowTree
    from millrace.links import StateName
    from millrace.options import Seconds

R = TypeVar("R")
Ack = tuple[str, bool, str, str, str]

TERMINATE = "terminate"
"""The reason by which a revoke tells a worker of the process pool to kill the process."""
SOFTLY = f"{TERMINATE}:SIGUSR1"
"""The same to raise SoftTimeLimitExceeded in the job instead."""

_INTERVAL_S = 0.5


class Acks(Protocol):
    """What an enqueue of many answers."""

    def __len__(self) -> int: ...
    def __getitem__(self, index: int, /) -> Ack: ...


class ResultBase:
    """What a result and a set of results have in common.

    Attributes:
        parent: The result before it in a chain; None if it is the first.
    """

    __slots__ = ("parent",)

    parent: Any


class AsyncResult(ResultExtras, ResultBase, Generic[R]):
    """A job's state and result, read from the store whenever they are asked for.

    Args:
        id: The job's id.
        backend: The application, if it is not given as `app`.
        task_name: Not needed: the store knows it.
        app: The application; default the current one.
        parent: The result before it in a chain.
        queue: Its queue; empty if not known, then the newest job of this id is meant.
    """

    __slots__ = ("_ack", "_app", "_final", "_ignored", "_queue", "id")

    TimeoutError = Timeout

    def __init__(
        self,
        id: str,  # noqa: A002
        backend: Any = None,
        task_name: str | None = None,  # noqa: ARG002 - Celery's
        app: Millrace | None = None,
        parent: Any = None,
        *,
        queue: str = "",
        ack: Ack | None = None,
    ) -> None:
        self.id = id
        self.parent = parent
        self._queue = queue
        self._app: Millrace = app if app is not None else app_of(backend)
        self._ack = ack
        self._final: _core.JobOutcome | None = None
        self._ignored = False

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self.id}>"

    def __str__(self) -> str:
        return self.id

    def __eq__(self, other: object) -> bool:
        if isinstance(other, AsyncResult):
            known = not self._queue or not other._queue or self._queue == other._queue
            return self.id == other.id and known
        if isinstance(other, str):
            return self.id == other
        return NotImplemented

    def __hash__(self) -> int:
        return hash(self.id)

    def __copy__(self) -> AsyncResult[R]:
        return AsyncResult(self.id, self._app, parent=self.parent, queue=self._queue)

    def __reduce__(self) -> Any:
        return _restored, (self.id, self._queue, self.parent)

    @property
    def task_id(self) -> str:
        """The same as `id`."""
        return self.id

    @property
    def queue(self) -> str:
        """Its queue; empty if the store does not know the job."""
        if not self._queue:
            with suppress(NotFound):
                self._queue = self.details().spec.queue
        return self._queue

    @property
    def app(self) -> Millrace:
        """The application it belongs to."""
        return self._app

    @property
    def backend(self) -> Any:
        """The application's `backend`."""
        return getattr(self._app, "backend", self._app)

    supports_native_join = True

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
            outcome = self._app.engine.get_outcome(self.id, self._queue)
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
        return state_of(self._outcome())

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
        from millrace.result import failures

        return failures.stack_of(outcome.error)

    @property
    def date_done(self) -> dt.datetime | None:
        """When it ended."""
        outcome = self._outcome()
        if outcome is None or not outcome.finished_at_ms:
            return None
        return dt.datetime.fromtimestamp(outcome.finished_at_ms / 1000, dt.timezone.utc)

    def details(self) -> _core.JobInfo:
        """Everything that the store knows about the job. Raises NotFound."""
        return self._app.engine.get_job(self.id, self._queue)

    def logs(self, *, offset: int = 0, limit: int = 1000) -> list[str]:
        """The lines that the task wrote with `self.log`, oldest first."""
        return [
            line.text
            for line in self._app.engine.get_logs(self.id, self._queue, offset=offset, limit=limit)
        ]

    def dependencies(self, *, states: Iterable[StateName] = ()) -> Dependencies:
        """What the job waits or waited for, in order, with results and errors.

        Args:
            states: Only what stands there, in the store's words: ("failed", "cancelled"). Default: all.
        """
        from millrace.dependencies import read_dependencies

        app = self._app
        return read_dependencies(app.engine, self.id, self._queue, app.registered_errors, states)

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
            self._app.engine.flow_json(self.id, self._queue, depth=depth, children=children)
        )

    # --- Wait -------------------------------------------------------------------------------------

    def get(
        self,
        timeout: Seconds | None = None,
        propagate: bool = True,
        interval: float = _INTERVAL_S,
        no_ack: bool = True,  # noqa: ARG002 - about a broker's messages
        follow_parents: bool = True,  # noqa: ARG002 - a failure before it is its own already
        callback: Callable[[str, R], object] | None = None,
        on_message: Callable[[dict[str, Any]], object] | None = None,
        on_interval: Callable[[], object] | None = None,
        disable_sync_subtasks: bool = True,
    ) -> R:
        """Waits for the job's end and answers its result. The store wakes it; nothing is polled.

        Args:
            timeout: Seconds (or a timedelta) to wait at most; None waits without end.
            propagate: Raise the job's error. If false it is the answer.
            interval: Seconds between calls of `on_interval`; without that it means nothing.
            no_ack: No effect.
            follow_parents: No effect: if a job before it in a chain failed, so did this one.
            callback: Called with (id, result) when it has succeeded.
            on_message: Called once with what is known of the job when it has ended.
            on_interval: Called every `interval` seconds while waiting.
            disable_sync_subtasks: Refuse to wait inside a task, where it can lock a worker up for ever.

        Raises:
            Timeout: The time-out passed (also a TimeoutError).
            NotFound: There is no such job.
            TaskRevokedError: It was revoked, or expired.
            ChordError: It is the body of a chord, and the header failed; the cause is the header's error.
            Exception: What the task raised: the class itself if it is built in, of a module that is imported here, or
                was registered with `app.register_error`; else, and if it cannot be made again of its arguments, a
                RemoteError. The remote traceback is its cause.
        """
        if self._ignored:
            return cast("R", None)
        if disable_sync_subtasks:
            refuse_inside_task()
        if self._final is None:
            self._final = self._wait(timeout, interval, on_interval)
        if on_message is not None:
            on_message(self._meta(self._final))
        return cast("R", self.maybe_throw(propagate=propagate, callback=callback))

    wait = get

    def _wait(
        self, timeout: Seconds | None, interval: float, on_interval: Callable[[], object] | None
    ) -> _core.JobOutcome:
        left_ms = options.to_wait_ms("timeout", timeout)
        step_ms = left_ms if on_interval is None else max(1, options.to_ms("interval", interval))
        while True:
            now_ms = step_ms if left_ms < 0 else min(left_ms, step_ms)
            try:
                return self._app.engine.wait_finished(self.id, self._queue, now_ms)
            except Timeout:
                if on_interval is None or left_ms == 0:
                    raise Timeout(f"job {self.id} has not ended within {timeout} s") from None
                left_ms = left_ms if left_ms < 0 else max(0, left_ms - now_ms)
                on_interval()

    def __await__(self) -> Generator[Any, None, R]:
        return self.aio.get().__await__()

    async def aget(
        self,
        timeout: Seconds | None = None,
        *,
        propagate: bool = True,
        disable_sync_subtasks: bool = True,
    ) -> R:
        """The same as `get`, to be awaited."""
        return await self.aio.get(
            timeout, propagate=propagate, disable_sync_subtasks=disable_sync_subtasks
        )

    @property
    def aio(self) -> ResultCalls[R]:
        """The same calls, to be awaited. They never block the event loop."""
        from millrace.aio import ResultCalls

        return ResultCalls(self)

    # --- Change -----------------------------------------------------------------------------------

    def revoke(
        self,
        connection: Any = None,  # noqa: ARG002 - there is none
        terminate: bool = False,
        signal: str | int | None = None,
        wait: bool = False,
        timeout: Seconds | None = None,
        *,
        reason: str = "revoked",
    ) -> str:
        """Cancels the job, for good: the store remembers it.

        A waiting job will not run. A running one is told: an asyncio task is cancelled, others see
        `self.request.cancelled`. With `terminate` a worker of the process pool also kills the process that runs it.

        Args:
            connection: No effect.
            terminate: Kill the process that runs it.
            signal: By which signal, as "SIGKILL"; default SIGTERM. SIGUSR1 raises SoftTimeLimitExceeded in the task.
            wait: Wait until the job has ended.
            timeout: For so long at most.
            reason: What the job's error will say.

        Returns:
            "cancelled" (it was waiting), "requested" (it runs and was told), "finished" (too late), or "remembered"
            (nobody has this id yet: who comes with it is revoked as it comes).
        """
        options.check_flag("terminate", terminate)
        options.check_text("reason", reason)
        if terminate:
            from millrace.app.store_commands import terminate_reason

            reason = terminate_reason(signal)
        from millrace.app.store_commands import revoke_job

        answer = revoke_job(self._app, self.id, self._queue, reason=reason)
        if wait and answer != "remembered":
            with suppress(Timeout):
                self._wait(timeout, _INTERVAL_S, None)
        return answer

    def revoke_by_stamped_headers(
        self,
        headers: dict[str, Any],
        connection: Any = None,  # noqa: ARG002 - there is none
        terminate: bool = False,
        signal: str | None = None,
        wait: bool = False,
        timeout: Seconds | None = None,
    ) -> Any:
        """Revokes all jobs with these stamps; as `app.control.revoke_by_stamped_headers`."""
        control: Any = self._app.control  # type: ignore[attr-defined,unused-ignore]
        return control.revoke_by_stamped_headers(
            headers, terminate=terminate, signal=signal, reply=wait, timeout=timeout
        )

    def forget(self) -> None:
        """Removes the job and its result from the store, and those before it in a chain; no error if they are gone.

        Raises WrongState while it runs.
        """
        each: Any = self
        while isinstance(each, AsyncResult):  # not by recursion: a chain may be long
            with suppress(NotFound):
                each._app.engine.remove(each.id, each._queue)
            each._final = None
            each = each.parent
        if each is not None:
            each.forget()

    # --- Shared with the awaitable twin -----------------------------------------------------------

    def _info(self, outcome: _core.JobOutcome | None) -> Any:
        if outcome is None:
            return None
        if outcome.state == "completed":
            return _progress(outcome)[1] if was_ignored(outcome) else _value(outcome)
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
        from millrace.result import failures

        return failures.error_of(self._app, self.id, self._queue, outcome)

    def _meta(self, outcome: _core.JobOutcome) -> dict[str, Any]:
        return {
            "task_id": self.id,
            "status": state_of(outcome),
            "result": self._info(outcome),
            "traceback": self.traceback,
            "children": [],
            "date_done": self.date_done,
        }


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


def was_ignored(outcome: _core.JobOutcome) -> bool:
    """Whether a job has ended because its task raised Ignore; see `Request.note_ignored`."""
    progress = outcome.progress
    return progress is not None and outcome.state == "completed" and '"$ignored"' in progress


def state_of(outcome: _core.JobOutcome | None) -> str:
    """Celery's word for where a job stands."""
    if outcome is None:
        return states.PENDING
    if outcome.state == "active":
        return _progress(outcome)[0] or states.STARTED
    if was_ignored(outcome):
        return _progress(outcome)[0] or states.IGNORED
    return states.from_store(outcome.state, outcome.attempts_made)


def app_of(backend: Any) -> Millrace:
    """The application that is meant by `backend=`; the current one if it is None."""
    found = getattr(backend, "app", backend)
    if found is None:
        import millrace

        found = millrace.current_app
        found = getattr(found, "_get_current_object", lambda: found)()
    return cast("Millrace", found)


def _restored(job_id: str, queue: str, parent: Any) -> AsyncResult[Any]:
    return AsyncResult(job_id, parent=parent, queue=queue)
