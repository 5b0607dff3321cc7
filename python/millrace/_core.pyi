"""The native core of Millrace: `core/include/millrace/engine.h`, one to one.

Times are integer milliseconds since the Unix epoch, UTC (`*_at_ms`); durations end in `_ms`. Calls release the GIL
while they wait for the disk or for another process. Errors are the exception classes below, each with the core's
`code`.
This module may change between versions: use the package `millrace`.
"""

# ruff: noqa: A002 - arguments are named as the core names them

from collections.abc import Callable, Iterable, Sequence
from typing import Any, ClassVar, Literal, final

VERSION: str
SQLITE_VERSION: str

_State = Literal["scheduled", "ready", "blocked", "active", "completed", "failed", "cancelled"]
_Durability = Literal["memory", "process", "power"]
_ContentType = Literal["json", "msgpack", "bytes"]
_Backoff = Literal["none", "fixed", "exponential", "custom"]
_OutcomeKind = Literal[
    "completed", "failed", "retry", "released", "cancelled", "waiting", "replaced"
]
_Policy = Literal["fail", "wait", "ignore", "remove", "continue", "cancel", "on_failure"]
_Join = Literal["run", "forward", "collect"]
_DedupMode = Literal["unfinished", "throttle", "debounce", "follow_up", "states"]
_Delivery = Literal["at_least_once", "at_most_once"]
_Sealing = Literal["default", "none", "encrypt", "sign"]
_LimitScope = Literal["store", "queue", "task", "group"]
_Overlap = Literal["allow", "skip", "queue_one"]
_CatchUp = Literal["none", "last", "all"]
_SignalKind = Literal["cancel", "soft_limit", "hard_limit", "lease_lost"]
_EventType = Literal[
    "added",
    "ready",
    "scheduled",
    "active",
    "progress",
    "completed",
    "failed",
    "cancelled",
    "rescued",
    "removed",
    "duplicate",
    "paused",
    "resumed",
    "drained",
    "cleaned",
    "blocked",
    "custom",
]
_Ack = tuple[str, bool, _State, _Durability, str]
"""(id, existing, state, durability, replaced_id): `existing` if the id, or the holder of the deduplication key, was
there already and nothing was written; `replaced_id` of the job whose place this one has taken, else empty."""
_Keep = tuple[int, int]
"""(age_ms, count) of finished jobs that are kept; a negative number is no bound, count 0 keeps none."""

# --- Errors -----------------------------------------------------------------------------------------------------------

class MillraceError(Exception):
    """Base of all errors that Millrace itself raises."""

    code: ClassVar[str]
    """The core's stable name of the error, such as "lease_lost"."""

class InvalidArgument(MillraceError, ValueError):
    """A value was refused before anything was written; the message names it."""

class NotFound(MillraceError, LookupError):
    """No such job, queue or event position."""

class WrongState(MillraceError):
    """The job is not in a state in which this is possible."""

class LeaseLost(MillraceError):
    """Somebody else owns the job by now: nothing was changed."""

class TooLarge(MillraceError, ValueError):
    """A payload is over the store's limit."""

class QueueFull(MillraceError):
    """The writer's queue is full and the caller asked not to wait."""

class GroupFull(MillraceError):
    """The group has its max_size: no more jobs may wait in it."""

class Timeout(MillraceError, TimeoutError):
    """The caller's own time-out passed."""

class Closed(MillraceError):
    """The engine or session was closed."""

class ForkedChild(MillraceError):
    """The engine was opened before fork(): open a new one in the child."""

class Busy(MillraceError):
    """A writer that is not Millrace held SQLite's lock for longer than the time-out."""

class DiskFull(MillraceError, OSError):
    """No space is left, or a size limit was met; the operation was rolled back."""

class IoError(MillraceError, OSError):
    """The operating system reported an error."""

class Corrupt(MillraceError):
    """The file, or a record in it, is damaged."""

class NotAStore(MillraceError):
    """The file exists and is not a Millrace store."""

class NewerSchema(MillraceError):
    """The file was written by a newer Millrace."""

class UnsupportedFilesystem(MillraceError, OSError):
    """The file system cannot hold a write-ahead log (network, 9p, virtiofs, ...)."""

class PermissionDenied(MillraceError, PermissionError):
    """The file or directory cannot be read or written by this user."""

class InternalError(MillraceError):
    """A broken invariant: please report it."""

# --- Helpers ----------------------------------------------------------------------------------------------------------

def dumps(value: object, /) -> str:
    """The JSON text of a value of None, bool, int, float, str, list, tuple and dict with str keys.

    Other types are given to the fallback. Raises TypeError (a type that cannot travel) or ValueError (NaN, a lone
    surrogate, nesting beyond 500 levels); the message names where in the value the trouble is.
    """

def set_json_fallback(fallback: Callable[[object], object] | None, /) -> None:
    """Sets what is asked for values that JSON does not know; it answers one that it knows, or NotImplemented."""

def raise_in_thread(thread_id: int, exception: type[BaseException] | None) -> int:
    """Raises an exception in another thread at its next bytecode; None takes a pending one back.

    Returns:
        How many threads were concerned: 1, or 0 if there is none of this id.
    """

