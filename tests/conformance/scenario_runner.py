"""Plays one conformance scenario on the native module. See README.md for the language of the scenarios."""

import json
import time
from collections.abc import Callable
from typing import Any

from change_steps import ChangeSteps
from millrace import _core
from model_steps import START_MS, ModelSteps, Step, compact, parsed
from schedule_steps import ScheduleSteps
from transaction_steps import TransactionSteps

PATIENCE_S = 20.0


def expand(value: Any) -> Any:
    """Replaces {"repeat": [text, count]} by the text."""
    if isinstance(value, list):
        return [expand(each) for each in value]
    if not isinstance(value, dict):
        return value
    if set(value) == {"repeat"}:
        text, count = value["repeat"]
        return str(text) * int(count)
    return {key: expand(each) for key, each in value.items()}


def differences(expected: Any, actual: Any, where: str = "answer") -> list[str]:
    """Where an answer is not as expected. Objects may have more than expected, arrays may not."""
    if isinstance(expected, dict) and set(expected) == {"between"}:
        low, high = expected["between"]
        fits = isinstance(actual, int) and low <= actual <= high
        return [] if fits else [f"{where} is {actual!r}, not in {low}..{high}"]
    if isinstance(expected, dict) and set(expected) == {"contains"}:
        fits = isinstance(actual, str) and expected["contains"] in actual
        return [] if fits else [f"{where} is {actual!r}, without {expected['contains']!r}"]
    if isinstance(expected, dict) and isinstance(actual, dict):
        return [
            line
            for key, each in expected.items()
            for line in differences(each, actual.get(key, "(missing)"), f"{where}.{key}")
        ]
    if isinstance(expected, list) and isinstance(actual, list) and len(expected) == len(actual):
        return [
            line
            for i, (one, other) in enumerate(zip(expected, actual, strict=True))
            for line in differences(one, other, f"{where}[{i}]")
        ]
    # In JSON true is no number.
    same = expected == actual and isinstance(expected, bool) == isinstance(actual, bool)
    return [] if same else [f"{where} is {actual!r}, not {expected!r}"]


def since_start(at_ms: int) -> int | None:
    return at_ms - START_MS if at_ms != 0 else None


def keep(rule: Step) -> tuple[int, int]:
    return rule.get("age_ms", -1), rule.get("count", -1)


class Lease:
    """A job that was taken, and the session that it was taken by."""

    def __init__(self, session: _core.Session, token: int) -> None:
        self.session = session
        self.token = token


class SessionNews:
    """What a session told, kept until a step asks for it."""

    def __init__(self) -> None:
        self.settled: list[_core.Settled] = []
        self.signals: list[_core.Signal] = []
        self.drained = False


