"""Live progress in a browser: `uvicorn web:web`, then open http://127.0.0.1:8000.

The worker runs inside; `MILLRACE_STORE=primes.db millrace worker tasks:app` beside it may help.
"""

from __future__ import annotations

from pathlib import Path

from fastapi import FastAPI
from fastapi.responses import FileResponse
from millrace.contrib.fastapi import lifespan, router
from tasks import app as jobs
from tasks import primes

web = FastAPI(title="Primes", lifespan=lifespan(jobs, worker={"concurrency": 2}))
web.include_router(router(jobs, tasks={"primes": primes}))


@web.get("/", include_in_schema=False)
async def page() -> FileResponse:
    return FileResponse(Path(__file__).with_name("index.html"))
