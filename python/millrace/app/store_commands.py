"""What `app.control` does in the store itself, so that it holds for all workers: cancels and rates."""

from __future__ import annotations

import signal as signals_of_os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from millrace import _core, options, serializer
from millrace.errors import InvalidArgument, NotFound
from millrace.queue_names import INTERNAL_PREFIX, REVOKED_QUEUE, is_internal

if TYPE_CHECKING:
    from millrace.app import Millrace
    from millrace.limits import Rate

_UNFINISHED: Final = ("ready", "scheduled", "blocked", "active")
_PAGE: Final = 1_000
_LIMITS_QUEUE: Final = f"{INTERNAL_PREFIX}limits"
_CENTURY_MS: Final = 100 * 365 * 86_400_000
TERM: Final = "SIGTERM"
# How long ids that nobody had are remembered, and how many: Celery's figures.
_REMEMBER_MS: Final = 3 * 3_600_000
_REMEMBER_MAX: Final = 50_000


def terminate_reason(signal: str | int | None) -> str:
    """The reason of a cancel that also ends the process; Celery's names and numbers of signals are understood."""
    from millrace.result import TERMINATE

    if signal is None or signal == TERM:
        return TERMINATE
    if isinstance(signal, int):
        name = signals_of_os.Signals(signal).name
    else:
        name = signal if signal.startswith("SIG") else f"SIG{signal}"
    if name not in signals_of_os.Signals.__members__:
        raise InvalidArgument(f"signal must be a name such as SIGTERM or SIGKILL, not {signal!r}")
    return TERMINATE if name == TERM else f"{TERMINATE}:{name}"


def revoke_jobs(
    app: Millrace, ids: Iterable[str], *, terminate: bool = False, signal: str | int | None = None
) -> list[str]:
    """Cancels jobs by their ids; answers those that were waiting or running. Unknown ids are remembered."""
    reason = terminate_reason(signal) if terminate else "revoked"
    done = []
    for job_id in ids:
        outcome = revoke_job(app, options.check_text("task_id", job_id), reason=reason)
        if outcome in {"cancelled", "requested"}:
            done.append(job_id)
    return done


def revoke_job(app: Millrace, job_id: str, queue: str = "", *, reason: str) -> str:
    """Cancels a job: "cancelled", "requested" or "finished" as `_core.Engine.cancel` says.

    "remembered": there is none. One that comes with this id is cancelled as it comes, into whichever queue.
    """
    try:
        return app.engine.cancel(job_id, queue, reason=reason)
    except NotFound:
        return _remember(app, job_id, reason)


def _remember(app: Millrace, job_id: str, reason: str) -> str:
    engine = app.engine
    if not engine.counts(REVOKED_QUEUE).cancelled:
        engine.set_retention(REVOKED_QUEUE, failed=(_REMEMBER_MS, _REMEMBER_MAX))
    spec = _core.JobSpec(REVOKED_QUEUE, REVOKED_QUEUE, id=job_id, delay_ms=_REMEMBER_MS)
    engine.enqueue([spec])
    engine.cancel(job_id, REVOKED_QUEUE, reason="revoked")
    # It may have come since the first look.
    queues = [each.queue for each in engine.list_queues() if not is_internal(each.queue)]
    answers = engine.cancel_jobs([(job_id, queue) for queue in queues], reason=reason)
    return next((answer for answer in answers if answer != "unknown"), "remembered")


def revoke_stamped(
    app: Millrace,
    headers: Mapping[str, Any],
    *,
    terminate: bool = False,
    signal: str | int | None = None,
) -> list[str]:
    """Cancels the waiting and running jobs that bear one of these stamps; reads all of them. Answers their ids."""
    from millrace.headers import read_place

    wanted = {name: set(map(str, several(value))) for name, value in headers.items()}
    found = []
    for job in _unfinished(app.engine):
        stamps = read_place(job.spec.headers).stamps if job.spec.headers else {}
        if any(
            wanted[name] & set(map(str, several(value)))
            for name, value in stamps.items()
            if name in wanted
        ):
            found.append(job.spec.id)
    return revoke_jobs(app, found, terminate=terminate, signal=signal)


def several(value: Any) -> list[Any]:
    """A list of one or several."""
    return list(value) if isinstance(value, list | tuple | set) else [value]


def _unfinished(engine: _core.Engine) -> list[_core.JobInfo]:
    jobs: list[_core.JobInfo] = []
    for counts in engine.list_queues():
        for state in _UNFINISHED:
            offset = 0
            while page := engine.list_jobs(counts.queue, state, offset=offset, limit=_PAGE):
                jobs += page
                offset += len(page)
    return jobs


def set_rate_limit(app: Millrace, task_name: str, rate: Rate | int | float | str | None) -> None:
    """Sets the rate of a task's starts in all workers together; nothing or 0 removes it. Other bounds stay."""
    from millrace.task_options import rate_of

    options.check_text("task_name", task_name)
    wanted = rate_of(rate)
    known = next((each for each in app.limits.list() if each.task == task_name), None)
    concurrency = known.concurrency if known is not None else None
    if wanted is not None or concurrency is not None:
        app.limits.set(task=task_name, rate=wanted, concurrency=concurrency)
    else:
        app.limits.remove(task=task_name)


def tell_rate_limits(app: Millrace) -> None:
    """The store limits the tasks of this application as their `rate_limit` says.

    It remembers for which tasks it was told: when one of these has no `rate_limit` any more, its rate is removed.
    Those that were set by hand are not of them, and tasks that this process does not know are left alone.
    """
    from millrace.task_options import rate_of

    rates = {name: rate_of(task.rate_limit) for name, task in list(app.tasks.items())}
    told = _told(app)
    for name, rate in rates.items():
        if rate is not None or name in told:
            set_rate_limit(app, name, rate)
    limited = {name for name, rate in rates.items() if rate is not None}
    if (now := limited | (told - rates.keys())) != told:
        _note_told(app, now)


def _told(app: Millrace) -> set[str]:
    """The tasks whose rate in the store comes from their `rate_limit`."""
    try:
        info = app.engine.get_job(app.name, _LIMITS_QUEUE)
    except (NotFound, InvalidArgument):  # a name of an application need not be one of a job
        return set()
    return set(serializer.loads(str(info.spec.data)))


def _note_told(app: Millrace, names: set[str]) -> None:
    """As a job that no worker runs: it is due in a century, in a queue that nobody serves."""
    with suppress(NotFound, InvalidArgument):
        app.engine.remove(app.name, _LIMITS_QUEUE)
    if not names:
        return
    data = serializer.dumps(sorted(names))
    with suppress(InvalidArgument):
        spec = _core.JobSpec(
            _LIMITS_QUEUE, _LIMITS_QUEUE, id=app.name, data=data, delay_ms=_CENTURY_MS
        )
        app._enqueue([spec], None)
