"""Results from nested tuples of ids."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from millrace.result.base import AsyncResult, ResultBase
from millrace.result.groups import GroupResult

if TYPE_CHECKING:
    from millrace.app import Millrace


def result_from_tuple(r: Any, app: Millrace | None = None) -> Any:
    """The result that `as_tuple` made the tuple of: an `AsyncResult` or a `GroupResult`, with its parents.

    Args:
        r: The tuple, or what JSON has made of it; a result is answered as it is.
        app: The application; default the current one.
    """
    if isinstance(r, ResultBase):
        return r
    (own, parent), nodes = r if isinstance(r[0], tuple | list) else ((r[0], None), r[1])
    above = result_from_tuple(parent, app) if parent else None
    if nodes is not None:
        members = [result_from_tuple(each, app) for each in nodes]
        return GroupResult(own, members, parent=above, app=app)
    return AsyncResult(own, app=app, parent=above)
