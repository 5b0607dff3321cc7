"""Thumbnails of a folder of images, and a contact sheet of them."""

from __future__ import annotations

import os
from pathlib import Path

from millrace import Millrace
from PIL import Image

app = Millrace("images", store=os.environ.get("MILLRACE_STORE", "images.db"))

TILE = (160, 120)


@app.task(soft_time_limit=60, max_retries=2, autoretry_for=(OSError,), retry_backoff=1)
def thumbnail(path: str, target: str) -> str:
    """Makes one small copy.

    It may run twice, if its worker dies after writing: so it writes beside the target and renames.
    """
    made = Path(target) / f"{Path(path).stem}.png"
    with Image.open(path) as image:
        small = image.convert("RGB")
        small.thumbnail(TILE)
        part = made.with_suffix(f".{os.getpid()}.part")
        small.save(part, "PNG")
    part.replace(made)
    return str(made)


@app.task
def contact_sheet(thumbnails: list[str], target: str) -> dict[str, object]:
    """Puts all small copies on one page; gets them when the last one is made."""
    columns = 4
    rows = -(-len(thumbnails) // columns)
    sheet = Image.new("RGB", (columns * TILE[0], rows * TILE[1]), "white")
    for number, path in enumerate(sorted(thumbnails)):
        with Image.open(path) as image:
            left, top = number % columns * TILE[0], number // columns * TILE[1]
            sheet.paste(image, (left + (TILE[0] - image.width) // 2, top))
    sheet.save(target, "PNG")
    return {"sheet": target, "images": len(thumbnails), "size": list(sheet.size)}
