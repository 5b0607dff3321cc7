"""The awaitable twins of tasks, results and the application. None of them ever blocks the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, TypeVar, overload

from millrace import _core, options
from millrace.errors import NotFound, Timeout
from millrace.loop import bridge
from millrace.own_job import child_specs
from millrace.prepared import job_specs
from millrace.request import current_request
from millrace.result import TERMINATE, AsyncResult, ResultSet, refuse_inside_task
from millrace.result.base import state_of
from millrace.signals import PUBLISHING
from millrace.transaction import AsyncTransaction, refuse_inside

if TYPE_CHECKING:
    from millrace.app import Millrace
    from millrace.dependencies import Dependencies
    from millrace.flow_tree import FlowTree
    from millrace.links import Policy, StateName
    from millrace.options import DurabilityName, Seconds
    from millrace.prepared import JobLike
    from millrace.task import Task

P = ParamSpec("P")
R = TypeVar("R")


async def _enqueue(
    app: Millrace, specs: list[_core.JobSpec], durability: DurabilityName | None
) -> ResultSet[Any]:
    if durability is not None:
        options.check_durability(durability)
    if not specs:
        return ResultSet((), app)
    refuse_inside(app)
    watched = bool(PUBLISHING) or current_request.get() is not None
    if watched:
        from millrace import publish

        specs = publish.before(app, specs)
    acks = await bridge(app).enqueue(specs, durability)
    if watched and PUBLISHING:
        publish.after(specs, acks)
    return ResultSet.of_acks(app, acks, [spec.queue for spec in specs])


class TaskCalls(Generic[P, R]):
    """`task.aio`: the calls of a task, to be awaited."""

    def __init__(self, task: Task[P, R]) -> None:
        self._task = task

    @overload
    async def delay(self, *args: P.args, **kwargs: P.kwargs) -> AsyncResult[R]: ...
    @overload
    async def delay(self, *args: Any, tx: AsyncTransaction, **kwargs: Any) -> AsyncResult[R]: ...
    async def delay(self, *args: Any, **kwargs: Any) -> AsyncResult[R]:
        """As `Task.delay`; `tx` is from `app.atransaction()`."""
        task = self._task
        if isinstance(kwargs.get("tx"), AsyncTransaction):
            tx: Any = kwargs.pop("tx")
            return await tx.enqueue(task.s(*args, **kwargs))  # type: ignore[no-any-return]
        if not task._plain:
            return await self.apply_async(args, kwargs)
        spec = task.encode(task._bind(*args, **kwargs))
        return (await _enqueue(task.app, [spec], None))[0]

    async def apply_async(
        self,
        args: Sequence[Any] | None = None,
        kwargs: Mapping[str, Any] | None = None,
        *,
        durability: DurabilityName | None = None,
        tx: AsyncTransaction | None = None,
        **job_options: Any,
    ) -> AsyncResult[R]:
        """As `Task.apply_async`, with the same options; `tx` is from `app.atransaction()`."""
        from millrace import publish

        if self._task.app.setting("task_always_eager"):
            return await asyncio.to_thread(
                lambda: self._task.apply_async(args, kwargs, **job_options)
            )
        publish.follow(job_options)
        if publish.is_canvas(job_options):
            signature = publish.signature_of(self._task, args, kwargs)
            return await signature.aapply_async(**job_options)  # type: ignore[no-any-return]
        if tx is not None:
            return await tx.enqueue(self._task.prepare(args, kwargs, **job_options))
        spec = self._task.prepare(args, kwargs, **job_options).spec
        return (await _enqueue(self._task.app, [spec], durability))[0]

    async def delay_many(
        self,
        calls: Iterable[Sequence[Any] | Mapping[str, Any]],
        *,
        durability: DurabilityName | None = None,
    ) -> ResultSet[R]:
        """As `Task.delay_many`. The arguments are encoded in the loop's thread; the commit is awaited."""
        task = self._task
        if task.app.setting("task_always_eager"):
            return await asyncio.to_thread(lambda: task.delay_many(calls, durability=durability))
        specs = []
        for call in calls:
            if isinstance(call, tuple | list):
                specs.append(task.prepare(call).spec)
            elif isinstance(call, Mapping):
                specs.append(task.prepare((), call).spec)
            else:
                raise options.wrong_type(
                    f"calls[{len(specs)}]", "a tuple, a list or a mapping", call
                )
        return await _enqueue(task.app, specs, durability)

    # --- Inside a running task --------------------------------------------------------------------

    async def dependencies(self) -> Dependencies:
        """As `Task.dependencies`."""
        request = self._task.request
        return await asyncio.to_thread(lambda: request.dependencies)

    async def add_child(
        self,
        job: JobLike[Any],
        *,
        name: str = "",
        policy: Policy = "fail",
        durability: DurabilityName | None = None,
    ) -> AsyncResult[Any]:
        """As `Task.add_child`."""
        task = self._task
        specs = child_specs(task._running("add_child"), [job], policy, name)
        return (await _enqueue(task.app, specs, durability))[0]

    async def add_children(
        self,
        jobs: Iterable[Any],
        *,
        policy: Policy = "fail",
        durability: DurabilityName | None = None,
    ) -> ResultSet[Any]:
        """As `Task.add_children`."""
        task = self._task
        specs = child_specs(task._running("add_children"), jobs, policy)
        return await _enqueue(task.app, specs, durability)


