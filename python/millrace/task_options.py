"""The options of tasks and of jobs: their types, and what a task's options mean once the settings are known."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, TypedDict

from millrace import _core, options
from millrace.errors import InvalidArgument, TimeLimitExceeded

if TYPE_CHECKING:
    from millrace.effects import JobTransaction
    from millrace.limits import Rate
    from millrace.links import Dedup, Join, Parent
    from millrace.options import DeliveryName, DurabilityName, SealingName, Seconds
    from millrace.result import AsyncResult
    from millrace.routing import Exchange, Queue
    from millrace.task import Task
    from millrace.transaction import Transaction

Errors = type[BaseException] | Sequence[type[BaseException]]


class CommonOptions(TypedDict, total=False):
    """What `@app.task` and `@shared_task` accept, beside `bind`, `base` and `batch`. Documented there."""

    name: str | None
    queue: str | Queue | None
    exchange: str | Exchange | None
    routing_key: str | None
    priority: int | None
    max_retries: int | None
    default_retry_delay: Seconds
    autoretry_for: Errors
    dont_autoretry_for: Errors
    retry_kwargs: Mapping[str, Any]
    retry_backoff: bool | float
    retry_backoff_max: Seconds
    retry_jitter: bool
    rate_limit: str | float | Rate | None
    ignore_result: bool | None
    store_errors_even_if_ignored: bool | None
    expires: Seconds | dt.datetime | None
    time_limit: Seconds | None
    soft_time_limit: Seconds | None
    delivery: DeliveryName | None
    acks_late: bool | None
    acks_on_failure: bool | None
    acks_on_timeout: bool | None
    acks_on_failure_or_timeout: bool | None
    reject_on_worker_lost: bool | None
    throws: Errors
    sealing: SealingName
    pydantic: bool
    pydantic_strict: bool | None
    pydantic_context: Mapping[str, Any] | None
    pydantic_dump_kwargs: Mapping[str, Any] | None
    typing: bool | None
    shared: bool
    lazy: bool
    abstract: bool
    serializer: str | None
    compression: str | None
    backend: Any
    send_events: bool
    trail: bool
    track_started: bool | None
    store_eager_result: bool | None
    resultrepr_maxsize: int
    before_start: Callable[..., Any]
    on_success: Callable[..., Any]
    on_failure: Callable[..., Any]
    on_retry: Callable[..., Any]
    after_return: Callable[..., Any]


TaskOptions = CommonOptions


class BatchOptions(CommonOptions, total=False):
    """What `@app.task(batch=...)` accepts."""

    bind: bool
    batch_wait: Seconds


class JobOptions(TypedDict, total=False):
    """What `apply_async` and `send_task` accept. Documented at `Task.apply_async`."""

    countdown: Seconds | None
    eta: dt.datetime | None
    expires: Seconds | dt.datetime | str | None
    queue: str | Queue | None
    exchange: str | Exchange | None
    routing_key: str | None
    priority: int | None
    headers: Mapping[str, Any] | None
    time_limit: Seconds | None
    soft_time_limit: Seconds | None
    ignore_result: bool | None
    lifo: bool
    group: str | None
    dedup: Dedup | str | None
    delivery: DeliveryName | None
    after: Any
    join: Join | None
    parent: Parent | AsyncResult[Any] | str | None
    sealing: SealingName | None
    durability: DurabilityName | None
    tx: Transaction | JobTransaction | None
    connection: Any
    serializer: str | None
    compression: str | None
    retry: bool
    retry_policy: Mapping[str, Any] | None
    add_to_parent: bool
    group_id: str | None
    group_index: int | None
    chord: Any
    chain: Any
    reply_to: str | None
    root_id: str | None
    parent_id: str | None
    route_name: str | None
    router: Any
    stamped_headers: Sequence[str] | None
    task_type: Any
    replaced_task_nesting: int
    delivery_mode: Any
    publisher: Any
    result_cls: Any
    mandatory: bool
    immediate: bool


CANVAS_OPTIONS: Final = frozenset(
    {
        "chain",
        "chord",
        "group_id",
        "group_index",
        "link",
        "link_error",
        "parent_id",
        "replaced_task_nesting",
        "root_id",
        "stamped_headers",
    }
)
"""They are about other jobs: with one of them a call is planned as a canvas is."""

PLAIN_JOB_OPTIONS: Final = frozenset(
    {
        "after",
        "countdown",
        "dedup",
        "delivery",
        "durability",
        "group",
        "headers",
        "join",
        "lifo",
        "parent",
        "priority",
        "sealing",
        "soft_time_limit",
        "task_id",
        "time_limit",
        "tx",
    }
)
"""They mean the same whatever the settings say."""

IGNORED_JOB_OPTIONS: Final = frozenset(
    {
        "compression",
        "connection",
        "delivery_mode",
        "immediate",
        "mandatory",
        "producer",
        "publisher",
        "result_cls",
        "retry",
        "retry_policy",
        "router",
        "serializer",
        "task_type",
    }
)
"""They tell of a broker; accepted without effect."""

BATCH_MAX: Final = 10_000

# Attribute, setting, and what holds if neither says anything.
FROM_SETTINGS: Final = (
    ("ignore_result", "task_ignore_result", False),
    ("priority", "task_default_priority", 0),
    ("rate_limit", "task_default_rate_limit", None),
    ("serializer", "task_serializer", "json"),
    ("store_eager_result", "task_store_eager_result", False),
    ("store_errors_even_if_ignored", "task_store_errors_even_if_ignored", False),
    ("track_started", "task_track_started", False),
    ("acks_late", "task_acks_late", None),
    ("reject_on_worker_lost", "task_reject_on_worker_lost", None),
)

SPEC_ATTRIBUTES: Final = frozenset(
    {
        "acks_late",
        "autoretry_for",
        "default_retry_delay",
        "delivery",
        "dont_autoretry_for",
        "exchange",
        "expires",
        "max_retries",
        "priority",
        "queue",
        "rate_limit",
        "reject_on_worker_lost",
        "retry_backoff",
        "retry_backoff_max",
        "retry_jitter",
        "retry_kwargs",
        "routing_key",
        "sealing",
        "soft_time_limit",
        "time_limit",
    }
)
"""What a job's template is made of: assigning one of them makes it anew."""


