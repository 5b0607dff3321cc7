"""From a canvas to its results: enqueued in one commit, or run in this process."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from millrace import _core
from millrace.canvas.joining import kind_of
from millrace.canvas.plan import Call, End, Many, One, Plan, without
from millrace.canvas.signature import Signature
from millrace.errors import InvalidArgument
from millrace.flows import Flow
from millrace.headers import CHORD_CHILD, Place
from millrace.options import wrong_type
from millrace.prepared import PreparedJob
from millrace.request import current_request
from millrace.result import ResultSet
from millrace.task_options import CANVAS_OPTIONS

if TYPE_CHECKING:
    from millrace.app import Millrace

_FORWARD = "millrace.forward"


def apply_async(
    sig: Any, args: tuple[Any, ...], kwargs: dict[str, Any], options: dict[str, Any]
) -> Any:
    """Enqueues a signature or a canvas; answers its result. None for an empty chain."""
    if kind_of(sig) == "chain" and not sig.tasks:
        return None
    if is_plain(sig, options):
        return _apply_task(sig, args, kwargs, options)
    app = sig.app
    if is_eager(app):
        return _apply_eagerly(sig, args, kwargs, options)
    durability, tx = _how(sig, options)
    plan, end = planned(sig, args, kwargs, options, place_of_caller())
    if not plan.flow.nodes:
        return _nothing(app, end)
    if tx is not None:
        return _noted(result_of(app, end, tx.enqueue_flow(plan.flow)._results), options)
    results = app._enqueue(plan.flow.specs(), durability)
    return _noted(result_of(app, end, results), options)


async def aapply_async(
    sig: Any, args: tuple[Any, ...], kwargs: dict[str, Any], options: dict[str, Any]
) -> Any:
    """The same, to be awaited."""
    from millrace.aio import _enqueue

    app = sig.app
    if is_eager(app):
        return await asyncio.to_thread(_apply_eagerly, sig, args, kwargs, options)
    durability, tx = _how(sig, options)
    await app.aio.open()
    plan, end = planned(sig, args, kwargs, options, place_of_caller())
    if not plan.flow.nodes:
        return _nothing(app, end)
    if tx is None:
        results = await _enqueue(app, plan.flow.specs(), durability)
    else:
        results = (await tx.enqueue_flow(plan.flow))._results
    return _noted(result_of(app, end, results), options)


def is_plain(sig: Any, options: dict[str, Any]) -> bool:
    """Whether it is one task that has to do with no other."""
    if kind_of(sig) is not None:
        return False
    own = sig["options"]
    if not own and not options:
        return True
    return not any(own.get(key) or options.get(key) for key in CANVAS_OPTIONS)


def is_eager(app: Millrace) -> bool:
    """Whether the application runs everything in the caller's process (`task_always_eager`)."""
    return bool(app.setting("task_always_eager"))


def _apply_task(
    sig: Any, args: tuple[Any, ...], kwargs: dict[str, Any], options: dict[str, Any]
) -> Any:
    args, kwargs, merged = sig._merge(args, kwargs, options)
    task = sig.known_type()
    if task is None:
        return sig.app.send_task(sig.task, args, kwargs, **merged)
    return task.apply_async(args, kwargs, **merged)


def _apply_eagerly(
    sig: Any, args: tuple[Any, ...], kwargs: dict[str, Any], options: dict[str, Any]
) -> Any:
    from millrace.result.blocking import allow_join_result

    with allow_join_result():
        return sig.apply(args, kwargs, **options)


def _how(sig: Any, options: dict[str, Any]) -> tuple[Any, Any]:
    """(durability, transaction), taken out of the options."""
    durability = options.pop("durability", None) or sig.options.get("durability")
    return durability, options.pop("tx", None)


def planned(
    sig: Any,
    args: Iterable[Any] = (),
    kwargs: dict[str, Any] | None = None,
    options: dict[str, Any] | None = None,
    origin: Place | None = None,
) -> tuple[Plan, End | None]:
    """The jobs of a canvas, and where it ends among them."""
    plan = Plan(sig.app, origin)
    given = without(options or {}, {"durability", "tx"})
    return plan, plan.put(sig, Call(args=tuple(args), kwargs=dict(kwargs or {}), options=given))


def place_of_caller() -> Place:
    """What jobs inherit that a task enqueues while it runs: its root, and itself as their parent."""
    request = current_request.get()
    if request is None or request.id is None or request.is_eager:
        return Place()
    return Place(root_id=request.place.root_id or request.id, parent_id=request.id)


def _nothing(app: Millrace, end: End | None) -> Any:
    if end is None:
        return None
    return result_of(app, end, ResultSet((), app))


def _noted(result: Any, options: dict[str, Any]) -> Any:
    if options.get("add_to_parent", True):
        from millrace.own_job import note_child

        note_child(result)
    return result


