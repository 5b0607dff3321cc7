"""Jobs for FastAPI: routes that submit, show, follow and cancel them, a lifespan, and dependencies.

    from fastapi import FastAPI
    from millrace.contrib.fastapi import lifespan, router
    from tasks import app as jobs, resize

    web = FastAPI(lifespan=lifespan(jobs))
    web.include_router(router(jobs, tasks=[resize]))

    POST /jobs/tasks.resize  enqueues a job: the body holds the task's arguments by name; `Idempotency-Key` makes a
                             repeated request answer the first one's job
    GET  /jobs/{id}          its status
    GET  /jobs/{id}/events   server-sent events `progress`, `completed`, `failed`, `cancelled`, `removed`; every one but
                             the first is the last
    POST /jobs/{id}/cancel   `{"id", "queue", "outcome"}`: "cancelled", "requested" (it runs and was told) or "finished"

With `?queue=` where several queues have a job of the same id. Unknown jobs answer 404, refused values 400 or 422.
Anybody who knows an id may use them, and anybody may submit: pass `dependencies` to ask who it is.

A server that waits for open connections when it stops (uvicorn does, without end) needs a bound for that, such as
uvicorn's `timeout_graceful_shutdown`.
"""

from __future__ import annotations

from millrace.contrib.fastapi.dependencies import calls, job
from millrace.contrib.fastapi.life import Lifespan, lifespan
from millrace.contrib.fastapi.routes import router

__all__ = ["Lifespan", "calls", "job", "lifespan", "router"]
