"""The FastAPI routes that enqueue jobs, the worker inside the web server, and the dependencies."""

import datetime as dt
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

import httpx
import pytest
from fastapi import Depends, FastAPI
from millrace import AsyncResult, Millrace
from millrace.aio import AppCalls
from millrace.contrib.fastapi import calls, job, lifespan, router
from millrace.errors import InvalidArgument
from pydantic import BaseModel, Field


class Size(BaseModel):
    width: int = Field(gt=0)
    height: int


@asynccontextmanager
async def client_of(app: Millrace, tasks, *, worker=False) -> AsyncIterator[httpx.AsyncClient]:
    web = FastAPI(lifespan=lifespan(app, worker=worker))
    web.include_router(router(app, tasks=tasks))
    async with web.router.lifespan_context(web):
        transport = httpx.ASGITransport(web)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            client.web = web  # type: ignore[attr-defined]
            yield client


@pytest.fixture
def resize(app: Millrace):
    @app.task(name="images.resize", queue="images")
    def resize(url: str, size: Size, quality: int = 80) -> str:
        """Makes an image smaller."""
        return f"{url} {size['width']}x{size['height']} {quality}"  # type: ignore[index]

    return resize


BODY = {"url": "a.png", "size": {"width": 3, "height": 4}}


def payload(app: Millrace, job_id: str):
    return app.engine.get_job(job_id, "").spec.data


async def test_a_task_is_submitted_by_its_arguments(app, resize):
    async with client_of(app, [resize]) as client:
        response = await client.post("/jobs/images.resize", json=BODY)
        assert response.status_code == 202
        made = response.json()
        assert made == {"id": made["id"], "queue": "images", "name": "images.resize"}
        assert response.headers["location"] == f"/jobs/{made['id']}"
        status = (await client.get(response.headers["location"])).json()
        assert (status["name"], status["state"]) == ("images.resize", "ready")
        assert payload(app, made["id"]) == '{"url":"a.png","size":{"width":3,"height":4}}'


@pytest.mark.parametrize(
    ("body", "where"),
    [
        ({}, ["body", "url"]),
        ({**BODY, "size": {"width": 0, "height": 1}}, ["body", "size", "width"]),
        ({**BODY, "quality": "good"}, ["body", "quality"]),
        ({**BODY, "colour": 1}, ["body", "colour"]),
        ([], ["body"]),
    ],
)
async def test_arguments_that_do_not_fit_are_422_and_enqueue_nothing(app, resize, body, where):
    async with client_of(app, [resize]) as client:
        response = await client.post("/jobs/images.resize", json=body)
        assert response.status_code == 422
        assert where in [error["loc"] for error in response.json()["detail"]]
        assert app.engine.list_queues() == []


async def test_a_repeated_request_with_one_key_is_one_job(app, resize):
    async with client_of(app, [resize]) as client:
        key = {"Idempotency-Key": "order-7"}
        first = await client.post("/jobs/images.resize", json=BODY, headers=key)
        again = await client.post("/jobs/images.resize", json=BODY, headers=key)
        assert (first.status_code, again.status_code) == (202, 200)
        assert again.json() == first.json()
        assert again.headers["location"] == first.headers["location"]
        digest = hashlib.sha256(b"images.resize\norder-7").hexdigest()
        assert first.json()["id"] == f"idempotency-{digest}"
        assert app.counts("images").ready == 1
        other = {"Idempotency-Key": "order-8"}
        response = await client.post("/jobs/images.resize", json=BODY, headers=other)
        assert response.status_code == 202


async def test_a_key_with_other_arguments_is_409(app, resize):
    async with client_of(app, [resize]) as client:
        key = {"Idempotency-Key": "order-7"}
        await client.post("/jobs/images.resize", json=BODY, headers=key)
        response = await client.post(
            "/jobs/images.resize", json={**BODY, "url": "b.png"}, headers=key
        )
        assert response.status_code == 409
        assert response.json()["detail"]["code"] == "wrong_state"
        assert app.counts("images").ready == 1


@pytest.mark.parametrize("key", ["", "x" * 256])
async def test_an_impossible_key_is_400(app, resize, key):
    async with client_of(app, [resize]) as client:
        headers = {"Idempotency-Key": key}
        response = await client.post("/jobs/images.resize", json=BODY, headers=headers)
        assert response.status_code == 400
        assert "must have 1 to 255 characters" in response.json()["detail"]["message"]
        assert app.engine.list_queues() == []


