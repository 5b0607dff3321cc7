"""A call of a task that is not made yet, as a value: `add.s(2, 2)`."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar, cast

from millrace import options as checks
from millrace.canvas import stamping
from millrace.canvas.stamping import STAMPED, StampingVisitor, several
from millrace.errors import InvalidArgument

if TYPE_CHECKING:
    from millrace.app import Millrace
    from millrace.result import AsyncResult

R = TypeVar("R")
S = TypeVar("S", bound="Signature[Any]")
K = TypeVar("K")

_DEFAULTS: dict[str, Any] = {
    "task": None,
    "args": (),
    "kwargs": {},
    "options": {},
    "subtask_type": None,
    "immutable": False,
}


class Item:
    """An attribute of a signature that is kept in the dict, under a key or a path of two: `Item("options.task_id")`."""

    def __init__(self, path: str, doc: str) -> None:
        *inner, self._key = path.split(".")
        self._inner = inner[0] if inner else None
        self.__doc__ = doc

    def _where(self, sig: Any) -> dict[str, Any]:
        return cast("dict[str, Any]", sig if self._inner is None else sig[self._inner])

    def __get__(self, sig: Any, kind: Any = None) -> Any:
        return self if sig is None else self._where(sig).get(self._key)

    def __set__(self, sig: Any, value: Any) -> None:
        self._where(sig)[self._key] = value


class Signature(dict[str, Any], Generic[R]):
    """A call of a task with its arguments and options, to be made later, elsewhere, or as a part of a canvas.

    It is a dict, so that it travels as JSON. Made by `task.s(...)`, `task.si(...)` (which takes no results of others),
    `task.signature(...)`, or by the task's name with `signature("name", args=(...), app=app)`. Arguments that come when
    it is applied, or from the task before it, stand before its own. Whether they fit the task is checked when it is
    applied.

    Args:
        task: A task, a task's name, or the dict of another signature.
        args: Positional arguments.
        kwargs: Keyword arguments.
        options: Options of `Task.apply_async`.
        type: The task, if `task` is its name.
        subtask_type: Which kind of canvas it is; None for a task.
        immutable: Whether it takes no arguments beside its own.
        app: The application; default the task's, or the current one.
        **ex: More options.
    """

    TYPES: ClassVar[dict[str, type[Signature[Any]]]] = {}
    _IMMUTABLE_OPTIONS: ClassVar[frozenset[str]] = frozenset({"group_id", STAMPED})

    _app: Millrace | None = None
    _type: Any = None

    id = Item("options.task_id", "The id that its job will have, once it is frozen.")
    parent_id = Item("options.parent_id", "The id of the job that makes it.")
    root_id = Item("options.root_id", "The id of the first job of its canvas.")
    task = Item("task", "The task's name.")
    args = Item("args", "Positional arguments.")
    kwargs = Item("kwargs", "Keyword arguments.")
    options = Item("options", "Options of `Task.apply_async`.")
    subtask_type = Item("subtask_type", "Which kind of canvas it is; None for a task.")
    immutable = Item("immutable", "Whether it takes no arguments beside its own.")

    def __init__(
        self,
        task: Any = None,
        args: Sequence[Any] | None = None,
        kwargs: Mapping[str, Any] | None = None,
        options: Mapping[str, Any] | None = None,
        type: Any = None,  # noqa: A002
        subtask_type: str | None = None,
        immutable: bool = False,
        app: Millrace | None = None,
        **ex: Any,
    ) -> None:
        if isinstance(task, dict):
            super().__init__(task)
            for key, default in _DEFAULTS.items():
                self.setdefault(key, copy.copy(default))
        else:
            name = getattr(task, "name", task)
            # One by one: half the time of passing them to dict(), and a canvas may have thousands.
            self["task"] = name
            self["args"] = tuple(args) if args else ()
            self["kwargs"] = dict(kwargs) if kwargs else {}
            self["options"] = {**options, **ex} if options else ex
            self["subtask_type"] = subtask_type
            self["immutable"] = immutable
            if name is not task:
                self._type = task
        if type is not None:
            self._type = type
        self._app = app

    # --- What it belongs to -----------------------------------------------------------------------

    @property
    def app(self) -> Millrace:
        """The application."""
        if self._app is not None:
            return self._app
        if self._type is not None:
            return cast("Millrace", self._type.app)
        from millrace.result.base import app_of

        return app_of(None)

    @property
    def type(self) -> Any:
        """The task; raises NotRegistered if the application does not know it."""
        if self._type is None:
            from millrace.canvas.builtin import known_task

            self._type = known_task(self.app, self.task)
        return self._type

    def known_type(self) -> Any:
        """The task; None if the application does not know it."""
        if self._type is None:
            from millrace.canvas.builtin import find_task

            self._type = find_task(self.app, self.task)
        return self._type

    @property
    def name(self) -> str:
        """The task's name."""
        return cast("str", self["task"])

    @classmethod
    def register_type(cls, name: str | None = None) -> Callable[[K], K]:
        """A decorator: `from_dict` makes this class for the kind of this name (default the class's)."""

        def register(subclass: Any) -> Any:
            cls.TYPES[name or subclass.__name__] = subclass
            return subclass

        return register

    @classmethod
    def from_dict(cls, d: Mapping[str, Any], app: Millrace | None = None) -> Signature[Any]:
        """The signature, or the canvas, of a dict that JSON has brought."""
        kind = d.get("subtask_type")
        if kind:
            if kind not in cls.TYPES:
                raise InvalidArgument(
                    f"subtask_type must be one of {', '.join(cls.TYPES)}, or None, not {kind!r}"
                )
            target = cls.TYPES[kind]
            if target is not cls:
                return target.from_dict(d, app=app)
        if "task" not in d:
            raise InvalidArgument("a signature's dict must have the key 'task'")
        return Signature(dict(d), app=app)

    # --- Making it happen -------------------------------------------------------------------------

    def __call__(self, *partial_args: Any, **partial_kwargs: Any) -> Any:
        """Calls the task's function here and now."""
        args, kwargs, _ = self._merge(partial_args, partial_kwargs, None)
        return self.type(*args, **kwargs)

    def delay(self, *partial_args: Any, **partial_kwargs: Any) -> AsyncResult[R]:
        """Enqueues it, with these arguments before its own."""
        return cast("AsyncResult[R]", self.apply_async(partial_args, partial_kwargs))

    def apply_async(
        self,
        args: Sequence[Any] | None = None,
        kwargs: Mapping[str, Any] | None = None,
        route_name: str | None = None,
        **options: Any,
    ) -> Any:
        """Enqueues it, all its jobs in one commit.

        Args:
            args: Arguments before its own.
            kwargs: Keyword arguments beside its own.
            route_name: No effect.
            **options: As for `Task.apply_async`, instead of its own.
        """
        del route_name
        from millrace.canvas.applying import apply_async

        return apply_async(self, tuple(args or ()), dict(kwargs or {}), _given(options))

    async def aapply_async(
        self,
        args: Sequence[Any] | None = None,
        kwargs: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> Any:
        """As `apply_async`, to be awaited."""
        from millrace.canvas.applying import aapply_async

        return await aapply_async(self, tuple(args or ()), dict(kwargs or {}), _given(options))

    async def adelay(self, *partial_args: Any, **partial_kwargs: Any) -> Any:
        """As `delay`, to be awaited."""
        return await self.aapply_async(partial_args, partial_kwargs)

    def apply(
        self,
        args: Sequence[Any] | None = None,
        kwargs: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> Any:
        """Runs it in this process, at once; the answer is an `EagerResult`."""
        args, kwargs, options = self._merge(args, kwargs, _given(options))
        return self.type.apply(args, kwargs, **options)

    def __invert__(self) -> Any:
        return self.apply_async().get()

    # --- Copies -----------------------------------------------------------------------------------

    def _merge(
        self,
        args: Sequence[Any] | None = None,
        kwargs: Mapping[str, Any] | None = None,
        options: Mapping[str, Any] | None = None,
        force: bool = False,
    ) -> tuple[tuple[Any, ...], dict[str, Any], dict[str, Any]]:
        """Its arguments and options with more of them. Arguments change nothing if it is immutable, unless forced."""
        made = merged_options(self.options, options)
        if self.immutable and not force:
            return tuple(self.args), dict(self.kwargs), made
        return (*(args or ()), *self.args), {**self.kwargs, **(kwargs or {})}, made

    def clone(
        self: S,
        args: Sequence[Any] | None = None,
        kwargs: Mapping[str, Any] | None = None,
        **opts: Any,
    ) -> S:
        """A copy, with arguments before its own and options instead of its own."""
        all_args, all_kwargs, options = self._merge(args, kwargs, opts)
        made = Signature.from_dict(
            {
                "task": self.task,
                "args": all_args,
                "kwargs": all_kwargs,
                "options": copy.deepcopy(options),
                "subtask_type": self.subtask_type,
                "immutable": self.immutable,
            },
            app=self._app,
        )
        made._type = self._type
        return cast("S", made)

    partial = clone

    def __deepcopy__(self, memo: Any) -> Signature[Any]:
        made = self.clone()
        memo[id(self)] = made
        return made

    def replace(
        self: S,
        args: Sequence[Any] | None = None,
        kwargs: Mapping[str, Any] | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> S:
        """A copy with other arguments or options in place of its own."""
        made = self.clone()
        if args is not None:
            made.args = tuple(args)
        if kwargs is not None:
            made.kwargs = dict(kwargs)
        if options is not None:
            made.options = dict(options)
        return made

    def freeze(
        self,
        _id: str | None = None,
        group_id: str | None = None,
        chord: Any = None,
        root_id: str | None = None,
        parent_id: str | None = None,
        group_index: int | None = None,
    ) -> Any:
        """Decides its jobs' ids, without enqueueing them; answers the result. Enqueue it once only afterwards."""
        from millrace.canvas.freezing import freeze

        named = {"root_id": root_id, "parent_id": parent_id, "group_index": group_index}
        for key, value in named.items():
            if value is not None:
                self.options[key] = value
        if group_id is not None:
            self.options.setdefault("group_id", group_id)
        if chord is not None:
            self.options["chord"] = chord
        return freeze(self, _id)

    _freeze = freeze

    # --- Options ----------------------------------------------------------------------------------

    def set(self: S, immutable: bool | None = None, **options: Any) -> S:
        """Sets options of `Task.apply_async`; answers itself."""
        if immutable is not None:
            self.set_immutable(immutable)
        self.options.update(options)
        return self

    def set_immutable(self, immutable: bool) -> None:
        """Says whether it takes arguments beside its own."""
        self.immutable = immutable

    def append_to_list_option(self, key: str, value: Any) -> Any:
        """Adds a value to an option that is a list, unless it is there; answers the value."""
        items = self._list_option(key)
        if value not in items:
            items.append(value)
        return value

    def extend_list_option(self, key: str, value: Any) -> None:
        """Adds values to an option that is a list."""
        self._list_option(key).extend(several(value))

    def _list_option(self, key: str) -> list[Any]:
        items = self.options.get(key)
        if not isinstance(items, list):
            items = self.options[key] = several(items)
        return items

    def link(self, callback: Any) -> Any:
        """Adds a callback: it is run with the result when this has succeeded. Answers the callback."""
        return self.append_to_list_option("link", callback)

    def link_error(self, errback: Any) -> Any:
        """Adds an errback: it is run when this has failed. Answers the errback.

        It is called with (request, error, traceback) if it takes more than one argument, else with the failed job's id.
        """
        return self.append_to_list_option("link_error", errback)

    def on_error(self: S, errback: Any) -> S:
        """As `link_error`, but answers itself."""
        self.link_error(errback)
        return self

    def flatten_links(self) -> list[Any]:
        """Itself, its callbacks, their callbacks, and so on."""
        links = [maybe_signature(each, app=self._app) for each in several(self.options.get("link"))]
        return [self, *(each for link in links for each in link.flatten_links())]

    # --- Stamps -----------------------------------------------------------------------------------

    def stamp(
        self, visitor: StampingVisitor | None = None, append_stamps: bool = False, **headers: Any
    ) -> Any:
        """Puts stamps on it, on all its parts and on their callbacks.

        Args:
            visitor: Decides the stamps of each part.
            append_stamps: Whether a stamp that a part has already is kept beside the new one, in a list.
            **headers: Stamps for all parts.
        """
        stamping.stamp_links(self, visitor, append_stamps, headers)
        visited = None
        if visitor is not None:
            visited = visitor.on_signature(self, **headers) or {}
        return self.set(**stamping.collect(headers, visited, self.options, append=append_stamps))

    def stamp_links(
        self, visitor: StampingVisitor | None, append_stamps: bool = False, **headers: Any
    ) -> None:
        """Puts stamps on its callbacks and errbacks alone."""
        stamping.stamp_links(self, visitor, append_stamps, headers)

    # --- Together with others ---------------------------------------------------------------------

    def __or__(self, other: Any) -> Any:
        from millrace.canvas.joining import joined

        return joined(self, other)

    def __ior__(self, other: Any) -> Any:
        return self.__or__(other)

    def election(self) -> Any:
        """Enqueues it; the store sees to it that one worker runs it."""
        return self.apply_async()

    # --- Other forms ------------------------------------------------------------------------------

    def reprcall(self, *args: Any, **kwargs: Any) -> str:
        """How the call would be written."""
        all_args, all_kwargs, _ = self._merge(args, kwargs, {}, force=True)
        parts = [repr(each) for each in all_args]
        parts += [f"{key}={value!r}" for key, value in all_kwargs.items()]
        return f"{self['task']}({', '.join(parts)})"

    def __repr__(self) -> str:
        return self.reprcall()

    def __json__(self) -> dict[str, Any]:
        return dict(self)

    def __reduce__(self) -> Any:
        return signature, (dict(self),)


def merged_options(own: Mapping[str, Any], more: Mapping[str, Any] | None) -> dict[str, Any]:
    """Options with others in their place; its group and its stamps stay."""
    if not more:
        return dict(own)
    fixed = Signature._IMMUTABLE_OPTIONS.union(own.get(STAMPED) or ())
    return {
        **own,
        **{key: value for key, value in more.items() if key not in fixed or key not in own},
    }


def _given(options: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in options.items() if value is not None}


def signature(varies: Any, *args: Any, **kwargs: Any) -> Any:
    """A signature of a task, of a task's name, or of the dict of one; of a signature a copy."""
    if isinstance(varies, Signature):
        return varies.clone()
    if isinstance(varies, dict):
        return Signature.from_dict(varies, app=kwargs.get("app"))
    return Signature(varies, *args, **kwargs)


def maybe_signature(d: Any, app: Millrace | None = None, clone: bool = False) -> Any:
    """A signature of one or of its dict; None of None."""
    if d is None:
        return None
    if isinstance(d, Signature):
        if clone:
            d = d.clone()
    elif isinstance(d, dict):
        d = Signature.from_dict(d, app=app)
    else:
        raise checks.wrong_type("a part of a canvas", "a signature, made by task.s()", d)
    if app is not None:
        d._app = app
    return d


def owned(sig: Any, app: Millrace) -> Any:
    """The signature; if it belongs to no application, from now on to this one."""
    if sig._app is None and sig._type is None:
        sig._app = app
    return sig


subtask = signature
maybe_subtask = maybe_signature
