"""The Python tasks of the demo. Run them with `millrace worker tasks:app -Q images,github`.

The store is named by the environment variable MILLRACE_STORE, so that all programs agree on it.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from millrace import Millrace, Task
from PIL import ExifTags, Image, ImageOps

app = Millrace("photos")

THUMBNAILS = Path(os.environ.get("DEMO_THUMBNAILS", "thumbnails"))
WIDTHS = (1600, 800, 320)
PALETTE_COLOURS = 5
EXIF_FIELDS = ("Make", "Model", "DateTimeOriginal", "ExposureTime", "FNumber", "ISOSpeedRatings")


@app.task(bind=True, name="process_image", queue="images", soft_time_limit=60)
def process_image(self: Task[..., Any], path: str, title: str) -> dict[str, Any]:
    """Makes three sizes of a photograph, reads what is in it, and has a webhook announce it.

    It may run twice: its worker can die at any line. So every file that it writes is replaced as a
    whole, and the webhook's id is made from the job's, so that a second run adds no second one.
    """
    job_id = self.request.id or "direct"
    with Image.open(path) as photo:  # UnidentifiedImageError: a dead letter, no retry would help
        exif = read_exif(photo)
        pixels = ImageOps.exif_transpose(photo).convert("RGB")
    self.update_state(meta={"step": "decoded", "percent": 25})

    thumbnails = []
    smaller = pixels
    for done, width in enumerate(WIDTHS, start=1):
        height = max(1, round(pixels.height * width / pixels.width))
        smaller = smaller.resize((width, height), Image.Resampling.LANCZOS)
        thumbnails.append(save(smaller, f"{Path(title).stem}-{width}.jpg", job_id))
        self.update_state(meta={"step": f"{width} px", "percent": 25 + 20 * done})

    report = {
        "title": title,
        "width": pixels.width,
        "height": pixels.height,
        "bytes": Path(path).stat().st_size,
        "exif": exif,
        "palette": palette(smaller),
        "thumbnails": thumbnails,
    }
    # A worker in Node does this one: it is known there, here by its name alone.
    app.send_task(
        "deliver_webhook",
        kwargs={"event": "image.processed", "payload": report},
        queue="webhooks",
        task_id=f"processed-{job_id}",
        max_retries=8,
        retry_backoff=0.1,
    )
    return report


@app.task(name="github_event", queue="github")
def github_event(event: str, payload: dict[str, Any]) -> str:
    """One line for the team's log from a GitHub webhook that a Node program has enqueued."""
    action = payload.get("action", "received")
    where = payload.get("repository", {}).get("full_name", "no repository")
    who = payload.get("sender", {}).get("login", "somebody")
    if event == "push":
        branch = payload["ref"].removeprefix("refs/heads/")
        return f"{where}: {who} pushed {len(payload['commits'])} commits to {branch}"
    subject = payload.get("pull_request") or payload.get("issue") or payload.get("release") or {}
    title = subject.get("title") or subject.get("name") or subject.get("tag_name") or event
    return f"{where}: {who} {action} {event.replace('_', ' ')} “{title}”"


def save(image: Image.Image, name: str, job_id: str) -> str:
    """Writes a JPEG that is either there as a whole or not at all; answers its name."""
    THUMBNAILS.mkdir(parents=True, exist_ok=True)
    unfinished = THUMBNAILS / f".{job_id}-{name}"
    image.save(unfinished, "JPEG", quality=85, optimize=True)
    unfinished.replace(THUMBNAILS / name)
    return name


def read_exif(image: Image.Image) -> dict[str, str]:
    """What the camera wrote down; many photographs on the web have lost it."""
    exif = image.getexif()
    fields = {**exif, **exif.get_ifd(ExifTags.IFD.Exif)}
    named = {ExifTags.TAGS.get(tag, ""): value for tag, value in fields.items()}
    return {field: str(named[field]).strip("\0 ") for field in EXIF_FIELDS if named.get(field)}


def palette(image: Image.Image) -> list[str]:
    """The colours that stand for the image, the most frequent first, as #rrggbb."""
    few = image.quantize(PALETTE_COLOURS, method=Image.Quantize.MEDIANCUT)
    colours = few.getpalette() or []
    counted: list[tuple[int, int]] = sorted(few.getcolors() or [], reverse=True)  # type: ignore[arg-type]
    return ["#{:02x}{:02x}{:02x}".format(*colours[3 * i : 3 * i + 3]) for _, i in counted]
