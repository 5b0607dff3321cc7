"""Routes that enqueue jobs: the body is the task's arguments, checked by the task's own type hints."""

from __future__ import annotations

import hashlib
import inspect
import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Annotated, Any, Final

from fastapi import APIRouter, Header, HTTPException, Request, Response
from pydantic import BaseModel, ConfigDict, Field, create_model

from millrace import options, serializer
from millrace.contrib.fastapi.answers import CALLERS, Refused, Submitted, refused
from millrace.errors import InvalidArgument, NotFound
from millrace.loop import bridge
from millrace.task import Task

if TYPE_CHECKING:
    from millrace.app import Millrace
    from millrace.result import AsyncResult

_KEY_MAX: Final = 255
_PATH: Final = re.compile(r"[\w.~-]+(/[\w.~-]+)*")
_VAR_ARGS: Final = inspect.Parameter.VAR_POSITIONAL
_VAR_KEYWORDS: Final = inspect.Parameter.VAR_KEYWORD
_ANSWERS: Final[dict[int | str, dict[str, Any]]] = {
    200: {"model": Submitted, "description": "An earlier request with this key made the job"},
    400: {"model": Refused, "description": "A value that is refused"},
    409: {"model": Refused, "description": "This Idempotency-Key was used with other arguments"},
    429: {"model": Refused, "description": "The queue takes no more jobs of this group"},
}

Tasks = Iterable[Task[..., Any]] | Mapping[str, Task[..., Any]]


def add_submit_routes(routes: APIRouter, app: Millrace, tasks: Tasks) -> None:
    """Adds `POST /<task's name>` for each task; with a mapping its keys are the paths."""
    named = tasks.items() if isinstance(tasks, Mapping) else [(None, task) for task in tasks]
    for path, task in named:
        if not callable(getattr(task, "prepare", None)):
            raise options.wrong_type("tasks", "made of tasks", task)
        where = task.name if path is None else path
        if not isinstance(where, str) or not _PATH.fullmatch(where.strip("/")):
            raise InvalidArgument(f"tasks: {where!r} cannot be a path")
        if task.app is not app:
            raise InvalidArgument(f"tasks: {task.name} is a task of another application")
        _add_route(routes, app, task, where.strip("/"))


def _add_route(routes: APIRouter, app: Millrace, task: Task[..., Any], path: str) -> None:
    model = arguments_model(task)
    is_optional = not any(field.is_required() for field in model.model_fields.values())

    async def submit(
        request: Request,
        response: Response,
        arguments: Any,
        idempotency_key: str | None = None,
    ) -> Submitted:
        args, kwargs = _call(task, arguments)
        try:
            job_id = None if idempotency_key is None else _job_id(task.name, idempotency_key)
            result = await task.aio.apply_async(args, kwargs, task_id=job_id)
            if result.existing:
                await _check_same(app, task, result, args, kwargs)
        except CALLERS as error:
            raise refused(error) from None
        except TypeError as error:
            detail = {"code": "invalid_argument", "message": str(error)}
            raise HTTPException(400, detail=detail) from None
        above = request.url.path.removesuffix(f"/{path}")
        response.headers["Location"] = f"{above}/{result.id}"
        if result.existing:
            response.status_code = 200
        return Submitted(id=result.id, queue=result.queue, name=task.name)

    # FastAPI reads the annotations: the body's is this task's model.
    submit.__annotations__ = {
        "request": Request,
        "response": Response,
        "arguments": model | None if is_optional else model,
        "idempotency_key": Annotated[str | None, Header()],
        "return": Submitted,
    }
    if is_optional:
        submit.__defaults__ = (None, None)
    routes.add_api_route(
        f"/{path}",
        submit,
        methods=["POST"],
        status_code=202,
        summary=f"Enqueue {task.name}",
        description=inspect.getdoc(task.function),
        operation_id=f"submit_{re.sub(r'[^0-9A-Za-z_]', '_', path)}",
        responses=_ANSWERS,
    )


def arguments_model(task: Task[..., Any]) -> type[BaseModel]:
    """A model of a task's arguments by name; `*args` is a list `args`, `**kwargs` are further fields."""
    signature = inspect.signature(task.function, eval_str=True)
    parameters = list(signature.parameters.values())[1 if task.is_bound else 0 :]
    fields: dict[str, Any] = {}
    extra = "forbid"
    for parameter in parameters:
        hint: Any = Any if parameter.annotation is parameter.empty else parameter.annotation
        if parameter.kind is _VAR_KEYWORDS:
            extra = "allow"
        elif parameter.kind is _VAR_ARGS:
            fields[parameter.name] = (list[hint], Field(default_factory=list))
        elif parameter.default is parameter.empty:
            fields[parameter.name] = (hint, ...)
        else:
            fields[parameter.name] = (hint, parameter.default)
    name = "".join(word.capitalize() for word in re.split(r"\W|_", task.name) if word)
    config = ConfigDict(extra=extra, arbitrary_types_allowed=True)  # type: ignore[typeddict-item]
    return create_model(f"{name}Arguments", __config__=config, **fields)


def _call(task: Task[..., Any], arguments: BaseModel | None) -> tuple[list[Any], dict[str, Any]]:
    """The arguments of the call: those that were sent; the task knows its own defaults."""
    if arguments is None:
        return [], {}
    sent = arguments.model_fields_set
    values = {name: _plain(getattr(arguments, name)) for name in sent}
    args: list[Any] = []
    parameters = list(inspect.signature(task.function).parameters.values())[
        1 if task.is_bound else 0 :
    ]
    if any(each.kind is _VAR_ARGS and each.name in values for each in parameters):
        for each in parameters:  # what stands before *args must be passed by position with it
            if each.kind is _VAR_ARGS:
                return args + values.pop(each.name), values
            args.append(values.pop(each.name, each.default))
    for each in parameters:
        if each.kind is inspect.Parameter.POSITIONAL_ONLY and each.name in values:
            args.append(values.pop(each.name))
    return args, values


def _plain(value: Any) -> Any:
    """Models become what their JSON is; the rest travels as the task's arguments always do."""
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(each) for each in value]
    if isinstance(value, Mapping):
        return {str(name): _plain(each) for name, each in value.items()}
    return value


def _job_id(name: str, key: str) -> str:
    """The id of the job that a key stands for; Node makes the same."""
    if not 1 <= len(key) <= _KEY_MAX:
        raise InvalidArgument(
            f"Idempotency-Key must have 1 to {_KEY_MAX} characters, not {len(key)}"
        )
    digest = hashlib.sha256(f"{name}\n{key}".encode()).hexdigest()
    return f"idempotency-{digest}"


async def _check_same(
    app: Millrace,
    task: Task[..., Any],
    result: AsyncResult[Any],
    args: list[Any],
    kwargs: dict[str, Any],
) -> None:
    """Refuses a key that was used with other arguments: the caller would take another's job for this one."""
    queue = result.queue
    try:
        info = await bridge(app).call(lambda engine: engine.get_job(result.id, queue))
    except NotFound:
        return  # removed in this moment
    mine = task.prepare(args, kwargs).spec.data
    if serializer.loads(str(info.spec.data)) != serializer.loads(str(mine)):
        message = "this Idempotency-Key was used with other arguments"
        raise HTTPException(409, detail={"code": "wrong_state", "message": message})
