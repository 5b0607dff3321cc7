"""Checked values: what a caller gave, as the core wants it, or an error that names the argument."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterable, Mapping
from typing import Any, Final, Literal

from millrace import _core
from millrace.errors import InvalidArgument

Seconds = int | float | dt.timedelta
DurabilityName = Literal["memory", "process", "power"]
BackoffKind = Literal["none", "fixed", "exponential", "custom"]

UNLIMITED_ATTEMPTS: Final = 1_000_000
_DURABILITIES: Final[tuple[DurabilityName, ...]] = ("memory", "process", "power")


def wrong_type(name: str, accepted: str, value: object) -> TypeError:
    """The error for an argument of a type that is not accepted."""
    return TypeError(f"{name} must be {accepted}, not {type(value).__name__}")


def check_text(name: str, value: object) -> str:
    """A non-empty str."""
    if not isinstance(value, str):
        raise wrong_type(name, "a str", value)
    if not value:
        raise InvalidArgument(f"{name} must not be empty")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise InvalidArgument(
            f"{name} holds a lone surrogate, which UTF-8 cannot express: {value!a}"
        ) from None
    return value


def check_int(name: str, value: object, *, least: int | None = None) -> int:
    """An int, not below `least`."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise wrong_type(name, "an int", value)
    if least is not None and value < least:
        raise InvalidArgument(f"{name} must be at least {least}, not {value}")
    return value


def check_flag(name: str, value: object) -> bool:
    """A bool."""
    if not isinstance(value, bool):
        raise wrong_type(name, "a bool", value)
    return value


def check_durability(value: object) -> DurabilityName:
    """One of the three names."""
    if not isinstance(value, str):
        raise wrong_type("durability", "a str", value)
    for name in _DURABILITIES:
        if value == name:
            return name
    raise InvalidArgument(f"durability must be one of {', '.join(_DURABILITIES)}, not {value!r}")


def to_ms(name: str, value: object) -> int:
    """Seconds or a timedelta as milliseconds, rounded up: never shorter than asked for."""
    if isinstance(value, dt.timedelta):
        value = value.total_seconds()
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise wrong_type(name, "a number of seconds or a timedelta", value)
    if not math.isfinite(value) or value < 0:
        raise InvalidArgument(
            f"{name} must be a finite number of seconds, not below 0, not {value}"
        )
    return math.ceil(value * 1000)


def limit_to_ms(name: str, value: object) -> int:
    """A time limit; None and 0 mean none."""
    return 0 if value is None else to_ms(name, value)


def to_epoch_ms(name: str, value: object) -> int:
    """A datetime as milliseconds since the epoch. A naive one is UTC, as it is for Celery's `enable_utc`."""
    if not isinstance(value, dt.datetime):
        raise wrong_type(name, "a datetime", value)
    if value.tzinfo is None:
        value = value.replace(tzinfo=dt.timezone.utc)
    return math.ceil(value.timestamp() * 1000)


def to_wait_ms(name: str, value: object) -> int:
    """A time-out; None means without end."""
    return -1 if value is None else to_ms(name, value)


def check_headers(value: object) -> str:
    """A mapping of str to str as JSON text."""
    if not isinstance(value, Mapping):
        raise wrong_type("headers", "a mapping of str to str", value)
    for key, text in value.items():
        if not isinstance(key, str):
            raise wrong_type("a key of headers", "a str", key)
        if not isinstance(text, str):
            raise wrong_type(f"headers[{key!r}]", "a str", text)
    return _core.dumps(dict(value)) if value else ""


def check_exceptions(name: str, value: object) -> tuple[type[BaseException], ...]:
    """One exception class or several, as a tuple."""
    if isinstance(value, type):
        value = (value,)
    if not isinstance(value, Iterable):
        raise wrong_type(name, "a tuple of exception classes", value)
    classes = tuple(value)
    for item in classes:
        if not (isinstance(item, type) and issubclass(item, BaseException)):
            raise TypeError(f"{name} must be a tuple of exception classes; it has {item!r}")
    return classes


def write_options(
    *,
    countdown: Seconds | None = None,
    eta: dt.datetime | None = None,
    expires: Seconds | dt.datetime | None = None,
    queue: str | None = None,
    priority: int | None = None,
    task_id: str | None = None,
    headers: Mapping[str, str] | None = None,
    time_limit: Seconds | None = None,
    soft_time_limit: Seconds | None = None,
    lifo: bool = False,
) -> dict[str, Any]:
    """What `apply_async` was given, as keywords of `JobSpec.replace`."""
    fields: dict[str, Any] = {}
    if countdown is not None:
        if eta is not None:
            raise InvalidArgument("countdown and eta say the same thing: give one of them")
        fields["delay_ms"] = to_ms("countdown", countdown)
    if eta is not None:
        fields["due_at_ms"] = max(1, to_epoch_ms("eta", eta))
    if expires is not None:
        fields.update(expiry(expires))
    if queue is not None:
        fields["queue"] = check_text("queue", queue)
    if priority is not None:
        fields["priority"] = check_int("priority", priority)
    if task_id is not None:
        fields["id"] = check_text("task_id", task_id)
    if headers is not None:
        fields["headers"] = check_headers(headers)
    if time_limit is not None:
        fields["time_limit_ms"] = limit_to_ms("time_limit", time_limit)
    if soft_time_limit is not None:
        fields["soft_time_limit_ms"] = limit_to_ms("soft_time_limit", soft_time_limit)
    if check_flag("lifo", lifo):
        fields["lifo"] = True
    return fields


def expiry(expires: object) -> dict[str, int]:
    """`expires` in seconds from now or as a datetime."""
    if isinstance(expires, dt.datetime):
        return {"expires_at_ms": max(1, to_epoch_ms("expires", expires)), "expires_in_ms": 0}
    return {"expires_in_ms": max(1, to_ms("expires", expires)), "expires_at_ms": 0}


def retry_policy(
    *,
    max_retries: int | None = 0,
    default_retry_delay: Seconds = 180,
    retry_backoff: bool | float = False,
    retry_backoff_max: Seconds = 600,
    retry_jitter: bool = True,
) -> _core.RetryPolicy:
    """A task's retry options as the core's policy."""
    attempts = UNLIMITED_ATTEMPTS
    if max_retries is not None:
        attempts = min(UNLIMITED_ATTEMPTS, check_int("max_retries", max_retries, least=0) + 1)
    delay_ms = to_ms("default_retry_delay", default_retry_delay)
    max_ms = to_ms("retry_backoff_max", retry_backoff_max)
    jitter = 1.0 if check_flag("retry_jitter", retry_jitter) else 0.0
    if retry_backoff is False:
        return _core.RetryPolicy(max_attempts=attempts, backoff="fixed", delay_ms=delay_ms)
    factor_ms = to_ms("retry_backoff", 1 if retry_backoff is True else retry_backoff)
    return _core.RetryPolicy(
        max_attempts=attempts,
        backoff="exponential",
        delay_ms=factor_ms,
        max_ms=max_ms,
        jitter=jitter,
    )