class ScenarioRunner(ModelSteps, ScheduleSteps, TransactionSteps, ChangeSteps):
    """One store with a clock of its own, and the steps that can be played on it."""

    def __init__(self, path: str, options: Step) -> None:
        self.path = path
        self.clock = _core.ManualClock(START_MS)
        self.engine = self.open(options)
        self.sessions: dict[_core.Session, SessionNews] = {}
        self.leases: dict[str, Lease] = {}
        self.ids: dict[str, str] = {}  # the names that a scenario gives to ids made by the store
        self.names: dict[str, str] = {}
        self.positions: dict[str, str] = {}

    def open(self, options: Step) -> _core.Engine:
        given = dict(options)
        for rule in ("keep_completed", "keep_failed"):
            if rule in given:
                given[rule] = keep(given[rule])
        if "security" in given:
            security = given.pop("security")
            given["keys"] = [(key["id"], key["secret"].encode() * 32) for key in security["keys"]]
            given["security_mode"] = security.get("mode", "encrypt")
            given["require_sealed"] = security.get("require", False)
        return _core.Engine(self.path, durability="process", clock=self.clock, **given)

    def end_sessions(self) -> None:
        for session in self.sessions:
            session.close(0)
        self.sessions.clear()
        self.leases.clear()

    def close(self) -> None:
        self.end_sessions()
        doctor = json.loads(self.engine.doctor_json())
        self.engine.close()
        assert doctor["ok"], doctor

    def play(self, step: Step) -> None:
        operation: Callable[[Step], Any] = getattr(self, "op_" + step["op"])
        deadline = time.monotonic() + PATIENCE_S
        while True:
            wrong = self.check(operation, step)
            if not wrong or not step.get("eventually") or time.monotonic() > deadline:
                break
            time.sleep(0.001)
        assert not wrong, "; ".join(wrong)

    def check(self, operation: Callable[[Step], Any], step: Step) -> list[str]:
        try:
            actual = operation(step)
        except _core.MillraceError as error:
            if "error" not in step:
                raise
            found = {"code": error.code, "message": str(error)}
            wrong = differences(step["error"]["code"], error.code, "code")
            says = step["error"].get("says", [])
            return wrong + [
                f"{found} does not say {text!r}" for text in says if text not in str(error)
            ]
        if "error" in step:
            return [f"answered {actual!r}, not the error {step['error']}"]
        return differences(step["expect"], actual) if "expect" in step else []

    # --- Names, leases -----------------------------------------------------------------------------------------------

    def ref(self, step: Step) -> tuple[str, str]:
        return self.ids.get(step["job"], step["job"]), step.get("queue", "")

    def name_of(self, job_id: str) -> str:
        return self.names.get(job_id, job_id)

    def lease(self, step: Step) -> Lease:
        return self.leases[step["job"]]

    def hear(self, session: _core.Session, timeout_ms: int) -> SessionNews:
        news = self.sessions[session]
        notices = session.drain(timeout_ms)
        assert not notices.errors, notices.errors
        news.settled += notices.settled
        news.signals += notices.signals
        news.drained = news.drained or notices.drained
        return news

    def await_news(self, session: _core.Session, find: Callable[[SessionNews], Any]) -> Any:
        deadline = time.monotonic() + PATIENCE_S
        found = find(self.hear(session, 0))
        while found is None and time.monotonic() < deadline:
            found = find(self.hear(session, 1_000))
        assert found is not None, "the session said nothing"
        return found

    # --- Enqueue -----------------------------------------------------------------------------------------------------

    def spec(self, job: Step) -> _core.JobSpec:
        options = {key: each for key, each in job.items() if key not in ("queue", "name", "as")}
        options["data"] = compact(options.get("data", {}))
        for moment in ("due_at_ms", "expires_at_ms"):
            if moment in options:
                options[moment] += START_MS
        for rule in ("keep_completed", "keep_failed"):
            if rule in options:
                options[rule] = keep(options[rule])
        if "headers" in options:
            options["headers"] = compact(options["headers"])
        if "retry" in options:
            options["retry"] = _core.RetryPolicy(**options["retry"])
        options.update(self.link_options(job))
        return _core.JobSpec(job.get("queue", "q"), job.get("name", "n"), **options)

    def op_enqueue(self, step: Step) -> Any:
        return self.added(
            step["jobs"], self.engine.enqueue([self.spec(job) for job in step["jobs"]])
        )

    def added(self, jobs: list[Step], acks: _core.Acks) -> list[Step]:
        for job, job_id in zip(jobs, acks.ids(), strict=False):
            if "as" in job:
                self.ids[job["as"]] = job_id
                self.names[job_id] = job["as"]
        return [
            {
                "id": self.name_of(ack[0]),
                "existing": ack[1],
                "state": ack[2],
                "replaced": self.name_of(ack[4]),
            }
            for ack in (acks[i] for i in range(len(acks)))
        ]

    # --- Work --------------------------------------------------------------------------------------------------------

    def op_take(self, step: Step) -> Any:
        wanted = len(step["jobs"])
        session = self.engine.open_session(
            [step.get("queue", "q")], slots=max(wanted, 1), worker_name="conformance", paused=True
        )
        self.sessions[session] = SessionNews()
        session.resume()  # claims, and tells if there was nothing
        jobs = self.take_all(session, wanted)
        for job in jobs:
            self.leases[self.name_of(job.id)] = Lease(session, job.token)
        if wanted == 0:
            session.close(0)
            del self.sessions[session]
        wrong = differences(step["jobs"], [self.name_of(job.id) for job in jobs], "taken jobs")
        assert not wrong, wrong
        return [
            {
                "attempt": job.attempt,
                "priority": job.priority,
                "data": parsed(job.data),
                "headers": parsed(job.headers) or {},
                "progress": parsed(job.progress),
                "crashes": job.crashes,
                "checkpoint": parsed(job.checkpoint),
                "group": job.group,
                "dependencies": [self.dependency_as_json(each) for each in job.dependencies],
                "dependency_count": job.dependency_count,
            }
            for job in jobs
        ]

    def take_all(self, session: _core.Session, wanted: int) -> list[_core.LeasedJob]:
        jobs: list[_core.LeasedJob] = []
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            jobs += session.take(max(wanted - len(jobs), 1), 0)
            if wanted > 0 and len(jobs) >= wanted:
                break
            if self.sessions[session].drained:  # heard before this last look
                break
            self.hear(session, 10)
        return jobs

    def op_settle(self, step: Step) -> Any:
        lease = self.lease(step)
        lease.session.stop()  # so that the freed slot takes no other job
        bodiless = step["outcome"] in ("released", "waiting", "replaced")
        body = "" if bodiless else compact(step.get("body"))
        options = {key: step[key] for key in ("retryable", "delay_ms") if key in step}
        if "throttle" in step:
            options["throttle"] = (step["throttle"]["scope"], step["throttle"]["ms"])
        if "jobs" in step:
            options["jobs"] = [self.spec(job) for job in step["jobs"]]
        if "progress" in step:
            options["progress"] = compact(step["progress"])
        lease.session.settle(_core.Outcome(lease.token, step["outcome"], body, **options))

        def find(news: SessionNews) -> _core.Settled | None:
            return next((each for each in news.settled if each.token == lease.token), None)

        settled = self.await_news(lease.session, find)
        if settled.error is not None:
            raise settled.error
        return {
            "state": settled.state,
            "queue": settled.queue,
            "due_at_ms": since_start(settled.due_at_ms),
            "added": self.added(step.get("jobs", []), settled.added),
        }

    def op_signal(self, step: Step) -> Any:
        lease = self.lease(step)

        def find(news: SessionNews) -> _core.Signal | None:
            for each in news.signals:
                if each.token == lease.token:
                    news.signals.remove(each)
                    return each
            return None

        signal = self.await_news(lease.session, find)
        return {"kind": signal.kind, "reason": signal.reason}

    def op_close(self, step: Step) -> Any:
        session = self.lease(step).session
        session.close(0)
        del self.sessions[session]

    def op_progress(self, step: Step) -> Any:
        self.lease(step).session.progress(self.lease(step).token, compact(step["value"]))

    def op_log(self, step: Step) -> Any:
        self.lease(step).session.log(self.lease(step).token, step["line"])

    def op_reopen(self, step: Step) -> Any:
        self.end_sessions()
        self.engine.close()
        self.engine = self.open(step.get("store", {}))

    def op_advance(self, step: Step) -> Any:
        self.clock.advance(step["ms"])

    # --- Change ------------------------------------------------------------------------------------------------------

    def op_cancel(self, step: Step) -> Any:
        return self.engine.cancel(*self.ref(step), reason=step.get("reason", ""))

    def op_promote(self, step: Step) -> Any:
        self.engine.promote(*self.ref(step))

    def op_remove(self, step: Step) -> Any:
        self.engine.remove(*self.ref(step))

    def op_set_progress(self, step: Step) -> Any:
        job_id, queue = self.ref(step)
        self.engine.set_progress(job_id, compact(step["value"]), queue)

    def bulk(self, step: Step, state: str) -> tuple[str, Step]:
        options = {key: step[key] for key in ("name", "limit") if key in step}
        if "before_at_ms" in step:
            options["before_at_ms"] = step["before_at_ms"] + START_MS
        return step.get("queue", "q"), {"state": step.get("state", state), **options}

    def op_promote_many(self, step: Step) -> Any:
        queue, options = self.bulk(step, "scheduled")
        return self.engine.promote_many(queue, **options)

    def op_remove_many(self, step: Step) -> Any:
        queue, options = self.bulk(step, "failed")
        return self.engine.remove_many(queue, **options)

    def op_drain(self, step: Step) -> Any:
        return self.engine.drain(step.get("queue", "q"), scheduled=step.get("scheduled", False))

    def op_obliterate(self, step: Step) -> Any:
        return self.engine.obliterate(step.get("queue", "q"), force=step.get("force", False))

    def op_pause(self, step: Step) -> Any:
        self.engine.pause(step.get("queue", "q"))

    def op_resume(self, step: Step) -> Any:
        self.engine.resume(step.get("queue", "q"))

    def op_set_retention(self, step: Step) -> Any:
        self.engine.set_retention(
            step.get("queue", "q"),
            completed=keep(step["completed"]) if "completed" in step else None,
            failed=keep(step["failed"]) if "failed" in step else None,
        )

    # --- Read --------------------------------------------------------------------------------------------------------

    def op_job(self, step: Step) -> Any:
        job = self.engine.get_job(*self.ref(step))
        texts = {name: parsed(getattr(job, name)) for name in ("progress", "result", "error")}
        moments = ("created_at_ms", "due_at_ms", "started_at_ms", "finished_at_ms")
        texts["checkpoint"] = parsed(job.checkpoint)
        plain = ("state", "attempts_started", "attempts_made", "crashes", "cancel_requested")
        plain += ("dependencies", "pending")
        return {
            "id": self.name_of(job.spec.id),
            "queue": job.spec.queue,
            "name": job.spec.name,
            "priority": job.spec.priority,
            "data": parsed(job.spec.data),
            "headers": parsed(job.spec.headers) or {},
            "attempt_errors": [parsed(each) for each in job.attempt_errors],
            **texts,
            **{name: since_start(getattr(job, name)) for name in moments},
            **{name: getattr(job, name) for name in plain},
        }

    def op_outcome(self, step: Step) -> Any:
        outcome = self.engine.get_outcome(*self.ref(step))
        return {
            "state": outcome.state,
            "finished_at_ms": since_start(outcome.finished_at_ms),
            "attempts_made": outcome.attempts_made,
            **{name: parsed(getattr(outcome, name)) for name in ("progress", "result", "error")},
        }

    def counts(self, counts: _core.QueueCounts) -> Step:
        names = "queue paused ready prioritized scheduled blocked active completed failed cancelled"
        return {name: getattr(counts, name) for name in names.split()}

    def op_counts(self, step: Step) -> Any:
        return self.counts(self.engine.counts(step.get("queue", "q")))

    def op_queues(self, step: Step) -> Any:
        return [self.counts(each) for each in self.engine.list_queues()]

    def op_list(self, step: Step) -> Any:
        options = {k: step[k] for k in ("name", "offset", "limit", "descending") if k in step}
        jobs = self.engine.list_jobs(step.get("queue", "q"), step["state"], **options)
        return [self.name_of(job.spec.id) for job in jobs]

    def op_logs(self, step: Step) -> Any:
        options = {key: step[key] for key in ("offset", "limit") if key in step}
        job_id, queue = self.ref(step)
        return [line.text for line in self.engine.get_logs(job_id, queue, **options)]

    def op_events(self, step: Step) -> Any:
        after = self.positions[step["after"]] if "after" in step else ""
        job = self.ids.get(step["job"], step["job"]) if "job" in step else ""
        options = {"limit": step["limit"]} if "limit" in step else {}
        events, following = self.engine.read_events(
            step.get("queues", step.get("queue", "q")), after=after, job_id=job, **options
        )
        if "as" in step:
            self.positions[step["as"]] = following
        if not step.get("in_full"):
            return [f"{each.type} {self.name_of(each.job_id)}".strip() for each in events]
        return [
            {
                "type": each.type,
                "job": self.name_of(each.job_id),
                "queue": each.queue,
                "name": each.name,
                "state": each.state,
                "prev": each.prev,
                "attempt": each.attempt,
                "count": each.count,
                "at_ms": since_start(each.at_ms),
                "due_at_ms": since_start(each.due_at_ms),
                "data": parsed(each.data),
            }
            for each in events
        ]

    def op_dead(self, step: Step) -> Any:
        options = {key: step[key] for key in ("queue", "name", "limit") if key in step}
        return json.loads(self.engine.dead_json(**options))
