"""The routes for FastAPI: status, events, cancel, and the lifespan."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest
from fastapi import Depends, FastAPI, HTTPException
from millrace import Millrace, _core
from millrace.contrib.fastapi import lifespan, router
from millrace.contrib.job_feed import feeds_of

QUEUE = "images"


def make_web(app: Millrace, **options) -> FastAPI:
    web = FastAPI(lifespan=lifespan(app))
    web.include_router(router(app, **options))
    return web


@pytest.fixture
async def web(app: Millrace) -> AsyncIterator[FastAPI]:
    made = make_web(app)
    async with made.router.lifespan_context(made):
        yield made


@pytest.fixture
async def client(web: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(web)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as made:
        yield made


def enqueue(app: Millrace, job_id: str, **options) -> str:
    spec = _core.JobSpec(QUEUE, "resize", id=job_id, value={"secret": 1}, **options)
    return app.engine.enqueue([spec])[0][0]


class Work:
    """A worker's session, driven by hand."""

    def __init__(self, app: Millrace) -> None:
        self.session = app.engine.open_session([QUEUE], slots=10, prefetch=0)

    async def take(self) -> _core.LeasedJob:
        return (await asyncio.to_thread(self.session.take, 1))[0]

    async def settle(self, job: _core.LeasedJob, kind: str, body: object) -> None:
        self.session.settle(_core.Outcome(job.token, kind, json.dumps(body), retryable=False))
        await asyncio.to_thread(self.session.drain)

    def __enter__(self) -> "Work":
        return self

    def __exit__(self, *_) -> None:
        self.session.close(0)


class Follower:
    """A client of the events route, at the level of ASGI: it sees each chunk when it is sent, and can leave."""

    def __init__(self, web: FastAPI, path: str, *, room: int = 0) -> None:
        scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.4"},
            "http_version": "1.1",
            "method": "GET",
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "root_path": "",
            "headers": [],
            "client": ("test", 1),
            "server": ("test", 80),
        }
        # A server's send() waits while the client does not read what it was sent.
        self._sent: asyncio.Queue[dict] = asyncio.Queue(room)
        self._left = asyncio.Event()
        self._asked = False
        self.task = asyncio.ensure_future(web(scope, self._receive, self._sent.put))

    async def _receive(self) -> dict:
        if not self._asked:
            self._asked = True
            return {"type": "http.request", "body": b"", "more_body": False}
        await self._left.wait()
        return {"type": "http.disconnect"}

    def leave(self) -> None:
        self._left.set()

    async def full(self) -> None:
        while not self._sent.full():
            await asyncio.sleep(0)

    async def start(self) -> int:
        return (await self._sent.get())["status"]

    async def chunk(self) -> str:
        return (await self._sent.get()).get("body", b"").decode()

    async def event(self) -> tuple[str, str, dict]:
        return read_event(await self.chunk())


def read_event(text: str) -> tuple[str, str, dict]:
    fields = dict(line.split(": ", 1) for line in text.strip().splitlines())
    return fields["event"], fields["id"], json.loads(fields["data"])


async def test_the_status_of_a_waiting_job_hides_its_payload(app, client):
    enqueue(app, "a", delay_ms=60_000, retry=_core.RetryPolicy(max_attempts=4))
    answer = (await client.get("/jobs/a")).json()
    created, due = answer.pop("created_at_ms"), answer.pop("due_at_ms")
    assert due == created + 60_000
    assert answer == {
        "id": "a",
        "queue": QUEUE,
        "name": "resize",
        "state": "scheduled",
        "status": "PENDING",
        "progress": None,
        "result": None,
        "error": None,
        "max_attempts": 4,
        "attempts_started": 0,
        "attempts_made": 0,
        "crashes": 0,
        "cancel_requested": False,
        "started_at_ms": None,
        "finished_at_ms": None,
    }


async def test_a_running_job_shows_its_progress_and_custom_state(app, client):
    enqueue(app, "a")
    with Work(app) as work:
        job = await work.take()
        app.engine.set_progress("a", "0.5")
        answer = (await client.get("/jobs/a")).json()
        assert (answer["state"], answer["status"], answer["progress"]) == (
            "active",
            "PROGRESS",
            0.5,
        )
        app.engine.set_progress("a", '{"$state": "RESIZING", "meta": {"done": 1}}')
        answer = (await client.get("/jobs/a")).json()
        assert (answer["status"], answer["progress"]) == ("RESIZING", {"done": 1})
        await work.settle(job, "completed", {"sizes": 3})
    answer = (await client.get("/jobs/a")).json()
    assert (answer["status"], answer["result"]) == ("SUCCESS", {"sizes": 3})


