"""A Node process that does what the tests tell it: see node-side.mjs."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

SCRIPT = Path(__file__).parent / "node-side.mjs"


class NodeError(Exception):
    """What a command threw in Node; `body` has its class, message, and a RemoteError's fields."""

    def __init__(self, body: dict[str, Any]) -> None:
        super().__init__(f"{body['class']}: {body['message']}")
        self.body = body


class NodeSide:
    """Commands are sent with `begin` and answered by `end`, or both in one `call`."""

    def __init__(self, store: Path, secret: bytes | None = None) -> None:
        self.process = subprocess.Popen(
            ["node", str(SCRIPT), str(store), *([] if secret is None else [secret.hex()])],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )
        self.sent = 0
        self.answers: dict[int, dict[str, Any]] = {}

    def begin(self, what: str, **arguments: Any) -> int:
        self.sent += 1
        assert self.process.stdin is not None
        line = json.dumps({"number": self.sent, "do": what, **arguments})
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return self.sent

    def end(self, number: int) -> Any:
        assert self.process.stdout is not None
        while number not in self.answers:
            line = self.process.stdout.readline()
            assert line, f"the Node process ended with {self.process.wait()}"
            answer = json.loads(line)
            self.answers[answer["number"]] = answer
        answer = self.answers.pop(number)
        if "error" in answer:
            raise NodeError(answer["error"])
        return answer["ok"]

    def call(self, what: str, **arguments: Any) -> Any:
        return self.end(self.begin(what, **arguments))

    def add(self, name: str, data: Any, *, queue: str = "default", **opts: Any) -> str:
        return str(self.call("add", queue=queue, name=name, data=data, opts=opts)["id"])

    def result(self, job_id: str, *, queue: str = "default") -> Any:
        return self.call("result", queue=queue, id=job_id)

    def job(self, job_id: str, *, queue: str = "default") -> Any:
        return self.call("job", queue=queue, id=job_id)

    def close(self) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        self.process.stdout.read()
        self.process.stdout.close()
        assert self.process.wait(60) == 0
