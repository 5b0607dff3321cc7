"""Which queue a job goes to: `task_routes`, `task_queues`, and the queues by which Celery's users name them.

Queues need not be declared here. An exchange is only a name that routes and queues have in common.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from millrace import options
from millrace.errors import ImproperlyConfigured, InvalidArgument, QueueNotFound

if TYPE_CHECKING:
    from millrace.app.base import Millrace
    from millrace.task import Task


class Exchange:
    """A name that queues and routes share, and how routing keys are compared.

    Args:
        name: Its name.
        type: "direct" (keys are equal), "topic" (keys have `*` for a word and `#` for several) or "fanout" (any key).
        **options: What brokers want to know; kept, and ignored.
    """

    def __init__(self, name: str = "", type: str = "direct", **options: Any) -> None:  # noqa: A002
        self.name = name
        self.type = type
        self.options = options

    def __repr__(self) -> str:
        return f"<Exchange {self.name}({self.type})>"

    def __str__(self) -> str:
        return self.name

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Exchange) and (self.name, self.type) == (other.name, other.type)

    def __hash__(self) -> int:
        return hash(self.name)


class Queue:
    """A queue, as settings and options name it. A plain str does as well.

    Args:
        name: Its name.
        exchange: The exchange whose jobs it gets.
        routing_key: For which key.
        **options: What brokers want to know (`durable`, `max_priority`, `queue_arguments` ...); kept, and ignored.
    """

    def __init__(
        self,
        name: str = "",
        exchange: Exchange | str | None = None,
        routing_key: str = "",
        **options: Any,
    ) -> None:
        self.name = name
        self.exchange = exchange if isinstance(exchange, Exchange) else Exchange(exchange or "")
        self.routing_key = routing_key
        self.options = options

    def __repr__(self) -> str:
        return f"<Queue {self.name} -> {self.exchange.name} -> {self.routing_key}>"

    def __str__(self) -> str:
        return self.name

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Queue) and (self.name, self.exchange, self.routing_key) == (
            other.name,
            other.exchange,
            other.routing_key,
        )

    def __hash__(self) -> int:
        return hash(self.name)

    def takes(self, exchange: str | None, routing_key: str | None) -> bool:
        """Whether a job with this exchange and key is for it."""
        if exchange is not None and exchange != self.exchange.name:
            return False
        if self.exchange.type == "fanout" or routing_key is None:
            return exchange is not None
        if self.exchange.type == "topic":
            return _topic(self.routing_key).fullmatch(routing_key) is not None
        return routing_key == self.routing_key


def _topic(key: str) -> re.Pattern[str]:
    words = [
        {"*": r"[^.]+", "#": r".*"}.get(word, re.escape(word) if word else "")
        for word in key.split(".")
    ]
    return re.compile(
        r"\.".join(words).replace(r"\..*", r"(?:\..*)?").replace(r".*\.", r"(?:.*\.)?")
    )


def queue_name(value: object, name: str = "queue") -> str:
    """The name of a queue: a str, or an object that has it as `name`."""
    if not isinstance(value, str):
        value = getattr(value, "name", value)
    return options.check_text(name, value)


class Queues(dict[str, Queue]):
    """The queues that the settings name.

    Args:
        declared: A list of queues, of names or a mapping of names to options; None if the settings name none.
        create_missing: Whether a queue that is not among them may be used.
    """

    def __init__(self, declared: Any, *, default: str, create_missing: bool = True) -> None:
        super().__init__()
        self.declared = declared is not None
        self.create_missing = create_missing
        self.default = default
        self._only: list[str] | None = None
        for each in _declared(declared):
            self[each.name] = each

    def add(self, queue: Queue | str, **given: Any) -> Queue:
        """Adds one."""
        made = queue if isinstance(queue, Queue) else Queue(queue, **given)
        self[made.name] = made
        return made

    def __missing__(self, name: str) -> Queue:
        if self.declared and not self.create_missing and name != self.default:
            raise QueueNotFound(
                f"queue {name!r} is not in task_queues, and task_create_missing_queues is off; "
                f"known are {', '.join(sorted(self)) or 'none'}"
            )
        return Queue(name, Exchange(name), name)

    @property
    def consume_from(self) -> dict[str, Queue]:
        """Those that a worker serves."""
        names = self._only if self._only is not None else list(self) or [self.default]
        return {name: self[name] for name in names}

    def select(self, include: str | Iterable[str]) -> None:
        """A worker serves these."""
        self._only = _names(include)

    def select_add(self, queue: str, **given: Any) -> Queue:
        """A worker serves this one too."""
        made = self.add(queue, **given) if queue not in self else self[queue]
        self._only = [*self.consume_from, made.name]
        return made

    def deselect(self, exclude: str | Iterable[str]) -> None:
        """A worker does not serve these."""
        gone = set(_names(exclude))
        self._only = [name for name in self.consume_from if name not in gone]


def _names(value: str | Iterable[str]) -> list[str]:
    names = value.split(",") if isinstance(value, str) else list(value)
    return [queue_name(name.strip() if isinstance(name, str) else name) for name in names]


def _declared(value: Any) -> Iterator[Queue]:
    if value is None:
        return
    if isinstance(value, Mapping):
        for name, given in value.items():
            yield given if isinstance(given, Queue) else Queue(name, **_binding(given))
        return
    if isinstance(value, str) or not isinstance(value, Iterable):
        raise options.wrong_type("task_queues", "a list of queues or a mapping", value)
    for each in value:
        if isinstance(each, Queue):
            yield each
        elif isinstance(each, str):
            yield Queue(each, Exchange(each), each)
        else:  # of another library, such as kombu
            exchange = getattr(each, "exchange", None)
            yield Queue(
                queue_name(each, "task_queues"),
                Exchange(getattr(exchange, "name", "") or "", getattr(exchange, "type", "direct")),
                getattr(each, "routing_key", None) or "",
            )


def _binding(given: Mapping[str, Any] | None) -> dict[str, Any]:
    fields = dict(given or {})
    key = fields.pop("binding_key", None)
    if key is not None:
        fields.setdefault("routing_key", key)
    kind = fields.pop("exchange_type", "direct")
    if isinstance(fields.get("exchange"), str):
        fields["exchange"] = Exchange(fields["exchange"], kind)
    return fields


class Destination(NamedTuple):
    """Where a job goes. None leaves it to others."""

    queue: str | None = None
    priority: int | None = None
    options: Mapping[str, Any] = {}


_NOWHERE: Final = Destination()


class Routes:
    """One element of `task_routes` that maps names or patterns to destinations."""

    def __init__(self, mapping: Any) -> None:
        self._exact: dict[str, Any] = {}
        self._patterns: list[tuple[re.Pattern[str], Any]] = []
        for key, value in mapping.items() if isinstance(mapping, Mapping) else mapping:
            if isinstance(key, re.Pattern):
                self._patterns.append((key, value))
            elif not isinstance(key, str):
                raise options.wrong_type("a key of task_routes", "a str or a pattern", key)
            elif "*" in key or "?" in key:
                self._patterns.append((re.compile(fnmatch.translate(key)), value))
            else:
                self._exact[key] = value

    def __call__(self, name: str) -> Any:
        """The route of a task; None if there is none."""
        if name in self._exact:
            return self._exact[name]
        return next((value for pattern, value in self._patterns if pattern.match(name)), None)


class Router:
    """The routes and queues of an application's settings.

    Attributes:
        queues: The queues.
        dynamic: Whether a function decides, so that it must be asked for every job.
    """

    def __init__(self, app: Millrace) -> None:
        self.app = app
        create = app.setting("task_create_missing_queues")
        self.queues = Queues(
            app.setting("task_queues"),
            default=app.default_queue,
            create_missing=create is None or bool(create),
        )
        self._routes = [*_routes(app.setting("task_routes"))]
        self.dynamic = not all(isinstance(route, Routes) for route in self._routes)

    def place(self, task: Task[..., Any]) -> tuple[str, int]:
        """The queue and the priority of a task's jobs, as far as that does not depend on the job."""
        own = self.destination({name: getattr(task, name) for name in _DESTINATION})
        route = own if own.queue else self.route(task.name)
        queue = own.queue or route.queue or self.app.default_queue
        priority = task.priority
        if route.priority is not None and "priority" in task.__dict__.get("_from_settings", ()):
            priority = route.priority
        _ = self.queues[queue]
        return queue, priority or 0

    def route(
        self,
        name: str,
        args: Any = (),
        kwargs: Any = None,
        job_options: Mapping[str, Any] | None = None,
        task: Any = None,
        *,
        dynamic: bool = False,
    ) -> Destination:
        """Where the routes send a task.

        Args:
            name: Its name.
            args: Positional arguments, for functions.
            kwargs: Keyword arguments, for functions.
            job_options: The options of the job, for functions.
            task: The task, for functions.
            dynamic: Ask functions too.
        """
        for route in self._routes:
            if isinstance(route, Routes):
                found = route(name)
            elif dynamic:
                found = route(name, args, kwargs or {}, dict(job_options or {}), task=task)
            else:
                continue
            if found:
                return self.destination(found)
        return _NOWHERE

    def destination(self, route: Any) -> Destination:
        """What a route means: the name of a queue, a queue, or a mapping of options."""
        if not isinstance(route, Mapping):
            return Destination(queue_name(route, "a route's queue"))
        queue = route.get("queue")
        if queue is not None:
            return Destination(queue_name(queue), route.get("priority"), route)
        exchange = route.get("exchange")
        key = route.get("routing_key")
        if exchange is None and key is None:
            return Destination(None, route.get("priority"), route)
        exchange_name = None if exchange is None else str(getattr(exchange, "name", exchange))
        for each in self.queues.values():
            if each.takes(exchange_name, key):
                return Destination(each.name, route.get("priority"), route)
        if key and exchange_name is not None:
            from millrace.utils.nodenames import WORKER_DIRECT_EXCHANGE, worker_direct

            if exchange_name == WORKER_DIRECT_EXCHANGE.name:
                return Destination(worker_direct(key).name, route.get("priority"), route)
        return Destination(key or exchange_name, route.get("priority"), route)


