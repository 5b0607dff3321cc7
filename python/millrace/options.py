"""Checked values: what a caller gave, as the core wants it, or an error that names the argument."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final, Literal, get_args

from millrace import _core
from millrace.errors import InvalidArgument
from millrace.own_headers import write_headers

if TYPE_CHECKING:
    from millrace.links import Dedup, Join, Parent
    from millrace.result import AsyncResult

Seconds = int | float | dt.timedelta
DurabilityName = Literal["memory", "process", "power"]
BackoffKind = Literal["none", "fixed", "exponential", "custom"]
DeliveryName = Literal["at_least_once", "at_most_once"]
SealingName = Literal["default", "none", "encrypt", "sign"]

DELIVERIES: Final = get_args(DeliveryName)
SEALINGS: Final = get_args(SealingName)

UNLIMITED_ATTEMPTS: Final = 1_000_000
KEY_BYTES: Final = 32
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


def check_name(name: str, value: object) -> str:
    """A str that may be empty."""
    return value if value == "" and isinstance(value, str) else check_text(name, value)


def check_choice(name: str, value: object, accepted: Iterable[str]) -> str:
    """One of a few words."""
    if not isinstance(value, str):
        raise wrong_type(name, "a str", value)
    if value not in accepted:
        raise InvalidArgument(f"{name} must be one of {', '.join(accepted)}, not {value!r}")
    return value


def check_keys(value: object) -> tuple[tuple[str, bytes], ...]:
    """Pairs of an id and a secret. No error shows a secret."""
    if isinstance(value, str | bytes) or not isinstance(value, Iterable):
        raise wrong_type("encryption_keys", "a list of pairs (id, secret)", value)
    keys = []
    for index, pair in enumerate(value):
        name = f"encryption_keys[{index}]"
        if not isinstance(pair, tuple | list) or len(pair) != 2:  # noqa: PLR2004
            raise wrong_type(name, "a pair (id, secret)", pair)
        key_id, secret = pair
        check_text(f"the id of {name}", key_id)
        if not isinstance(secret, bytes):
            raise wrong_type(f"the secret of {name}", "bytes", secret)
        if len(secret) != KEY_BYTES:
            raise InvalidArgument(
                f"the secret of {name} must have {KEY_BYTES} bytes, not {len(secret)}"
            )
        keys.append((key_id, secret))
    return tuple(keys)


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
    """A mapping of str to any JSON as JSON text."""
    if not isinstance(value, Mapping):
        raise wrong_type("headers", "a mapping by name", value)
    for key in value:
        if not isinstance(key, str):
            raise wrong_type("a key of headers", "a str", key)
    return _core.dumps(write_headers(value)) if value else ""


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


def refuse_unknown(what: str, names: Iterable[str], accepted: Iterable[str]) -> None:
    """Raises TypeError if there is a name that is not accepted, with the nearest one."""
    for name in names:
        from difflib import get_close_matches

        near = get_close_matches(name, list(accepted), 1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise TypeError(f"{what} got an unexpected option {name!r}{hint}")


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
    group: str | None = None,
    dedup: Dedup | str | None = None,
    delivery: DeliveryName | None = None,
    after: Any = None,
    join: Join | None = None,
    parent: Parent | AsyncResult[Any] | str | None = None,
    sealing: SealingName | None = None,
) -> dict[str, Any]:
    """What `apply_async` was given, as keywords of `JobSpec.replace`."""
    fields: dict[str, Any] = start_time(countdown, eta)
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
    if any(each is not None for each in (group, dedup, delivery, after, join, parent, sealing)):
        _add_links(fields, dedup, after, join, parent)
        if group is not None:
            fields["group"] = check_text("group", group)
        if delivery is not None:
            fields["delivery"] = check_choice("delivery", delivery, DELIVERIES)
        if sealing is not None:
            fields["sealing"] = check_choice("sealing", sealing, SEALINGS)
    return fields


def _add_links(
    fields: dict[str, Any], dedup: object, after: object, join: object, parent: object
) -> None:
    """The options that tie a job to others; their module is not loaded by who uses none."""
    from millrace import links

    if dedup is not None:
        fields["dedup"] = links.dedup_of(dedup)
    if after is not None:
        fields["after"] = links.after_of(after)
    if join is not None:
        fields["join"] = check_choice("join", join, ("run", "forward", "collect"))
    if parent is not None:
        fields["parent"] = links.parent_of(parent)


def start_time(countdown: object, eta: object) -> dict[str, int]:
    """Not before: in seconds from now or as a datetime."""
    if countdown is None:
        return {} if eta is None else {"due_at_ms": max(1, to_epoch_ms("eta", eta))}
    if eta is not None:
        raise InvalidArgument("countdown and eta say the same thing: give one of them")
    return {"delay_ms": to_ms("countdown", countdown)}


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
