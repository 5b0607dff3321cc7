"""Values to JSON and back, and errors likewise.

JSON is what both languages speak. Beyond its own types these travel as an object of two keys, so that they come back as
what they were: `{"$type": "datetime", "value": "2026-01-31T12:00:00+00:00"}`, and in the same way `date`, `time`,
`timedelta` (seconds), `uuid`, `decimal` and `bytes` (base64). Tuples arrive as lists, enums as their values. Everything
else is a `TypeError` that names the argument.
"""

from __future__ import annotations

import datetime as dt
import enum
import json
import sys
from collections.abc import Callable, Mapping
from typing import Any, Final

from millrace import _core
from millrace.einfo import task_frames
from millrace.errors import (
    ChordError,
    DependencyFailed,
    FlowRefused,
    InvalidTaskError,
    JobLost,
    MaxRetriesExceededError,
    NotRegistered,
    PayloadUnreadable,
    Reject,
    RemoteError,
    Retry,
    SoftTimeLimitExceeded,
    TaskRevokedError,
    Terminated,
    TimeLimitExceeded,
    WorkerLostError,
)
from millrace.main_script import main_module_name

_MESSAGE_MAX: Final = 16_384
_STACK_MAX: Final = 65_536

dumps = _core.dumps
"""The JSON text of a value. Raises TypeError or ValueError that names where in the value the trouble is."""


def _tagged(name: str, value: str | float) -> dict[str, object]:
    return {"$type": name, "value": value}


def _fallback(value: object) -> object:
    """What to write for a value that JSON does not know; NotImplemented if it cannot travel."""
    if isinstance(value, dt.datetime):
        return _tagged("datetime", value.isoformat())
    if isinstance(value, dt.date):
        return _tagged("date", value.isoformat())
    if isinstance(value, dt.time):
        return _tagged("time", value.isoformat())
    if isinstance(value, dt.timedelta):
        return _tagged("timedelta", value.total_seconds())
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, bytes | bytearray):
        import base64

        return _tagged("bytes", base64.b64encode(value).decode("ascii"))
    kind = type(value)
    # Compared by name first: their modules are not imported unless somebody uses them.
    if kind.__module__ == "uuid" and kind.__name__ == "UUID":
        return _tagged("uuid", str(value))
    if kind.__module__ == "decimal" and kind.__name__ == "Decimal":
        return _tagged("decimal", str(value))
    return NotImplemented


_core.set_json_fallback(_fallback)


def _decode_tagged(name: str, value: Any) -> Any:
    if name == "datetime":
        return dt.datetime.fromisoformat(value)
    if name == "date":
        return dt.date.fromisoformat(value)
    if name == "time":
        return dt.time.fromisoformat(value)
    if name == "timedelta":
        return dt.timedelta(seconds=value)
    if name == "bytes":
        import base64

        return base64.b64decode(value, validate=True)
    if name == "uuid":
        import uuid

        return uuid.UUID(value)
    if name == "decimal":
        import decimal

        return decimal.Decimal(value)
    raise LookupError(name)


def _object_hook(value: dict[str, Any]) -> Any:
    if len(value) != 2 or "$type" not in value or "value" not in value:  # noqa: PLR2004
        return value
    try:
        return _decode_tagged(value["$type"], value["value"])
    except (LookupError, TypeError, ValueError, ArithmeticError):
        return value  # somebody else's object that happens to look like ours


def _reject_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


# The scanner itself rather than json.loads(): half of that function's time is spent before it gets here.
_plain = json.JSONDecoder(parse_constant=_reject_constant)
_scan: Callable[[str, int], tuple[Any, int]] = _plain.scan_once  # type: ignore[attr-defined]
_tagging = json.JSONDecoder(object_hook=_object_hook, parse_constant=_reject_constant)


def loads(text: str) -> Any:
    """The value of a JSON text. Raises ValueError, also for nesting beyond the interpreter's limit."""
    try:
        if '"$type"' in text:
            return _tagging.decode(text)
        value, end = _scan(text, 0)
        if end == len(text):
            return value
        return _plain.decode(text)  # white space around it, or a precise error
    except StopIteration:
        return _loads_padded(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"not JSON: {error}") from None
    except RecursionError:
        raise ValueError("not JSON: nested deeper than this interpreter can read") from None


def _loads_padded(text: str) -> Any:
    """With white space before it, or an error."""
    try:
        return _plain.decode(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"not JSON: {error}") from None


def error_type(kind: type[BaseException]) -> str:
    """The name under which an exception class travels: bare for built-in ones and ours, else with its module.

    The module of the main script is the one that another process imports, as in names of tasks.
    """
    module: str | None = kind.__module__
    if module == "__main__":
        module = main_module_name()
    if module in {None, "builtins", "millrace.errors"}:
        return kind.__qualname__
    return f"{module}.{kind.__qualname__}"


