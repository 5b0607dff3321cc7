"""Tasks one after the other."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

from millrace.canvas.joining import folded, kind_of, unrolled
from millrace.canvas.signature import Item, Signature, maybe_signature
from millrace.canvas.stamping import StampingVisitor, collect, several, stamp_links

if TYPE_CHECKING:
    from millrace.app import Millrace

_NAME = "millrace.chain"


@Signature.register_type(name="chain")
class chain(Signature[Any]):  # noqa: N801 - Celery's name
    """Tasks one after the other, each with the result of the one before as its first argument.

        chain(add.s(2, 2), add.s(4), add.s(8)).delay().get()   # 16

    `a | b | c` is the same. Answers the result of the last task when it is applied; `result.parent` is that of the one
    before. If a task fails, those after it are not run and fail with its error. A group that a task follows becomes a
    chord; a group that a group follows gives each of its tasks the list of all results.

    Args:
        *tasks: Signatures; or one iterable of them.
        **options: Options of `apply_async`: `task_id` and `link` are the last task's, `link_error` every task's, all
            others the first one's.
    """

    tasks = Item("kwargs.tasks", "Its tasks.")

    def __new__(cls, *tasks: Any, **options: Any) -> Any:
        """Joins the tasks as `|` does; so the answer can be a chord, or a group."""
        if options or (len(tasks) == 1 and isinstance(tasks[0], Signature)):
            return super().__new__(cls)
        return folded(_given(tasks))

    def __init__(self, *tasks: Any, **options: Any) -> None:
        if "kwargs" in self:  # made by __new__ already
            return
        app = options.pop("app", None)
        super().__init__(_NAME, (), {"tasks": _given(tasks)}, options, app=app)
        self.subtask_type = "chain"

    @classmethod
    def _of(
        cls, tasks: Iterable[Any], options: Mapping[str, Any] | None = None, app: Any = None
    ) -> chain:
        """A chain of exactly these tasks."""
        made: chain = Signature.__new__(cls)
        Signature.__init__(made, _NAME, (), {"tasks": list(tasks)}, options, app=app)
        made.subtask_type = "chain"
        return made

    @classmethod
    def from_dict(cls, d: Mapping[str, Any], app: Millrace | None = None) -> chain:
        """From the dict that JSON has brought."""
        made = cls._of(
            [maybe_signature(each, app=app) for each in d["kwargs"]["tasks"]], d["options"], app
        )
        made.args, made.immutable = tuple(d.get("args") or ()), bool(d.get("immutable"))
        return made

    @property
    def app(self) -> Millrace:
        """The application: its own, or its tasks'."""
        return cast("Millrace", _app_of(self, self.tasks))

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Enqueues it; None if it is empty."""
        return self.apply_async(args, kwargs) if self.tasks else None

    def clone(
        self,
        args: Sequence[Any] | None = None,
        kwargs: Mapping[str, Any] | None = None,
        **opts: Any,
    ) -> chain:
        """A copy, of its tasks too."""
        made = super().clone(args, None, **opts)
        made.tasks = [maybe_signature(each, clone=True) for each in made.tasks]
        if kwargs and made.tasks:
            made.tasks[0] = made.tasks[0].clone((), kwargs)
        return made

    def unchain_tasks(self) -> list[Any]:
        """Copies of its tasks: the last one with the chain's callbacks, all of them with its errbacks."""
        tasks = [each.clone() for each in self.tasks]
        if tasks and self.args:
            tasks[0] = tasks[0].clone(self.args)
        for callback in several(self.options.get("link")):
            tasks[-1].link(callback)
        for errback in several(self.options.get("link_error")):
            for each in tasks:
                each.link_error(errback)
        return tasks

    def steps(self) -> list[Any]:
        """Its tasks as they follow each other: inner chains in their place."""
        found: list[Any] = []
        for each in self.tasks:
            sig = unrolled(maybe_signature(each, app=self._app))
            found += chain._of(sig.unchain_tasks()).steps() if kind_of(sig) == "chain" else [sig]
        return found

    def prepare_steps(self, args: Any = (), kwargs: Any = None, tasks: Any = None, **_: Any) -> Any:
        """(tasks, results): its steps from the last to the first, frozen."""
        made = chain._of(self.tasks if tasks is None else tasks, app=self._app).clone()
        made.tasks = made.steps()
        if made.tasks:
            made.tasks[0] = made.tasks[0].clone(args, kwargs)
        result, results = made.freeze(), []
        while result is not None:
            results.append(result)
            result = result.parent
        return made.steps()[::-1], results

    def run(
        self,
        args: Sequence[Any] | None = None,
        kwargs: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> Any:
        """As `apply_async`."""
        return self.apply_async(args, kwargs, **options)

    def apply(
        self,
        args: Sequence[Any] | None = None,
        kwargs: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> Any:
        """Runs its tasks in this process; the answer is the last one's `EagerResult`."""
        from millrace.canvas.eager import apply_chain

        return apply_chain(self, args, kwargs, options)

    def stamp(
        self, visitor: StampingVisitor | None = None, append_stamps: bool = False, **headers: Any
    ) -> None:
        """Puts stamps on its tasks."""
        visited = None
        if visitor is not None:
            visited = visitor.on_chain_start(self, **headers) or {}
        stamps = collect(headers, visited, None, append=append_stamps)
        stamp_links(self, visitor, append_stamps, stamps)
        for each in self.tasks:
            each.stamp(visitor, append_stamps, **stamps)
        if visitor is not None:
            visitor.on_chain_end(self, **stamps)

    def __repr__(self) -> str:
        if not self.tasks:
            return "chain(<empty>)"
        return " | ".join(repr(each) for each in self.tasks)


_chain = chain


def _given(tasks: tuple[Any, ...]) -> list[Any]:
    """The tasks of a call: several arguments, or one iterable of them."""
    if len(tasks) == 1 and not isinstance(tasks[0], Signature | dict):
        tasks = tuple(tasks[0])
    return [maybe_signature(each) for each in tasks]


def _app_of(sig: Signature[Any], parts: Iterable[Any]) -> Any:
    if sig._app is not None:
        return sig._app
    for each in parts:
        if isinstance(each, Signature):
            return each.app
    from millrace.result.base import app_of

    return app_of(None)
