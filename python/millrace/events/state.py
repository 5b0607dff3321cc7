"""What a monitor knows of tasks and workers, from their events. The names are those of Celery's."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from millrace import states

HEARTBEAT_EXPIRE_WINDOW: Final = 200
_WORKER_FIELDS: Final = (
    "hostname", "pid", "freq", "clock", "active", "processed", "loadavg", "sw_ident", "sw_ver", "sw_sys",
)  # fmt: skip
_INFO_FIELDS: Final = (
    "args", "kwargs", "retries", "result", "eta", "runtime", "expires", "exception", "exchange", "routing_key",
    "root_id", "parent_id",
)  # fmt: skip
_TASK_FIELDS: Final = (
    "uuid", "name", "sent", "received", "started", "rejected", "succeeded", "failed", "retried", "revoked", "timestamp",
    "traceback", "client", "queue", *_INFO_FIELDS,
)  # fmt: skip
# What becomes of a task by an event.
_STATES: Final = {
    "sent": states.PENDING,
    "received": "RECEIVED",
    "started": states.STARTED,
    "failed": states.FAILURE,
    "retried": states.RETRY,
    "succeeded": states.SUCCESS,
    "revoked": states.REVOKED,
    "rejected": "REJECTED",
}


def heartbeat_expires(timestamp: float, freq: int = 60) -> float:
    """Until when a worker counts as alive after a heartbeat."""
    return timestamp + freq * (HEARTBEAT_EXPIRE_WINDOW / 100)


class Worker:
    """A worker.

    Attributes:
        hostname: Its node name.
        heartbeats: When it was heard of.
        active: How many jobs it ran then.
        sw_ident: Which software it is.
    """

    hostname: str
    pid: int | None
    freq: int

    def __init__(self, hostname: str, **fields: Any) -> None:
        for name in _WORKER_FIELDS:
            setattr(self, name, fields.get(name))
        self.hostname = hostname
        self.freq = fields.get("freq") or 60
        self.heartbeats: list[float] = []
        self._offline = False

    def __repr__(self) -> str:
        return f"<Worker: {self.hostname} ({self.status_string})>"

    def event(self, type: str, timestamp: float | None, fields: dict[str, Any]) -> None:  # noqa: A002 - Celery's name
        """Takes what an event says."""
        self._offline = type == "offline"
        if self._offline:
            self.heartbeats = []
            return
        self.update(fields)
        if timestamp:
            self.heartbeats = [*self.heartbeats[-3:], timestamp]

    def update(self, fields: dict[str, Any]) -> None:
        """Takes what is known of it."""
        for name in _WORKER_FIELDS:
            if fields.get(name) is not None:
                setattr(self, name, fields[name])

    @property
    def heartbeat_expires(self) -> float:
        """Until when it counts as alive."""
        return heartbeat_expires(self.heartbeats[-1], self.freq) if self.heartbeats else 0.0

    @property
    def alive(self) -> bool:
        """Whether it was heard of lately."""
        return bool(self.heartbeats) and time.time() < self.heartbeat_expires

    @property
    def status_string(self) -> str:
        """ONLINE or OFFLINE."""
        return "ONLINE" if self.alive else "OFFLINE"

    @property
    def id(self) -> str:
        """Its name and process."""
        return f"{self.hostname}.{self.pid}"


class Task:
    """A job.

    Attributes:
        uuid: Its id.
        name: Of its task.
        state: As of `AsyncResult.state`.
        worker: That ran it last; None before.
        timestamp: Of the last event.
    """

    uuid: str
    name: str | None
    timestamp: float | None

    def __init__(self, uuid: str, cluster_state: State | None = None, **fields: Any) -> None:
        for name in _TASK_FIELDS:
            setattr(self, name, fields.get(name))
        self.uuid = uuid
        self.cluster_state = cluster_state
        self.state = states.PENDING
        self.worker: Worker | None = None

    def __repr__(self) -> str:
        return f"<Task: {self.name}({self.uuid}) {self.state}>"

    def event(self, type: str, timestamp: float, fields: dict[str, Any]) -> None:  # noqa: A002 - Celery's name
        """Takes what an event says; what it says twice, the later one counts."""
        late = self.timestamp is not None and timestamp < self.timestamp
        setattr(self, type, timestamp)
        for name in _TASK_FIELDS:
            if (
                name in fields
                and name not in {"uuid", "timestamp"}
                and (not late or getattr(self, name) is None)
            ):
                setattr(self, name, fields[name])
        if not late:
            self.state = _STATES.get(type, type.upper())
            self.timestamp = timestamp

    def info(
        self, fields: Iterable[str] | None = None, extra: Iterable[str] = ()
    ) -> dict[str, Any]:
        """What is known of it: of these attributes, or of the usual ones and the extra."""
        names = [*(_INFO_FIELDS if fields is None else fields), *extra]
        found = {name: getattr(self, name, None) for name in names}
        return {name: value for name, value in found.items() if value is not None}

    def as_dict(self) -> dict[str, Any]:
        """All attributes."""
        return {
            **{name: getattr(self, name) for name in _TASK_FIELDS},
            "state": self.state,
            "worker": self.worker.hostname if self.worker is not None else None,
        }

    @property
    def id(self) -> str:
        """The same as `uuid`."""
        return self.uuid

    @property
    def ready(self) -> bool:
        """Whether it has ended."""
        return self.state in {states.SUCCESS, states.FAILURE, states.REVOKED}

    @property
    def origin(self) -> str | None:
        """Who sent it, or where it ran."""
        return self.worker.id if self.worker is not None else getattr(self, "client", None)

    @property
    def parent(self) -> Task | None:
        """The task that made it, if that is known."""
        return self._other("parent_id")

    @property
    def root(self) -> Task | None:
        """The first task of its canvas, if that is known."""
        return self._other("root_id")

    def _other(self, name: str) -> Task | None:
        uuid = getattr(self, name, None)
        if uuid is None or self.cluster_state is None:
            return None
        return self.cluster_state.tasks.get(uuid)


_Worker = Worker
_Task = Task


class State:
    """All workers and the newest tasks. Give each event to `event`. Thread-safe.

    Args:
        callback: Called with this and each event after it was taken.
        max_workers_in_memory: Workers that are remembered.
        max_tasks_in_memory: Tasks that are remembered.
        on_node_join: Called with a worker that has come.
        on_node_leave: Called with a worker that has gone.
        **_ignored: Others of Celery's.
    """

    Worker = _Worker
    Task = _Task

    def __init__(
        self,
        callback: Callable[[State, dict[str, Any]], Any] | None = None,
        max_workers_in_memory: int = 5000,
        max_tasks_in_memory: int = 10000,
        on_node_join: Callable[[_Worker], Any] | None = None,
        on_node_leave: Callable[[_Worker], Any] | None = None,
        **_ignored: Any,
    ) -> None:
        self.event_callback = callback
        self.workers: OrderedDict[str, _Worker] = OrderedDict()
        self.tasks: OrderedDict[str, _Task] = OrderedDict()
        self.max_workers_in_memory = max_workers_in_memory
        self.max_tasks_in_memory = max_tasks_in_memory
        self.on_node_join = on_node_join
        self.on_node_leave = on_node_leave
        self.event_count = 0
        self.task_count = 0
        self._lock = threading.RLock()

    def __repr__(self) -> str:
        return f"<State: events={self.event_count} tasks={self.task_count}>"

    def event(self, event: dict[str, Any]) -> tuple[tuple[Any, bool], str] | None:
        """Takes an event; answers what it was about and whether that is new, and the kind of event."""
        group, _, kind = str(event.get("type", "")).partition("-")
        with self._lock:
            self.event_count += 1
            answer: tuple[tuple[Any, bool], str] | None = None
            if group == "worker":
                answer = self._worker_event(kind, event), kind
            elif group == "task" and event.get("uuid"):
                answer = self._task_event(kind, event), kind
        if self.event_callback is not None:
            self.event_callback(self, event)
        return answer

    def _worker_event(self, kind: str, event: dict[str, Any]) -> tuple[_Worker, bool]:
        worker, created = self.get_or_create_worker(event["hostname"])
        worker.event(kind, event.get("timestamp"), event)
        if self.on_node_join is not None and (created or kind == "online"):
            self.on_node_join(worker)
        if self.on_node_leave is not None and kind == "offline":
            self.on_node_leave(worker)
        return worker, created

    def _task_event(self, kind: str, event: dict[str, Any]) -> tuple[_Task, bool]:
        task, created = self.get_or_create_task(event["uuid"])
        if kind == "sent":
            event = {**event, "client": event.get("hostname")}
        elif event.get("hostname"):
            task.worker = self.get_or_create_worker(event["hostname"])[0]
        if kind == "received" or (created and kind != "sent"):
            self.task_count += 1
        task.event(kind, event.get("timestamp") or time.time(), event)
        return task, created

    def get_or_create_worker(self, hostname: str, **fields: Any) -> tuple[_Worker, bool]:
        """A worker by its name, and whether it is new."""
        with self._lock:
            worker = self.workers.get(hostname)
            if worker is not None:
                worker.update(fields)
                return worker, False
            worker = self.workers[hostname] = self.Worker(hostname, **fields)
            while len(self.workers) > self.max_workers_in_memory:
                self.workers.popitem(last=False)
            return worker, True

    def get_or_create_task(self, uuid: str) -> tuple[_Task, bool]:
        """A task by its id, and whether it is new."""
        with self._lock:
            task = self.tasks.get(uuid)
            if task is not None:
                self.tasks.move_to_end(uuid)
                return task, False
            task = self.tasks[uuid] = self.Task(uuid, cluster_state=self)
            while len(self.tasks) > self.max_tasks_in_memory:
                self.tasks.popitem(last=False)
            return task, True

    # --- Looking ----------------------------------------------------------------------------------

    def itertasks(self, limit: int | None = None) -> Iterator[tuple[str, _Task]]:
        """(id, task) in the order in which they were heard of."""
        for index, row in enumerate(list(self.tasks.items())):
            if limit is not None and index >= limit:
                return
            yield row

    def tasks_by_time(
        self, limit: int | None = None, reverse: bool = True
    ) -> Iterator[tuple[str, _Task]]:
        """(id, task), the newest first."""
        rows = sorted(self.tasks.items(), key=lambda row: row[1].timestamp or 0, reverse=reverse)
        yield from rows[:limit]

    tasks_by_timestamp = tasks_by_time

    def _some(
        self, wanted: Callable[[_Task], bool], limit: int | None, reverse: bool
    ) -> Iterator[tuple[str, _Task]]:
        rows = [row for row in self.tasks_by_time(reverse=reverse) if wanted(row[1])]
        yield from rows[:limit]

    def tasks_by_type(
        self, name: str, limit: int | None = None, reverse: bool = True
    ) -> Iterator[tuple[str, _Task]]:
        """The same of one task's name."""
        return self._some(lambda task: task.name == name, limit, reverse)

    def tasks_by_worker(
        self, hostname: str, limit: int | None = None, reverse: bool = True
    ) -> Iterator[tuple[str, _Task]]:
        """The same of one worker."""
        return self._some(
            lambda task: task.worker is not None and task.worker.hostname == hostname,
            limit,
            reverse,
        )

    def task_types(self) -> list[str]:
        """The names of all tasks."""
        return sorted({task.name for task in list(self.tasks.values()) if task.name})

    def alive_workers(self) -> Iterator[_Worker]:
        """The workers that were heard of lately."""
        return (worker for worker in list(self.workers.values()) if worker.alive)

    # --- Forgetting -------------------------------------------------------------------------------

    @contextmanager
    def freeze_while(self) -> Iterator[State]:
        """Nothing changes inside the block."""
        with self._lock:
            yield self

    def clear_tasks(self, ready: bool = True) -> None:
        """Forgets the tasks; those that have not ended only with `ready=True`."""
        with self._lock:
            if ready:
                self.tasks.clear()
            else:
                self.tasks = OrderedDict(
                    (uuid, task) for uuid, task in self.tasks.items() if not task.ready
                )

    def clear(self, ready: bool = True) -> None:
        """Forgets tasks, workers and counts."""
        with self._lock:
            self.clear_tasks(ready)
            self.workers.clear()
            self.event_count = self.task_count = 0
