"""What a running task wants to happen with its success, and only then: `with self.transaction() as tx`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, TypeVar

from millrace import _core, options, serializer
from millrace.errors import Closed, InvalidArgument, WrongState
from millrace.prepared import job_specs
from millrace.result import AsyncResult, ResultSet

if TYPE_CHECKING:
    from types import TracebackType

    from millrace.app import Millrace
    from millrace.flows import Flow, FlowResults
    from millrace.prepared import JobLike
    from millrace.request import Request

R = TypeVar("R")


class Effects:
    """What the blocks of one attempt have collected; written in the commit that completes the job."""

    __slots__ = ("is_open", "jobs", "progress")

    def __init__(self) -> None:
        self.is_open = False
        self.jobs: list[_core.JobSpec] = []
        self.progress: str | None = None

    def complete(self, session: _core.Session, token: int, value: Any) -> None:
        """Ends the job with its result and what was collected."""
        body = serializer.dumps(value)
        progress = self.progress or ""
        session.settle(_core.Outcome(token, "completed", body, jobs=self.jobs, progress=progress))


class JobTransaction:
    """A task's effects as one. From `self.transaction()`; use it with `with`, in plain and async tasks alike.

    Nothing is written in the block. If it ends without an exception, its jobs are kept until the task has returned, and
    added in the same commit that stores the result. If the block raises, or the attempt fails in any other way, none
    of them ever exists. Their ids are known at once.
    """

    def __init__(self, app: Millrace, request: Request) -> None:
        self.app = app
        self._request = request
        self._jobs: list[_core.JobSpec] = []
        self._progress: str | None = None
        self._state = "not begun"

    def __enter__(self) -> JobTransaction:
        if self._state != "not begun":
            raise WrongState("a transaction is used once: call self.transaction() for another one")
        effects = self._request.effects
        if effects is None:
            effects = self._request.effects = Effects()
        if effects.is_open:
            raise WrongState("a transaction inside another one of the same job: use the outer one")
        effects.is_open = True
        self._state = "open"
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._state = "ended"
        effects = self._request.effects
        if effects is None:
            return
        effects.is_open = False
        if kind is None:
            effects.jobs.extend(self._jobs)
            effects.progress = self._progress or effects.progress

    def enqueue(self, job: JobLike[R]) -> AsyncResult[R]:
        """Adds a job, made by `task.s(...)`, when this one completes."""
        return self.enqueue_many([job])[0]

    def enqueue_many(self, jobs: Iterable[JobLike[Any]]) -> ResultSet[Any]:
        """Adds several jobs."""
        specs, pick = job_specs(jobs, self._before())
        return pick(self._add(specs))

    def enqueue_flow(self, flow: Flow) -> FlowResults:
        """Adds the jobs of a flow."""
        return flow.results(self._add(flow._checked(self._before())))

    def _before(self) -> int:
        """How many jobs come before those that are added now, in the commit that completes this one."""
        effects = self._request.effects
        return len(self._jobs) + (len(effects.jobs) if effects is not None else 0)

    def update_state(self, *, state: str = "PROGRESS", meta: Any = None) -> None:
        """As `Task.update_state`, when the job completes."""
        self._check_open()
        options.check_text("state", state)
        value = meta if state == "PROGRESS" else {"$state": state, "meta": meta}
        self._progress = serializer.dumps(value)

    def _add(self, specs: list[_core.JobSpec]) -> ResultSet[Any]:
        self._check_open()
        new_id = self.app.engine.new_id
        named = [spec if spec.id else spec.replace(id=new_id()) for spec in specs]
        self._jobs.extend(named)
        acks = [(spec.id, False, "", "", "") for spec in named]
        return ResultSet.of_acks(self.app, acks, [spec.queue for spec in named])

    def _check_open(self) -> None:
        if self._state != "open":
            raise Closed(f"the transaction is {self._state}: use it inside its `with` block")

    def _check_app(self, app: Millrace) -> None:
        if app is not self.app:
            raise InvalidArgument(f"tx is a transaction of {self.app!r}; the job is for {app!r}")
