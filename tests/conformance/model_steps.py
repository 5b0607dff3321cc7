"""Steps about flows, limits, groups, deduplication keys, checkpoints and counters: a part of the scenario runner."""

import json
from typing import Any

from millrace import _core

START_MS = 1_700_000_000_000
Step = dict[str, Any]


def parsed(text: str | bytes | None) -> Any:
    return json.loads(text) if text else None


def compact(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


class ModelSteps:
    """Mixed into the runner, which has these."""

    engine: _core.Engine
    ids: dict[str, str]
    leases: dict[str, Any]

    def ref(self, step: Step) -> tuple[str, str]:
        raise NotImplementedError

    def name_of(self, job_id: str) -> str:
        raise NotImplementedError

    # --- Options of a job

    def link_options(self, job: Step) -> Step:
        """What ties a job to others, as JobSpec takes it."""
        options: Step = {}
        if "after" in job:
            options["after"] = [self.dependency(each) for each in job["after"]]
        if "parent" in job:
            given = dict(job["parent"])
            name = given.pop("job")
            if given.pop("held", False):
                given["token"] = self.leases[name].token
            options["parent"] = _core.ParentLink(self.ids.get(name, name), **given)
        if "dedup" in job:
            options["dedup"] = _core.Deduplication(**job["dedup"])
        return options

    def dependency(self, given: Step) -> _core.Dependency:
        rest = {key: each for key, each in given.items() if key not in ("job", "index")}
        if "index" in given:
            return _core.Dependency(given["index"], **rest)
        return _core.Dependency(self.ids.get(given["job"], given["job"]), **rest)

    # --- Flows

    def dependency_as_json(self, each: _core.DependencyInfo) -> Step:
        return {
            "id": self.name_of(each.id),
            "result": parsed(each.result),
            "error": parsed(each.error),
            **{key: getattr(each, key) for key in ("name", "queue", "policy", "state", "done")},
        }

    def op_dependencies(self, step: Step) -> Any:
        options = {key: step[key] for key in ("states", "offset", "limit") if key in step}
        page = self.engine.dependencies(*self.ref(step), **options)
        return {
            "total": page.total,
            "pending": page.pending,
            "dependencies": [self.dependency_as_json(each) for each in page.dependencies],
        }

    def op_flow(self, step: Step) -> Any:
        options = {"children": 1000, **{k: step[k] for k in ("depth", "children") if k in step}}
        return self.with_names(json.loads(self.engine.flow_json(*self.ref(step), **options)))

    def with_names(self, tree: Step) -> Step:
        children = [self.with_names(each) for each in tree.get("children", [])]
        return {**tree, "id": self.name_of(tree["id"]), "children": children}

    # --- Limits and groups

    def scope(self, step: Step) -> tuple[Any, Step]:
        names = {key: step[key] for key in ("queue", "task", "group") if key in step}
        if step["scope"] in ("queue", "group"):
            names.setdefault("queue", "q")
        return step["scope"], names

    def op_set_limit(self, step: Step) -> Any:
        scope, names = self.scope(step)
        bounds = ("concurrency", "rate_count", "rate_period_ms", "max_size")
        bounds = {key: step[key] for key in bounds if key in step}
        self.engine.set_limit(scope, **names, **bounds)

    def op_limits(self, step: Step) -> Any:
        plain = "scope queue task group concurrency rate_count rate_period_ms max_size active"
        return [
            {
                "limited_until_at_ms": each.limited_until_ms - START_MS
                if each.limited_until_ms
                else None,
                **{key: getattr(each, key) for key in plain.split()},
            }
            for each in self.engine.list_limits()
        ]

    def op_throttle(self, step: Step) -> Any:
        scope, names = self.scope(step)
        self.engine.throttle(scope, step["ms"], **names)

    def op_pause_group(self, step: Step) -> Any:
        queue, paused = step.get("queue", "q"), step.get("paused", True)
        self.engine.pause_group(queue, step["group"], paused=paused)

    def op_groups(self, step: Step) -> Any:
        options = {key: step[key] for key in ("after", "limit") if key in step}
        groups = self.engine.list_groups(step.get("queue", "q"), **options)
        return [
            {key: getattr(each, key) for key in ("group", "paused", "ready", "active")}
            for each in groups
        ]

    # --- Keys, checkpoints, counters

    def op_dedup_holder(self, step: Step) -> Any:
        holder = self.engine.dedup_holder(step.get("queue", "q"), step["key"])
        return None if holder is None else self.name_of(holder)

    def op_release_dedup(self, step: Step) -> Any:
        return self.engine.release_dedup(step.get("queue", "q"), step["key"])

    def op_checkpoint(self, step: Step) -> Any:
        lease = self.leases[step["job"]]
        lease.session.checkpoint(lease.token, compact(step["value"]))

    def op_counters(self, step: Step) -> Any:
        plain = (
            "queue task enqueued started completed failed cancelled retried crashed wait_ms run_ms"
        )
        counters = self.engine.read_counters(step.get("queue", ""))
        return [{key: getattr(each, key) for key in plain.split()} for each in counters]
