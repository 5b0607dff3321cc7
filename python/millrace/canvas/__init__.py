"""Tasks put together before they run: `chain`, `group`, `chord` and their relatives, with Celery's meaning.

    from millrace import chain, chord, group

    chain(fetch.s(url), parse.s(), store.s()).delay()           # each gets the result of the one before
    chord([render.s(page) for page in pages], bind.s()).delay() # the body gets the list of all results
    (group(a.s(), b.s()) | c.s()).delay()                       # the same, written with |

A canvas becomes jobs that wait for each other, enqueued in one commit: it runs as a whole, or nothing was written. See
`docs/howto/canvas.md`.
"""

from __future__ import annotations

from millrace.canvas.chains import _chain, chain
from millrace.canvas.chords import _chord, chord
from millrace.canvas.groups import group
from millrace.canvas.maps import _basemap, chunks, xmap, xstarmap
from millrace.canvas.signature import (
    Signature,
    maybe_signature,
    maybe_subtask,
    signature,
    subtask,
)
from millrace.canvas.stamping import StampingVisitor

__all__ = [
    "Signature",
    "StampingVisitor",
    "_basemap",
    "_chain",
    "_chord",
    "chain",
    "chord",
    "chunks",
    "group",
    "maybe_signature",
    "maybe_subtask",
    "signature",
    "subtask",
    "xmap",
    "xstarmap",
]
