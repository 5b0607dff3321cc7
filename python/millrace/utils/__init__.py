"""Small things that tasks and settings of Celery's users import from its `utils`."""

from __future__ import annotations

__all__ = ["gen_unique_id", "uuid"]


def uuid() -> str:
    """A new unique id, as text: for a `task_id` that must be known beforehand."""
    from uuid import uuid4

    return str(uuid4())


gen_unique_id = uuid
