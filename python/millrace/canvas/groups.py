"""Tasks side by side."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

from millrace.canvas.chains import _app_of
from millrace.canvas.joining import joined, kind_of
from millrace.canvas.signature import Item, Signature, maybe_signature
from millrace.canvas.stamping import StampingVisitor, collect, stamp_links

if TYPE_CHECKING:
    from millrace.app import Millrace

_NAME = "millrace.group"


@Signature.register_type()
class group(Signature[Any]):  # noqa: N801 - Celery's name
    """Tasks side by side: `group(add.s(i, i) for i in range(10))()` enqueues all of them in one commit.

    The answer is a `GroupResult`; its `get()` is the list of the results, in the order of the tasks. A group within a
    group counts as its tasks. `group | task` is a chord.

    Args:
        *tasks: Signatures; or one iterable of them.
        **options: Options of `apply_async` for all tasks; `task_id` is the group's id.
    """

    tasks = Item("kwargs.tasks", "Its tasks.")

    def __init__(self, *tasks: Any, **options: Any) -> None:
        app = options.pop("app", None)
        given: Any = tasks
        if len(tasks) == 1:
            only = tasks[0]
            given = only.tasks if isinstance(only, group) else only
            if isinstance(given, Signature | dict):
                given = [given]
        made = [maybe_signature(each, app=app) for each in given]
        super().__init__(_NAME, (), {"tasks": made}, options, app=app)
        self.subtask_type = "group"

    @classmethod
    def from_dict(cls, d: Mapping[str, Any], app: Millrace | None = None) -> group:
        """From the dict that JSON has brought."""
        made = cls(
            [maybe_signature(each, app=app) for each in d["kwargs"]["tasks"]],
            app=app,
            **d["options"],
        )
        made.args, made.immutable = tuple(d.get("args") or ()), bool(d.get("immutable"))
        return made

    @property
    def app(self) -> Millrace:
        """The application: its own, or its tasks'."""
        return cast("Millrace", _app_of(self, self.tasks))

    def __call__(self, *partial_args: Any, **options: Any) -> Any:
        """Enqueues it, with these arguments before those of each task."""
        return self.apply_async(partial_args, **options)

    def __len__(self) -> int:
        return len(self.tasks)

    def __bool__(self) -> bool:
        return True  # a dict that is never empty, whatever its length says

    def __or__(self, other: Any) -> Any:
        return joined(self, other)

    def unrolled(self) -> Iterator[Any]:
        """Its tasks, those of groups within it in their place; empty chains are left out."""
        for each in self.tasks:
            sig = maybe_signature(each, app=self._app)
            if isinstance(sig, group):
                yield from sig.unrolled()
            elif kind_of(sig) != "chain" or sig.steps():
                yield sig

    def clone(
        self,
        args: Sequence[Any] | None = None,
        kwargs: Mapping[str, Any] | None = None,
        **opts: Any,
    ) -> group:
        """A copy, of its tasks too."""
        made = super().clone(args, None, **opts)
        made.tasks = [maybe_signature(each, clone=True) for each in made.tasks]
        if kwargs:
            made.tasks = [each.clone((), kwargs) for each in made.tasks]
        return made

    def skew(self, start: float = 1.0, stop: float | None = None, step: float = 1.0) -> group:
        """Gives its tasks countdowns: `start` for the first, `step` more for each, at most `stop`. Answers itself."""
        value = start
        for each in self.tasks:
            each.set(countdown=value)
            if stop is None or value + step <= stop:
                value += step
        return self

    def apply_async(
        self,
        args: Sequence[Any] | None = None,
        kwargs: Mapping[str, Any] | None = None,
        route_name: str | None = None,
        **options: Any,
    ) -> Any:
        """Enqueues its tasks in one commit; the answer is a `GroupResult`."""
        for name in ("link", "link_error"):
            if options.get(name) is not None:
                raise TypeError(f"Cannot add {name} to group: use a chord, or link the tasks")
        return super().apply_async(args, kwargs, route_name, **options)

    def apply(
        self,
        args: Sequence[Any] | None = None,
        kwargs: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> Any:
        """Runs its tasks in this process, one after the other; the answer is a `GroupResult`."""
        from millrace.canvas.eager import apply_group

        return apply_group(self, args, kwargs, options)

    def set_immutable(self, immutable: bool) -> None:
        """Says of each task whether it takes arguments beside its own."""
        for each in self.tasks:
            each.set_immutable(immutable)

    def link(self, sig: Any) -> Any:
        """Links a copy to the first task. It takes no result. What shall follow all of them is the body of a chord."""
        return self.tasks[0].link(maybe_signature(sig).clone().set(immutable=True))

    def link_error(self, sig: Any) -> tuple[Any, ...]:
        """Links a copy to each task: it is run for each that fails."""
        errback = maybe_signature(sig)
        return tuple(each.link_error(errback.clone()) for each in self.tasks)

    def stamp(
        self, visitor: StampingVisitor | None = None, append_stamps: bool = False, **headers: Any
    ) -> None:
        """Puts stamps on its tasks."""
        visited = None
        if visitor is not None:
            visited = visitor.on_group_start(self, **headers) or {}
        stamps = collect(headers, visited, None, append=append_stamps)
        stamp_links(self, visitor, append_stamps, stamps)
        for each in self.tasks:
            each.stamp(visitor, append_stamps, **stamps)
        if visitor is not None:
            visitor.on_group_end(self, **stamps)

    def __repr__(self) -> str:
        return f"group({self.tasks!r})" if self.tasks else "group(<empty>)"
