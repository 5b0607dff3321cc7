"""What became of jobs: `AsyncResult`, and several of them as `ResultSet` and `GroupResult`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from millrace.result.base import (
    SOFTLY,
    TERMINATE,
    AsyncResult,
    ResultBase,
)
from millrace.result.blocking import (
    allow_join_result,
    assert_will_not_block,
    denied_join_result,
    refuse_inside_task,
)
from millrace.result.sets import ResultSet

if TYPE_CHECKING:
    from millrace.result.eager import EagerResult
    from millrace.result.graph import DependencyGraph
    from millrace.result.groups import GroupResult
    from millrace.result.tuples import result_from_tuple

__all__ = [
    "SOFTLY",
    "TERMINATE",
    "AsyncResult",
    "DependencyGraph",
    "EagerResult",
    "GroupResult",
    "ResultBase",
    "ResultSet",
    "allow_join_result",
    "assert_will_not_block",
    "bound",
    "denied_join_result",
    "refuse_inside_task",
    "result_from_tuple",
]

_LAZY = {
    "DependencyGraph": "graph",
    "EagerResult": "eager",
    "GroupResult": "groups",
    "bound": "groups",
    "result_from_tuple": "tuples",
}


def __getattr__(name: str) -> Any:
    """Loads what not every program uses when it is asked for."""
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_LAZY[name]}"), name)
