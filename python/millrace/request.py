"""The job that the current code runs for: what `self.request` is."""

from __future__ import annotations

import datetime as dt
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from millrace import _core, serializer
from millrace.errors import TaskRevokedError
from millrace.headers import Place, read_own, read_place

if TYPE_CHECKING:
    from millrace.dependencies import Dependencies
    from millrace.effects import Effects
    from millrace.links import Policy
    from millrace.task import Task

current_request: ContextVar[Request | None] = ContextVar("millrace_request", default=None)


def _moment(at_ms: int) -> dt.datetime | None:
    return dt.datetime.fromtimestamp(at_ms / 1000, dt.timezone.utc) if at_ms else None


class Request:
    """One attempt at one job. Everything is read from the job when it is asked for.

    Outside a worker, when the task's function was called directly, `called_directly` is true and there is no job: `id`
    is None, `retries` is 0.
    """

    __slots__ = (
        "_children",
        "_job",
        "_session",
        "cancel_reason",
        "effects",
        "interrupt",
        "kwargs",
        "task",
    )

    def __init__(
        self,
        task: Task[..., Any] | None = None,
        job: _core.LeasedJob | None = None,
        session: _core.Session | None = None,
    ) -> None:
        self.task = task
        self._job = job
        self._session = session
        self.cancel_reason: str | None = None
        # How to make the code that runs for it stop; set by the pool that can.
        self.interrupt: Any = None
        # What is to be written with the job's success: of `self.transaction()`.
        self.effects: Effects | None = None
        # The arguments by name, as they travelled.
        self.kwargs: Any = None
        # Results of what the task has enqueued; None until it enqueues something.
        self._children: list[Any] | None = None

    @property
    def children(self) -> list[Any]:
        """Results of the jobs that the task has enqueued in this attempt."""
        if self._children is None:
            self._children = []
        return self._children

    @property
    def payload(self) -> Any:
        """The arguments as they travelled, after those that the job took from others."""
        return self.kwargs

    @property
    def called_directly(self) -> bool:
        """Whether there is no job: somebody called the function itself."""
        return self._job is None

    is_eager = False

    @property
    def id(self) -> str | None:
        """The job's id."""
        return self._job.id if self._job is not None else None

    @property
    def token(self) -> int:
        """The lease's fencing token; 0 if there is no job."""
        return self._job.token if self._job is not None else 0

    @property
    def name(self) -> str | None:
        """The task's name as the producer wrote it."""
        return self._job.name if self._job is not None else None

    @property
    def queue(self) -> str | None:
        """The queue that the job came from."""
        return self._job.queue if self._job is not None else None

    @property
    def attempt(self) -> int:
        """This attempt, counting from 1."""
        return self._job.attempt if self._job is not None else 1

    @property
    def retries(self) -> int:
        """How often it has been retried: 0 in the first attempt."""
        return self.attempt - 1

    @property
    def crashes(self) -> int:
        """Earlier attempts whose worker died."""
        return self._job.crashes if self._job is not None else 0

    @property
    def priority(self) -> int:
        """Lower comes first."""
        return self._job.priority if self._job is not None else 0

    @property
    def headers(self) -> dict[str, str]:
        """What the producer gave as headers."""
        return read_own(self._job.headers) if self._job is not None else {}

    @property
    def place(self) -> Place:
        """Where the job stands in its canvas; see `millrace.headers`."""
        return read_place(self._job.headers if self._job is not None else "")

    @property
    def eta(self) -> dt.datetime | None:
        """The time before which it was not to start, if the producer gave one."""
        return _moment(self._job.due_at_ms) if self._job is not None else None

    @property
    def expires(self) -> dt.datetime | None:
        """When it would have expired."""
        return _moment(self._job.expires_at_ms) if self._job is not None else None

    @property
    def created_at(self) -> dt.datetime | None:
        """When it was enqueued."""
        return _moment(self._job.created_at_ms) if self._job is not None else None

    @property
    def started_at(self) -> dt.datetime | None:
        """When this attempt began."""
        return _moment(self._job.started_at_ms) if self._job is not None else None

    @property
    def timelimit(self) -> tuple[float | None, float | None]:
        """(hard, soft) in seconds."""
        if self._job is None:
            return None, None
        hard, soft = self._job.time_limit_ms, self._job.soft_time_limit_ms
        return hard / 1000 or None, soft / 1000 or None

    @property
    def delivery_info(self) -> dict[str, Any]:
        """Where it came from, with Celery's key names."""
        return {
            "routing_key": self.queue,
            "priority": self.priority,
            "redelivered": self.attempt > 1 or self.crashes > 0,
        }

    @property
    def progress(self) -> Any:
        """What an earlier attempt, or this one's worker, has stored with `update_state`; None if nothing."""
        text = self._job.progress if self._job is not None else ""
        return serializer.loads(text) if text else None

    @property
    def cancelled(self) -> bool:
        """Whether somebody revoked the job while it runs. A task that loops should look now and then."""
        return self.cancel_reason is not None

    def raise_if_cancelled(self) -> None:
        """Raises TaskRevokedError if the job was revoked; let it pass and the job ends as revoked."""
        if self.cancel_reason is not None:
            raise TaskRevokedError(self.cancel_reason or "revoked")

    @property
    def checkpoint(self) -> Any:
        """What an earlier attempt saved with `self.checkpoint`; None if nothing."""
        text = self._job.checkpoint if self._job is not None else ""
        return serializer.loads(text) if text else None

    @property
    def group(self) -> str | None:
        """The group that the job is of; None if it is of none."""
        return (self._job.group or None) if self._job is not None else None

    @property
    def dependencies(self) -> Dependencies:
        """What the job waited for. Many, or large ones, are read from the store when this is asked for."""
        from millrace.dependencies import Dependencies, read_dependencies

        if self._job is None or self.task is None or self._job.dependency_count == 0:
            return Dependencies()
        errors = self.task.app.registered_errors
        infos = self._job.dependencies
        if len(infos) == self._job.dependency_count:
            return Dependencies(infos, errors)
        return read_dependencies(self.task.app.engine, self._job.id, self._job.queue, errors)

    def parent_link(self, policy: Policy, name: str) -> _core.ParentLink:
        """How a new job says that this one waits for it."""
        if self._job is None:
            raise RuntimeError("there is no job that could wait")
        return _core.ParentLink(
            self._job.id,
            self._job.queue,
            token=self._job.token,
            policy=policy,
            name=name,
        )

    def save_checkpoint(self, value: Any) -> None:
        """Stores any JSON as the job's checkpoint, written with the worker's next commit."""
        if self._job is not None and self._session is not None:
            self._session.checkpoint(self._job.token, serializer.dumps(value))

    def set_progress(self, value: Any) -> None:
        """Stores any JSON as the job's progress, written with the worker's next commit."""
        if self._job is not None and self._session is not None:
            self._session.progress(self._job.token, serializer.dumps(value))

    def log(self, line: str) -> None:
        """Adds a line to the job's own log, written with the worker's next commit."""
        if self._job is not None and self._session is not None:
            self._session.log(self._job.token, line)
