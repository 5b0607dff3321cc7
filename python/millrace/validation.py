"""`@app.task(pydantic=True)`: arguments and results validated by the function's type hints.

    class Order(BaseModel):
        id: int
        lines: list[str]

    @app.task(pydantic=True)
    def ship(order: Order) -> Receipt: ...

    ship.delay(Order(id=1, lines=[]))

A model travels as plain JSON, so that a producer in another language writes the same object. In the worker each
argument that has a type hint is validated, and converted, before the function is called; a job that does not fit fails
with pydantic's ValidationError. What the function returns is validated if it has a hint, and dumped as JSON.

Options: `pydantic_strict` converts nothing (True) or what pydantic converts (default), `pydantic_context` is passed to
validators, `pydantic_dump_kwargs` to `model_dump`. Needs the package pydantic, version 2.
"""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any

from millrace.errors import ImproperlyConfigured

if TYPE_CHECKING:
    from millrace.parameters import Payload
    from millrace.task import Task

try:
    import pydantic
except ImportError as missing:
    raise ImproperlyConfigured(
        "pydantic=True needs the package pydantic, version 2: pip install pydantic"
    ) from missing


class Validator:
    """The type hints of one task's function."""

    def __init__(self, task: Task[..., Any]) -> None:
        self._strict = task.pydantic_strict
        self._context = dict(task.pydantic_context) if task.pydantic_context else None
        self._dump_kwargs = {"mode": "json", **(task.pydantic_dump_kwargs or {})}
        function = inspect.unwrap(task.function)
        try:
            hints = typing.get_type_hints(function, include_extras=True)
        except NameError as error:
            raise ImproperlyConfigured(
                f"{task.name}: pydantic=True, but a type hint cannot be resolved: {error}"
            ) from error
        parameters = list(inspect.signature(function).parameters.values())
        self._signature = inspect.Signature(parameters[1:] if task.is_bound else parameters)
        self._returns = _adapter(hints.pop("return")) if "return" in hints else None
        variadic = {
            each.name for each in parameters if each.kind in (each.VAR_POSITIONAL, each.VAR_KEYWORD)
        }
        self._adapters = {
            name: _adapter(hint) for name, hint in hints.items() if name not in variadic
        }

    def validated(self, args: Any, kwargs: Any) -> tuple[Any, Any]:
        """The arguments of a call, as their hints say. Raises pydantic.ValidationError or TypeError."""
        bound = self._signature.bind(*args, **kwargs)
        for name, value in bound.arguments.items():
            adapter = self._adapters.get(name)
            if adapter is not None:
                bound.arguments[name] = adapter.validate_python(
                    value, strict=self._strict, context=self._context
                )
        return bound.args, bound.kwargs

    def result(self, value: Any) -> Any:
        """What is stored of a result. Raises pydantic.ValidationError."""
        if self._returns is None:
            return self.dumped(value)
        checked = self._returns.validate_python(value, strict=self._strict, context=self._context)
        if isinstance(checked, pydantic.BaseModel):
            return self.dumped(checked)
        return self._returns.dump_python(checked, mode="json")

    def dumped(self, value: Any) -> Any:
        """A value with the models in it as plain JSON."""
        if isinstance(value, pydantic.BaseModel):
            return value.model_dump(**self._dump_kwargs)
        if isinstance(value, list | tuple):
            return [self.dumped(each) for each in value]
        if isinstance(value, dict):
            return {key: self.dumped(each) for key, each in value.items()}
        return value


def _adapter(hint: Any) -> Any:
    """What validates by a hint; None for a hint that pydantic knows nothing of."""
    try:
        return pydantic.TypeAdapter(hint, config=pydantic.ConfigDict(arbitrary_types_allowed=True))
    except pydantic.PydanticUserError:
        pass  # a class that has a configuration of its own
    try:
        return pydantic.TypeAdapter(hint)
    except pydantic.PydanticUserError:
        return None


def validating(task: Task[..., Any], validator: Validator) -> Callable[..., Any]:
    """The task's `run` with validated arguments and result."""
    run = task.run

    @wraps(run)
    def call(*args: Any, **kwargs: Any) -> Any:
        args, kwargs = validator.validated(args, kwargs)
        return validator.result(run(*args, **kwargs))

    @wraps(run)
    async def call_async(*args: Any, **kwargs: Any) -> Any:
        args, kwargs = validator.validated(args, kwargs)
        return validator.result(await run(*args, **kwargs))

    return call_async if task.is_async else call


def dumping(bind: Callable[..., Payload], validator: Validator) -> Callable[..., Payload]:
    """The binder of a task's arguments, with models as plain JSON."""

    @wraps(bind)
    def dump(*args: Any, **kwargs: Any) -> Payload:
        payload: Payload = validator.dumped(bind(*args, **kwargs))
        return payload

    return dump
