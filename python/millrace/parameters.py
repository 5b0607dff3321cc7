"""How the arguments of a task become the payload of a job, and back.

`resize.delay("a.png", width=5)` travels as `{"url": "a.png", "width": 5}`: a producer in another language writes the
same object. Only where names cannot say it (`*args`, a callable whose signature is unknown) the payload is
`{"$args": [...], "$kwargs": {...}}`.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from types import CodeType
from typing import Any, Final

Payload = dict[str, Any]
Binder = Callable[..., Payload]

_VARARGS: Final = 0x04
_VARKEYWORDS: Final = 0x08
_COROUTINE: Final = 0x80

_UNSET: Final = object()


def is_coroutine_function(function: Callable[..., object]) -> bool:
    """Whether calling it makes a coroutine. Looks through decorators that use functools.wraps."""
    code = _code_of(function)
    if code is not None and code.co_flags & _COROUTINE:
        return True
    code = getattr(function, "__code__", None) or getattr(type(function).__call__, "__code__", None)
    return code is not None and bool(code.co_flags & _COROUTINE)


def _unwrap(function: Callable[..., object]) -> Callable[..., object]:
    for _ in range(100):
        inner = getattr(function, "__wrapped__", None)
        if inner is None:
            break
        function = inner
    return function


def _code_of(function: Callable[..., object]) -> CodeType | None:
    code = getattr(_unwrap(function), "__code__", None)
    return code if isinstance(code, CodeType) else None


def generic_bind(*args: Any, **kwargs: Any) -> Payload:
    """The payload of a call that names cannot express."""
    return {"$args": list(args), "$kwargs": kwargs}


class Parameters:
    """The parameters of a task's function, without the task itself that `bind=True` passes first.

    Attributes:
        bind: Takes a call's arguments and answers the payload; raises TypeError just as the function itself would.
        positional_only: Names of leading parameters that cannot be passed by name.
        positional: Names of all parameters that can be passed by position.
    """

    __slots__ = ("_by_name", "bind", "positional", "positional_only")

    def __init__(self, function: Callable[..., object], *, skip_first: bool) -> None:
        self.bind: Binder = generic_bind
        self.positional_only: tuple[str, ...] = ()
        self.positional: tuple[str, ...] = ()
        self._by_name = False
        code = _code_of(function)
        if code is None or code.co_flags & _VARARGS:
            return
        skip = 1 if skip_first else 0
        inner = _unwrap(function)
        names = code.co_varnames
        positional = names[skip : code.co_argcount]
        only = names[skip : max(skip, code.co_posonlyargcount)]
        keyword = names[code.co_argcount : code.co_argcount + code.co_kwonlyargcount]
        extra = (
            names[code.co_argcount + code.co_kwonlyargcount]
            if code.co_flags & _VARKEYWORDS
            else None
        )
        if extra is not None and only:
            return  # f(a, /, **extra) may be called with a keyword `a` beside the positional one
        optional = len(getattr(inner, "__defaults__", None) or ())
        defaulted = set(positional[max(0, len(positional) - optional) :] if optional else ())
        defaulted.update(getattr(inner, "__kwdefaults__", None) or ())
        self.bind = _compile(inner.__qualname__, positional, len(only), keyword, defaulted, extra)
        self.positional_only = only
        self.positional = positional
        self._by_name = True

    def arguments(self, payload: Any) -> tuple[list[Any], dict[str, Any]]:
        """Positional and keyword arguments for the function. Raises TypeError for a payload of another shape."""
        if payload is None:
            return [], {}
        if not isinstance(payload, dict):
            raise TypeError(
                f"the payload must be a JSON object of arguments by name, not {_json_type(payload)}"
            )
        if "$args" in payload and payload.keys() <= {"$args", "$kwargs"}:
            args, kwargs = payload["$args"], payload.get("$kwargs", {})
            if not isinstance(args, list) or not isinstance(kwargs, dict):
                raise TypeError("$args must be an array and $kwargs an object")
            return args, kwargs
        if not self.positional_only:
            return [], payload
        kwargs = dict(payload)
        return [kwargs.pop(name) for name in self.positional_only if name in kwargs], kwargs


class Keywords(dict[str, Any]):
    """Keyword arguments that also answer for those that were given by position."""

    __slots__ = ("_by_position",)

    def __init__(self, keywords: dict[str, Any], by_position: dict[str, Any]) -> None:
        super().__init__(keywords)
        self._by_position = by_position

    def __missing__(self, name: str) -> Any:
        return self._by_position[name]

    def __contains__(self, name: object) -> bool:
        return super().__contains__(name) or name in self._by_position

    def get(self, name: str, default: Any = None) -> Any:
        """The argument of this name, however it was given."""
        try:
            return self[name]
        except KeyError:
            return default


class BatchParameters(Parameters):
    """Of a task that takes its jobs in batches: its function gets the jobs, so that it does not say their arguments."""

    __slots__ = ()

    def __init__(self, name: str) -> None:
        def bind(**kwargs: Any) -> Payload:
            return kwargs

        bind.__name__ = bind.__qualname__ = name
        self.bind = bind
        self.positional_only = self.positional = ()
        self._by_name = True


def by_position(
    positional: tuple[str, ...], args: list[Any], kwargs: dict[str, Any]
) -> tuple[list[Any], Keywords]:
    """A call as its author may have written it: what stands first by position, the rest by keyword.

    Which arguments were given by name cannot be known. The keywords therefore also answer for those by position; they
    are not among them when the keywords are listed, or passed on with `**`.
    """
    if args or not positional:
        return args, Keywords(kwargs, {})
    rest = dict(kwargs)
    first: dict[str, Any] = {}
    for name in positional:
        if name not in rest:
            break
        first[name] = rest.pop(name)
    return list(first.values()), Keywords(rest, first)


def _json_type(value: object) -> str:
    names = {
        list: "an array",
        str: "a string",
        bool: "a boolean",
        int: "a number",
        float: "a number",
    }
    return names.get(type(value), type(value).__name__)


def _compile(
    qualname: str,
    positional: tuple[str, ...],
    positional_only: int,
    keyword: tuple[str, ...],
    defaulted: set[str],
    extra: str | None,
) -> Binder:
    """A function with the same parameters that answers its arguments as a dict.

    Made by the compiler rather than by inspect.Signature.bind(): it costs what a call costs (0.1 instead of 5
    microseconds), and its errors are Python's own. A parameter that was not given is left out, so that the default in
    force is the one where the task runs.
    """
    taken = {*positional, *keyword, extra}
    unset, payload = (
        next(f"{stem}{i}" for i in itertools.count() if f"{stem}{i}" not in taken)
        for stem in ("unset", "payload")
    )

    def parameter(name: str) -> str:
        return f"{name}={unset}" if name in defaulted else name

    parameters = [parameter(name) for name in positional]
    if positional_only:
        parameters.insert(positional_only, "/")
    if keyword:
        parameters += ["*", *(parameter(name) for name in keyword)]
    if extra is not None:
        parameters.append(f"**{extra}")
    everything = (*positional, *keyword)
    required = ", ".join(f"{name!r}: {name}" for name in everything if name not in defaulted)
    lines = [f"def bind({', '.join(parameters)}):", f"    {payload} = {{{required}}}"]
    for name in everything:
        if name in defaulted:
            lines += [f"    if {name} is not {unset}:", f"        {payload}[{name!r}] = {name}"]
    if extra is not None:
        lines.append(f"    {payload}.update({extra})")
    lines.append(f"    return {payload}")
    scope: dict[str, Any] = {unset: _UNSET}
    exec("\n".join(lines), scope)  # noqa: S102 - nothing in it but the function's own parameter names
    bind: Any = scope["bind"]
    bind.__qualname__ = bind.__name__ = qualname
    return bind  # type: ignore[no-any-return]