class ResultCalls(Generic[R]):
    """`result.aio`: the calls of a result, to be awaited."""

    def __init__(self, result: AsyncResult[R]) -> None:
        self._result = result

    async def get(
        self,
        timeout: Seconds | None = None,
        *,
        propagate: bool = True,
        disable_sync_subtasks: bool = True,
    ) -> R:
        """As `AsyncResult.get`."""
        if disable_sync_subtasks:
            refuse_inside_task()
        result = self._result
        timeout_ms = options.to_wait_ms("timeout", timeout)
        if result._final is None:
            waiting = bridge(result.app).wait_finished(result.id, result.queue)
            try:
                result._final = await asyncio.wait_for(
                    waiting, None if timeout_ms < 0 else timeout_ms / 1000
                )
            except asyncio.TimeoutError:
                raise Timeout(f"job {result.id} has not ended within {timeout} s") from None
        return result._answer(result._final, propagate=propagate)  # type: ignore[no-any-return]

    async def _outcome(self) -> _core.JobOutcome | None:
        return await asyncio.to_thread(self._result._outcome)

    async def state(self) -> str:
        """As `AsyncResult.state`."""
        return state_of(await self._outcome())

    async def info(self) -> Any:
        """As `AsyncResult.info`."""
        return self._result._info(await self._outcome())

    async def ready(self) -> bool:
        """As `AsyncResult.ready`."""
        return await asyncio.to_thread(self._result.ready)

    async def details(self) -> _core.JobInfo:
        """As `AsyncResult.details`."""
        return await asyncio.to_thread(self._result.details)

    async def logs(self, *, offset: int = 0, limit: int = 1000) -> list[str]:
        """As `AsyncResult.logs`."""
        return await asyncio.to_thread(lambda: self._result.logs(offset=offset, limit=limit))

    async def dependencies(self, *, states: Iterable[StateName] = ()) -> Dependencies:
        """As `AsyncResult.dependencies`."""
        return await asyncio.to_thread(lambda: self._result.dependencies(states=states))

    async def flow(self, *, depth: int = 1000, children: int = 100) -> FlowTree:
        """As `AsyncResult.flow`."""
        return await asyncio.to_thread(lambda: self._result.flow(depth=depth, children=children))

    async def revoke(self, *, terminate: bool = False, reason: str = "revoked") -> str:
        """As `AsyncResult.revoke`."""
        options.check_flag("terminate", terminate)
        options.check_text("reason", reason)
        result, why = self._result, TERMINATE if terminate else reason
        try:
            answer: str = await bridge(result.app).call(
                lambda engine: engine.cancel(result.id, result.queue, reason=why)
            )
        except NotFound:
            from millrace.app.store_commands import revoke_job

            return await asyncio.to_thread(
                revoke_job, result.app, result.id, result.queue or "", reason=why
            )
        return answer

    async def forget(self) -> None:
        """As `AsyncResult.forget`."""
        await asyncio.to_thread(self._result.forget)


class AppCalls:
    """`app.aio`: the calls of an application, to be awaited."""

    def __init__(self, app: Millrace) -> None:
        self._app = app

    async def open(self) -> None:
        """Opens the store now instead of with the first call."""
        await bridge(self._app).engine()

    async def close(self) -> None:
        """As `Millrace.close`."""
        await asyncio.to_thread(self._app.close)

    async def send_task(
        self,
        name: str,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
        *,
        durability: DurabilityName | None = None,
        **job_options: Any,
    ) -> AsyncResult[Any]:
        """As `Millrace.send_task`."""
        spec = self._app.named_job(name, args, kwargs, **job_options)
        return (await _enqueue(self._app, [spec], durability))[0]

    async def enqueue_many(
        self, jobs: Iterable[JobLike[Any]], *, durability: DurabilityName | None = None
    ) -> ResultSet[Any]:
        """As `Millrace.enqueue_many`."""
        app = self._app
        if app.setting("task_always_eager"):
            return await asyncio.to_thread(lambda: app.enqueue_many(jobs, durability=durability))
        specs, pick = job_specs(jobs)
        return pick(await _enqueue(self._app, specs, durability))

    async def counts(self, queue: str | None = None) -> _core.QueueCounts:
        """As `Millrace.counts`."""
        return await asyncio.to_thread(self._app.counts, queue)

    async def counters(self, queue: str | None = None) -> list[_core.TaskCounters]:
        """As `Millrace.counters`."""
        return await asyncio.to_thread(self._app.counters, queue)

    async def exists(self, task_id: str, *, queue: str = "") -> bool:
        """Whether the store knows a job of this id."""
        try:
            await bridge(self._app).call(lambda engine: engine.get_outcome(task_id, queue))
        except NotFound:
            return False
        return True