def encode_error(error: BaseException) -> str:
    """The JSON text `{type, message, stack, data?}` of an exception.

    Args:
        error: The exception. `data` is `{"args": [...]}` if its arguments are more than its message and are JSON.
    """
    import traceback

    try:
        message = str(error)
    except Exception:  # noqa: BLE001 - a broken __str__ must not hide that the task failed
        message = f"<{type(error).__name__} whose str() fails>"
    stack = "".join(traceback.format_exception(type(error), error, task_frames(error)))
    body: dict[str, Any] = {
        "type": error_type(type(error)),
        "message": _clean(message[:_MESSAGE_MAX]),
        "stack": _clean(stack[-_STACK_MAX:]),
    }
    if error.args and error.args != (message,):
        try:
            arguments = dumps(list(error.args))
        except (TypeError, ValueError, RecursionError):
            arguments = ""
        if arguments and len(arguments) <= _STACK_MAX:
            body["data"] = {"args": list(error.args)}
    return dumps(body)


def _clean(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


class RemoteTraceback(Exception):
    """The traceback of an error where it was raised."""

    def __str__(self) -> str:
        return f'\n"""\n{self.args[0]}"""'


_KNOWN: Final[Mapping[str, type[Exception]]] = {
    "ChordError": ChordError,
    "DependencyFailed": DependencyFailed,
    "FlowRefused": FlowRefused,
    "InvalidTaskError": InvalidTaskError,
    "JobExpired": TaskRevokedError,
    "JobLost": JobLost,
    "MaxRetriesExceededError": MaxRetriesExceededError,
    "NotRegistered": NotRegistered,
    "PayloadUnreadable": PayloadUnreadable,
    "Reject": Reject,
    "Retry": Retry,
    "SoftTimeLimitExceeded": SoftTimeLimitExceeded,
    "TaskRevokedError": TaskRevokedError,
    "Terminated": Terminated,
    "TimeLimitExceeded": TimeLimitExceeded,
    "WorkerLost": WorkerLostError,
    "WorkerLostError": WorkerLostError,
}


def _local_class(name: str, registered: Mapping[str, type[Exception]]) -> type[Exception] | None:
    found = registered.get(name) or _KNOWN.get(name)
    if found is None and "." in name:
        return _loaded_class(name)
    if found is None:
        builtin = getattr(sys.modules["builtins"], name, None)
        if isinstance(builtin, type) and issubclass(builtin, Exception):
            found = builtin
    return found


def _loaded_class(name: str) -> type[Exception] | None:
    """An exception class of a module that this process has imported. Nothing is imported or called to find it."""
    place, _, inner = name.rpartition(".")
    names = [inner]
    while place and place not in sys.modules:
        place, _, inner = place.rpartition(".")
        names.insert(0, inner)
    found: Any = sys.modules.get(place)
    if found is None and name.startswith(f"{main_module_name()}."):
        found = sys.modules.get("__main__")
        names = name.removeprefix(f"{main_module_name()}.").split(".")
    for each in names:
        found = vars(found).get(each) if found is not None else None
        if not isinstance(found, type):
            return None
    return found if issubclass(found, Exception) else None


def decode_error(text: str, registered: Mapping[str, type[Exception]] | None = None) -> Exception:
    """The local exception for an error's JSON text, with the remote stack as its cause.

    Only exception classes are made: registered ones, those of modules that are imported here, built-in ones and
    Millrace's own. Anything else becomes a `RemoteError`.
    """
    try:
        body = loads(text)
    except ValueError:
        body = None
    if not isinstance(body, dict):
        return RemoteError("Error", text[:_MESSAGE_MAX])
    name, message = str(body.get("type") or "Error"), str(body.get("message") or "")
    stack, data = str(body.get("stack") or ""), body.get("data")
    error: Exception | None = None
    local = _local_class(name, registered or {})
    if local is not None:
        arguments = data.get("args") if isinstance(data, dict) else None
        try:
            error = local(*arguments) if isinstance(arguments, list) else local(message)
        except Exception:  # noqa: BLE001 - a class that wants other arguments
            error = None
    if error is None:
        error = RemoteError(name, message, stack, data)
    if isinstance(error, DependencyFailed) and isinstance(data, dict):
        _tell_cause(error, data, registered)
    elif stack:
        error.__cause__ = RemoteTraceback(stack)
    return error


def _tell_cause(
    error: DependencyFailed, data: dict[str, Any], registered: Mapping[str, type[Exception]] | None
) -> None:
    """Fills in which job had failed, and how."""
    error.job_id = str(data.get("id") or "")
    error.name = str(data.get("name") or "")
    error.queue = str(data.get("queue") or "")
    cause = data.get("error")
    if isinstance(cause, dict):
        error.__cause__ = decode_error(dumps(cause), registered)
