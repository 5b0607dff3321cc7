"""The web application of the demo: takes photographs, answers at once, tells how far they are.

Run it with `uvicorn app:web`. The work is done elsewhere, by `millrace worker tasks:app`.
"""

from __future__ import annotations

import asyncio
import os
import uuid
from pathlib import Path

from fastapi import FastAPI, UploadFile
from fastapi.responses import FileResponse
from fastapi.staticfiles import StaticFiles
from millrace.contrib.fastapi import lifespan, router
from tasks import THUMBNAILS, process_image
from tasks import app as jobs

UPLOADS = Path(os.environ.get("DEMO_UPLOADS", "uploads"))
UPLOADS.mkdir(parents=True, exist_ok=True)
THUMBNAILS.mkdir(parents=True, exist_ok=True)

web = FastAPI(title="Photos", lifespan=lifespan(jobs))
web.include_router(router(jobs))  # /jobs/{id}, /jobs/{id}/events, /jobs/{id}/cancel
web.mount("/thumbnails", StaticFiles(directory=THUMBNAILS))


@web.post("/photos", status_code=202)
async def upload(photo: UploadFile) -> dict[str, str]:
    """Keeps the file and enqueues its processing: on the disk when this answers, done later."""
    title = Path(photo.filename or "photo").name
    path = UPLOADS / f"{uuid.uuid4().hex}-{title}"
    await asyncio.to_thread(path.write_bytes, await photo.read())
    job = await process_image.aio.delay(str(path), title)
    return {"id": job.id, "status": f"/jobs/{job.id}", "events": f"/jobs/{job.id}/events"}


@web.get("/queues")
async def queues() -> dict[str, dict[str, int]]:
    """How many jobs of each state there are. Counted by the store all the time: it costs nothing."""
    states = ("ready", "scheduled", "active", "completed", "failed", "cancelled")
    counts = await asyncio.to_thread(jobs.engine.list_queues)
    return {one.queue: {state: getattr(one, state) for state in states} for one in counts}


@web.get("/", include_in_schema=False)
async def page() -> FileResponse:
    """A page to try it by hand."""
    return FileResponse(Path(__file__).with_name("index.html"))
