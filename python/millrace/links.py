"""What ties a job to others: what it waits for, who waits for it, and which other job counts instead of it."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Literal

from millrace import _core, options
from millrace.errors import InvalidArgument

if TYPE_CHECKING:
    from millrace.options import Seconds
    from millrace.result import AsyncResult

Policy = Literal["fail", "wait", "ignore", "remove", "continue", "cancel", "on_failure"]
"""What becomes of a waiting job when a job that it waits for fails or is cancelled.

"fail": it fails with `DependencyFailed`, without being run. "wait": it goes on waiting, for a redrive of the other one.
"ignore": the other one counts as done, its error can be read. "remove": the same, and it is forgotten. "continue": it
runs at once, whatever else it waits for. "cancel": it is cancelled. "on_failure": it waits for a failure; if the other
one succeeds, it is removed.
"""

Join = Literal["run", "forward", "collect"]
DedupMode = Literal["unfinished", "throttle", "debounce", "follow_up", "states"]
StateName = Literal["scheduled", "ready", "blocked", "active", "completed", "failed", "cancelled"]


@dataclasses.dataclass(frozen=True)
class Dedup:
    """Which job of several with the same key in a queue counts.

    The holder of a key is the newest job that was added under it. What an enqueue answers tells: `result.existing` if
    nothing was written because of a holder, `result.replaced_id` if the holder had to go.

    Args:
        key: At most 255 bytes.
        mode: "unfinished": as long as the holder is unfinished, others are dropped. "throttle": for `ttl` from the
            holder's enqueue, whatever became of it. "debounce": a holder that is not due yet is removed and the new job
            takes its place, with its own delay. "follow_up": while the holder waits, others are dropped; while it runs,
            the newest of them is kept and starts after it. "states": as long as the holder is in one of `states` and
            younger than `ttl`.
        ttl: For "throttle" the time (None: until the key is released); for "states" the age (None: any).
        states: For "states": where the holder must be, in the store's words ("ready", "active", "completed" ...).
    """

    key: str
    _: dataclasses.KW_ONLY
    mode: DedupMode = "unfinished"
    ttl: Seconds | None = None
    states: Iterable[StateName] = ()

    def to_core(self) -> _core.Deduplication:
        """As the store takes it; raises for values that cannot be meant."""
        options.check_text("dedup.key", self.key)
        ttl_ms = 0 if self.ttl is None else options.to_ms("dedup.ttl", self.ttl)
        if self.mode == "throttle":
            ttl_ms = -1 if self.ttl is None else max(1, ttl_ms)
        elif self.ttl is not None and self.mode != "states":
            raise InvalidArgument(f"dedup.ttl has no meaning in the mode {self.mode!r}")
        if self.states and self.mode != "states":
            raise InvalidArgument(f"dedup.states has no meaning in the mode {self.mode!r}")
        return _core.Deduplication(
            self.key, mode=self.mode, ttl_ms=ttl_ms, states=tuple(self.states)
        )


@dataclasses.dataclass(frozen=True)
class After:
    """One job that another waits for, with what becomes of that one if it fails.

    Args:
        job: The result of an enqueue, or a job's id; in a flow also a node of it.
        policy: See `Policy`.
        name: Under which the waiting job reads its result.
    """

    job: Any
    _: dataclasses.KW_ONLY
    policy: Policy = "fail"
    name: str = ""


@dataclasses.dataclass(frozen=True)
class Parent:
    """An existing job that is to wait for a new one. It must be blocked: waiting for other jobs already.

    Args:
        job: The result of its enqueue, or its id.
        policy: What becomes of the parent if the new one fails; see `Policy`.
        name: Under which the parent reads the new one's result.
    """

    job: AsyncResult[Any] | str
    _: dataclasses.KW_ONLY
    policy: Policy = "fail"
    name: str = ""


def dedup_of(value: object) -> _core.Deduplication:
    """From a `Dedup`, or a key alone."""
    if isinstance(value, str):
        return _core.Deduplication(options.check_text("dedup", value))
    if not isinstance(value, Dedup):
        raise options.wrong_type("dedup", "a Dedup or a str", value)
    return value.to_core()


def after_of(value: object) -> list[_core.Dependency]:
    """From what `after=` was given: one job or several."""
    return [_dependency(f"after[{index}]", each) for index, each in enumerate(several(value))]


def several(value: object) -> list[Any]:
    """A list of one job, or of the jobs that were given."""
    if isinstance(value, str | After) or _is_result(value):
        return [value]
    if not isinstance(value, Iterable):
        raise options.wrong_type("after", "a job or a list of jobs", value)
    return list(value)


def _is_result(value: object) -> bool:
    from millrace.result import AsyncResult

    return isinstance(value, AsyncResult)


def _dependency(name: str, value: object) -> _core.Dependency:
    after = value if isinstance(value, After) else After(value)
    job_id, queue = _reference(name, after.job)
    return _core.Dependency(
        job_id, queue, policy=after.policy, name=options.check_name(f"{name}.name", after.name)
    )


def _reference(name: str, job: Any) -> tuple[str, str]:
    if isinstance(job, str):
        return options.check_text(name, job), ""
    if _is_result(job):
        return job.id, job.queue
    raise options.wrong_type(name, "the result of an enqueue, a job's id, or an After", job)


def parent_of(value: object) -> _core.ParentLink:
    """From what `parent=` was given."""
    parent = value if isinstance(value, Parent) else Parent(value)  # type: ignore[arg-type]
    job_id, queue = _reference("parent", parent.job)
    return _core.ParentLink(
        job_id, queue, policy=parent.policy, name=options.check_name("parent.name", parent.name)
    )
