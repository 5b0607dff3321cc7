"""The scenarios' operations on schedules, for the runner on the native module."""

from typing import Any

from millrace import _core
from model_steps import START_MS, Step


def since_start(at_ms: int) -> int | None:
    return at_ms - START_MS if at_ms != 0 else None


def from_start(options: Step) -> Step:
    moments = ("start_at_ms", "end_at_ms")
    return {key: each + START_MS if key in moments else each for key, each in options.items()}


class ScheduleSteps:
    """Operations that the scenario runner inherits."""

    engine: _core.Engine
    ids: dict[str, str]
    names: dict[str, str]

    def spec(self, job: Step) -> _core.JobSpec:
        raise NotImplementedError

    def show_schedule(self, step: Step, info: _core.ScheduleInfo) -> Any:
        if "as" in step and info.last_job_id:
            self.ids[step["as"]] = info.last_job_id
            self.names[info.last_job_id] = step["as"]
        last_job = info.last_job_id or None
        return {
            "id": info.id,
            "next_at_ms": since_start(info.next_at_ms),
            "last_at_ms": since_start(info.last_at_ms),
            "fired": info.fired,
            "skipped": info.skipped,
            "paused": info.paused,
            "last_job": self.names.get(last_job, last_job) if last_job else None,
        }

    def op_put_schedule(self, step: Step) -> Any:
        given = dict(step["schedule"])
        job = self.spec(given.pop("job", {}))
        info = self.engine.put_schedule(given.pop("id", "s"), job, **from_start(given))
        return self.show_schedule(step, info)

    def op_schedule(self, step: Step) -> Any:
        return self.show_schedule(step, self.engine.get_schedule(step.get("id", "s")))

    def op_schedules(self, step: Step) -> Any:
        options = {key: step[key] for key in ("after", "limit") if key in step}
        return [info.id for info in self.engine.list_schedules(**options)]

    def op_pause_schedule(self, step: Step) -> Any:
        self.engine.pause_schedule(step.get("id", "s"), paused=step.get("paused", True))

    def op_remove_schedule(self, step: Step) -> Any:
        self.engine.remove_schedule(step.get("id", "s"))

    def op_preview(self, step: Step) -> Any:
        options = {"count": step.get("count", 10), **from_start(step["timing"])}
        if "after_at_ms" in step:
            options["after_ms"] = step["after_at_ms"] + START_MS
        return [since_start(slot) for slot in self.engine.preview_timing(**options)]
