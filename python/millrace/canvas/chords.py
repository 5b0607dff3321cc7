"""Tasks side by side, and one that gets all their results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

from millrace.canvas.chains import _app_of
from millrace.canvas.groups import group
from millrace.canvas.joining import kind_of
from millrace.canvas.signature import Item, Signature, maybe_signature
from millrace.canvas.stamping import StampingVisitor, collect, stamp_links

if TYPE_CHECKING:
    from millrace.app import Millrace

_NAME = "millrace.chord"


@Signature.register_type(name="chord")
class chord(Signature[Any]):  # noqa: N801 - Celery's name
    """A header of tasks side by side, and a body that gets the list of their results, in their order.

        chord([add.s(i, i) for i in range(100)], total.s()).delay()
        chord(add.s(i, i) for i in range(100))(total.s())

    The answer is the body's result; its `parent` is the `GroupResult` of the header. If a task of the header fails, the
    body fails with a `ChordError`, without being run, and its errbacks are called. An empty header gives the body an
    empty list.

    Args:
        header: Signatures; or a group.
        body: A signature; a canvas too.
        task: Not to be given.
        args: Arguments before those of each task of the header.
        kwargs: Keyword arguments for each task of the header.
        app: The application.
        **options: Options of `apply_async` for the header and the body; `task_id`, `link` and `link_error` are the
            body's, `countdown` and `eta` the header's.
    """

    tasks = Item("kwargs.header", "The tasks of the header; a list or a group.")
    body = Item("kwargs.body", "The body; None if it comes when the chord is called.")

    def __init__(
        self,
        header: Any,
        body: Any = None,
        task: str = _NAME,
        args: Sequence[Any] | None = None,
        kwargs: Mapping[str, Any] | None = None,
        app: Millrace | None = None,
        **options: Any,
    ) -> None:
        parts = {"header": _header(header, app), "body": maybe_signature(body, app=app)}
        super().__init__(task, args, {"kwargs": {}, **(kwargs or {}), **parts}, options, app=app)
        self.subtask_type = "chord"

    @classmethod
    def from_dict(cls, d: Mapping[str, Any], app: Millrace | None = None) -> chord:
        """From the dict that JSON has brought."""
        kwargs = dict(d["kwargs"])
        header, body = kwargs.pop("header"), kwargs.pop("body", None)
        made = cls(header, body, args=d.get("args"), kwargs=kwargs, app=app)
        made.options = dict(d.get("options") or {})
        made.immutable = bool(d.get("immutable"))
        return made

    @property
    def app(self) -> Millrace:
        """The application: its own, or its tasks'."""
        return cast("Millrace", _app_of(self, [*self.header().tasks, self.body]))

    def header(self) -> group:
        """The header as a group."""
        tasks = self.tasks
        return tasks if isinstance(tasks, group) else group(tasks, app=self._app)

    def __call__(self, body: Any = None, **options: Any) -> Any:
        """Enqueues it, with this body if it has none."""
        return self.apply_async((), {"body": body} if body is not None else {}, **options)

    def run(self, header: Any, body: Any, partial_args: Any = (), **options: Any) -> Any:
        """Enqueues this header with this body."""
        kwargs = options.pop("kwargs", None)
        return chord(header, body, app=self._app).apply_async(partial_args, kwargs, **options)

    def apply(
        self,
        args: Sequence[Any] | None = None,
        kwargs: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> Any:
        """Runs it in this process; the answer is the body's `EagerResult`."""
        from millrace.canvas.eager import apply_chord

        return apply_chord(self, args, kwargs, options)

    def clone(
        self,
        args: Sequence[Any] | None = None,
        kwargs: Mapping[str, Any] | None = None,
        **opts: Any,
    ) -> chord:
        """A copy, of its header and its body too. Keyword arguments are for the header; `body` is the body."""
        more = dict(kwargs or {})
        body = more.pop("body", None)
        made = super().clone(args, None, **opts)
        tasks = made.tasks
        made.tasks = (
            tasks.clone()
            if isinstance(tasks, group)
            else [maybe_signature(t, clone=True) for t in tasks]
        )
        made.body = maybe_signature(body if body is not None else made.body, clone=True)
        made.kwargs["kwargs"] = {**made.kwargs.get("kwargs", {}), **more}
        return made

    # --- Size -------------------------------------------------------------------------------------

    def __length_hint__(self) -> int:
        return sum(_completions(each) for each in self.header().tasks)

    # --- Options ----------------------------------------------------------------------------------

    def link(self, callback: Any) -> Any:
        """Links a callback to the body."""
        self.body.link(callback)
        return callback

    def link_error(self, errback: Any) -> Any:
        """Links an errback to the body; to each task of the header too with `task_allow_error_cb_on_chord_header`."""
        errback = maybe_signature(errback)
        on_header = bool(
            getattr(getattr(self.app, "conf", None), "task_allow_error_cb_on_chord_header", False)
        )
        for each in self.header().tasks:
            if on_header:
                each.link_error(errback.clone())
            elif kind_of(each) == "chord":
                each.link_error(errback)
        self.body.link_error(errback)
        return errback

    def set_immutable(self, immutable: bool) -> None:
        """Says of each task of the header whether it takes arguments beside its own."""
        for each in self.header().tasks:
            each.set_immutable(immutable)

    def stamp(
        self, visitor: StampingVisitor | None = None, append_stamps: bool = False, **headers: Any
    ) -> None:
        """Puts stamps on its header and its body."""
        visited = None
        if visitor is not None:
            visited = visitor.on_chord_header_start(self, **headers) or {}
        stamps = collect(headers, visited, None, append=append_stamps)
        stamp_links(self, visitor, append_stamps, stamps)
        for each in self.header().tasks:
            each.stamp(visitor, append_stamps, **stamps)
        if visitor is not None:
            visitor.on_chord_header_end(self, **stamps)
        if self.body is None:
            return
        if visitor is not None:
            visited = visitor.on_chord_body(self, **headers) or {}
            stamps = collect(stamps, visited, None, append=append_stamps)
        self.body.stamp(visitor, append_stamps, **stamps)

    def __repr__(self) -> str:
        if self.body is None:
            return f"<chord without body: {self.tasks!r}>"
        return f"chord({list(self.header().tasks)!r}, {self.body!r})"


_chord = chord


def _header(given: Any, app: Any) -> Any:
    """What is kept of a header: a group as it is, of a chain its tasks, else a list."""
    if isinstance(given, dict) and not isinstance(given, Signature):
        given = maybe_signature(given, app=app)
    if isinstance(given, group):
        return given
    if kind_of(given) == "chain":
        return list(given.tasks)
    if isinstance(given, Signature):
        return [given]
    return [maybe_signature(each, app=app) for each in given]


def _completions(sig: Any) -> int:
    """How many tasks of this part must end before the body can start."""
    sig = maybe_signature(sig)
    kind = kind_of(sig)
    if kind == "group":
        return sum(_completions(each) for each in sig.tasks)
    if kind == "chain":
        return next((n for each in reversed(sig.tasks) if (n := _completions(each))), 0)
    if kind == "chord":
        return _completions(sig.body)
    return 1