def check(task: Task[..., Any]) -> None:
    """Raises TypeError or InvalidArgument for an option that a task cannot have."""
    options.check_text("name", task.name)
    for name in ("retry_jitter", "pydantic", "is_bound"):
        options.check_flag(name, getattr(task, name))
    for name in ("ignore_result", "acks_late", "reject_on_worker_lost", "typing"):
        if getattr(task, name) is not None:
            options.check_flag(name, getattr(task, name))
    for name in ("autoretry_for", "dont_autoretry_for", "throws"):
        task.__dict__[name] = options.check_exceptions(name, getattr(task, name))
    if task.priority is not None:
        options.check_int("priority", task.priority)
    if task.delivery is not None:
        options.check_choice("delivery", task.delivery, options.DELIVERIES)
    options.check_choice("sealing", task.sealing, options.SEALINGS)
    if not isinstance(task.retry_kwargs, Mapping):
        raise options.wrong_type("retry_kwargs", "a mapping", task.retry_kwargs)
    options.check_int("batch", task.batch, least=0)
    if task.batch > BATCH_MAX:
        raise InvalidArgument(f"batch must be at most {BATCH_MAX}, not {task.batch}")
    if task.rate_limit is not None:
        rate_of(task.rate_limit)


def rate_of(value: Any) -> Rate | None:
    """A rate as Celery's users write it: "100/s", "10/m", "5/h", a number per second; None or 0 for no limit."""
    from millrace.limits import Rate, rate_fields

    if value is None or isinstance(value, Rate):
        return value
    if isinstance(value, str) and "/" in value:
        count, _, unit = value.partition("/")
        if unit in {"s", "m", "h"} and count.replace(".", "", 1).isdigit() and "." in count:
            return _fraction(float(count), {"s": 1, "m": 60, "h": 3600}[unit])
        if count == "0":
            return None
        try:
            fields = rate_fields(value)
        except InvalidArgument as error:
            raise InvalidArgument(str(error).replace("rate ", "rate_limit ", 1)) from None
        return Rate(fields["rate_count"], fields["rate_period_ms"] / 1000)
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            raise InvalidArgument(
                f"rate_limit must be starts, a slash and a time, such as 100/s, 10/m or 5/h, not {value!r}"
            ) from None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise options.wrong_type("rate_limit", "a str, a number per second or a Rate", value)
    if value < 0:
        raise InvalidArgument(f"rate_limit must not be below 0, and {value} is")
    return _fraction(value, 1)


def _fraction(count: float, seconds: int) -> Rate | None:
    """So many in so many seconds, as a whole number in a longer time."""
    from millrace.limits import Rate

    if count <= 0:
        return None
    if float(count).is_integer():
        return Rate(int(count), seconds)
    return Rate(1, seconds / count) if count < 1 else Rate(round(count * 1000), seconds * 1000)