async def test_a_failed_job_shows_its_error_without_the_stack(app, client):
    enqueue(app, "a")
    with Work(app) as work:
        error = {"type": "ValueError", "message": "no image", "stack": "/srv/secret.py"}
        await work.settle(await work.take(), "failed", error)
    answer = (await client.get("/jobs/a")).json()
    assert answer["status"] == "FAILURE"
    assert answer["error"] == {"type": "ValueError", "message": "no image"}


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/jobs/none"), ("GET", "/jobs/none/events"), ("POST", "/jobs/none/cancel")],
)
async def test_an_unknown_job_is_404(client, method, path):
    response = await client.request(method, path)
    assert response.status_code == 404
    assert response.json()["detail"]["code"] == "not_found"
    assert "none" in response.json()["detail"]["message"]


@pytest.mark.parametrize("path", ["/jobs/" + "x" * 256, "/jobs/a%00b", "/jobs/a/events"])
async def test_refused_values_are_400_and_name_the_argument(app, client, path):
    enqueue(app, "a")
    response = await client.get(path, headers={"Last-Event-ID": "yesterday"})
    assert response.status_code == 400
    detail = response.json()["detail"]
    assert detail["code"] == "invalid_argument"
    assert "id" in detail["message"].lower()


async def test_a_reason_that_is_too_long_is_400(app, client):
    enqueue(app, "a")
    response = await client.post("/jobs/a/cancel", params={"reason": "x" * 20_000})
    assert response.status_code == 400
    assert response.json()["detail"]["code"] == "too_large"


async def test_events_are_followed_to_the_end(app, web):
    enqueue(app, "a")
    with Work(app) as work:
        follower = Follower(web, "/jobs/a/events")
        assert await follower.start() == 200
        job = await work.take()
        work.session.progress(job.token, '{"done":1}')
        kind, first_id, body = await follower.event()
        assert (kind, body["progress"], body["status"]) == ("progress", {"done": 1}, "PROGRESS")
        work.session.progress(job.token, '{"$state":"HALF","meta":2}')
        _, second_id, body = await follower.event()
        assert (body["progress"], body["status"]) == (2, "HALF")
        assert _core.event_id_less(first_id, second_id)
        await work.settle(job, "completed", [1, 2])
        kind, _, body = await follower.event()
        assert (kind, body) == ("completed", {"id": "a", "queue": QUEUE, "result": [1, 2]})
        await follower.task
    assert feeds_of(app).queues == []


async def test_a_client_that_comes_back_gets_what_it_missed_and_no_more(app, web, client):
    enqueue(app, "a")
    with Work(app) as work:
        follower = Follower(web, "/jobs/a/events")
        await follower.start()
        job = await work.take()
        work.session.progress(job.token, "1")
        _, first_id, _ = await follower.event()
        follower.leave()
        await follower.task
        work.session.progress(job.token, "2")
        await work.settle(job, "failed", {"type": "ValueError", "message": "no"})
    response = await client.get("/jobs/a/events", headers={"Last-Event-ID": first_id})
    events = [read_event(each) for each in response.text.strip().split("\n\n")]
    assert [(kind, body.get("progress")) for kind, _, body in events] == [
        ("progress", 2),
        ("failed", None),
    ]
    assert events[1][2]["error"] == {"type": "ValueError", "message": "no"}
    again = await client.get("/jobs/a/events", headers={"Last-Event-ID": events[1][1]})
    assert (again.status_code, again.text) == (204, "")


async def test_a_finished_job_answers_its_end_at_once_and_once(app, client):
    enqueue(app, "a")
    assert (await client.post("/jobs/a/cancel?reason=no+need")).json() == {
        "id": "a",
        "queue": QUEUE,
        "outcome": "cancelled",
    }
    response = await client.get("/jobs/a/events")
    assert response.headers["content-type"].startswith("text/event-stream")
    kind, event_id, body = read_event(response.text)
    assert kind == "cancelled"
    assert "no need" in body["error"]["message"]
    again = await client.get("/jobs/a/events", headers={"Last-Event-ID": event_id})
    assert again.status_code == 204
    assert (await client.post("/jobs/a/cancel")).json()["outcome"] == "finished"


async def test_a_running_job_is_told_to_stop_and_its_follower_is_told(app, web, client):
    enqueue(app, "a")
    with Work(app) as work:
        follower = Follower(web, "/jobs/a/events")
        await follower.start()
        job = await work.take()
        assert (await client.post("/jobs/a/cancel")).json()["outcome"] == "requested"
        await work.settle(job, "cancelled", {"type": "TaskRevokedError", "message": "asked to"})
        kind, _, body = await follower.event()
        assert (kind, body["error"]["message"]) == ("cancelled", "asked to")
        await follower.task


