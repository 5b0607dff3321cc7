"""What the pools share: what `app.control` may ask of each, and the parts of those that run jobs in this process."""

from __future__ import annotations

import logging
import os
import threading
from typing import TYPE_CHECKING, Any

from millrace.errors import InvalidArgument, WrongState
from millrace.log import logger
from millrace.worker.job_info import describe_request
from millrace.worker.mailbox import COLD_STAGE, DONE, WORK
from millrace.worker.monitor import Monitor
from millrace.worker.runner import Runner
from millrace.worker.watchdog import Watchdog

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from millrace import _core
    from millrace.app import Millrace
    from millrace.request import Request
    from millrace.worker.mailbox import Mailbox
    from millrace.worker.options import WorkerOptions

WRITE_MS = 1000  # what the last commits may take once no job is waited for any more


def open_session(
    app: Millrace,
    options: WorkerOptions,
    slots: int,
    notifier: _core.Notifier | None = None,
    *,
    queues: Sequence[str],
) -> _core.Session:
    """A session on the application's store, as the worker's options say."""
    return app.engine.open_session(
        list(queues),
        slots=slots,
        prefetch=options.prefetch,
        worker_name=options.name,
        durability=options.durability,
        quiet=True,
        notifier=notifier,
    )


class BasePool:
    """What runs the jobs of a worker. The calls below `run` come from the thread that serves `app.control`.

    Attributes:
        queues: What it serves.
        on_ready: Called once it takes jobs, in the thread that runs it.
        leave: Called when a task has ended that wants the worker to stop: at once?, with which exit status.
    """

    def __init__(self, app: Millrace, options: WorkerOptions, mailbox: Mailbox) -> None:
        self.app = app
        self.options = options
        self.mailbox = mailbox
        self.queues: tuple[str, ...] = options.queues or (app.default_queue,)
        self.concurrency = options.concurrency
        self.on_ready: Callable[[], None] | None = None
        self.leave: Callable[[bool, int], None] = mailbox.leave

    def run(self) -> int:
        """Works until it is stopped; answers the exit status."""
        raise NotImplementedError

    def announce(self) -> None:
        """Says that jobs are taken from now on."""
        if self.on_ready is not None:
            self.on_ready()

    def describe(self) -> dict[str, Any]:
        """What `stats` tells of the pool, with Celery's names."""
        options = self.options
        return {
            "implementation": f"millrace.pools.{options.pool}",
            "max-concurrency": self.concurrency,
            "processes": self.processes(),
            "max-tasks-per-child": options.max_tasks_per_child or "N/A",
            "timeouts": [options.soft_time_limit_ms / 1000, options.time_limit_ms / 1000],
        }

    def processes(self) -> list[int]:
        """The ids of the processes that run its jobs."""
        return [os.getpid()]

    def active(self) -> list[dict[str, Any]]:
        """The jobs that run now."""
        raise NotImplementedError

    def totals(self) -> dict[str, int]:
        """How many jobs of each task were started since the worker began."""
        raise NotImplementedError

    def resize(self, by: int) -> int:  # noqa: ARG002 - of those that can
        """More or fewer jobs at once; answers how many now."""
        raise InvalidArgument(f"the pool {self.options.pool!r} runs one job at a time")

    def autoscale(self, most: int | None, least: int | None) -> tuple[int, int]:  # noqa: ARG002
        """Changes the bounds between which the pool's size follows the work; answers them."""
        raise WrongState("Autoscale not enabled")

    def restart(self) -> None:
        """Replaces the processes of the pool, when their jobs have ended."""
        raise InvalidArgument(
            f"the pool {self.options.pool!r} has no processes of its own; send the worker SIGHUP instead"
        )

    def serve(self, queues: tuple[str, ...]) -> None:
        """Serves these queues from now on."""
        raise NotImplementedError

    def set_time_limit(self, task: str, soft_ms: int, hard_ms: int) -> None:
        """Limits the jobs of a task that start from now on."""
        raise NotImplementedError


class Station:
    """A session, the runner of its jobs, and the thread that listens to it."""

    def __init__(self, session: _core.Session, runner: Runner, monitor: Monitor) -> None:
        self.session = session
        self.runner = runner
        self.monitor = monitor