def resolve(task: Task[..., Any]) -> None:
    """Makes a task's template of its jobs, from its options and the application's settings."""
    mine = task.__dict__
    seen: dict[str, Any] = mine.setdefault("_from_settings", {})
    for name, setting, otherwise in FROM_SETTINGS:
        current = getattr(task, name)
        if current is None or (name in seen and mine.get(name) is seen[name]):
            mine.pop(name, None)
            if getattr(task, name) is None:
                value = task.app.setting(setting)
                mine[name] = seen[name] = otherwise if value is None else value
    annotate(task)
    mine["policy"] = policy(task, task.max_retries)
    mine["auto_policy"] = _auto_policy(task)
    mine["batch_wait_s"] = options.to_ms("batch_wait", task.batch_wait) / 1000
    mine["spec"] = spec = _template(task)
    mine["_queue"] = spec.queue


def annotate(task: Task[..., Any]) -> None:
    """Sets what `task_annotations` says of the task."""
    annotations = task.app.annotations
    if not annotations:
        return
    around = task.__dict__.setdefault("_around", set())
    for annotation in annotations:
        for values in (annotation.annotate_any(), annotation.annotate(task)):
            for name, value in (values or {}).items():
                if name.startswith("@"):
                    if (name, value) not in around:
                        around.add((name, value))
                        task.add_around(name[1:], value)
                    continue
                if callable(value) and not isinstance(value, type):
                    value = value.__get__(task)  # noqa: PLW2901 - as a method, as if it were the class's
                task.__dict__[name] = value


def policy(task: Task[..., Any], max_retries: int | None) -> _core.RetryPolicy:
    """How the store retries the task's jobs."""
    return options.retry_policy(
        max_retries=max_retries,
        default_retry_delay=task.default_retry_delay,
        retry_backoff=task.retry_backoff,
        retry_backoff_max=task.retry_backoff_max,
        retry_jitter=task.retry_jitter,
    )


def _auto_policy(task: Task[..., Any]) -> _core.RetryPolicy:
    """Where the task did not ask for a retry itself: `retry_kwargs` count."""
    given = task.retry_kwargs
    if not given:
        return task.policy
    countdown = given.get("countdown")
    return options.retry_policy(
        max_retries=given.get("max_retries", task.max_retries),
        default_retry_delay=task.default_retry_delay if countdown is None else countdown,
        retry_backoff=task.retry_backoff if countdown is None else False,
        retry_backoff_max=task.retry_backoff_max,
        retry_jitter=task.retry_jitter,
    )


def delivery_of(task: Task[..., Any]) -> DeliveryName:
    """At least once, unless the task says otherwise.

    `acks_late=False`, said by somebody, means that a job is done with once a worker has it: at most once. The same
    goes for `reject_on_worker_lost=False`. Nothing said means at least once, unlike in Celery.
    """
    if task.delivery is not None:
        return task.delivery
    if task.acks_late is False or task.reject_on_worker_lost is False:
        return "at_most_once"
    return "at_least_once"


def _template(task: Task[..., Any]) -> _core.JobSpec:
    """What all jobs of a task have in common."""
    app = task.app
    hard, soft = task.time_limit, task.soft_time_limit
    hard_ms = options.limit_to_ms("time_limit", hard)
    soft_ms = options.limit_to_ms("soft_time_limit", soft)
    if hard_ms and soft_ms >= hard_ms:
        raise InvalidArgument(
            f"soft_time_limit ({soft_ms} ms) must be below time_limit ({hard_ms} ms)"
        )
    if hard is None:
        hard_ms = options.limit_to_ms("task_time_limit", app.setting("task_time_limit"))
        if soft_ms and soft_ms >= hard_ms:
            hard_ms = 0
    if soft is None:
        soft_ms = options.limit_to_ms("task_soft_time_limit", app.setting("task_soft_time_limit"))
        if hard_ms and soft_ms >= hard_ms:
            soft_ms = 0
    fields: dict[str, Any] = {} if task.expires is None else options.expiry(task.expires)
    delivery = delivery_of(task)
    if delivery != "at_least_once":
        fields["delivery"] = delivery
    if task.sealing != "default":
        fields["sealing"] = task.sealing
    queue, priority = app.router.place(task)
    return _core.JobSpec(
        queue,
        task.name,
        priority=priority,
        # A hard time limit and the like are found by the store itself, which then goes by the job's own policy; after
        # all other failures the worker tells the task's.
        retry=task.auto_policy if task.is_retryable(TimeLimitExceeded()) else _core.RetryPolicy(),
        time_limit_ms=hard_ms,
        soft_time_limit_ms=soft_ms,
        **fields,
    )
