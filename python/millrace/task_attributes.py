"""The options of a task as attributes of its class."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import datetime as dt

    from millrace.limits import Rate
    from millrace.options import DeliveryName, SealingName, Seconds
    from millrace.task_options import Errors


class TaskAttributes:
    """The part of `Task` that a class of tasks sets; `@app.task` documents them. Not used by itself."""

    # None leaves it to the settings; see `task_options.FROM_SETTINGS`.
    name: str = ""
    abstract: bool = True
    queue: Any = None
    exchange: Any = None
    routing_key: str | None = None
    priority: int | None = None
    max_retries: int | None = 3
    default_retry_delay: Seconds = 180
    autoretry_for: Errors = ()
    dont_autoretry_for: Errors = ()
    retry_kwargs: Mapping[str, Any] = {}
    retry_backoff: bool | float = False
    retry_backoff_max: Seconds = 600
    retry_jitter: bool = True
    rate_limit: str | float | Rate | None = None
    ignore_result: bool | None = None
    store_errors_even_if_ignored: bool | None = None
    expires: Seconds | dt.datetime | None = None
    time_limit: Seconds | None = None
    soft_time_limit: Seconds | None = None
    delivery: DeliveryName | None = None
    acks_late: bool | None = None
    acks_on_failure: bool | None = None
    acks_on_timeout: bool | None = None
    acks_on_failure_or_timeout: bool | None = None
    reject_on_worker_lost: bool | None = None
    throws: Errors = ()
    sealing: SealingName = "default"
    batch: int = 0
    batch_wait: Seconds = 0.05
    typing: bool | None = None
    serializer: str | None = None
    compression: str | None = None
    send_events: bool = True
    trail: bool = True
    track_started: bool | None = None
    store_eager_result: bool | None = None
    resultrepr_maxsize: int = 1024
    pydantic: bool = False
    pydantic_strict: bool | None = None
    pydantic_context: Mapping[str, Any] | None = None
    pydantic_dump_kwargs: Mapping[str, Any] | None = None
