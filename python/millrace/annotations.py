"""The setting `task_annotations`: attributes of tasks, by the tasks' names.

    app.conf.task_annotations = {"feeds.load": {"rate_limit": "10/s"}, "*": {"max_retries": 5}}

A list may also have objects with `annotate(task)` and `annotate_any()`, which answer such mappings or None. A function
becomes a method of the task; a name that begins with "@" puts the function around the method of that name.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from millrace import options


class MapAnnotation(dict[str, Any]):
    """Annotations by the name of the task."""

    def annotate_any(self) -> dict[str, Any] | None:
        """Those of all tasks."""
        found = self.get("*")
        return None if found is None else dict(found)

    def annotate(self, task: Any) -> dict[str, Any] | None:
        """Those of a task."""
        found = self.get(task.name)
        return None if found is None else dict(found)


def prepare(annotations: Any) -> tuple[Any, ...]:
    """The setting's value as objects with `annotate` and `annotate_any`."""
    if isinstance(annotations, list | tuple):
        return tuple(_one(each) for each in annotations)
    return (_one(annotations),)


def _one(annotation: Any) -> Any:
    if isinstance(annotation, Mapping):
        return MapAnnotation(annotation)
    if isinstance(annotation, str):
        from millrace.routing import _imported

        annotation = _imported(annotation)
    if not (hasattr(annotation, "annotate") and hasattr(annotation, "annotate_any")):
        raise options.wrong_type(
            "task_annotations", "a mapping by task name, or an object with annotate()", annotation
        )
    return annotation
