"""One task for many arguments, in one job or in some."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar, cast

from millrace import options as checks
from millrace.canvas.groups import group
from millrace.canvas.signature import Signature, maybe_signature

if TYPE_CHECKING:
    from millrace.app import Millrace

M = TypeVar("M", bound="_basemap")


class _basemap(Signature[Any]):  # noqa: N801 - Celery's name
    """What `xmap` and `xstarmap` have in common."""

    _task_name: ClassVar[str] = ""

    def __init__(self, task: Any, it: Iterable[Any], **options: Any) -> None:
        app = options.pop("app", None)
        sig = _task_signature(task, app)
        super().__init__(
            self._task_name,
            (),
            {"task": sig, "it": list(it)},
            options,
            immutable=True,
            app=app or sig._app,
        )
        self.subtask_type = type(self).__name__

    @classmethod
    def from_dict(cls: type[M], d: Mapping[str, Any], app: Millrace | None = None) -> M:
        """From the dict that JSON has brought."""
        return cls(d["kwargs"]["task"], d["kwargs"]["it"], app=app, **d["options"])


@Signature.register_type()
class xmap(_basemap):  # noqa: N801 - Celery's name
    """`[task(x) for x in it]` in one job; made by `task.map(it)`."""

    _task_name = "millrace.map"

    def __repr__(self) -> str:
        return f"[{self.kwargs['task'].task}(x) for x in {self.kwargs['it']!r:.100}]"


@Signature.register_type()
class xstarmap(_basemap):  # noqa: N801 - Celery's name
    """`[task(*x) for x in it]` in one job; made by `task.starmap(it)`."""

    _task_name = "millrace.starmap"

    def __repr__(self) -> str:
        return f"[{self.kwargs['task'].task}(*x) for x in {self.kwargs['it']!r:.100}]"


@Signature.register_type()
class chunks(Signature[Any]):  # noqa: N801 - Celery's name
    """One task for many arguments, in jobs for `n` of them each; made by `task.chunks(it, n)`.

    When it is applied it is a group of `xstarmap`s, and its result a list of lists.
    """

    def __init__(self, task: Any, it: Iterable[Any], n: int, **options: Any) -> None:
        app = options.pop("app", None)
        sig = _task_signature(task, app)
        super().__init__(
            "millrace.chunks",
            (),
            {"task": sig, "it": list(it), "n": checks.check_int("n", n, least=1)},
            options,
            immutable=True,
            app=app or sig._app,
        )
        self.subtask_type = "chunks"

    @classmethod
    def from_dict(cls, d: Mapping[str, Any], app: Millrace | None = None) -> chunks:
        """From the dict that JSON has brought."""
        kwargs = d["kwargs"]
        return cls(kwargs["task"], kwargs["it"], kwargs["n"], app=app, **d["options"])

    def __call__(self, **options: Any) -> Any:
        """Enqueues it."""
        return self.apply_async(**options)

    def group(self) -> group:
        """The group that it is when it is applied."""
        task, it, n = (self.kwargs[key] for key in ("task", "it", "n"))
        parts = (it[at : at + n] for at in range(0, len(it), n))
        return group(
            [xstarmap(task, part, app=self._app) for part in parts], app=self._app, **self.options
        )

    def apply_async(
        self,
        args: Sequence[Any] | None = None,
        kwargs: Mapping[str, Any] | None = None,
        route_name: str | None = None,
        **options: Any,
    ) -> Any:
        """Enqueues it; the answer is a `GroupResult`."""
        return self.group().apply_async(args, kwargs, route_name, **options)

    def apply(
        self,
        args: Sequence[Any] | None = None,
        kwargs: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> Any:
        """Runs it in this process."""
        return self.group().apply(args, kwargs, **options)

    @classmethod
    def apply_chunks(cls, task: Any, it: Iterable[Any], n: int, app: Millrace | None = None) -> Any:
        """Makes it and enqueues it."""
        return cls(task, it, n, app=app)()


def _task_signature(task: Any, app: Any) -> Signature[Any]:
    if isinstance(task, dict):
        return cast("Signature[Any]", maybe_signature(task, app=app))
    if isinstance(task, str) or hasattr(task, "name"):
        return Signature(task, app=app or getattr(task, "app", None))
    raise checks.wrong_type("task", "a task, a signature, or a task's name", task)
