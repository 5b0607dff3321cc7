"""A job that is not enqueued yet: what `task.s(...)` answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, TypeVar

from millrace import _core, options

if TYPE_CHECKING:
    from collections.abc import Iterable

    from millrace.app import Millrace

R = TypeVar("R")


class PreparedJob(Generic[R]):
    """A job with its arguments and options, to be enqueued with others or given to a flow or a schedule. Immutable.

    Made by `task.s(...)`, `task.prepare(...)` and `app.signature(...)`.

    Attributes:
        app: The application that it belongs to.
        spec: The job as the store takes it.
    """

    __slots__ = ("app", "spec")

    def __init__(self, app: Millrace, spec: _core.JobSpec) -> None:
        self.app = app
        self.spec = spec

    def __repr__(self) -> str:
        return f"<PreparedJob {self.spec.name} for {self.spec.queue}>"

    def set(self, **job_options: Any) -> PreparedJob[R]:
        """The same job with other options, those of `Task.apply_async`."""
        return PreparedJob(self.app, self.spec.replace(**options.write_options(**job_options)))


def job_specs(jobs: Iterable[PreparedJob[Any]]) -> list[_core.JobSpec]:
    """The specs of prepared jobs; a TypeError names the element that is none."""
    specs = []
    for index, job in enumerate(jobs):
        if not isinstance(job, PreparedJob):
            raise options.wrong_type(f"jobs[{index}]", "made by task.s() or task.prepare()", job)
        specs.append(job.spec)
    return specs
