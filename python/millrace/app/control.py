"""Commands to workers, and questions to them: `app.control` and `app.control.inspect()`.

What is a matter of the store (cancelling jobs, rate limits, removing what waits) is done there and then, and holds for
all workers, of either language, also for those that start later. What is a matter of a worker goes to it as a job of a
queue of its own, which it answers at once; workers in Node have none and do not answer.
"""

# ruff: noqa: A002, ARG002 - Celery's arguments, whether or not they mean anything here

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from millrace import options
from millrace.app.broadcast import Gathering, Replies, command_job, flatten_reply, is_meant, matches
from millrace.app.inspect import Awaitable, Inspect
from millrace.app.store_commands import TERM, revoke_jobs, revoke_stamped, set_rate_limit, several
from millrace.errors import InvalidArgument
from millrace.queue_names import CONTROL_PREFIX, is_internal

if TYPE_CHECKING:
    from millrace.app import Millrace

__all__ = ["Control", "Inspect", "flatten_reply"]


class Control:
    """Commands to workers. Without `reply=True` they return at once and answer None.

    Args:
        app: The application.
    """

    def __init__(self, app: Millrace) -> None:
        self.app = app

    @property
    def aio(self) -> Any:
        """The same calls, to be awaited."""
        return Awaitable(self)

    def inspect(
        self,
        destination: str | Sequence[str] | None = None,
        timeout: float | None = 1.0,
        **given: Any,
    ) -> Inspect:
        """Questions to workers; arguments as of `Inspect`."""
        given.pop("app", None)
        return Inspect(destination, timeout, app=self.app, **given)

    def ping(
        self, destination: Sequence[str] | None = None, timeout: float = 1.0, **given: Any
    ) -> Replies:
        """Which workers answer: `[{"worker@host": {"ok": "pong"}}]`."""
        return (
            self.broadcast("ping", destination=destination, timeout=timeout, reply=True, **given)
            or []
        )

    # --- Jobs: done in the store ------------------------------------------------------------------

    def revoke(
        self,
        task_id: str | Iterable[str],
        destination: Sequence[str] | None = None,
        terminate: bool = False,
        signal: str | int = TERM,
        **given: Any,
    ) -> Replies | None:
        """Cancels jobs, waiting or running, for good.

        Ids that the store does not know are remembered for three hours, the last 50,000 of them: a job that comes with
        such an id is revoked as it comes.

        Args:
            task_id: An id, or several.
            destination: Whose replies to wait for; the cancel itself holds everywhere.
            terminate: End the process that runs it, where the pool is `processes`.
            signal: With which signal; SIGUSR1 raises SoftTimeLimitExceeded in the task instead.
            **given: As for `broadcast`.
        """
        ids = [task_id] if isinstance(task_id, str) else list(task_id)
        revoke_jobs(self.app, ids, terminate=terminate, signal=signal)
        if not given.get("reply"):
            return None
        arguments = {"task_id": ids, "terminate": terminate, "signal": signal}
        return self.broadcast("revoke", arguments, destination, **given)

    def terminate(
        self,
        task_id: str | Iterable[str],
        destination: Sequence[str] | None = None,
        signal: str | int = TERM,
        **given: Any,
    ) -> Replies | None:
        """`revoke` with `terminate=True`."""
        return self.revoke(task_id, destination, terminate=True, signal=signal, **given)

    def revoke_by_stamped_headers(
        self,
        headers: Mapping[str, Any],
        destination: Sequence[str] | None = None,
        terminate: bool = False,
        signal: str | int = TERM,
        **given: Any,
    ) -> Replies | None:
        """Cancels the jobs that bear one of these stamps; those that are enqueued later are not concerned."""
        revoke_stamped(self.app, headers, terminate=terminate, signal=signal)
        if not given.get("reply"):
            return None
        arguments = {
            "headers": {name: several(value) for name, value in headers.items()},
            "terminate": terminate,
            "signal": signal,
        }
        return self.broadcast("revoke_by_stamped_headers", arguments, destination, **given)

    def rate_limit(
        self,
        task_name: str,
        rate_limit: int | float | str | None,
        destination: Sequence[str] | None = None,
        **given: Any,
    ) -> Replies | None:
        """Limits the starts of a task ("100/m") in all workers together; nothing or 0 removes the limit."""
        set_rate_limit(self.app, task_name, rate_limit)
        if not given.get("reply"):
            return None
        arguments = {"task_name": task_name, "rate_limit": rate_limit}
        return self.broadcast("rate_limit", arguments, destination, **given)

    def purge(self, connection: object = None) -> int:
        """Removes all jobs that wait, of all queues; answers how many."""
        engine = self.app.engine
        queues = [each.queue for each in engine.list_queues() if not is_internal(each.queue)]
        return sum(engine.drain(queue, scheduled=True) for queue in queues)

    discard_all = purge

    # --- Workers ----------------------------------------------------------------------------------

    def time_limit(
        self,
        task_name: str,
        soft: float | None = None,
        hard: float | None = None,
        destination: Sequence[str] | None = None,
        **given: Any,
    ) -> Replies | None:
        """Limits the time of a task's jobs that start from now on, in the workers that run now."""
        arguments = {"task_name": task_name, "hard": hard, "soft": soft}
        return self.broadcast("time_limit", arguments, destination, **given)

    def add_consumer(
        self,
        queue: str,
        exchange: object = None,
        exchange_type: object = "direct",
        routing_key: object = None,
        options: Mapping[str, Any] | None = None,
        destination: Sequence[str] | None = None,
        **given: Any,
    ) -> Replies | None:
        """Has workers serve a queue, too. What concerns exchanges is accepted and has no meaning."""
        arguments = {"queue": queue, **(options or {})}
        return self.broadcast("add_consumer", arguments, destination, **given)

    def cancel_consumer(
        self, queue: str, destination: Sequence[str] | None = None, **given: Any
    ) -> Replies | None:
        """Has workers serve a queue no more."""
        return self.broadcast("cancel_consumer", {"queue": queue}, destination, **given)

    def pool_grow(
        self, n: int = 1, destination: Sequence[str] | None = None, **given: Any
    ) -> Replies | None:
        """Lets workers run so many more jobs at once."""
        return self.broadcast("pool_grow", {"n": n}, destination, **given)

    def pool_shrink(
        self, n: int = 1, destination: Sequence[str] | None = None, **given: Any
    ) -> Replies | None:
        """Lets workers run so many fewer jobs at once."""
        return self.broadcast("pool_shrink", {"n": n}, destination, **given)

    def pool_restart(
        self,
        modules: Sequence[str] | None = None,
        reload: bool = False,
        reloader: object = None,
        destination: Sequence[str] | None = None,
        **given: Any,
    ) -> Replies | None:
        """Replaces the processes of pools; new ones import the application afresh, so `modules` needs no list."""
        arguments = {"modules": modules, "reload": reload}
        return self.broadcast("pool_restart", arguments, destination, **given)

    def autoscale(
        self,
        max: int,
        min: int,
        destination: Sequence[str] | None = None,
        **given: Any,
    ) -> Replies | None:
        """Changes the bounds of pools that were started with autoscale."""
        return self.broadcast("autoscale", {"max": max, "min": min}, destination, **given)

    def enable_events(
        self, destination: Sequence[str] | None = None, **given: Any
    ) -> Replies | None:
        """Events are always written; workers reply so."""
        return self.broadcast("enable_events", {}, destination, **given)

    def disable_events(
        self, destination: Sequence[str] | None = None, **given: Any
    ) -> Replies | None:
        """Events cannot be turned off; workers reply so."""
        return self.broadcast("disable_events", {}, destination, **given)

    def heartbeat(self, destination: Sequence[str] | None = None, **given: Any) -> Replies | None:
        """Has workers publish a worker-heartbeat event."""
        return self.broadcast("heartbeat", {}, destination, **given)

    def election(
        self,
        id: str,
        topic: str,
        action: Any = None,
        connection: object = None,
    ) -> None:
        """Is not here. Raises InvalidArgument: what must happen once is a job with an id of your own."""
        raise InvalidArgument(
            "there are no elections: enqueue a job with a task_id of your own; however many do so, it exists once"
        )

    def shutdown(self, destination: Sequence[str] | None = None, **given: Any) -> Replies | None:
        """Lets workers end when their jobs have ended."""
        return self.broadcast("shutdown", {}, destination, **given)

    # --- The way there and back -------------------------------------------------------------------

    def nodes(
        self,
        destination: str | Sequence[str] | None = None,
        pattern: str | None = None,
        matcher: str | Callable[[str, str], bool] | None = None,
    ) -> list[tuple[str, str]]:
        """(node name, control queue) of the living workers that are meant."""
        wanted = [destination] if isinstance(destination, str) else destination
        if wanted is not None and not isinstance(wanted, list | tuple | set | frozenset):
            raise options.wrong_type("destination", "a list of node names", destination)
        found = []
        for worker in self.app.engine.list_workers():
            if not worker.alive or not worker.queues[0].startswith(CONTROL_PREFIX):
                continue
            if wanted is not None and not is_meant(worker.name, list(wanted)):
                continue
            if pattern is None or matches(worker.name, pattern, matcher):
                found.append((worker.name, worker.queues[0]))
        return found

    def broadcast(
        self,
        command: str,
        arguments: Mapping[str, Any] | None = None,
        destination: str | Sequence[str] | None = None,
        connection: object = None,
        reply: bool = False,
        timeout: float | None = 1.0,
        limit: int | None = None,
        callback: Callable[[dict[str, Any]], Any] | None = None,
        channel: object = None,
        pattern: str | None = None,
        matcher: str | Callable[[str, str], bool] | None = None,
        **extra: Any,
    ) -> Replies | None:
        """Sends a command to workers.

        Args:
            command: Its name.
            arguments: Its arguments by name.
            destination: Node names; default all workers.
            connection: Without meaning here.
            reply: Wait for the replies, until all that live have answered or the time is over.
            timeout: How many seconds that is; None is without end.
            limit: Enough replies.
            callback: Called with each reply when it comes.
            channel: Without meaning here.
            pattern: Only nodes whose name matches.
            matcher: How; see `Inspect`.
            **extra: Further arguments of the command.

        Returns:
            None, or with `reply` a list of `{node name: answer}`.
        """
        options.check_text("command", command)
        timeout_ms = options.to_wait_ms("timeout", timeout)
        body = {**(arguments or {}), **extra}
        nodes = self.nodes(destination, pattern, matcher)
        specs = [command_job(queue, command, body, timeout_ms) for _, queue in nodes]
        if not reply:
            if specs:
                self.app.engine.enqueue(specs, durability="process")
            return None
        gathering = Gathering(self.app.engine, nodes, callback)
        try:
            return gathering.run(specs, timeout_ms, len(nodes) if limit is None else limit)
        finally:
            gathering.close()
