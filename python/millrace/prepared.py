"""A job that is not enqueued yet: what `task.s(...)` answers."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Generic, TypeAlias, TypeVar

from millrace import _core, options

if TYPE_CHECKING:
    from collections.abc import Iterable

    from millrace.app import Millrace
    from millrace.result import ResultSet

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


Picker = Callable[["ResultSet[Any]"], "ResultSet[Any]"]


def job_specs(jobs: Iterable[JobLike[Any]], base: int = 0) -> tuple[list[_core.JobSpec], Picker]:
    """The specs of jobs, and what picks the results of these from those of all specs: a canvas has more jobs than one.

    A TypeError names the element that is none. `base`: how many jobs come before them in the same call.
    """
    given = list(jobs)
    if any(isinstance(job, dict) and not _is_task(job) for job in given):
        from millrace.canvas.applying import flow_of_several

        return flow_of_several(given, base)
    return [as_prepared(f"jobs[{index}]", job).spec for index, job in enumerate(given)], _all


def _is_task(sig: Any) -> bool:
    from millrace.canvas.applying import is_plain

    return is_plain(sig, {})


def _all(results: ResultSet[Any]) -> ResultSet[Any]:
    return results


def as_prepared(name: str, value: Any) -> PreparedJob[Any]:
    """One job of what was given as the argument of this name: a prepared one, or a signature."""
    if isinstance(value, PreparedJob):
        return value
    from millrace.canvas.applying import prepared_job

    return prepared_job(name, value)


if TYPE_CHECKING:
    from millrace.canvas.signature import Signature

    JobLike: TypeAlias = PreparedJob[R] | Signature[R]
    """What is taken where one job is wanted."""
