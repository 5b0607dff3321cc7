"""Questions to workers: what `app.control.inspect()` answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from millrace.app.broadcast import flatten_reply
from millrace.errors import InvalidArgument

if TYPE_CHECKING:
    from millrace.app import Millrace


class Awaitable:
    """The methods of an object, to be awaited: they run in a thread beside the loop."""

    def __init__(self, target: object) -> None:
        self._target = target

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self._target, name)

        async def call(*args: Any, **kwargs: Any) -> Any:
            import asyncio

            return await asyncio.to_thread(method, *args, **kwargs)

        return call


class Inspect:
    """Questions to workers. Each answers a dictionary by node name; None if nobody replied.

    Args:
        destination: Ask these nodes only; one as a str gives its reply alone.
        timeout: Seconds to wait for replies at most.
        callback: Called with each reply when it comes.
        connection: Without meaning here.
        app: The application; filled in by `app.control.inspect`.
        limit: Enough replies.
        pattern: Ask the nodes whose name matches.
        matcher: How: "glob" (the default), "pcre", or a function of name and pattern.
    """

    def __init__(
        self,
        destination: str | Sequence[str] | None = None,
        timeout: float | None = 1.0,
        callback: Callable[[dict[str, Any]], Any] | None = None,
        connection: object = None,
        app: Millrace | None = None,
        limit: int | None = None,
        pattern: str | None = None,
        matcher: str | Callable[[str, str], bool] | None = None,
    ) -> None:
        if app is None:
            raise InvalidArgument("app: make it with app.control.inspect()")
        self.app = app
        self.destination = destination
        self.timeout = timeout
        self.callback = callback
        self.connection = connection
        self.limit = limit
        self.pattern = pattern
        self.matcher = matcher

    @property
    def aio(self) -> Any:
        """The same questions, to be awaited."""
        return Awaitable(self)

    def _request(self, command: str, **arguments: Any) -> Any:
        from millrace.app.control import Control

        replies = Control(self.app).broadcast(
            command,
            arguments=arguments,
            destination=self.destination,
            reply=True,
            timeout=self.timeout,
            limit=self.limit,
            callback=self.callback,
            pattern=self.pattern,
            matcher=self.matcher,
        )
        if not replies:
            return None
        nodes = flatten_reply(replies)
        if isinstance(self.destination, str):
            return next(iter(nodes.values()), None)
        return nodes

    def active(self, safe: bool | None = None) -> Any:
        """The jobs that run now."""
        return self._request("active", safe=bool(safe))

    def scheduled(self, safe: bool | None = None) -> Any:  # noqa: ARG002 - Celery's argument
        """The jobs with a later due time in the queues that the worker serves; others that serve them say the same."""
        return self._request("scheduled")

    def reserved(self, safe: bool | None = None) -> Any:  # noqa: ARG002
        """The jobs that are claimed and do not run yet."""
        return self._request("reserved")

    def stats(self) -> Any:
        """Figures of each worker."""
        return self._request("stats")

    def revoked(self) -> Any:
        """Ids of cancelled jobs in the queues that the worker serves, as long as the store keeps them."""
        return self._request("revoked")

    def registered(self, *taskinfoitems: str) -> Any:
        """The tasks that each worker knows, with these attributes."""
        return self._request("registered", taskinfoitems=list(taskinfoitems))

    registered_tasks = registered

    def ping(self, destination: Sequence[str] | None = None) -> Any:
        """Which workers answer."""
        if destination:
            self.destination = destination
        return self._request("ping")

    def active_queues(self) -> Any:
        """The queues that each worker serves."""
        return self._request("active_queues")

    def query_task(self, *ids: Any) -> Any:
        """What each worker knows of these jobs."""
        if len(ids) == 1 and isinstance(ids[0], list | tuple):
            ids = tuple(ids[0])
        return self._request("query_task", ids=list(ids))

    def conf(self, with_defaults: bool = False) -> Any:
        """The settings of each worker."""
        return self._request("conf", with_defaults=with_defaults)

    def report(self) -> Any:
        """The installation of each worker."""
        return self._request("report")

    def clock(self) -> Any:
        """The store's clock, as each worker reads it."""
        return self._request("clock")

    def hello(self, from_node: str, revoked: Any = None) -> Any:
        """Who is there besides this node."""
        return self._request("hello", from_node=from_node, revoked=revoked)

    def memsample(self) -> Any:
        """How much memory each worker uses; with the pool `processes` its supervisor."""
        return self._request("memsample")

    def memdump(self, samples: int = 10) -> Any:
        """What earlier samples have found."""
        return self._request("memdump", samples=samples)

    def objgraph(self, type: str = "Request", n: int = 200, max_depth: int = 10) -> Any:  # noqa: A002
        """A drawing of the objects of a type, in a file of the worker; needs the package objgraph there."""
        return self._request("objgraph", num=n, max_depth=max_depth, type=type)
