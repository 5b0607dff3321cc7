"""What a task made with `bind=True` can do with the job that it runs for: the part of `Task` behind `self`."""

from __future__ import annotations

import datetime as dt
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar, cast

from millrace import _core, options
from millrace.errors import (
    InvalidArgument,
    MaxRetriesExceededError,
    ReplaceJob,
    Retry,
    WaitForChildren,
)
from millrace.request import Context, Request, current_request

if TYPE_CHECKING:
    from millrace.app import Millrace
    from millrace.dependencies import Dependencies
    from millrace.effects import JobTransaction
    from millrace.links import Policy
    from millrace.options import DurabilityName, Seconds
    from millrace.prepared import JobLike
    from millrace.result import AsyncResult, ResultSet

R = TypeVar("R")


class OwnJob:
    """The part of `Task` for code that runs as a job. Not used by itself."""

    app: Millrace
    name: str
    max_retries: int | None

    @property
    def request(self) -> Request:
        """The job that the current code runs for, if it is one of this task."""
        running = current_request.get()
        if running is not None and running.owner is self:
            return running
        return Request(self)  # type: ignore[arg-type]

    def push_request(self, *args: Any, **values: Any) -> None:
        """Has `self.request` be one of these values until `pop_request`: for tests of a task's own code."""
        request = Context(*args, owner=self, **values)
        pushed: list[Any] = self.__dict__.setdefault("_pushed", [])
        pushed.append(current_request.set(request))

    def pop_request(self) -> Any:
        """Undoes `push_request`; answers that request."""
        request = current_request.get()
        current_request.reset(self.__dict__["_pushed"].pop())
        return request

    @property
    def current_worker_task(self) -> Any:
        """The task that the current code runs for."""
        running = current_request.get()
        return running.owner if running is not None else None

    def _running(self, call: str) -> Request:
        request = self.request
        if request.called_directly:
            raise RuntimeError(
                f"{self.name}: {call}() has no job: it was called outside a worker, or in a batch, where each job is "
                "settled by what is returned for it"
            )
        return request

    # --- Retry ------------------------------------------------------------------------------------

    def retry(
        self,
        args: Sequence[Any] | None = None,
        kwargs: Mapping[str, Any] | None = None,
        exc: BaseException | None = None,
        throw: bool = True,
        eta: dt.datetime | None = None,
        countdown: Seconds | None = None,
        max_retries: int | None = None,
        **job_options: Any,
    ) -> Retry:
        """Ends this attempt and has the job run again: `raise self.retry(exc=error)`.

        Args:
            args: Other positional arguments for the next attempt.
            kwargs: Other keyword arguments for the next attempt.
            exc: What went wrong. Raised itself when no retry is left.
            throw: If false, the `Retry` is returned and not raised; raise it.
            eta: When, as a datetime.
            countdown: Time until the next attempt. Without it the task's back-off decides.
            max_retries: Bound for this job instead of the task's own.
            **job_options: Other options for the next attempt (`queue`, `priority`, `headers` ...). With these, or with
                other arguments, another job takes this one's place: its result or error becomes this job's own.

        Raises:
            Retry: Always, unless `throw` is false.
            MaxRetriesExceededError: No retry is left and `exc` is None.
        """
        request = self.request
        if request.called_directly:
            raise (
                exc
                or sys.exc_info()[1]
                or RuntimeError(
                    f"{self.name}: retry() outside a worker has no job to retry; in a batch return a Retry for the job"
                )
            )
        bound = (
            self.max_retries
            if max_retries is None
            else options.check_int("max_retries", max_retries, least=0)
        )
        if bound is not None and request.retries >= bound:
            raise exc or MaxRetriesExceededError(
                f"{self.name}[{request.id}] has been retried {bound} times",
                task_args=tuple(request.args),
                task_kwargs=dict(request.kwargs),
            )
        delay_ms = self._retry_delay_ms(countdown, eta)
        retry = Retry(
            str(exc) if exc is not None else "retry",
            exc,
            countdown if eta is None else eta,
            request.is_eager,
            delay_ms=delay_ms,
            max_retries=max_retries,
        )
        job_options.pop("retries", None)
        if args is not None or kwargs is not None or job_options:
            from millrace.retrying import change_call

            change_call(cast("Any", self), retry, args, kwargs, job_options)
        if throw:
            raise retry from exc
        return retry

    def _retry_delay_ms(self, countdown: Seconds | None, eta: dt.datetime | None) -> int | None:
        if countdown is not None and eta is not None:
            raise InvalidArgument("countdown and eta say the same thing: give one of them")
        if countdown is not None:
            return options.to_ms("countdown", countdown)
        if eta is not None:
            return max(0, options.to_epoch_ms("eta", eta) - self.app.engine.now_ms())
        return None

    # --- What is kept of a running job ------------------------------------------------------------

    def update_state(
        self,
        task_id: str | None = None,
        state: str = "PROGRESS",
        meta: Any = None,
        **_kwargs: Any,
    ) -> None:
        """Tells how far the task is: `AsyncResult.state` and `.info` show it, and followers of events see it.

        It is stored as the job's progress, which every language reads: for the state "PROGRESS" that is `meta` itself
        (any JSON), for another name `{"$state": name, "meta": meta}`. It is written with the worker's next commit. Has
        no effect outside a worker.

        Args:
            task_id: The job's own id, which is the default. The state of another job cannot be set.
            state: Any name.
            meta: Any JSON.
        """
        options.check_text("state", state)
        request = self.request
        if task_id is not None and task_id != request.id:
            raise InvalidArgument(
                f"task_id must be that of the running job ({request.id}): the state of another job cannot be set"
            )
        request.set_progress(meta if state == "PROGRESS" else {"$state": state, "meta": meta})

    def send_event(
        self, type_: str, retry: bool = True, retry_policy: Any = None, **fields: Any
    ) -> None:
        """Sends an event of the application's own, with the job's id: `app.events` and followers see it.

        Args:
            type_: Its name.
            retry: No effect.
            retry_policy: No effect.
            **fields: Any JSON.
        """
        del retry, retry_policy
        options.check_text("type_", type_)
        from millrace import serializer

        request = self.request
        self.app.engine.publish_event(
            request.queue or self.app.default_queue,
            type_,
            serializer.dumps({"uuid": request.id, **fields}),
            job_id=request.id or "",
        )

    def log(self, line: str) -> None:
        """Adds a line to the job's own log; `AsyncResult.logs()` reads it. Has no effect outside a worker."""
        if not isinstance(line, str):
            raise options.wrong_type("line", "a str", line)
        self.request.log(line)

    def checkpoint(self, state: Any) -> None:
        """Saves where a long task stands, as any JSON, with the worker's next commit; the newest counts.

        If the job is started again, after a crash, a deploy, a retry or a wait for children, `self.request.checkpoint`
        is this state. Gone when the job ends. Has no effect outside a worker.
        """
        self.request.save_checkpoint(state)

    def transaction(self) -> JobTransaction:
        """Effects of this attempt as one: `with self.transaction() as tx`, then `tx.enqueue(task.s(...))`.

        Jobs and progress of the block are written in the commit that completes this job, or never. See
        `millrace.effects.JobTransaction`. For tables of your own in the store's file use `app.transaction()`.
        """
        from millrace.effects import JobTransaction

        return JobTransaction(self.app, self._running("transaction"))

    # --- Other jobs -------------------------------------------------------------------------------

    def dependencies(self) -> Dependencies:
        """What the job waited for: other jobs of its flow, and children of its own; with results and errors."""
        return self.request.dependencies

    def add_child(
        self,
        job: JobLike[R],
        *,
        name: str = "",
        policy: Policy = "fail",
        durability: DurabilityName | None = None,
    ) -> AsyncResult[R]:
        """Enqueues a job that this one will wait for once it calls `wait_for_children`; it may start at once.

        Args:
            job: Made by `task.s(...)`.
            name: Under which its result is read by `self.dependencies()`.
            policy: What becomes of this job if the child fails; see `millrace.links.Policy`.
            durability: Instead of the store's.
        """
        spec = child_specs(self._running("add_child"), [job], policy, name)
        return self.app._enqueue(spec, durability)[0]

    def add_children(
        self,
        jobs: Iterable[Any],
        *,
        policy: Policy = "fail",
        durability: DurabilityName | None = None,
    ) -> ResultSet[Any]:
        """The same for many jobs and flows, in one commit; of a flow this job waits for the last jobs."""
        specs = child_specs(self._running("add_children"), jobs, policy)
        return self.app._enqueue(specs, durability)

    def wait_for_children(self, *jobs: Any, policy: Policy = "fail") -> WaitForChildren:
        """Gives the slot back until the job's children have ended; the task is then called again from its beginning.

        Write `raise self.wait_for_children(...)`. In the next call `self.dependencies()` has the children's results,
        after those that the job had waited for before. The attempt is not counted.

        Args:
            *jobs: Children to add in the same commit (jobs or flows), beside those added by `add_child`.
            policy: What becomes of this job if one of them fails; see `millrace.links.Policy`.

        Raises:
            WaitForChildren: Always.
        """
        raise WaitForChildren(child_specs(self._running("wait_for_children"), jobs, policy))

    def replace(self, sig: Any) -> ReplaceJob:
        """Ends this job as another one does, a flow or a canvas: its result or error becomes this job's own.

        Whoever waits for this job, takes its result or is in a chord with it notices nothing. Write
        `raise self.replace(...)`. A group, or a flow that ends in several jobs, gives the list of their results.

        Raises:
            ReplaceJob: Always.
        """
        request = self._running("replace")
        from millrace.canvas.applying import replacing_specs

        self.on_replace(sig)
        raise ReplaceJob([] if request.is_eager else replacing_specs(sig, request), sig)

    def on_replace(self, sig: Any) -> None:
        """Called before the job is replaced; a subclass may change the signature."""

    def add_to_chord(self, sig: Any, lazy: bool = False) -> Any:
        """Adds a signature to the header of the chord that this job is in: the body waits for it and gets its result.

        Args:
            sig: A task's signature, or a canvas.
            lazy: Answer the result without enqueueing the signature; nothing waits for it then.

        Raises:
            ValueError: This job is in the header of no chord.
        """
        request = self._running("add_to_chord")
        from millrace.canvas.applying import add_to_chord

        return add_to_chord(self.app, request, sig, lazy=lazy)

    def add_trail(self, result: Any) -> Any:
        """Remembers a result as a child of this job: `result.children` has it. Answers the result."""
        note_child(result)
        return result


CHILDREN_MAX = 1_000


def note_child(result: Any) -> None:
    """Remembers the results of a job that the running task has enqueued, for `AsyncResult.children`."""
    request = current_request.get()
    if request is None or request.called_directly or request.is_eager:
        return
    if request.owner is not None and not request.owner.trail:
        return
    children = request.children
    if len(children) < CHILDREN_MAX:
        children.append(result)


def child_specs(
    request: Request, jobs: Iterable[Any], policy: Policy, name: str = ""
) -> list[_core.JobSpec]:
    """The jobs with a link to the running one for those among them that no other waits for."""
    given = list(jobs)
    if not given:
        return []
    from millrace.flows import group

    flow = group(*given)
    link = request.parent_link(policy, options.check_name("name", name))
    ends = {node.index for node in flow.ends()}
    return [
        spec.replace(parent=link) if index in ends else spec
        for index, spec in enumerate(flow.specs())
    ]
