"""Changes to single jobs, to what is known about them and to what they wait for, for the scenarios' runner."""

from collections.abc import Callable
from typing import Any

from millrace import _core
from model_steps import START_MS, Step, compact

KEPT = ("keep_attempts_started", "keep_attempts_made")


def chosen(step: Step, *names: str) -> Step:
    return {name: step[name] for name in names if name in step}


class ChangeSteps:
    """The operations; the runner has the engine and the names of jobs."""

    engine: _core.Engine
    ids: dict[str, str]
    ref: Callable[[Step], tuple[str, str]]
    name_of: Callable[[str], str]
    bulk: Callable[[Step, str], tuple[str, Step]]

    def op_cancel_jobs(self, step: Step) -> Any:
        jobs = [self.ids.get(job, job) for job in step["jobs"]]
        return self.engine.cancel_jobs(jobs, **chosen(step, "reason"))

    def op_redrive(self, step: Step) -> Any:
        self.engine.redrive(*self.ref(step), **chosen(step, *KEPT))

    def op_redrive_many(self, step: Step) -> Any:
        queue, options = self.bulk(step, "failed")
        return self.engine.redrive_many(queue, **options, **chosen(step, *KEPT))

    def op_update(self, step: Step) -> Any:
        options = chosen(step, "priority", "lifo", "delay_ms", "in_state")
        if "data" in step:
            options["data"] = compact(step["data"])
        if "due_at_ms" in step:
            options["due_at_ms"] = START_MS + step["due_at_ms"]
        self.engine.update_job(*self.ref(step), **options)

    def op_add_log(self, step: Step) -> Any:
        job_id, queue = self.ref(step)
        return self.engine.add_log(job_id, step["line"], queue)

    def op_clear_logs(self, step: Step) -> Any:
        return self.engine.clear_logs(*self.ref(step), **chosen(step, "keep"))

    def op_publish_event(self, step: Step) -> Any:
        data = compact(step["data"]) if "data" in step else ""
        job_id = self.ref(step)[0] if "job" in step else ""
        queue, name = step.get("queue", "q"), step.get("name", "n")
        self.engine.publish_event(queue, name, data, job_id=job_id)

    def op_trim_events(self, step: Step) -> Any:
        return self.engine.trim_events(step.get("queue", "q"), step["keep"])

    def op_remove_dependency(self, step: Step) -> Any:
        job_id, queue = self.ref(step)
        other = self.ids.get(step["depends_on"], step["depends_on"])
        return self.engine.remove_dependency(job_id, other, queue=queue)

    def op_remove_unprocessed(self, step: Step) -> Any:
        return self.engine.remove_unprocessed(*self.ref(step))

    def op_dependents(self, step: Step) -> Any:
        dependents = self.engine.dependents(*self.ref(step), **chosen(step, "offset", "limit"))
        return [text for job_id, queue in dependents for text in (self.name_of(job_id), queue)]

    def op_metrics(self, step: Step) -> Any:
        options = chosen(step, "state", "start", "end")
        metrics = self.engine.read_metrics(step.get("queue", "q"), **options)
        return {"total": metrics.total, "minutes": metrics.minutes, "data": metrics.data}
