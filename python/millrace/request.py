"""The job that the current code runs for: what `self.request` is."""

from __future__ import annotations

import datetime as dt
import json
import time
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from millrace import _core, serializer, states
from millrace.described import Described
from millrace.errors import TaskRevokedError
from millrace.fields import field
from millrace.own_headers import IGNORE_RESULT, REPLY_TO, RETRIES, SHADOW, read_headers
from millrace.parameters import by_position

if TYPE_CHECKING:
    from millrace.dependencies import Dependencies
    from millrace.effects import Effects
    from millrace.headers import Place
    from millrace.links import Policy
    from millrace.task import Task

current_request: ContextVar[Request | None] = ContextVar("millrace_request", default=None)


def _moment(at_ms: int) -> dt.datetime | None:
    return dt.datetime.fromtimestamp(at_ms / 1000, dt.timezone.utc) if at_ms else None


_node: list[str] = []
# What the worker assigns, and `clear` leaves alone.
_KEPT = ("cancel_reason", "effects", "entered", "_children", "_began")


def set_hostname(name: str) -> None:
    """Told by a worker: the name of its node, for `request.hostname`."""
    _node[:] = [name] if name else []


class Request(Described):
    """One attempt at one job. Everything is read from the job when it is asked for.

    Outside a worker, when the task's function was called directly, `called_directly` is true and there is no job: `id`
    is None, `retries` is 0. What the producer gave as headers can also be read as attributes.

    Attributes:
        owner: The task itself.
    """

    __slots__ = (
        "__dict__",
        "_job",
        "_payload",
        "_session",
        "interrupt",
        "owner",
    )

    # What most jobs leave as it is stands here, so that a request costs little to make.
    cancel_reason: str | None = None
    # What is to be written with the job's success: of `self.transaction()`.
    effects: Effects | None = None
    # Whether the task's function runs for it, and not only a `__call__` around it.
    entered: bool = False
    # Results of what the task has enqueued; None until it enqueues something.
    _children: list[Any] | None = None

    is_eager: bool = False
    origin: str | None = None
    utc = True
    loglevel: int | None = None
    logfile: str | None = None
    # What follows a job is in the store, as jobs of their own.
    callbacks: Any = None
    errbacks: Any = None
    chain: Any = None

    def __init__(
        self,
        owner: Task[..., Any] | None = None,
        job: _core.LeasedJob | None = None,
        session: _core.Session | None = None,
        *,
        called_with: tuple[Any, Any] | None = None,
    ) -> None:
        self.owner = owner
        self._job = job
        self._session = session
        # How to make the code that runs for it stop; set by the pool that can.
        self.interrupt: Any = None
        # The arguments as they travelled.
        self._payload: Any = None
        if called_with is not None:
            self.__dict__["args"], self.__dict__["kwargs"] = called_with

    @property
    def children(self) -> list[Any]:
        """Results of the jobs that the task has enqueued in this attempt."""
        if self._children is None:
            self._children = []
        return self._children

    @property
    def payload(self) -> Any:
        """The arguments as they travelled, after those that the job took from others."""
        return self._payload

    @field
    def called_directly(self) -> bool:
        """Whether there is no job: somebody called the function itself."""
        return self._job is None

    # --- Arguments --------------------------------------------------------------------------------

    def take_payload(self, payload: Any) -> None:
        """Told by the worker: what the function is called with."""
        self._payload = payload

    def note_start(self) -> None:
        """Told by the worker, where somebody wants to know how long it took."""
        self.__dict__["_began"] = time.perf_counter()

    def runtime(self) -> float:
        """Seconds since `note_start`."""
        began: float | None = self.__dict__.get("_began")
        return 0.0 if began is None else time.perf_counter() - began

    def _call(self) -> tuple[list[Any], dict[str, Any]]:
        if self._payload is None or self.owner is None:
            return [], {}
        parameters = self.owner.parameters
        args, kwargs = parameters.arguments(self._payload)
        return by_position(parameters.positional, args, kwargs)

    @field
    def args(self) -> Any:
        """Positional arguments; arguments that could be given by position count as such, see `kwargs`."""
        return self._call()[0]

    @field
    def kwargs(self) -> Any:
        """Keyword arguments. Asked for the name of a positional one, they know it too."""
        return self._call()[1]

    @field
    def argsrepr(self) -> str:
        """The positional arguments as text."""
        return repr(tuple(self.args))

    @field
    def kwargsrepr(self) -> str:
        """The keyword arguments as text."""
        return repr(dict(self.kwargs))

    # --- The job ----------------------------------------------------------------------------------

    @field
    def id(self) -> str | None:
        """The job's id."""
        return self._job.id if self._job is not None else None

    @property
    def token(self) -> int:
        """The lease's fencing token; 0 if there is no job."""
        return self._job.token if self._job is not None else 0

    @field
    def name(self) -> str | None:
        """The task's name as the producer wrote it."""
        return self._job.name if self._job is not None else None

    @field
    def task(self) -> str | None:
        """The task's name."""
        return self.name or (self.owner.name if self.owner is not None else None)

    @field
    def task_name(self) -> str | None:
        """The task's name."""
        return self.task

    @field
    def queue(self) -> str | None:
        """The queue that the job came from."""
        return self._job.queue if self._job is not None else None

    @field
    def attempt(self) -> int:
        """This attempt, counting from 1."""
        return self._job.attempt if self._job is not None else 1

    @field
    def retries(self) -> int:
        """How often it has been retried: 0 in the first attempt."""
        earlier = self._own_header(RETRIES)
        return self.attempt - 1 + (int(earlier) if earlier.isdecimal() else 0)

    @field
    def crashes(self) -> int:
        """Earlier attempts whose worker died."""
        return self._job.crashes if self._job is not None else 0

    @field
    def priority(self) -> int:
        """Lower comes first."""
        return self._job.priority if self._job is not None else 0

    @field
    def headers(self) -> dict[str, Any]:
        """What the producer gave as headers."""
        if self._job is None or not self._job.headers:
            return {}
        from millrace.headers import read_own

        return read_headers(read_own(self._job.headers))

    def _own_header(self, name: str) -> str:
        """A header by which Millrace tells something; empty if it is not there."""
        text = self._job.headers if self._job is not None else ""
        return str(json.loads(text).get(name, "")) if name in text else ""

    @property
    def place(self) -> Place:
        """Where the job stands in its canvas; see `millrace.headers`."""
        from millrace.headers import read_place

        return read_place(self._job.headers if self._job is not None else "")

    @field
    def eta(self) -> dt.datetime | None:
        """The time before which it was not to start, if the producer gave one."""
        return _moment(self._job.due_at_ms) if self._job is not None else None

    @field
    def expires(self) -> dt.datetime | None:
        """When it would have expired."""
        return _moment(self._job.expires_at_ms) if self._job is not None else None

    @field
    def created_at(self) -> dt.datetime | None:
        """When it was enqueued."""
        return _moment(self._job.created_at_ms) if self._job is not None else None

    @field
    def started_at(self) -> dt.datetime | None:
        """When this attempt began."""
        return _moment(self._job.started_at_ms) if self._job is not None else None

    @field
    def timelimit(self) -> tuple[float | None, float | None]:
        """(hard, soft) in seconds."""
        if self._job is None:
            return None, None
        hard, soft = self._job.time_limit_ms, self._job.soft_time_limit_ms
        return hard / 1000 or None, soft / 1000 or None

    @field
    def time_limit(self) -> float | None:
        """The hard time limit in seconds."""
        return self.timelimit[0]

    @field
    def soft_time_limit(self) -> float | None:
        """The soft time limit in seconds."""
        return self.timelimit[1]

    @field
    def delivery_info(self) -> dict[str, Any]:
        """Where it came from, with Celery's key names."""
        return {
            "exchange": "",
            "routing_key": self.queue,
            "priority": self.priority,
            "redelivered": self.attempt > 1 or self.crashes > 0,
        }

    @field
    def properties(self) -> dict[str, Any]:
        """What a broker's message would have said."""
        return {
            "correlation_id": self.correlation_id,
            "reply_to": self.reply_to,
            "priority": self.priority,
            "delivery_info": self.delivery_info,
        }

    @field
    def correlation_id(self) -> str | None:
        """The job's id."""
        return self.id

    @field
    def reply_to(self) -> str | None:
        """What the producer gave under this name."""
        return self._own_header(REPLY_TO) or None

    @field
    def shadow(self) -> str | None:
        """Another name for logs."""
        return self._own_header(SHADOW) or None

    @field
    def ignore_result(self) -> bool:
        """Whether its result is not stored."""
        said = self._own_header(IGNORE_RESULT)
        if said:
            return said == "1"
        return bool(self.owner is not None and self.owner.ignore_result)

    @field
    def hostname(self) -> str | None:
        """The name of the worker's node; None outside workers."""
        return _node[0] if _node and self._session is not None else None

    # --- Its place among others ---------------------------------------------------------------------

    @field
    def root_id(self) -> str | None:
        """The id of the first job of all that led to this one; its own if it is the first."""
        return self.place.root_id or self.id

    @field
    def parent_id(self) -> str | None:
        """The id of the job that this one follows, or that enqueued it; None if there is none."""
        place = self.place
        if not place.parent_id and place.after == "result" and self._job is not None:
            infos = self._job.dependencies
            return infos[0].id if infos else None
        return place.parent_id or None

    @field
    def group_index(self) -> int | None:
        """Its place in the group of its canvas."""
        place = self.place
        return place.group_index if place.group_id else None

    @field
    def chord(self) -> str | None:
        """The id of the body of the chord that it is in the header of."""
        return self.place.chord_id or None

    @field
    def stamps(self) -> dict[str, Any]:
        """Its stamps by name."""
        return dict(self.place.stamps)

    @field
    def stamped_headers(self) -> list[str]:
        """The names of its stamps."""
        return list(self.place.stamps)

    @field
    def replaced_task_nesting(self) -> int:
        """How often it has replaced another one."""
        return self.place.nesting

    @field
    def taskset(self) -> str | None:
        """The old name of `group`."""
        return self.group

    @field
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

    @field
    def checkpoint(self) -> Any:
        """What an earlier attempt saved with `self.checkpoint`; None if nothing."""
        text = self._job.checkpoint if self._job is not None else ""
        return serializer.loads(text) if text else None

    @field
    def group(self) -> str | None:
        """The group of its canvas, or the lane of its queue that it is in; None if it is of none."""
        if self._job is None:
            return None
        return self.place.group_id or self._job.group or None

    @field
    def dependencies(self) -> Dependencies:
        """What the job waited for. Many, or large ones, are read from the store when this is asked for."""
        from millrace.dependencies import Dependencies, read_dependencies

        if self._job is None or self.owner is None or self._job.dependency_count == 0:
            return Dependencies()
        errors = self.owner.app.registered_errors
        infos = self._job.dependencies
        if len(infos) == self._job.dependency_count:
            return Dependencies(infos, errors)
        return read_dependencies(self.owner.app.engine, self._job.id, self._job.queue, errors)

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
            self.__dict__["_progress"] = value

    def note_ignored(self) -> None:
        """Told by the worker: the task has raised Ignore. What follows the job in a chain reads that, and does not run.

        A state that the task has given itself stays, as Celery has it.
        """
        value = self.__dict__.get("_progress")
        if not isinstance(value, dict) or "$state" not in value:
            value = {"$state": states.IGNORED, "meta": value}
        self.set_progress({**value, "$ignored": True})

    def log(self, line: str) -> None:
        """Adds a line to the job's own log, written with the worker's next commit."""
        if self._job is not None and self._session is not None:
            self._session.log(self._job.token, line)

    # --- As Celery's Context ------------------------------------------------------------------------

    def get(self, name: str, default: Any = None) -> Any:
        """An attribute, or a default."""
        return getattr(self, name, default)

    def update(self, *args: Any, **values: Any) -> None:
        """Assigns attributes: they count instead of what the job says."""
        self.__dict__.update(dict(*args, **values))

    def clear(self) -> None:
        """Forgets what was assigned."""
        own = {name: self.__dict__[name] for name in _KEPT if name in self.__dict__}
        self.__dict__.clear()
        self.__dict__.update(own)

    def __getattr__(self, name: str) -> Any:
        if not name.startswith("_"):
            headers = self.headers
            if name in headers:
                return headers[name]
        raise AttributeError(
            f"a request has no attribute {name!r}, and the job no header of that name"
        )

    def __repr__(self) -> str:
        return f"<Request {self.task} {self.id}>"


class Context(Request):
    """A request that is made of attributes: `Context(id="1", retries=2)`."""

    __slots__ = ()

    def __init__(self, *args: Any, **values: Any) -> None:
        super().__init__(values.pop("owner", None))
        self.update(*args, **values)
