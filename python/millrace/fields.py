"""A property whose value an assignment replaces: what `Request` is made of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    field = property
else:

    class field:  # noqa: N801 - a kind of property
        """What a request reads from its job, unless somebody has assigned something else."""

        def __init__(self, read: Any) -> None:
            self._read = read
            self.__doc__ = read.__doc__

        def __get__(self, request: Any, kind: Any = None) -> Any:
            return self if request is None else self._read(request)
