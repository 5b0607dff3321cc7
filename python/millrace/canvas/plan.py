"""A canvas as jobs that wait for each other: the one place where what it means is written down.

Each task becomes a job. What stands before it in a chain, or in the header of its chord, is what the job waits for; its
headers say which results it takes (`millrace.headers`). A list that several jobs take, or that is an element of another
list, is made by a join: a job that the store completes by itself. Callbacks wait for a success, errbacks for a failure.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from millrace import _core
from millrace.canvas.builtin import LAUNCH
from millrace.canvas.joining import kind_of
from millrace.canvas.signature import Signature, maybe_signature, merged_options, owned
from millrace.canvas.stamping import STAMPED, several
from millrace.errors import InvalidArgument
from millrace.flows import Flow, Node
from millrace.headers import After, Place, with_place
from millrace.task_options import CANVAS_OPTIONS

if TYPE_CHECKING:
    from millrace.app import Millrace
    from millrace.links import Policy

_NO_EFFECT: Final = frozenset(
    {"add_to_parent", "reply_to", "producer", "publisher", "connection", "router", "result_cls",
     "task_type", "route_name"}
)  # fmt: skip
_NOT_THE_JOBS: Final = CANVAS_OPTIONS | _NO_EFFECT | {"task_id"}
_OF_THE_END: Final = frozenset({"task_id", "link", "link_error"})
_OF_THE_START: Final = frozenset({"countdown", "eta"})
_JOIN_NAME: Final = "millrace.collect"


@dataclasses.dataclass(slots=True, eq=False)
class One:
    """Where a part of a canvas ends: in one job. `before` is the end of what stands before it, for `result.parent`."""

    index: int
    before: End | None


@dataclasses.dataclass(slots=True, eq=False)
class Many:
    """A group's ends."""

    group_id: str
    ends: list[End]
    before: End | None
    source: End | None = None  # what an empty group waits for


End = One | Many


@dataclasses.dataclass(slots=True)
class Call:
    """How a part is put into the plan.

    Attributes:
        source: What it gets the result of.
        before: What its result's `parent` is.
        args: Arguments before its own.
        kwargs: Keyword arguments beside its own.
        options: Options instead of its own.
        errbacks: Errbacks beside its own.
        first_id: The id of its first job.
        last_id: The id of its last job.
        group: (id, index) of the group that its last job is in.
        chord_id: The body of the chord that its last job is in the header of.
    """

    source: End | None = None
    before: End | None = None
    args: tuple[Any, ...] = ()
    kwargs: dict[str, Any] = dataclasses.field(default_factory=dict)
    options: dict[str, Any] = dataclasses.field(default_factory=dict)
    errbacks: tuple[Any, ...] = ()
    first_id: str | None = None
    last_id: str | None = None
    group: tuple[str, int] | None = None
    chord_id: str = ""


