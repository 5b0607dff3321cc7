"""What is measured, in the order of the table. Data only."""

from __future__ import annotations

from plan_latency import LATENCY_GROUPS
from plan_model import MODEL_GROUPS
from plan_node import NODE_GROUPS
from plan_node_api import NODE_API_GROUPS
from plan_python import PYTHON_GROUPS
from plan_python_start import PYTHON_START_GROUPS
from plan_sqlite import SQLITE_GROUPS

GROUPS = (
    *NODE_GROUPS,
    *NODE_API_GROUPS,
    *PYTHON_GROUPS,
    *PYTHON_START_GROUPS,
    *SQLITE_GROUPS,
    *LATENCY_GROUPS,
    *MODEL_GROUPS,
)