async def test_kinds_of_parameters(app):
    @app.task(name="sum", bind=True)
    def total(self, first: int, /, *rest: int, when: dt.date | None = None, **more: str):
        return None

    @app.task(name="ping")
    def ping():
        return "pong"

    async with client_of(app, {"sum": total, "ops/ping": ping}) as client:
        body = {"first": 1, "rest": [2, 3], "when": "2026-03-02", "note": "x"}
        made = (await client.post("/jobs/sum", json=body)).json()
        date = '{"$type":"date","value":"2026-03-02"}'
        text = payload(app, made["id"])
        assert text.startswith('{"$args":[1,2,3],"$kwargs":{')
        assert f'"when":{date}' in text
        assert '"note":"x"' in text
        assert (await client.post("/jobs/sum", json={"rest": [2]})).status_code == 422
        response = await client.post("/jobs/ops/ping")
        assert response.status_code == 202
        assert response.headers["location"] == f"/jobs/{response.json()['id']}"
        assert payload(app, response.json()["id"]) == "{}"


async def test_openapi_shows_the_tasks_signature(app, resize):
    async with client_of(app, [resize]) as client:
        document = client.web.openapi()  # type: ignore[attr-defined]
    post = document["paths"]["/jobs/images.resize"]["post"]
    assert post["description"] == "Makes an image smaller."
    assert post["operationId"] == "submit_images_resize"
    body = post["requestBody"]["content"]["application/json"]["schema"]["$ref"]
    model = document["components"]["schemas"][body.rsplit("/", 1)[1]]
    assert model["required"] == ["url", "size"]
    assert model["properties"]["quality"] == {"type": "integer", "title": "Quality", "default": 80}
    assert model["additionalProperties"] is False
    assert document["components"]["schemas"]["Size"]["required"] == ["width", "height"]
    assert set(post["responses"]) == {"200", "202", "400", "409", "422", "429"}
    status = document["paths"]["/jobs/{job_id}"]["get"]["responses"]["200"]
    assert status["content"]["application/json"]["schema"]["$ref"].endswith("/Status")


def test_only_tasks_of_the_application_can_be_submitted(app, resize):
    with pytest.raises(InvalidArgument, match="is a task of another application"):
        router(Millrace("other", store=":memory:"), tasks=[resize])
    with pytest.raises(TypeError, match="tasks must be made of tasks"):
        router(app, tasks=["images.resize"])
    with pytest.raises(InvalidArgument, match="'a b' cannot be a path"):
        router(app, tasks={"a b": resize})


@pytest.mark.parametrize(
    "worker", [True, {"pool": "threads", "concurrency": 2, "queues": ["images"]}]
)
async def test_a_worker_inside_the_web_server(app, worker):
    queue = "default" if worker is True else "images"

    @app.task(name="double", queue=queue)
    def double(number: int) -> int:
        return 2 * number

    async with client_of(app, [double], worker=worker) as client:
        made = (await client.post("/jobs/double", json={"number": 21})).json()
        result = app.AsyncResult(made["id"], queue=queue)
        assert await result.aget(timeout=20) == 42
    assert app._engine is None


def test_a_worker_that_is_no_options_is_refused(app):
    with pytest.raises(TypeError, match="worker must be a bool or keywords"):
        lifespan(app, worker="threads")


async def test_dependencies(app, resize):
    web = FastAPI(lifespan=lifespan(app))
    use = calls(app)

    @web.post("/orders")
    async def order(jobs: Annotated[AppCalls, Depends(use)]) -> str:
        return (await jobs.send_task("images.resize", (), BODY)).id

    @web.get("/orders/{job_id}")
    async def look(found: Annotated[AsyncResult, Depends(job(app))]) -> dict[str, str]:
        return {"id": found.id, "queue": found.queue}

    async with web.router.lifespan_context(web):
        transport = httpx.ASGITransport(web)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            job_id = (await client.post("/orders")).json()
            found = (await client.get(f"/orders/{job_id}")).json()
            assert found == {"id": job_id, "queue": "images"}
            missing = await client.get("/orders/none")
            assert missing.status_code == 404
            assert missing.json()["detail"]["code"] == "not_found"