def event_id_less(a: str, b: str) -> bool:
    """Whether event id `a` comes before `b`."""

def next_slots(after_ms: int, count: int = 1, **timing: Any) -> list[int]:
    """The next slots after a time; timing as of `Engine.preview_timing`. Needs no store."""

@final
class Notifier:
    """A file descriptor that the core makes readable when there is news. Thread-safe."""

    def __init__(self) -> None: ...
    def fileno(self) -> int:
        """The descriptor, for `select` or an event loop's `add_reader`."""

    def signal(self) -> None:
        """Makes it readable."""

    def clear(self) -> None:
        """Makes it unreadable; call this before looking for the news."""

@final
class LogLines:
    """What the core has to say to a human: one line for each thing. Thread-safe."""

    def __init__(self) -> None: ...
    def take(self) -> list[str] | None:
        """Blocks until there is a line; None once it was closed and all were taken."""

    def close(self) -> None:
        """No more lines are wanted. Idempotent."""

@final
class ManualClock:
    """A clock that stands still until it is advanced. For tests. Thread-safe."""

    def __init__(self, wall_ms: int) -> None: ...
    def wall_ms(self) -> int:
        """Its wall time."""

    def advance(self, ms: int) -> None:
        """Moves both its wall and its monotonic time."""

    def jump_wall(self, ms: int) -> None:
        """Moves the wall time alone, also backwards."""

# --- Jobs -------------------------------------------------------------------------------------------------------------

@final
class RetryPolicy:
    """Which attempts a job has, and the time between them. Immutable.

    The delay after attempt n is `delay_ms` ("fixed") or min(delay_ms * 2 ** (n - 1), max_ms) ("exponential"); jitter j
    draws it from [delay * (1 - j), delay]. max_attempts counts the first one.
    """

    def __init__(
        self,
        *,
        max_attempts: int = 1,
        backoff: _Backoff = "none",
        delay_ms: int = 0,
        max_ms: int = 0,
        jitter: float = 0.0,
    ) -> None: ...
    @property
    def max_attempts(self) -> int: ...
    @property
    def backoff(self) -> _Backoff: ...
    @property
    def delay_ms(self) -> int: ...
    @property
    def max_ms(self) -> int: ...
    @property
    def jitter(self) -> float: ...

@final
class Dependency:
    """One thing that a job waits for: another job of the same call (its index), or one that exists (its id).

    `policy` says what becomes of the waiting job if it fails or is cancelled; `name` is under which its result is read.
    """

    def __init__(
        self, job: int | str, queue: str = "", *, policy: _Policy | int = "fail", name: str = ""
    ) -> None: ...
    @property
    def job(self) -> int | str: ...
    @property
    def queue(self) -> str: ...
    @property
    def policy(self) -> _Policy: ...
    @property
    def name(self) -> str: ...

@final
class ParentLink:
    """A new job that an existing one is to wait for. `token` is of the parent's lease if it is running."""

    def __init__(
        self,
        job: str,
        queue: str = "",
        *,
        token: int = 0,
        policy: _Policy | int = "wait",
        name: str = "",
    ) -> None: ...
    @property
    def job(self) -> str: ...
    @property
    def queue(self) -> str: ...
    @property
    def token(self) -> int: ...
    @property
    def policy(self) -> _Policy: ...
    @property
    def name(self) -> str: ...

@final
class Deduplication:
    """Which job of several with the same key counts: see `millrace.Dedup`."""

    def __init__(
        self,
        key: str,
        *,
        mode: _DedupMode = "unfinished",
        ttl_ms: int = 0,
        states: Iterable[_State] = (),
    ) -> None: ...
    @property
    def key(self) -> str: ...
    @property
    def mode(self) -> _DedupMode: ...
    @property
    def ttl_ms(self) -> int: ...
    @property
    def states(self) -> list[_State]: ...

