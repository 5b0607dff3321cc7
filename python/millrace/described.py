"""The part of `Request` that says how to make another job like it. Not used by itself."""

from __future__ import annotations

from typing import Any


class Described:
    """Options of `apply_async`, read from a request."""

    __slots__ = ()

    def as_execution_options(self: Any) -> dict[str, Any]:
        """The options of `apply_async` that make another job like this one."""
        return {
            "task_id": self.id,
            "root_id": self.root_id,
            "parent_id": self.parent_id,
            "group_id": self.place.group_id or None,
            "group_index": self.group_index,
            "shadow": self.shadow,
            "expires": self.expires,
            "time_limit": self.time_limit,
            "soft_time_limit": self.soft_time_limit,
            "headers": self.headers,
            "reply_to": self.reply_to,
            "replaced_task_nesting": self.replaced_task_nesting,
            "priority": self.priority,
            "queue": self.queue,
        }

    @property
    def execution_options(self) -> dict[str, Any]:
        """As `as_execution_options`."""
        return self.as_execution_options()
