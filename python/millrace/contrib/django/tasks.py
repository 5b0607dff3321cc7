"""A backend for Django's own tasks: `django.tasks` of Django 6, or the package django-tasks for older ones.

    TASKS = {
        "default": {
            "BACKEND": "millrace.contrib.django.tasks.MillraceBackend",
            "QUEUES": ["default", "mail"],
            "OPTIONS": {"store": BASE_DIR / "jobs.db"},  # or {"app": "shop.celery:app"}
        }
    }

`python -m django millrace worker` runs them, or `millrace worker millrace.contrib.django.worker:app`.
A job is named by the function's path, so that any process that enqueues this name starts it. Django's larger priorities
come first; ours are their negatives.
"""

from __future__ import annotations

import datetime as dt
import inspect
import json
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final

from django.core import checks
from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import import_string

from millrace import serializer
from millrace.app import Millrace
from millrace.errors import InvalidArgument, MillraceError, NotFound

if TYPE_CHECKING:
    from millrace import _core

try:
    from django.tasks.backends.base import BaseTaskBackend
    from django.tasks.base import Task, TaskContext, TaskError, TaskResult, TaskResultStatus
    from django.tasks.exceptions import TaskResultDoesNotExist
    from django.tasks.signals import task_enqueued, task_finished, task_started
    from django.utils.json import normalize_json
except ImportError:
    try:
        from django_tasks.backends.base import BaseTaskBackend
        from django_tasks.base import Task, TaskContext, TaskError, TaskResult, TaskResultStatus
        from django_tasks.exceptions import TaskResultDoesNotExist
        from django_tasks.signals import task_enqueued, task_finished, task_started
        from django_tasks.utils import normalize_json
    except ImportError:
        raise ImproperlyConfigured(
            "MillraceBackend needs Django 6, or the package django-tasks for an older Django"
        ) from None

__all__ = ["MillraceBackend"]

_STATUS: Final = {
    "active": TaskResultStatus.RUNNING,
    "completed": TaskResultStatus.SUCCESSFUL,
    "failed": TaskResultStatus.FAILED,
    "cancelled": TaskResultStatus.FAILED,
}
_OPTIONS: Final = ("app", "store")