@final
class JobSpec:
    """One job to enqueue. Immutable, so one may be the template of many.

    Options: `value` (any JSON value, encoded into `data`), `data` (JSON text, or bytes with another `content_type`),
    `id`, `delay_ms` or `due_at_ms`, `expires_in_ms` or `expires_at_ms`, `priority` (lower first), `headers` (JSON text
    of an object of strings), `content_type`, `lifo`, `retry`, `max_crashes`, `time_limit_ms`, `soft_time_limit_ms`,
    `keep_logs`, `keep_completed`, `keep_failed`, `after` (an iterable of `Dependency`), `join`, `parent` (a
    `ParentLink` or None), `group`, `dedup` (a `Deduplication`), `delivery`, `sealing`.
    They are checked when the job is enqueued.
    """

    def __init__(self, queue: str, name: str, **options: Any) -> None: ...
    def replace(self, **options: Any) -> JobSpec:
        """A copy with other options."""

    @property
    def queue(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def data(self) -> str | bytes: ...
    @property
    def content_type(self) -> _ContentType: ...
    @property
    def headers(self) -> str: ...
    @property
    def id(self) -> str: ...
    @property
    def due_at_ms(self) -> int: ...
    @property
    def delay_ms(self) -> int: ...
    @property
    def expires_at_ms(self) -> int: ...
    @property
    def expires_in_ms(self) -> int: ...
    @property
    def priority(self) -> int: ...
    @property
    def lifo(self) -> bool: ...
    @property
    def retry(self) -> RetryPolicy: ...
    @property
    def max_crashes(self) -> int: ...
    @property
    def time_limit_ms(self) -> int: ...
    @property
    def soft_time_limit_ms(self) -> int: ...
    @property
    def keep_logs(self) -> int: ...
    @property
    def keep_completed(self) -> _Keep | None: ...
    @property
    def keep_failed(self) -> _Keep | None: ...
    @property
    def after(self) -> list[Dependency]: ...
    @property
    def join(self) -> _Join: ...
    @property
    def parent(self) -> ParentLink | None: ...
    @property
    def group(self) -> str: ...
    @property
    def dedup(self) -> Deduplication: ...
    @property
    def delivery(self) -> _Delivery: ...
    @property
    def sealing(self) -> _Sealing: ...

@final
class Acks:
    """The answers to an enqueue, in the order of its jobs. Elements are made when they are asked for."""

    def __len__(self) -> int: ...
    def __getitem__(self, index: int, /) -> _Ack: ...
    def ids(self) -> list[str]:
        """The ids alone."""

@final
class Completions:
    """Answers of `Engine.enqueue_async`; its notifier is signalled when one comes. Thread-safe."""

    def __init__(self, notifier: Notifier) -> None: ...
    def take(self) -> list[tuple[int, Acks | MillraceError]]:
        """(tag, answer) of all that came since the last call."""

@final
class JobInfo:
    """Everything about one job at one moment. A time that does not apply is 0, a text None."""

    @property
    def spec(self) -> JobSpec: ...
    @property
    def state(self) -> _State: ...
    @property
    def created_at_ms(self) -> int: ...
    @property
    def due_at_ms(self) -> int: ...
    @property
    def started_at_ms(self) -> int: ...
    @property
    def finished_at_ms(self) -> int: ...
    @property
    def attempts_started(self) -> int: ...
    @property
    def attempts_made(self) -> int: ...
    @property
    def crashes(self) -> int: ...
    @property
    def cancel_requested(self) -> bool: ...
    @property
    def worker(self) -> str | None: ...
    @property
    def progress(self) -> str | None: ...
    @property
    def result(self) -> str | bytes | None: ...
    @property
    def error(self) -> str | None: ...
    @property
    def attempt_errors(self) -> list[str]: ...
    @property
    def checkpoint(self) -> str | None: ...
    @property
    def dependencies(self) -> int:
        """How many jobs it waits or has waited for."""

    @property
    def pending(self) -> int:
        """Of these, how many hold it back."""

@final
class JobOutcome:
    """The part of a `JobInfo` that a waiting caller needs."""

    @property
    def state(self) -> _State: ...
    @property
    def finished_at_ms(self) -> int: ...
    @property
    def attempts_made(self) -> int: ...
    @property
    def progress(self) -> str | None: ...
    @property
    def result(self) -> str | bytes | None: ...
    @property
    def error(self) -> str | None: ...

@final
class LogLine:
    """A line of a job's own log."""

    @property
    def at_ms(self) -> int: ...
    @property
    def text(self) -> str: ...

@final
class QueueCounts:
    """Jobs per state of one queue. `ready` includes `prioritized`, those whose priority is not 0."""

    @property
    def queue(self) -> str: ...
    @property
    def paused(self) -> bool: ...
    @property
    def ready(self) -> int: ...
    @property
    def prioritized(self) -> int: ...
    @property
    def scheduled(self) -> int: ...
    @property
    def blocked(self) -> int: ...
    @property
    def active(self) -> int: ...
    @property
    def completed(self) -> int: ...
    @property
    def failed(self) -> int: ...
    @property
    def cancelled(self) -> int: ...

@final
class WorkerInfo:
    """A process that has a session open on the store."""

    @property
    def process_id(self) -> int: ...
    @property
    def name(self) -> str: ...
    @property
    def language(self) -> str: ...
    @property
    def host(self) -> str: ...
    @property
    def pid(self) -> int: ...
    @property
    def started_at_ms(self) -> int: ...
    @property
    def alive(self) -> bool: ...
    @property
    def queues(self) -> list[str]: ...
    @property
    def slots(self) -> int: ...
    @property
    def active(self) -> int: ...

@final
class TaskCounters:
    """What happened to the jobs of one task in one queue. Element i of a histogram counts times below 2 ** i ms."""

    @property
    def queue(self) -> str: ...
    @property
    def task(self) -> str: ...
    @property
    def enqueued(self) -> int: ...
    @property
    def started(self) -> int: ...
    @property
    def completed(self) -> int: ...
    @property
    def failed(self) -> int: ...
    @property
    def cancelled(self) -> int: ...
    @property
    def retried(self) -> int: ...
    @property
    def crashed(self) -> int: ...
    @property
    def wait_ms(self) -> list[int]: ...
    @property
    def run_ms(self) -> list[int]: ...

@final
class Metrics:
    """Jobs of a queue that ended in each minute, of two weeks at most; the newest first."""

    @property
    def total(self) -> int:
        """Since the store was made."""

    @property
    def minutes(self) -> int:
        """How many there are, from the present one to the oldest kept."""

    @property
    def minute_at_ms(self) -> int:
        """When the present minute began."""

    @property
    def data(self) -> list[int]: ...

@final
class DependencyInfo:
    """How a job stands that another waits for, or how it ended. `done`: it holds the other back no more."""

    @property
    def name(self) -> str: ...
    @property
    def id(self) -> str: ...
    @property
    def queue(self) -> str: ...
    @property
    def policy(self) -> _Policy: ...
    @property
    def state(self) -> _State: ...
    @property
    def done(self) -> bool: ...
    @property
    def result(self) -> str | bytes | None: ...
    @property
    def error(self) -> str | None: ...

@final
class DependencyPage:
    """What a job waits for, in the order in which it was given. `total` and `pending` are of all of it."""

    @property
    def dependencies(self) -> list[DependencyInfo]: ...
    @property
    def total(self) -> int: ...
    @property
    def pending(self) -> int: ...

@final
class LimitInfo:
    """A limit, how many jobs run under it now, and until when nothing starts (0: it may)."""

    @property
    def scope(self) -> _LimitScope: ...
    @property
    def queue(self) -> str: ...
    @property
    def task(self) -> str: ...
    @property
    def group(self) -> str: ...
    @property
    def concurrency(self) -> int: ...
    @property
    def rate_count(self) -> int: ...
    @property
    def rate_period_ms(self) -> int: ...
    @property
    def max_size(self) -> int: ...
    @property
    def active(self) -> int: ...
    @property
    def limited_until_ms(self) -> int: ...

@final
class GroupInfo:
    """A group of a queue: its jobs that wait for their turn, and those that run."""

    @property
    def queue(self) -> str: ...
    @property
    def group(self) -> str: ...
    @property
    def paused(self) -> bool: ...
    @property
    def ready(self) -> int: ...
    @property
    def active(self) -> int: ...
    @property
    def limited_until_ms(self) -> int: ...

@final
class ScheduleInfo:
    """A schedule and how far it is. A time that does not apply is 0."""

    @property
    def id(self) -> str: ...
    @property
    def job(self) -> JobSpec: ...
    @property
    def cron(self) -> str: ...
    @property
    def time_zone(self) -> str: ...
    @property
    def every_ms(self) -> int: ...
    @property
    def offset_ms(self) -> int: ...
    @property
    def solar(self) -> str: ...
    @property
    def latitude(self) -> float: ...
    @property
    def longitude(self) -> float: ...
    @property
    def start_at_ms(self) -> int: ...
    @property
    def end_at_ms(self) -> int: ...
    @property
    def limit(self) -> int: ...
    @property
    def jitter_ms(self) -> int: ...
    @property
    def overlap(self) -> _Overlap: ...
    @property
    def catch_up(self) -> _CatchUp: ...
    @property
    def catch_up_max(self) -> int: ...
    @property
    def paused(self) -> bool: ...
    @property
    def next_at_ms(self) -> int: ...
    @property
    def last_at_ms(self) -> int: ...
    @property
    def fired(self) -> int: ...
    @property
    def skipped(self) -> int: ...
    @property
    def last_job_id(self) -> str | None: ...
    @property
    def added_job_id(self) -> str | None:
        """Of the job that `put_schedule` made at once; else None."""

# --- Events -----------------------------------------------------------------------------------------------------------

@final
class Event:
    """One entry of the durable log. `id` resumes behind it; `data` is JSON text or None."""

    @property
    def id(self) -> str: ...
    @property
    def type(self) -> _EventType: ...
    @property
    def at_ms(self) -> int: ...
    @property
    def queue(self) -> str: ...
    @property
    def job_id(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def state(self) -> _State: ...
    @property
    def prev(self) -> _State: ...
    @property
    def attempt(self) -> int: ...
    @property
    def due_at_ms(self) -> int: ...
    @property
    def count(self) -> int: ...
    @property
    def data(self) -> str | None: ...

@final
class Subscription:
    """Follows events of queues. Made by `Engine.subscribe`. Thread-safe."""

    def next(self, timeout_ms: int = -1) -> tuple[list[Event], str]:
        """The next events and the position behind them; no events after the time-out (0: does not wait, -1: never)."""

    def close(self) -> None:
        """Wakes a waiting `next`, which then raises Closed. Idempotent."""

# --- Work -------------------------------------------------------------------------------------------------------------

@final
class LeasedJob:
    """A job in the hands of this process. Attributes are converted when they are read. Immutable."""

    @property
    def token(self) -> int: ...
    @property
    def id(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def queue(self) -> str: ...
    @property
    def data(self) -> Any:
        """Str for JSON, bytes for other content types. Raises UnicodeDecodeError if JSON text is not UTF-8."""

    @property
    def content_type(self) -> _ContentType: ...
    @property
    def headers(self) -> str: ...
    @property
    def progress(self) -> str: ...
    @property
    def attempt(self) -> int: ...
    @property
    def crashes(self) -> int: ...
    @property
    def priority(self) -> int: ...
    @property
    def max_attempts(self) -> int: ...
    @property
    def created_at_ms(self) -> int: ...
    @property
    def started_at_ms(self) -> int: ...
    @property
    def due_at_ms(self) -> int: ...
    @property
    def expires_at_ms(self) -> int: ...
    @property
    def time_limit_ms(self) -> int: ...
    @property
    def soft_time_limit_ms(self) -> int: ...
    @property
    def checkpoint(self) -> str: ...
    @property
    def group(self) -> str: ...
    @property
    def dependencies(self) -> list[DependencyInfo]:
        """The first of what it waited for; `Engine.dependencies` has all."""

    @property
    def dependency_count(self) -> int: ...

@final
class Outcome:
    """How an attempt ended. `body` is the result's or the error's JSON text, or bytes. `policy` replaces the job's.

    `throttle` is (scope, ms): nothing of that scope starts meanwhile. `jobs` are enqueued, and `progress` (JSON text)
    is recorded, in the same commit.
    """

    def __init__(
        self,
        token: int,
        kind: _OutcomeKind,
        body: str | bytes = "",
        *,
        content_type: _ContentType = "json",
        retryable: bool = True,
        delay_ms: int | None = None,
        policy: RetryPolicy | None = None,
        throttle: tuple[_LimitScope, int] | None = None,
        jobs: Iterable[JobSpec] = (),
        progress: str = "",
    ) -> None: ...
    @property
    def token(self) -> int: ...

@final
class Settled:
    """What became of a settled attempt; `error` is None if it was written."""

    @property
    def token(self) -> int: ...
    @property
    def id(self) -> str: ...
    @property
    def queue(self) -> str: ...
    @property
    def state(self) -> _State: ...
    @property
    def due_at_ms(self) -> int: ...
    @property
    def added(self) -> Acks: ...
    @property
    def error(self) -> MillraceError | None: ...

@final
class Signal:
    """Something that the handler of a running job must be told."""

    @property
    def kind(self) -> _SignalKind: ...
    @property
    def token(self) -> int: ...
    @property
    def id(self) -> str: ...
    @property
    def reason(self) -> str: ...

@final
class Notices:
    """Everything that happened in a session beside new jobs."""

    @property
    def settled(self) -> list[Settled]: ...
    @property
    def signals(self) -> list[Signal]: ...
    @property
    def drained(self) -> bool: ...
    @property
    def rescued(self) -> list[str]: ...
    @property
    def errors(self) -> list[MillraceError]: ...

@final
class Session:
    """Leases jobs and settles them. Made by `Engine.open_session`. Thread-safe."""

    def take(
        self, max: int = 1, timeout_ms: int = -1, interruptible: bool = True
    ) -> list[LeasedJob]:
        """Up to `max` jobs to run now; each takes a slot until it is settled.

        Waits up to timeout_ms for the first (0: does not wait, -1: without end). Empty after the time-out or while
        paused; Closed when stopped and nothing is left to take. `interruptible` notices Ctrl-C once a second.
        """

    def settle(self, outcome: Outcome) -> None:
        """Ends an attempt. Returns before it is written; `drain` tells. Raises NotFound for a token not held."""

    def settle_many(self, outcomes: Iterable[Outcome]) -> None:
        """The same for many; stops at the first error, whose message names the index."""

    def complete(self, token: int, value: object, /) -> None:
        """Ends an attempt with a result, encoded as `dumps` does it."""

    def drain(self, timeout_ms: int = -1, *, hard_limit_exit_code: int = -1) -> Notices:
        """What happened since the last call; waits as `take` does.

        A hard_limit_exit_code from 0 ends this process with that status as soon as a job passes its hard time limit,
        even if its handler holds the GIL. A closed session shows as a Closed among the errors.
        """

    def progress(self, token: int, json: str) -> None:
        """Stores a running job's progress, with the next commit."""

    def log(self, token: int, line: str) -> None:
        """Adds a line to a running job's log, with the next commit."""

    def checkpoint(self, token: int, json: str) -> None:
        """Saves where a running job stands, with the next commit; a later attempt gets it back."""

    def set_slots(self, slots: int) -> None:
        """How many jobs may run at once."""

    def pause(self) -> None:
        """Stops claiming."""

    def resume(self) -> None:
        """Claims again."""

    @property
    def active(self) -> int:
        """Jobs taken and not settled."""

    def stop(self) -> None:
        """Stops claiming, gives untaken jobs back, wakes takers. Does not block."""

    def close(self, timeout_ms: int = -1) -> None:
        """Stops, waits until all taken jobs are settled and written, and releases what is not by then."""

@final
class Transaction:
    """One commit of jobs and the user's own tables. Made by `Engine.begin`. Thread-safe; one call at a time."""

    def execute(
        self, sql: str, parameters: Sequence[str | int | float | bytes | bytearray | None] = ()
    ) -> tuple[tuple[str, ...], list[tuple[Any, ...]], int, int]:
        """Runs one statement; answers (columns, rows, changed rows, last row id)."""

    def enqueue(self, specs: Iterable[JobSpec]) -> Acks:
        """Adds jobs. A failure that has written something leaves only `rollback`."""

    def commit(self) -> None:
        """Returns when it is as durable as asked."""

    def rollback(self) -> None:
        """Idempotent; Closed after a commit."""

# --- The store --------------------------------------------------------------------------------------------------------

@final
class Engine:
    """An open store. Thread-safe.

    A write is as durable as asked for when the call returns, and has changed nothing when it raises.

    Args:
        path: The store's file, or ":memory:".
        durability: Default of every write.
        create: If false, NotFound if there is no such file.
        max_payload_bytes: Bound of one payload, result or error.
        busy_timeout_ms: Wait for writers that are not Millrace.
        wal_limit_bytes: Size of the write-ahead log at which it must be checkpointed.
        keep_completed: Default rule of what is kept of completed jobs.
        keep_failed: The same for failed ones.
        keep_events: Newest events kept per queue.
        keys: (id, secret of 32 bytes) for payloads; the first one seals, all of them open. None: payloads are plain.
        security_mode: "encrypt" or "sign": for jobs that do not say.
        require_sealed: What is not sealed does not open.
        clock: In place of the system's.
        log_lines: Where to say what a human should know; None: nowhere.
    """

    def __init__(
        self,
        path: str,
        *,
        durability: _Durability = "power",
        create: bool = True,
        max_payload_bytes: int = 16777216,
        busy_timeout_ms: int = 10000,
        wal_limit_bytes: int = 16777216,
        keep_completed: _Keep | None = None,
        keep_failed: _Keep | None = None,
        keep_events: int = 100000,
        keys: Iterable[tuple[str, bytes]] = (),
        security_mode: _Sealing = "encrypt",
        require_sealed: bool = False,
        clock: ManualClock | None = None,
        log_lines: LogLines | None = None,
    ) -> None: ...
    def close(self) -> None:
        """Ends sessions and subscriptions and writes what is queued. Idempotent."""

    @property
    def path(self) -> str: ...
    @property
    def durability(self) -> _Durability: ...
    def now_ms(self) -> int:
        """The store's clock."""

    def new_id(self) -> str:
        """An id that no other job has or will have, for `JobSpec`'s `id`."""

    def begin(
        self,
        *,
        timeout_ms: int = 5000,
        durability: _Durability | None = None,
        thread_bound: bool = True,
    ) -> Transaction:
        """A transaction; nothing happens before its first call. At its time-out it is rolled back.

        `thread_bound`: writes by the thread that is inside it are refused instead of waiting for it.
        """

    def enqueue(
        self,
        specs: Iterable[JobSpec],
        *,
        durability: _Durability | None = None,
        wait_if_full: bool = True,
    ) -> Acks:
        """Adds all jobs or none."""

    def enqueue_value(self, like: JobSpec, value: object, /) -> _Ack:
        """Adds one job like a template with another payload."""

    def enqueue_values(
        self, like: JobSpec, values: Iterable[object], *, durability: _Durability | None = None
    ) -> Acks:
        """Adds jobs like a template with these payloads: all or none."""

    def enqueue_async(
        self,
        specs: Iterable[JobSpec],
        tag: int,
        completions: Completions,
        *,
        durability: _Durability | None = None,
        wait_if_full: bool = True,
    ) -> None:
        """Adds all jobs or none without waiting; the answer comes through `completions` under the tag."""

    def get_job(self, id: str, queue: str = "") -> JobInfo:
        """One job in full. An empty queue means the newest job of this id. Raises NotFound."""

    def get_outcome(self, id: str, queue: str = "") -> JobOutcome:
        """Where a job stands. Raises NotFound."""

    def wait_finished(self, id: str, queue: str = "", timeout_ms: int = -1) -> JobOutcome:
        """Waits until a job is completed, failed or cancelled. Raises Timeout, NotFound."""

    def list_jobs(
        self,
        queue: str,
        state: _State,
        *,
        name: str = "",
        offset: int = 0,
        limit: int = 100,
        descending: bool = False,
    ) -> list[JobInfo]:
        """Jobs in the order of claim, due time or finish, or in the reverse."""

    def counts(self, queue: str) -> QueueCounts:
        """Jobs per state; zeros for an unknown queue."""

    def list_queues(self) -> list[QueueCounts]:
        """All queues."""

    def list_workers(self) -> list[WorkerInfo]:
        """All processes with a session."""

    def get_logs(
        self, id: str, queue: str = "", *, offset: int = 0, limit: int = 1000
    ) -> list[LogLine]:
        """A job's log, oldest line first."""

    def dependencies(
        self,
        id: str,
        queue: str = "",
        *,
        states: Iterable[_State] = (),
        offset: int = 0,
        limit: int = 1000,
    ) -> DependencyPage:
        """What a job waits or waited for; with `states` only what stands there. Raises NotFound."""

    def dependents(
        self, id: str, queue: str = "", *, offset: int = 0, limit: int = 1000
    ) -> list[tuple[str, str]]:
        """(id, queue) of the jobs that wait or have waited for one, in the order in which they were added."""

    def flow_json(self, id: str, queue: str = "", *, depth: int = 1000, children: int = 100) -> str:
        """A job and, nested as "children", what it waits for, as JSON text. Raises NotFound."""

    def read_metrics(
        self,
        queue: str,
        *,
        state: Literal["completed", "failed"] = "completed",
        start: int = 0,
        end: int = -1,
    ) -> Metrics:
        """Jobs that ended in each minute; `start` and `end` count minutes back from the present, -1 is the oldest."""

    def read_counters(self, queue: str = "") -> list[TaskCounters]:
        """What happened so far, per task; of all queues if `queue` is empty."""

    def inspect_json(self) -> str:
        """`{"store", "queues", "workers"}` as JSON text."""

    def job_json(self, id: str, queue: str = "") -> str:
        """One job in full as JSON text."""

    def dead_json(self, *, queue: str = "", name: str = "", limit: int = 100) -> str:
        """The dead letters as JSON text; of all queues if `queue` is empty."""

    def doctor_json(self, *, repair: bool = False) -> str:
        """The checks of file, locks and invariants as JSON text. With repair, what can be mended is."""

    def stats_json(self) -> str:
        """Figures of this engine as JSON text."""

    def backup(self, destination: str) -> tuple[int, int]:
        """Writes a consistent copy while the store is in use; (bytes, pages). The destination must not exist."""

    def cancel(
        self, id: str, queue: str = "", *, reason: str = "", durability: _Durability | None = None
    ) -> str:
        """Cancels a waiting job ("cancelled"), tells a running one ("requested"), or is too late ("finished")."""

    def cancel_jobs(
        self,
        jobs: Iterable[str | tuple[str, str]],
        *,
        reason: str = "",
        durability: _Durability | None = None,
    ) -> list[str]:
        """The same for at most 10,000 ids, or (id, queue), in one commit; "unknown" for those that do not exist."""

    def redrive(
        self,
        id: str,
        queue: str = "",
        *,
        keep_attempts_started: bool = False,
        keep_attempts_made: bool = False,
        durability: _Durability | None = None,
    ) -> None:
        """Runs a finished job again, from its first attempt unless its counts are kept."""

    def promote(self, id: str, queue: str = "", *, durability: _Durability | None = None) -> None:
        """Makes a scheduled job ready now."""

    def remove(self, id: str, queue: str = "", *, durability: _Durability | None = None) -> None:
        """Deletes a job. Raises WrongState if it is active."""

    def set_progress(
        self, id: str, json: str, queue: str = "", *, durability: _Durability | None = None
    ) -> None:
        """Stores a job's progress from outside its worker."""

    def add_log(
        self, id: str, line: str, queue: str = "", *, durability: _Durability | None = None
    ) -> int:
        """Adds a line to a job's log from outside its worker; answers how many there are now."""

    def clear_logs(
        self, id: str, queue: str = "", *, keep: int = 0, durability: _Durability | None = None
    ) -> int:
        """Deletes a job's log lines but the newest `keep`; answers how many."""

    def update_job(
        self,
        id: str,
        queue: str = "",
        *,
        data: str | bytes | None = None,
        content_type: _ContentType = "json",
        priority: int | None = None,
        lifo: bool | None = None,
        due_at_ms: int | None = None,
        delay_ms: int | None = None,
        in_state: _State | None = None,
        durability: _Durability | None = None,
    ) -> None:
        """Changes what is given: data of any job, the rest of one that is scheduled, ready or blocked.

        A running job gets its data with the next attempt. With `in_state` only a job that is in it, else WrongState.
        """

    def publish_event(
        self,
        queue: str,
        name: str,
        data: str = "",
        *,
        job_id: str = "",
        durability: _Durability | None = None,
    ) -> None:
        """Adds an event of type "custom" to a queue's log; `data` is JSON text of at most 1 MiB or empty."""

    def redrive_many(
        self,
        queue: str,
        *,
        state: _State = "failed",
        name: str = "",
        before_at_ms: int = 0,
        limit: int = 0,
        keep_attempts_started: bool = False,
        keep_attempts_made: bool = False,
        durability: _Durability | None = None,
    ) -> int:
        """Runs finished jobs again; answers how many."""

    def promote_many(
        self,
        queue: str,
        *,
        state: _State = "scheduled",
        name: str = "",
        before_at_ms: int = 0,
        limit: int = 0,
        durability: _Durability | None = None,
    ) -> int:
        """Makes scheduled jobs ready; answers how many."""

    def remove_many(
        self,
        queue: str,
        *,
        state: _State = "failed",
        name: str = "",
        before_at_ms: int = 0,
        limit: int = 0,
        durability: _Durability | None = None,
    ) -> int:
        """Deletes jobs; answers how many."""

    def drain(
        self, queue: str, *, scheduled: bool = False, durability: _Durability | None = None
    ) -> int:
        """Removes all ready jobs, and scheduled ones too if asked; answers how many."""

    def obliterate(
        self, queue: str, *, force: bool = False, durability: _Durability | None = None
    ) -> int:
        """Removes a queue with all that is in it. Raises WrongState if jobs are active, unless forced."""

    def pause(self, queue: str, *, durability: _Durability | None = None) -> None:
        """No job of the queue is claimed until `resume`."""

    def resume(self, queue: str, *, durability: _Durability | None = None) -> None:
        """Undoes `pause`."""

    def set_retention(
        self,
        queue: str,
        *,
        completed: _Keep | None = None,
        failed: _Keep | None = None,
        durability: _Durability | None = None,
    ) -> None:
        """Replaces the queue's rules of what is kept; one that is not given stays."""

    def trim_events(self, queue: str, keep: int, *, durability: _Durability | None = None) -> int:
        """Deletes the oldest events while at least the newest `keep` are left; answers how many."""

    def remove_dependency(
        self,
        id: str,
        depends_on: str,
        *,
        queue: str = "",
        depends_on_queue: str = "",
        durability: _Durability | None = None,
    ) -> bool:
        """A job no longer waits for another; False if it did not (any more)."""

    def remove_unprocessed(
        self, id: str, queue: str = "", *, durability: _Durability | None = None
    ) -> int:
        """Removes the scheduled, ready and blocked jobs that a job waits for; answers how many."""

    def dedup_holder(self, queue: str, key: str) -> str | None:
        """The id of the job that holds a deduplication key; None if it is free."""

    def release_dedup(self, queue: str, key: str, *, durability: _Durability | None = None) -> bool:
        """Frees a key; false if it was free."""

    def set_limit(
        self,
        scope: _LimitScope,
        *,
        queue: str = "",
        task: str = "",
        group: str = "",
        concurrency: int = 0,
        rate_count: int = 0,
        rate_period_ms: int = 0,
        max_size: int = 0,
        durability: _Durability | None = None,
    ) -> None:
        """Replaces the limit of this scope and these names; without any bound, removes it."""

    def list_limits(self) -> list[LimitInfo]:
        """All limits."""

    def throttle(
        self,
        scope: _LimitScope,
        ms: int,
        *,
        queue: str = "",
        task: str = "",
        group: str = "",
        durability: _Durability | None = None,
    ) -> None:
        """Nothing of the scope starts for so long from now; 0 ends it."""

    def pause_group(
        self, queue: str, group: str, *, paused: bool = True, durability: _Durability | None = None
    ) -> None:
        """No job of the group is started until it is resumed (`paused=False`)."""

    def list_groups(self, queue: str, *, after: str = "", limit: int = 1000) -> list[GroupInfo]:
        """The groups of a queue that have jobs or are paused, by name, from after `after`."""

    def put_schedule(
        self, id: str, job: JobSpec, *, durability: _Durability | None = None, **options: Any
    ) -> ScheduleInfo:
        """Creates or replaces a schedule.

        Options: one of `cron` (with `time_zone`), `every_ms` (with `offset_ms`) and `solar` (with `latitude`,
        `longitude`); `start_at_ms`, `end_at_ms`, `limit`, `jitter_ms`, `overlap`, `catch_up`, `catch_up_max`, `paused`,
        `immediately`, `from_start`.
        """

    def remove_schedule(self, id: str, *, durability: _Durability | None = None) -> None:
        """Removes a schedule; jobs that it has made stay. Raises NotFound."""

    def pause_schedule(
        self, id: str, *, paused: bool = True, durability: _Durability | None = None
    ) -> None:
        """Makes no more jobs until it is resumed (`paused=False`). Raises NotFound."""

    def get_schedule(self, id: str) -> ScheduleInfo:
        """One schedule. Raises NotFound."""

    def list_schedules(self, *, after: str = "", limit: int = 1000) -> list[ScheduleInfo]:
        """Schedules by id, from after `after`."""

    def preview_timing(self, *, after_ms: int = 0, count: int = 10, **options: Any) -> list[int]:
        """The next slots after a time (0: now); options as of `put_schedule`."""

    def read_events(
        self,
        queue: str | Iterable[str],
        *,
        after: str = "",
        types: Iterable[str] = (),
        job_id: str = "",
        limit: int = 1000,
    ) -> tuple[list[Event], str]:
        """Events after a position ("": oldest kept, "$": now) and the position behind them.

        `queue` is one, several, or "" for all of the store: then in the order of their commits.
        """

    def subscribe(
        self,
        queue: str | Iterable[str],
        *,
        after: str = "$",
        types: Iterable[str] = (),
        job_id: str = "",
        limit: int = 1000,
        notifier: Notifier | None = None,
    ) -> Subscription:
        """Follows the events of one queue, of several or ("") of all, those too that come later.

        With a notifier, call `next(0)` when it is signalled until nothing comes.
        """

    def open_session(
        self,
        queues: list[str],
        *,
        slots: int = 1,
        prefetch: int = -1,
        prefetch_ms: int = 5,
        worker_name: str = "",
        durability: _Durability | None = None,
        paused: bool = False,
        quiet: bool = False,
        notifier: Notifier | None = None,
    ) -> Session:
        """Opens a worker's session. With a notifier, `take` and `drain` with time-out 0 when it is signalled.

        A quiet one tells only what a worker must act on: neither good ends of attempts nor that its queues are empty.
        """