def result_of(app: Millrace, end: End | None, results: ResultSet[Any]) -> Any:
    """The result of a part that ends there, with its parents, from the results of all jobs."""
    from millrace.result.groups import GroupResult

    made: dict[int, Any] = {}
    waiting = [end] if end is not None else []
    while waiting:
        each = waiting[-1]
        needs = [each.before] if each.before is not None else []
        if isinstance(each, Many):
            needs += each.ends
        missing = [one for one in needs if one is not None and id(one) not in made]
        if missing:
            waiting += missing
            continue
        waiting.pop()
        parent = made[id(each.before)] if each.before is not None else None
        if isinstance(each, One):
            result = results[each.index]
            result.parent = parent
            made[id(each)] = result
        else:
            members = [made[id(one)] for one in each.ends]
            made[id(each)] = GroupResult(each.group_id, members, parent=parent, app=app)
    return made[id(end)]


# --- For those who take jobs ----------------------------------------------------------------------


def flow_of(sig: Any) -> Flow:
    """The jobs of a canvas as a flow that ends in one job, whose result is the canvas's."""
    plan, end = planned(sig, origin=place_of_caller())
    if isinstance(end, Many):
        plan._value(end)
    return plan.flow


def _bare(sig: Signature[Any]) -> PreparedJob[Any] | None:
    """The job of a call of a task and nothing else, which is most of what flows are made of; None if it may be more."""
    task = sig._type
    if task is None or sig["options"] or sig["subtask_type"] is not None:
        return None
    if current_request.get() is not None or (sig._app is not None and sig._app is not task.app):
        return None
    made: PreparedJob[Any] = task.prepare(sig["args"], sig["kwargs"])
    return made


def prepared_job(name: str, value: Any, app: Millrace | None = None) -> PreparedJob[Any]:
    """One job of what was given where one job is wanted: a prepared one, or a signature of a task.

    A canvas becomes a job that enqueues it.
    """
    from millrace.canvas.builtin import LAUNCH

    if isinstance(value, PreparedJob):
        return value
    if not isinstance(value, Signature):
        raise wrong_type(name, "made by task.s() or task.prepare()", value)
    if app is not None and value._app is None and value._type is None:
        value._app = app
    bare = _bare(value)
    if bare is not None:
        return bare
    if not is_plain(value, {}):
        value = Signature(LAUNCH, (), {"signature": value}, app=value.app)
    plan, _ = planned(value, origin=place_of_caller())
    return PreparedJob(plan.app, plan.flow.nodes[0].spec)


def flow_of_several(given: list[Any], base: int) -> tuple[list[_core.JobSpec], Any]:
    """The specs of jobs and canvases, and what picks their results from those of all."""
    flow: Flow | None = None
    picked = []
    for index, value in enumerate(given):
        part = part_of(f"jobs[{index}]", value)
        flow = flow or Flow(part.app)
        picked.append(flow.add(part) if isinstance(part, PreparedJob) else flow.include(part)[0])
    assert flow is not None, "there is a canvas among them"

    def pick(results: ResultSet[Any]) -> ResultSet[Any]:
        return ResultSet([results[node.index] for node in picked], results.app)

    return flow.specs(base), pick


def part_of(name: str, value: Any) -> Any:
    """What was given where jobs are wanted: a prepared job, or a flow."""
    if isinstance(value, Signature):
        bare = _bare(value)
        if bare is not None:
            return bare
        return prepared_job(name, value) if is_plain(value, {}) else flow_of(value)
    if isinstance(value, PreparedJob | Flow):
        return value
    raise wrong_type(name, "made by task.s(), or a flow", value)


def replacing_specs(value: Any, request: Any) -> list[_core.JobSpec]:
    """The jobs that a running one is replaced by: they end in one, or in the jobs of a plain flow."""
    from millrace.flows import flow_specs

    if not isinstance(value, Signature):
        return flow_specs([value])
    own = request.place
    origin = Place(root_id=own.root_id or request.id, parent_id=request.id, nesting=own.nesting + 1)
    plan, end = planned(value, origin=origin)
    if end is None:
        raise InvalidArgument("a job cannot be replaced by an empty chain")
    last = plan._value(end)
    flow = plan.flow
    loose = [node for node in flow.nodes if node.side]
    if loose:
        # The store would count the callbacks among the jobs that this one ends as.
        awaited = {each.job for node in loose for each in node.after}
        after = [_core.Dependency(last)]
        after += [
            _core.Dependency(node.index, policy="ignore")
            for node in loose
            if node.index not in awaited
        ]
        flow._append(_core.JobSpec(plan.app.default_queue, _FORWARD, join="forward"), after, "")
    return flow.specs()


def add_to_chord(app: Millrace, request: Any, value: Any, *, lazy: bool) -> Any:
    """As `Task.add_to_chord`."""
    chord_id = request.place.chord_id
    if not chord_id:
        raise ValueError("the job is in the header of no chord")
    if lazy:
        return value.freeze()
    plan, end = planned(value, origin=place_of_caller())
    last = plan._value(end) if end is not None else -1
    link = _core.ParentLink(chord_id, policy="fail", name=CHORD_CHILD)
    specs = [
        spec.replace(parent=link) if index == last else spec
        for index, spec in enumerate(plan.flow.specs())
    ]
    return _noted(result_of(app, end, app._enqueue(specs, None)), {})
