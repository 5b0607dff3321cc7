"""A client of the web application: uploads files and follows their jobs by server-sent events."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import httpx


@dataclass
class Upload:
    """A file, its job, and what the events have told."""

    title: str
    job_id: str
    events_path: str
    percent: float = 0
    progress_events: int = 0
    ending: str = ""  # the type of the last event, once there was one
    result: dict[str, Any] = field(default_factory=dict)
    error: dict[str, str] = field(default_factory=dict)


async def upload(client: httpx.AsyncClient, title: str, content: bytes) -> Upload:
    """Sends a file as a browser's form does."""
    answer = await client.post("/photos", files={"photo": (title, content)})
    answer.raise_for_status()
    body = answer.json()
    return Upload(title, body["id"], body["events"])


async def server_sent_events(
    client: httpx.AsyncClient, path: str
) -> AsyncIterator[tuple[str, dict[str, Any]]]:
    """The type and the data of each event until the server ends the stream."""
    async with client.stream("GET", path, timeout=httpx.Timeout(10, read=60)) as stream:
        stream.raise_for_status()
        kind = ""
        async for line in stream.aiter_lines():
            if line.startswith("event: "):
                kind = line.removeprefix("event: ")
            elif line.startswith("data: "):
                yield kind, json.loads(line.removeprefix("data: "))


async def follow(client: httpx.AsyncClient, one: Upload) -> AsyncIterator[Upload]:
    """Tells each time that something is new about a job, until it has ended."""
    async for kind, data in server_sent_events(client, one.events_path):
        if kind == "progress":
            one.percent = float(data["progress"]["percent"])
            one.progress_events += 1
        else:
            one.ending = kind
            one.percent = 100
            one.result = data.get("result") or {}
            one.error = data.get("error") or {}
        yield one