_DESTINATION: Final = ("queue", "exchange", "routing_key")


def _routes(given: Any) -> Iterator[Routes | Callable[..., Any]]:
    """The elements of `task_routes`."""
    if given is None:
        return
    if isinstance(given, str):
        given = _imported(given)
    if isinstance(given, Mapping):
        yield Routes(given)
    elif callable(getattr(given, "route_for_task", None)):
        yield _of_object(given)
    elif callable(given):
        yield given
    elif isinstance(given, list | tuple):
        if _is_pair(given):
            yield Routes([given])
        elif given and all(_is_pair(each) for each in given):
            yield Routes(given)
        else:
            for each in given:
                yield from _routes(each)
    else:
        raise options.wrong_type("task_routes", "a mapping, a list, a function or its name", given)


def _is_pair(value: Any) -> bool:
    return (
        isinstance(value, list | tuple)
        and len(value) == 2  # noqa: PLR2004
        and isinstance(value[0], str | re.Pattern)
        and (isinstance(value[1], Mapping | Queue) or isinstance(value[0], re.Pattern))
    )


def _of_object(router: Any) -> Callable[..., Any]:
    def route(name: str, args: Any, kwargs: Any, _options: Any, task: Any = None) -> Any:  # noqa: ARG001
        return router.route_for_task(name, args, kwargs)

    return route


def _imported(path: str) -> Any:
    from importlib import import_module

    module, _, attribute = path.replace(":", ".").rpartition(".")
    try:
        found = getattr(import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise ImproperlyConfigured(
            f"task_routes: {path!r} is no function that can be imported: {error}"
        ) from error
    return found() if isinstance(found, type) else found


def check_exclusive(job_options: Mapping[str, Any]) -> None:
    """Raises InvalidArgument if a queue is named in two ways."""
    if job_options.get("queue") is not None and job_options.get("exchange") is not None:
        raise InvalidArgument("queue and exchange say the same thing: give one of them")
