"""Jobs that wait for other jobs, enqueued together: all of them, or none.

    flow = app.flow()
    pages = [flow.add(fetch.s(url)) for url in urls]
    report = flow.add(summarize.s(), after=pages)
    flow.enqueue()[report].get(timeout=60)

`chain`, `group`, `chord` and `tree` make the usual shapes. A job that waits reads what it waited for by
`self.dependencies()`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

from millrace import _core, options
from millrace.errors import InvalidArgument
from millrace.links import After, Policy, after_of, several
from millrace.prepared import PreparedJob
from millrace.result import AsyncResult, ResultSet

if TYPE_CHECKING:
    from millrace.aio_model import FlowCalls
    from millrace.app import Millrace
    from millrace.options import DurabilityName, Seconds
    from millrace.prepared import JobLike

R = TypeVar("R")
Part = Any
"""A `PreparedJob` or a `Flow`."""

_COLLECT_NAME = "millrace.collect"


class Node(Generic[R]):
    """A job of a flow. Made by `Flow.add`.

    Attributes:
        index: Its position in the flow.
        name: Under which those that wait for it read its result; may be empty.
        side: Whether it is a callback or an errback: nothing of the flow's result depends on it.
    """

    __slots__ = ("_flow", "after", "index", "name", "side", "spec")

    def __init__(
        self, flow: Flow, index: int, spec: _core.JobSpec, after: list[_core.Dependency], name: str
    ) -> None:
        self._flow = flow
        self.index = index
        self.name = name
        self.spec = spec
        self.after = after
        self.side = False

    def __repr__(self) -> str:
        return f"<Node {self.name or self.index}: {self.spec.name}>"


class Flow:
    """A directed acyclic graph of jobs under construction. Nothing is written before `enqueue`.

    Args:
        app: The application whose store it goes to.
    """

    def __init__(self, app: Millrace) -> None:
        self.app = app
        self.nodes: list[Node[Any]] = []

    def __len__(self) -> int:
        return len(self.nodes)

    def __repr__(self) -> str:
        return f"<Flow of {len(self.nodes)}>"

    # --- Building ---------------------------------------------------------------------------------

    def add(
        self,
        job: JobLike[R],
        *,
        after: Any = (),
        policy: Policy = "fail",
        name: str = "",
    ) -> Node[R]:
        """Adds a job.

        Args:
            job: Made by `task.s(...)`.
            after: The jobs that must end before it starts: nodes of this flow, results of earlier enqueues, ids of
                jobs, or `After(job, policy=..., name=...)` for one that differs; one or a list.
            policy: What becomes of this job if one of them fails; see `millrace.links.Policy`.
            name: Under which those that wait for this job read its result: `self.dependencies()[name]`.
        """
        part = _checked_part("job", job)
        if isinstance(part, Flow):  # a canvas, which ends in one job
            end = self.include(part, after=after, policy=policy)[0]
            end.name = options.check_name("name", name)
            return end
        return self._append(part.spec, self._after(after, policy), name)

    def collect(
        self, after: Any, *, policy: Policy = "fail", name: str = "", queue: str | None = None
    ) -> Node[list[Any]]:
        """Adds a job that no worker runs: it ends with the list of the results of what it waits for, in order."""
        where = self.app.default_queue if queue is None else options.check_text("queue", queue)
        links = self._after(after, policy)
        if not links:
            raise InvalidArgument("after must name at least one job to collect the result of")
        spec = _core.JobSpec(where, _COLLECT_NAME, data="{}", join="collect")
        return self._append(spec, links, name)

    def include(self, other: Flow, *, after: Any = (), policy: Policy = "fail") -> list[Node[Any]]:
        """Adds all jobs of another flow; those of them that wait for nothing wait for `after`.

        Returns:
            Its nodes that nothing in it waits for, as nodes of this flow.
        """
        if other is self:
            raise InvalidArgument("a flow cannot include itself")
        base = len(self.nodes)
        links = self._after(after, policy)
        for node in other.nodes:
            moved = [_moved(each, base) for each in node.after]
            self._append(node.spec, moved or links, node.name).side = node.side
        return [self.nodes[base + node.index] for node in other.ends()]

    def ends(self) -> list[Node[Any]]:
        """The nodes that no other node waits for."""
        own = [node for node in self.nodes if not node.side]
        awaited = {each.job for node in own for each in node.after}
        return [node for node in own if node.index not in awaited]

    def _append(self, spec: _core.JobSpec, after: list[_core.Dependency], name: str) -> Node[Any]:
        checked = options.check_name("name", name) if name != "" else ""
        node: Node[Any] = Node(self, len(self.nodes), spec, after, checked)
        self.nodes.append(node)
        return node

    def _after(self, after: object, policy: Policy) -> list[_core.Dependency]:
        given: Sequence[Any] = (after,)
        if not isinstance(after, Node):
            given = after if isinstance(after, (tuple, list)) else several(after)
            if not given:
                return []
        return [self._link(i, each, policy) for i, each in enumerate(given)]

    def _link(self, index: int, value: object, policy: Policy) -> _core.Dependency:
        if isinstance(value, Node) and value._flow is self:
            return _core.Dependency(value.index, policy=policy, name=value.name)
        link = value if isinstance(value, After) else After(value, policy=policy)
        if not isinstance(link.job, Node):
            return after_of([link])[0]
        if link.job._flow is not self:
            raise InvalidArgument(
                f"after[{index}] is a node of another flow; use include() to join flows"
            )
        return _core.Dependency(link.job.index, policy=link.policy, name=link.name or link.job.name)

    # --- Enqueueing -------------------------------------------------------------------------------

    def specs(self, base: int = 0) -> list[_core.JobSpec]:
        """The jobs as the store takes them, in a call that has `base` other jobs before them."""
        return [
            node.spec.replace(
                after=[*(_moved(each, base) for each in node.after), *node.spec.after]
            )
            if node.after
            else node.spec
            for node in self.nodes
        ]

    def enqueue(self, *, durability: DurabilityName | None = None) -> FlowResults:
        """Enqueues all jobs in one commit, or none. The flow may be enqueued again: that makes new jobs.

        Raises:
            InvalidArgument: It is empty, or jobs wait for each other in a circle.
            NotFound: A job outside of it that it waits for does not exist.
        """
        from millrace.publish import warn_if_eager

        warn_if_eager(self.app, "flows")
        return self.results(self.app._enqueue(self._checked(), durability))

    def _checked(self, base: int = 0) -> list[_core.JobSpec]:
        if not self.nodes:
            raise InvalidArgument("the flow has no jobs")
        return self.specs(base)

    def results(self, results: ResultSet[Any]) -> FlowResults:
        """The results of its jobs, from those of an enqueue of all of them in their order."""
        return FlowResults(results, list(self.nodes), [node.index for node in self.ends()])

    @property
    def aio(self) -> FlowCalls:
        """The same, to be awaited. It never blocks the event loop."""
        from millrace.aio_model import FlowCalls

        return FlowCalls(self)


class FlowResults(Sequence[AsyncResult[Any]]):
    """The results of a flow's jobs: `results[node]`, `results["name"]`, or by position.

    Attributes:
        last: Of the jobs that no other job of the flow waits for.
    """

    def __init__(self, results: ResultSet[Any], nodes: list[Node[Any]], ends: list[int]) -> None:
        self._results = results
        self._nodes = nodes
        self.last: list[AsyncResult[Any]] = [results[index] for index in ends]

    def __len__(self) -> int:
        return len(self._results)

    @overload
    def __getitem__(self, index: Node[R]) -> AsyncResult[R]: ...
    @overload
    def __getitem__(self, index: int | str) -> AsyncResult[Any]: ...
    @overload
    def __getitem__(self, index: slice) -> list[AsyncResult[Any]]: ...
    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, str):
            for node in self._nodes:
                if node.name == index:
                    return self._results[node.index]
            raise KeyError(index)
        if isinstance(index, Node):
            if index.index >= len(self._nodes) or self._nodes[index.index] is not index:
                raise KeyError(index)
            return self._results[index.index]
        return self._results[index]

    def __iter__(self) -> Iterator[AsyncResult[Any]]:
        return iter(self._results)

    def __repr__(self) -> str:
        return f"<FlowResults of {len(self)}>"

    def get(self, timeout: Seconds | None = None, *, propagate: bool = True) -> Any:
        """Waits for the last job and answers its result; a list of them if several are the last."""
        if len(self.last) == 1:
            return self.last[0].get(timeout, propagate=propagate)
        return ResultSet(self.last).get(timeout, propagate=propagate)


# --- Shapes ---------------------------------------------------------------------------------------


def chain(*parts: Part, policy: Policy = "fail") -> Flow:
    """Each part (a job or a flow) starts after all of the one before it has ended."""
    flow = _flow_for(parts)
    before: list[Node[Any]] = []
    for index, part in enumerate(parts):
        before = _put(flow, f"parts[{index}]", part, before, policy)
    return flow


def group(*parts: Part) -> Flow:
    """The parts side by side."""
    flow = _flow_for(parts)
    for index, part in enumerate(parts):
        _put(flow, f"parts[{index}]", part, (), "fail")
    return flow


def chord(header: Iterable[Part], body: Part, *, policy: Policy = "fail") -> Flow:
    """The parts of `header` side by side, and `body` after all of them."""
    parts = tuple(header)
    flow = _flow_for((*parts, body))
    before = [
        node
        for index, part in enumerate(parts)
        for node in _put(flow, f"parts[{index}]", part, (), "fail")
    ]
    _put(flow, "body", body, before, policy)
    return flow


def tree(job: JobLike[Any], children: Iterable[Part], *, policy: Policy = "fail") -> Flow:
    """A parent that waits for its children; a child may be a tree itself."""
    return chord(children, job, policy=policy)


def _flow_for(parts: Sequence[Part]) -> Flow:
    if not parts:
        raise InvalidArgument("at least one job is needed")
    return Flow(_checked_part("parts[0]", parts[0]).app)


def _checked_part(name: str, part: Part) -> PreparedJob[Any] | Flow:
    if isinstance(part, (PreparedJob, Flow)):
        return part
    made: PreparedJob[Any] | Flow = _part_of()(name, part)
    return made


@cache
def _part_of() -> Callable[[str, Any], Any]:
    # Asked once: an import for each job of a flow would cost as much as the job.
    from millrace.canvas.applying import part_of

    return part_of


def _put(
    flow: Flow, name: str, part: Part, after: Sequence[Node[Any]], policy: Policy
) -> list[Node[Any]]:
    part = _checked_part(name, part)
    if isinstance(part, Flow):
        return flow.include(part, after=after, policy=policy)
    return [flow._append(part.spec, flow._after(after, policy), "")]


def _moved(dependency: _core.Dependency, by: int) -> _core.Dependency:
    if by == 0 or isinstance(dependency.job, str):
        return dependency
    return _core.Dependency(dependency.job + by, policy=dependency.policy, name=dependency.name)


def flow_specs(jobs: Iterable[Part]) -> list[_core.JobSpec]:
    """The jobs of several jobs and flows, as the store takes them in one call."""
    given = list(jobs)
    return group(*given).specs() if given else []