class Plan:
    """The jobs of a canvas under construction. Nothing is written.

    Args:
        app: The application.
        origin: Where the job stands that makes it; its root and parent are inherited.

    Attributes:
        flow: The jobs.
    """

    def __init__(self, app: Millrace, origin: Place | None = None) -> None:
        self.app = app
        self.flow = Flow(app)
        self._origin = origin or Place()
        self._root_id = self._origin.root_id
        self._policy: Policy = "fail"
        self._side = False
        self._depth = 0

    def new_id(self) -> str:
        """An id that no other job has."""
        return self.app.engine.new_id()

    def put(self, sig: Any, call: Call) -> End | None:
        """Adds the jobs of a part; None if it has none."""
        sig = owned(maybe_signature(sig), self.app)
        kind = kind_of(sig)
        self._depth += 1
        try:
            if kind == "chain":
                return self._chain(sig, call)
            if kind == "group":
                return self._group(sig, call)
            if kind == "chord":
                return self._chord(sig, call)
            if kind == "chunks":
                return self._group(sig.group(), call)
            return self._task(sig, call)
        finally:
            self._depth -= 1

    # --- Kinds of canvas --------------------------------------------------------------------------

    def _chain(self, sig: Any, call: Call) -> End | None:
        options = merged_options(sig.options, call.options)
        steps = sig.steps()
        if not steps:
            return None
        args = call.args if sig.immutable else (*call.args, *sig.args)
        errbacks = (*call.errbacks, *several(options.get("link_error")))
        source, before = call.source, call.before
        end: End | None = None
        for position, step in enumerate(steps):
            is_first, is_last = position == 0, position == len(steps) - 1
            own = {} if not is_first else without(options, _OF_THE_END)
            if is_last and options.get("link"):
                own["link"] = [*several(step.options.get("link")), *several(options["link"])]
            end = self.put(
                step,
                Call(
                    source=source,
                    before=before,
                    args=args if is_first else (),
                    kwargs=call.kwargs if is_first else {},
                    options=own,
                    errbacks=errbacks,
                    first_id=call.first_id if is_first else None,
                    last_id=(options.get("task_id") or call.last_id) if is_last else None,
                    group=call.group if is_last else None,
                    chord_id=call.chord_id if is_last else "",
                ),
            )
            source = before = end
        return end

    def _group(self, sig: Any, call: Call) -> End:
        options = merged_options(sig.options, call.options)
        group_id = options.get("task_id") or self.new_id()
        members = list(sig.unrolled())
        source = call.source
        made = Many(group_id, [], call.before, source)
        if isinstance(source, Many) and len(members) > 1:
            source = self._gather(source, "results")
        args = call.args if sig.immutable else (*call.args, *sig.args)
        errbacks = (*call.errbacks, *several(options.get("link_error")))
        shared = without(options, {"task_id", "link_error"})
        is_own_root = not self._root_id
        first_root = ""
        for position, member in enumerate(members):
            if is_own_root:
                self._root_id = ""
            member_call = Call(
                source=source,
                args=args,
                kwargs=call.kwargs,
                options=shared,
                errbacks=errbacks,
                group=(group_id, position),
                chord_id=call.chord_id,
            )
            if is_own_root and position == 0 and self._depth > 1 and kind_of(member) is None:
                member_call.first_id = member.options.get("task_id") or self.new_id()
                first_root = member_call.first_id
            end = self.put(member, member_call)
            first_root = first_root or self._root_id
            if end is not None:
                made.ends.append(end)
        if is_own_root:
            self._root_id = first_root if self._depth > 1 else ""
        if self._depth == 1 and len(made.ends) == 1 and isinstance(made.ends[0], Many):
            return made.ends[0]  # a chain that ends in a group stands for that group
        return made

    def _chord(self, sig: Any, call: Call) -> End | None:
        options = merged_options(sig.options, call.options)
        kwargs = dict(call.kwargs)
        given = kwargs.pop("body", None)
        body = maybe_signature(given if given is not None else sig.body)
        if body is None:
            raise InvalidArgument(
                "the chord has no body: chord(header)(body), or chord(header, body)"
            )
        last_id = options.get("task_id") or call.last_id
        first_id = self._id_of_body(body, last_id)
        header = sig.header()
        ends = self.put(
            header,
            Call(
                source=call.source,
                before=call.before,
                args=call.args if sig.immutable else (*call.args, *sig.args),
                kwargs={**sig.kwargs.get("kwargs", {}), **kwargs},
                options=without(options, _OF_THE_END | CANVAS_OPTIONS - {STAMPED}),
                errbacks=call.errbacks if self._errbacks_on_header() else (),
                chord_id=first_id or "",
            ),
        )
        own = without(options, _OF_THE_END | _OF_THE_START | {"parent_id"})
        if options.get("link"):
            own["link"] = [*several(body.options.get("link")), *several(options["link"])]
        return self.put(
            body,
            Call(
                source=ends,
                before=ends,
                options=own,
                errbacks=(*call.errbacks, *several(options.get("link_error"))),
                first_id=first_id,
                last_id=last_id,
                group=call.group,
                chord_id=call.chord_id,
            ),
        )

    def _errbacks_on_header(self) -> bool:
        conf = getattr(self.app, "conf", None)
        return bool(getattr(conf, "task_allow_error_cb_on_chord_header", False))

    def _id_of_body(self, body: Any, last_id: str | None) -> str | None:
        """The id by which the header's tasks know the body; None if it does not begin with one job."""
        lead = body
        while kind_of(lead) == "chain":
            steps = lead.steps()
            if len(steps) != 1:
                last_id = None
            if not steps:
                return None
            last_id = last_id or (lead.options.get("task_id") if len(steps) == 1 else None)
            lead = steps[0]
        if kind_of(lead) in ("group", "chord", "chunks"):
            return None
        return lead.options.get("task_id") or last_id or self.new_id()

    # --- One job ----------------------------------------------------------------------------------

    def _task(self, sig: Any, call: Call) -> One:
        options = merged_options(sig["options"], call.options)
        immutable = sig["immutable"]
        args = tuple(sig["args"]) if immutable else (*call.args, *sig["args"])
        kwargs = sig["kwargs"] if immutable else {**sig["kwargs"], **call.kwargs}
        after, kind, count = self._links(call.source)
        takes = bool(kind) and not immutable
        if takes and kind == "results" and count == 0:  # the header of the chord is empty
            takes, args = False, ([], *args)
        place = self._place(options, call)
        place.after = ("result" if after else "") if kind == "results" and count == 0 else kind
        place.count, place.immutable = count, bool(place.after) and not takes
        job_id = options.get("task_id") or call.last_id or call.first_id
        leads = self._depth > 1 and call.group is None
        if not self._root_id and not self._side and (leads or options.get("link")):
            job_id = job_id or self.new_id()
        index = self._append(sig, args, kwargs, options, place, after, job_id, int(takes))
        if options or call.errbacks:
            self._callbacks(index, options, call.errbacks)
        end = One(index, call.before)
        if "chain" not in options:
            return end
        following: End | None = end
        for step in reversed(several(options.get("chain"))):  # Celery has them from the last one
            following = self.put(step, Call(source=following, before=following))
        return end

    def _append(
        self,
        sig: Any,
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
        options: dict[str, Any],
        place: Place,
        after: list[_core.Dependency],
        job_id: str | None,
        taken: int,
    ) -> int:
        if not self._root_id and not self._side and job_id:
            self._root_id = job_id
        own = without(options, _NOT_THE_JOBS) if options else {}
        if place.stamps:
            own = without(own, place.stamps)
        spec = spec_of(self.app, sig, args, kwargs, own, taken)
        fields: dict[str, Any] = {}
        if job_id:
            fields["id"] = job_id
        text = with_place(spec.headers, place)
        if text != spec.headers:
            fields["headers"] = text
        node: Node[Any] = Node(
            self.flow, len(self.flow.nodes), spec.replace(**fields) if fields else spec, after, ""
        )
        node.side = self._side
        self.flow.nodes.append(node)
        return node.index

    def _place(self, options: Mapping[str, Any], call: Call) -> Place:
        group_id, index = call.group or ("", 0)
        named = options.get(STAMPED)
        stamps = {key: options[key] for key in several(named) if key in options} if named else {}
        chord = options.get("chord")
        return Place(
            root_id=options.get("root_id") or self._root_id,
            parent_id=options.get("parent_id")
            or (self._origin.parent_id if call.source is None else ""),
            group_id=options.get("group_id") or group_id,
            group_index=options.get("group_index", index),
            chord_id=call.chord_id
            or (chord if isinstance(chord, str) else getattr(chord, "id", ""))
            or "",
            stamps=stamps,
            nesting=options.get("replaced_task_nesting", self._origin.nesting),
        )

    # --- What it waits for ------------------------------------------------------------------------

    def _links(self, source: End | None) -> tuple[list[_core.Dependency], After, int]:
        """What a job waits for, what it is to it, and how many that are."""
        if source is None:
            return [], "", 0
        if isinstance(source, One):
            return [_core.Dependency(source.index, policy=self._policy)], "result", 0
        if not source.ends:
            after, _, _ = self._links(source.source)
            return after, "results", 0
        indexes = [self._value(each) for each in source.ends]
        after = [_core.Dependency(index, policy=self._policy) for index in indexes]
        return after, "results", len(after)

    def _value(self, end: End) -> int:
        """The job whose result is the value of this end."""
        return end.index if isinstance(end, One) else self._gather(end, "join").index

    def _gather(self, source: Many, kind: After) -> One:
        """A job that ends with the list of the results of a group. `kind` says how its failure is to be told."""
        after, _, count = self._links(source)
        if count == 0:
            empty: Signature[Any] = Signature(
                "millrace.map", kwargs={"task": {"task": ""}, "it": []}, app=self.app
            )
            empty.immutable = True
            return self._task(empty, Call(source=source.source, before=source))
        place = Place(after=kind, count=count, root_id=self._root_id)
        spec = _core.JobSpec(
            self.app.default_queue,
            _JOIN_NAME,
            data="{}",
            join="collect",
            headers=with_place("", place),
        )
        node: Node[Any] = Node(self.flow, len(self.flow.nodes), spec, after, "")
        node.side = self._side
        self.flow.nodes.append(node)
        return One(node.index, source)

    # --- What follows it on success and on failure ------------------------------------------------

    def _callbacks(self, index: int, options: Mapping[str, Any], errbacks: tuple[Any, ...]) -> None:
        links = several(options.get("link"))
        on_error: list[Any] = []
        for each in (*several(options.get("link_error")), *errbacks):
            if each not in on_error:
                on_error.append(each)
        if not links and not on_error:
            return
        side, policy, depth = self._side, self._policy, self._depth
        self._side = True
        try:
            for errback in on_error:
                self._errback(index, maybe_signature(errback))
            self._policy, self._depth = "cancel", depth + 1
            for link in links:
                self.put(link, Call(source=One(index, None)))
        finally:
            self._side, self._policy, self._depth = side, policy, depth

    def _errback(self, index: int, sig: Any) -> None:
        if kind_of(sig) not in (None, "xmap", "xstarmap"):
            # Its first jobs could be several, and those that follow them must not fail if it is not needed.
            sig = Signature(LAUNCH, (), {"signature": sig}, app=self.app)
        owned(sig, self.app)
        place = self._place(sig.options, Call(source=One(index, None)))
        place.after, place.immutable = "failure", bool(sig.immutable)
        after = [_core.Dependency(index, policy="on_failure")]
        taken = 0 if sig.immutable else self._errback_arity(sig)
        job_id = sig.options.get("task_id")
        at = self._append(
            sig, tuple(sig.args), sig.kwargs, dict(sig.options), place, after, job_id, taken
        )
        self._callbacks(at, sig.options, ())

    def _errback_arity(self, sig: Any) -> int:
        from millrace.worker.intake import takes_error

        task = sig.known_type()
        return 3 if task is not None and takes_error(task) else 1


def without(options: Mapping[str, Any], names: Any) -> dict[str, Any]:
    """The options but these."""
    return {key: value for key, value in options.items() if key not in names}


def spec_of(
    app: Millrace,
    sig: Any,
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
    options: dict[str, Any],
    taken: int,
) -> _core.JobSpec:
    """The job of a task, which will take so many arguments from others before its own."""
    task = sig.known_type()
    if task is None:
        queue = options.pop("queue", None)
        return app.named_job(sig.task, args, kwargs, queue=queue, **options)
    if taken == 0:
        return task.prepare(args, kwargs, **options).spec  # type: ignore[no-any-return]
    return task.prepare_partial(args, kwargs, taken, **options).spec  # type: ignore[no-any-return]