class ThreadedPool(BasePool):
    """A station, and the stages of its end. To serve other queues it gets a new station; the old one ends its jobs."""

    def __init__(
        self,
        app: Millrace,
        options: WorkerOptions,
        mailbox: Mailbox,
        *,
        terminate: Callable[[int, str], None] | None = None,
        hard_limit: Callable[[int], None] | None = None,
        hard_limit_exit_code: int = -1,
        leave: Callable[[bool, int], None] | None = None,
    ) -> None:
        super().__init__(app, options, mailbox)
        if leave is not None:
            self.leave = leave
        self._terminate = terminate
        self._exit_code = hard_limit_exit_code
        self._counted: dict[str, int] = {}
        self._changing = threading.Lock()
        self._former: list[Station] = []
        self.watchdog = Watchdog(self._find, options, hard_limit)
        self.station = self._open()

    def _open(self) -> Station:
        session = open_session(self.app, self.options, self.concurrency, queues=self.queues)
        runner = Runner(self.app, session, slots=self.concurrency, totals=self._counted)
        runner.watchdog = self.watchdog if self.watchdog.wanted else None
        runner.leave = self.leave
        monitor = Monitor(runner, terminate=self._terminate, hard_limit_exit_code=self._exit_code)
        return Station(session, runner, monitor)

    def _stations(self) -> list[Station]:
        return [*self._former, self.station]

    def _find(self, token: int) -> Request | None:
        for station in self._stations():
            request = station.runner.running.get(token)
            if request is not None:
                return request
        return None

    # --- For control ------------------------------------------------------------------------------

    def active(self) -> list[dict[str, Any]]:
        """The jobs that run now."""
        running = [each for one in self._stations() for each in list(one.runner.running.values())]
        return [describe_request(request, self.options.name) for request in running]

    def totals(self) -> dict[str, int]:
        """How many jobs of each task were started since the worker began."""
        return dict(self._counted)

    def serve(self, queues: tuple[str, ...]) -> None:
        """Opens a session for these queues; the former one takes nothing more, and goes when its jobs have ended."""
        with self._changing:
            if self.mailbox.stage > 0:
                raise WrongState("the worker is about to stop")
            former = self.station
            before, self.queues = self.queues, tuple(queues)
            try:
                new = self._open()
            except BaseException:
                self.queues = before
                raise
            new.monitor.start()
            self._former.append(former)
            self.station = new
            former.session.stop()
        threading.Thread(target=self._retire, args=(former,), daemon=True).start()

    def _retire(self, station: Station) -> None:
        station.session.close(-1)
        station.monitor.join()
        with self._changing:
            self._former.remove(station)

    def set_time_limit(self, task: str, soft_ms: int, hard_ms: int) -> None:
        """Limits the jobs of a task that start from now on."""
        self.watchdog.limit_task(task, soft_ms, hard_ms)
        for station in self._stations():
            station.runner.watchdog = self.watchdog

    # --- The end ----------------------------------------------------------------------------------

    def abandon(self) -> None:
        """Ends this process and so the jobs that would not end; the store gives them to others."""
        from millrace.worker.daemon import release_pid_files

        self.close()
        logging.shutdown()
        release_pid_files()
        os._exit(1)

    def _running(self) -> int:
        return sum(len(station.runner.running) for station in self._stations())

    def watch_mailbox(self) -> bool:
        """Acts on messages until the pool is done; false if jobs would not end and were left behind."""
        while True:
            waiting = self.mailbox.stage >= COLD_STAGE
            messages = self.mailbox.wait(self.options.grace_ms / 1000 if waiting else None)
            if waiting and not messages:
                logger.error("%d jobs did not end; their leases are released", self._running())
                return False
            for message in messages:
                if message == DONE:
                    return True
                if message == WORK:
                    self.mailbox.work()
                elif self.mailbox.advance(message) and not self.enter_stage(self.mailbox.stage):
                    return False

    def enter_stage(self, stage: int) -> bool:
        """Begins a stage of the shutdown; false if that means to leave at once."""
        with self._changing:
            stations = self._stations()
            for station in stations:
                station.session.stop()
        if stage == 1:
            logger.info("Stopping: %d running jobs may finish", self._running())
            return True
        if stage == COLD_STAGE:
            logger.warning(
                "Cancelling %d running jobs", sum(each.runner.abort() for each in stations)
            )
            return True
        return False

    def close(self) -> None:
        """Writes what is settled, releases what is not, ends the monitors."""
        wait_ms = self.options.grace_ms if self.mailbox.stage < COLD_STAGE else WRITE_MS
        for station in self._stations():
            station.session.close(wait_ms)
            if station.monitor.is_alive():
                station.monitor.join(self.options.grace_ms / 1000)
        self.watchdog.close()