async def test_a_removed_job_ends_the_stream(app, web):
    enqueue(app, "a")
    follower = Follower(web, "/jobs/a/events")
    await follower.start()
    app.engine.remove("a")
    assert (await follower.event())[0] == "removed"
    await follower.task


async def test_many_listeners_share_one_subscription_which_ends_with_the_last(app, web):
    for n in range(50):
        enqueue(app, f"job-{n}")
    followers = [Follower(web, f"/jobs/job-{n}/events") for n in range(50) for _ in range(4)]
    assert {await follower.start() for follower in followers} == {200}
    assert feeds_of(app).queues == [QUEUE]
    for n in range(25):
        app.engine.cancel(f"job-{n}")
    for follower in followers[:100]:
        assert (await follower.event())[0] == "cancelled"
        await follower.task
    assert feeds_of(app).queues == [QUEUE]
    for follower in followers[100:]:
        follower.leave()
        await follower.task
    assert feeds_of(app).queues == []


async def test_silence_is_filled_with_comments(app):
    web = make_web(app, keep_alive=0.001)
    enqueue(app, "a")
    follower = Follower(web, "/jobs/a/events")
    await follower.start()
    assert await follower.chunk() == ": keep-alive\n\n"
    app.engine.cancel("a")
    while "cancelled" not in await follower.chunk():
        pass
    await follower.task


async def test_a_slow_client_keeps_the_end_and_the_newest_progress(app, web):
    enqueue(app, "a")
    slow = Follower(web, "/jobs/a/events", room=1)
    await slow.full()
    with Work(app) as work:
        job = await work.take()
        other = Follower(web, "/jobs/a/events")
        await other.start()
        for n in range(300):
            work.session.progress(job.token, str(n))
        await work.settle(job, "completed", "done")
        while (await other.event())[0] != "completed":
            pass
    assert await slow.start() == 200
    events = [await slow.event()]
    while events[-1][0] != "completed":
        events.append(await slow.event())
    await slow.task
    assert len(events) <= 101
    assert events[-1][0] == "completed"
    assert events[-2][2]["progress"] == 299


async def test_bodies_that_are_no_json_arrive_as_text(app, client):
    enqueue(app, "a")
    with Work(app) as work:
        job = await work.take()
        work.session.settle(_core.Outcome(job.token, "completed", '{"big": 1e999}'))
        await asyncio.to_thread(work.session.drain)
    assert (await client.get("/jobs/a")).json()["result"] == {"big": "1e999"}
    assert read_event((await client.get("/jobs/a/events")).text)[2]["result"] == {"big": "1e999"}


async def test_dependencies_guard_every_route(app):
    def nobody() -> None:
        raise HTTPException(401)

    web = make_web(app, prefix="/tasks", dependencies=[Depends(nobody)])
    enqueue(app, "a")
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(web), base_url="http://test"
    ) as client:
        assert (await client.get("/tasks/a")).status_code == 401
        assert (await client.get("/tasks/a/events")).status_code == 401
        assert (await client.post("/tasks/a/cancel")).status_code == 401


async def test_the_queue_decides_between_jobs_of_one_id(app, client):
    enqueue(app, "a")
    app.engine.enqueue([_core.JobSpec("other", "x", id="a")])
    assert (await client.get("/jobs/a?queue=images")).json()["queue"] == QUEUE
    assert (await client.get("/jobs/a?queue=other")).json()["queue"] == "other"
    assert (await client.get("/jobs/a?queue=third")).status_code == 404


async def test_the_lifespan_opens_and_closes_around_ones_own(app):
    seen: list[str] = []

    @asynccontextmanager
    async def own(_: FastAPI):
        seen.append("open" if app._engine is not None else "closed")
        yield {"pool": 1}
        seen.append("open" if app._engine is not None else "closed")

    web = FastAPI()
    async with lifespan(app, own)(web) as state:
        assert state == {"pool": 1}
    assert seen == ["open", "open"]
    assert app._engine is None


async def test_closing_ends_the_streams(app):
    web = make_web(app)
    async with web.router.lifespan_context(web):
        enqueue(app, "a")
        follower = Follower(web, "/jobs/a/events")
        await follower.start()
    await follower.task


@pytest.mark.parametrize("value", [0, -1, "15", True, None])
def test_keep_alive_must_be_a_positive_number(app, value):
    with pytest.raises(TypeError, match="keep_alive"):
        router(app, keep_alive=value)