class MillraceBackend(BaseTaskBackend):  # type: ignore[misc]  # Django has no types
    """Django's tasks as jobs of a store.

    OPTIONS are `store`, the path of the store's file, or `app`, an application as "module:attribute"; without them the
    environment variable MILLRACE_STORE names the file.
    """

    supports_defer = True
    supports_async_task = True
    supports_get_result = True
    supports_priority = True

    def __init__(self, alias: str, params: dict[str, Any]) -> None:
        super().__init__(alias, params)
        unknown = set(self.options) - set(_OPTIONS)
        if unknown or len(self.options) > 1:
            raise ImproperlyConfigured(
                f"TASKS[{alias!r}]['OPTIONS'] takes one of app and store, not {sorted(self.options)}"
            )
        self._app: Millrace | None = None
        self._defined: dict[str, Any] = {}

    # --- The application --------------------------------------------------------------------------

    @property
    def app(self) -> Millrace:
        """The application that its jobs belong to. Raises ImproperlyConfigured."""
        if self._app is None:
            self._app = self._find_app()
        return self._app

    def _find_app(self) -> Millrace:
        name = self.options.get("app")
        if name is None:
            return Millrace(f"django.{self.alias}", store=self.options.get("store"))
        try:
            found = import_string(str(name).replace(":", "."))
        except ImportError as error:
            raise ImproperlyConfigured(f"TASKS[{self.alias!r}]: {error}") from error
        if not isinstance(found, Millrace):
            raise ImproperlyConfigured(
                f"TASKS[{self.alias!r}]: {name!r} is a {type(found).__name__}, not a Millrace application"
            )
        return found

    def validate_task(self, task: Any) -> None:
        """As every backend; and remembers the task for workers."""
        super().validate_task(task)
        self._defined.setdefault(task.module_path, task)

    def register_tasks(self) -> Millrace:
        """Makes the application know the tasks defined so far, so that a worker of it runs them."""
        app = self.app
        for path, task in self._defined.items():
            if path not in app.tasks:
                app.task(name=path, bind=True, max_retries=0)(self._runner(path, task))
        return app

    # --- Enqueueing and reading -------------------------------------------------------------------

    def enqueue(self, task: Any, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
        """Enqueues a job; it is safe on the disk when this returns."""
        self.validate_task(task)
        result = self._made(task, args=args, kwargs=kwargs)
        sent = self.app.send_task(
            task.module_path,
            result.args,
            result.kwargs,
            queue=task.queue_name,
            priority=-int(task.priority),
            eta=_aware(task.run_after),
        )
        _set(result, id=sent.id, enqueued_at=dt.datetime.now(dt.timezone.utc))
        task_enqueued.send(type(self), task_result=result)
        return result

    def get_result(self, result_id: str) -> Any:
        """Where a job stands. Raises TaskResultDoesNotExist."""
        try:
            info = self.app.engine.get_job(str(result_id))
        except (NotFound, InvalidArgument):
            raise TaskResultDoesNotExist(result_id) from None
        task = self._task_of(info)
        if task is None:
            raise TaskResultDoesNotExist(result_id)
        args, kwargs = _call_of(info)
        result = self._made(
            task,
            id=info.spec.id,
            status=_STATUS.get(info.state, TaskResultStatus.READY),
            enqueued_at=_moment(info.created_at_ms),
            started_at=_moment(info.started_at_ms),
            last_attempted_at=_moment(info.started_at_ms),
            finished_at=_moment(info.finished_at_ms),
            args=args,
            kwargs=kwargs,
            errors=[_error(text) for text in _errors(info)],
            worker_ids=[info.worker or "unknown"] * info.attempts_started,
        )
        if info.state == "completed" and isinstance(info.result, str):
            _set(result, _return_value=serializer.loads(info.result))
        return result

    def _task_of(self, info: _core.JobInfo) -> Any:
        """The task of a job as it was enqueued; None if the job is not one of Django's tasks."""
        task = self._defined.get(info.spec.name)
        if task is None:
            try:
                task = import_string(info.spec.name)
            except ImportError:
                return None
        if not isinstance(task, Task):
            return None
        changes: dict[str, Any] = {
            "priority": -info.spec.priority,
            "queue_name": info.spec.queue,
            "backend": self.alias,
        }
        if info.due_at_ms > info.created_at_ms:
            changes["run_after"] = _moment(info.due_at_ms)
        return task.using(**changes)

    def _made(self, task: Any, **fields: Any) -> Any:
        values: dict[str, Any] = {
            "id": "",
            "status": TaskResultStatus.READY,
            "enqueued_at": None,
            "started_at": None,
            "last_attempted_at": None,
            "finished_at": None,
            "errors": [],
            "worker_ids": [],
        }
        return TaskResult(task=task, backend=self.alias, **{**values, **fields})

    def check(self, **kwargs: Any) -> Iterable[checks.CheckMessage]:  # noqa: ARG002 - Django's signature
        """Says at start-up what enqueueing would say."""
        try:
            _ = self.app.store
        except (MillraceError, ImproperlyConfigured) as error:
            yield checks.Error(str(error), obj=f"TASKS[{self.alias!r}]", id="millrace.E001")

    # --- Running ----------------------------------------------------------------------------------

    def _runner(self, path: str, task: Any) -> Callable[..., Any]:
        """What a worker calls for a job of this task."""
        if inspect.iscoroutinefunction(task.func):

            async def run_async(self_: Any, *args: Any, **kwargs: Any) -> Any:
                with _Running(self, self_.request.id) as running:
                    return running.ended(await task.func(*running.arguments(args), **kwargs))

            return run_async

        def run(self_: Any, *args: Any, **kwargs: Any) -> Any:
            with _Running(self, self_.request.id) as running:
                return running.ended(task.func(*running.arguments(args), **kwargs))

        run.__name__ = path
        return run


class _Running:
    """One run of a task: tells Django's signals, and leaves no stale database connection."""

    def __init__(self, backend: MillraceBackend, job_id: str) -> None:
        self._backend = backend
        self.result: Any = backend.get_result(job_id)

    def __enter__(self) -> _Running:
        _close_old_connections()
        task_started.send(type(self._backend), task_result=self.result)
        return self

    def arguments(self, args: tuple[Any, ...]) -> tuple[Any, ...]:
        """The positional ones, with the context if the task wants it."""
        if self.result.task.takes_context:
            return (TaskContext(task_result=self.result), *args)
        return args

    def ended(self, value: Any) -> Any:
        """Notes the result; raises TypeError for one that JSON does not have."""
        plain = normalize_json(value)
        _set(self.result, _return_value=plain, status=TaskResultStatus.SUCCESSFUL)
        return plain

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if isinstance(error, KeyboardInterrupt):
            return  # nobody's failure: the job will be run again
        _set(self.result, finished_at=dt.datetime.now(dt.timezone.utc))
        if error is not None:
            _set(self.result, status=TaskResultStatus.FAILED)
            self.result.errors.append(_error(serializer.encode_error(error)))
        try:
            task_finished.send(type(self._backend), task_result=self.result)
        finally:
            _close_old_connections()


def _close_old_connections() -> None:
    from django.db import close_old_connections

    close_old_connections()


def _set(result: Any, **values: Any) -> None:
    """Results are frozen for users only."""
    for name, value in values.items():
        object.__setattr__(result, name, value)


def _call_of(info: _core.JobInfo) -> tuple[list[Any], dict[str, Any]]:
    payload = serializer.loads(str(info.spec.data)) or {}
    if "$args" in payload and payload.keys() <= {"$args", "$kwargs"}:
        return list(payload["$args"]), dict(payload.get("$kwargs", {}))
    return [], dict(payload)


def _errors(info: _core.JobInfo) -> list[str]:
    errors = list(info.attempt_errors)
    if info.error and info.error not in errors:
        errors.append(info.error)
    return errors


def _error(text: str) -> Any:
    body = json.loads(text)
    kind = str(body.get("type", "Exception"))
    if "." not in kind:
        import builtins

        kind = f"{'builtins' if hasattr(builtins, kind) else 'millrace.errors'}.{kind}"
    return TaskError(exception_class_path=kind, traceback=str(body.get("stack", "")))


def _moment(at_ms: int) -> dt.datetime | None:
    return dt.datetime.fromtimestamp(at_ms / 1000, dt.timezone.utc) if at_ms else None


def _aware(moment: dt.datetime | None) -> dt.datetime | None:
    """A naive datetime is in Django's time zone (with USE_TZ=False there are no others)."""
    if moment is None or moment.tzinfo is not None:
        return moment
    from django.utils import timezone

    aware: dt.datetime = timezone.make_aware(moment, timezone.get_default_timezone())
    return aware
