"""The core's answers as text for people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from millrace.cli import text

Answer = Mapping[str, Any]

_STATES: Final = ("ready", "scheduled", "blocked", "active", "completed", "failed", "cancelled")
_ERROR_WIDTH: Final = 60


def inspect(answer: Answer) -> list[str]:
    """The store, its queues and the workers."""
    store = answer["store"]
    lines = [
        f"store  {text.clean(store['path'])}  {text.size(store['bytes'])}, "
        f"durability {store['durability']}, schema {store['schema_version']}",
        "",
        *text.table(
            ["QUEUE", *(state.upper() for state in _STATES)],
            (
                [
                    each["queue"] + (" (paused)" if each["paused"] else ""),
                    *(each[s] for s in _STATES),
                ]
                for each in answer["queues"]
            ),
        ),
        "",
    ]
    if not answer["workers"]:
        return [*lines, "no workers"]
    return lines + text.table(
        ["WORKER", "LANGUAGE", "HOST", "PID", "QUEUES", "SLOTS", "ACTIVE", "ALIVE", "SINCE"],
        (
            [
                each["name"],
                each["language"],
                each["host"],
                each["pid"],
                ",".join(each["queues"]),
                each["slots"],
                each["active"],
                "yes" if each["alive"] else "no",
                text.time(each["started_at_ms"]),
            ]
            for each in answer["workers"]
        ),
    )


def job(answer: Answer) -> list[str]:
    """One job in full."""
    fields = {
        "id": answer["id"],
        "queue": answer["queue"],
        "name": answer["name"],
        "state": answer["state"] + (", to be cancelled" if answer["cancel_requested"] else ""),
        "priority": str(answer["priority"]),
        "attempts": f"{answer['attempts_made']} of {answer['options']['max_attempts']}, "
        f"{answer['attempts_started']} started, {text.count(answer['crashes'], 'crash', 'crashes')}",
        "created": text.time(answer["created_at_ms"]),
        "due": text.time(answer["due_at_ms"]),
        "started": text.time(answer["started_at_ms"]),
        "finished": text.time(answer["finished_at_ms"]),
        "worker": answer["worker"] or "-",
        "headers": text.compact(answer["headers"]),
        "data": text.compact(answer["data"]),
        "progress": text.compact(answer["progress"]),
        "result": text.compact(answer["result"]),
    }
    lines = [f"{name:<9}  {text.clean(value)}" for name, value in fields.items()]
    if answer["error"] is not None:
        lines += ["error", *_error(answer["error"])]
    for number, error in enumerate(answer["attempt_errors"], 1):
        lines += [f"earlier error {number}", *_error(error)]
    if answer["logs"]:
        lines += ["log", *(_log_line(line) for line in answer["logs"])]
    return lines


def _log_line(line: Answer) -> str:
    return f"  {text.time(line['at_ms'])}  {text.clean(line['text'])}"


def error_line(error: Any) -> str:
    """An error in one line."""
    if isinstance(error, Mapping):
        return f"{error.get('type', 'Error')}: {error.get('message', '')}"
    return "-" if error is None else str(error)


def _error(error: Any) -> list[str]:
    lines = [error_line(error)]
    stack = error.get("stack") if isinstance(error, Mapping) else None
    if isinstance(stack, str) and stack:
        lines += stack.rstrip("\n").split("\n")
    return ["  " + text.clean(line) for line in lines]


def dead_list(answer: Answer) -> list[str]:
    """The dead letters."""
    jobs = answer["jobs"]
    lines = text.table(
        ["ID", "QUEUE", "NAME", "ATTEMPTS", "FAILED AT", "ERROR"],
        (
            [
                each["id"],
                each["queue"],
                each["name"],
                each["attempts_made"],
                text.time(each["finished_at_ms"]),
                text.clip(error_line(each["error"]), _ERROR_WIDTH),
            ]
            for each in jobs
        ),
    )
    total = text.count(answer["total"], "dead letter", "dead letters")
    if not jobs:
        return [total]
    shown = f", the newest {len(jobs)} are shown" if len(jobs) < answer["total"] else ""
    return [*lines, "", total + shown]


def _check_detail(check: Answer) -> str:
    repaired = check.get("repaired")
    detail: str = check["detail"]
    return detail if repaired is None else f"{detail}; repaired: {repaired}"


def doctor(answer: Answer) -> list[str]:
    """The checks and the versions."""
    checks = (
        [each["name"], "ok" if each["ok"] else "BAD", _check_detail(each)]
        for each in answer["checks"]
    )
    versions = ", ".join(f"{name} {version}" for name, version in answer["versions"].items())
    verdict = "all is well" if answer["ok"] else "something is wrong"
    return [*text.table(["CHECK", "", "DETAIL"], checks), "", versions, verdict]
