"""Every setting, by name: what it is when nobody sets it, its type on a command line, and whether it does anything.

The names are Celery's. Those that tell of a broker's connections, or of a database for results, have no meaning here:
they are accepted, so that a settings module need not be changed, and reported in one line of the debug log.
"""

from __future__ import annotations

import datetime as dt
from typing import Any, Final, NamedTuple

from millrace.errors import InvalidArgument


class Option(NamedTuple):
    """A setting.

    Attributes:
        default: Its value when nobody sets it.
        type: How a command line's text is read: "any", "bool", "dict", "float", "int", "list" or "str".
        used: Whether it does anything here.
    """

    default: Any = None
    type: str = "any"
    used: bool = True

    def to_python(self, text: str) -> Any:
        """The value that a command line's text means."""
        return READERS[self.type](text)


def strtobool(text: str | bool) -> bool:
    """Yes or no, as people write them. Raises InvalidArgument for anything else."""
    if isinstance(text, bool):
        return text
    word = text.strip().lower()
    if word in {"1", "true", "yes", "on"}:
        return True
    if word in {"0", "false", "no", "off"}:
        return False
    raise InvalidArgument(f"expected true or false, not {text!r}")


def _json(text: str) -> Any:
    import json

    return json.loads(text)


READERS: Final[dict[str, Any]] = {
    "any": str,
    "bool": strtobool,
    "dict": _json,
    "float": float,
    "int": int,
    "json": _json,
    "list": _json,
    "str": str,
    "string": str,
    "tuple": _json,
}

_RETRY_POLICY: Final = {
    "max_retries": 3,
    "interval_start": 0,
    "interval_max": 1,
    "interval_step": 0.2,
}
_LOG_FORMAT: Final = "[%(asctime)s: %(levelname)s/%(processName)s] %(message)s"
_TASK_LOG_FORMAT: Final = (
    "[%(asctime)s: %(levelname)s/%(processName)s] %(task_name)s[%(task_id)s]: %(message)s"
)

_USED: Final = {
    # The store.
    "broker_url": Option(None, "str"),
    "result_backend": Option(None, "str"),
    "result_expires": Option(dt.timedelta(days=1), "float"),
    # The application.
    "enable_utc": Option(True, "bool"),
    "imports": Option((), "list"),
    "include": Option((), "list"),
    "timezone": Option(None, "str"),
    # Beat.
    "beat_cron_starting_deadline": Option(None, "int"),
    "beat_max_loop_interval": Option(0, "float"),
    "beat_schedule": Option({}, "dict"),
    "beat_schedule_filename": Option("celerybeat-schedule", "str"),
    "beat_scheduler": Option("millrace.beat:PersistentScheduler", "str"),
    "beat_sync_every": Option(0, "int"),
    # Tasks.
    "task_acks_late": Option(None, "bool"),
    "task_allow_error_cb_on_chord_header": Option(False, "bool"),
    "task_always_eager": Option(False, "bool"),
    "task_annotations": Option(None, "any"),
    "task_create_missing_queues": Option(True, "bool"),
    "task_default_exchange": Option(None, "str"),
    "task_default_priority": Option(None, "int"),
    "task_default_queue": Option("default", "str"),
    "task_default_rate_limit": Option(None, "str"),
    "task_eager_propagates": Option(False, "bool"),
    "task_ignore_result": Option(False, "bool"),
    "task_inherit_parent_priority": Option(False, "bool"),
    "task_queues": Option(None, "dict"),
    "task_reject_on_worker_lost": Option(None, "bool"),
    "task_routes": Option(None, "any"),
    "task_soft_time_limit": Option(None, "float"),
    "task_store_eager_result": Option(False, "bool"),
    "task_store_errors_even_if_ignored": Option(False, "bool"),
    "task_time_limit": Option(None, "float"),
    # Workers.
    "worker_autoscaler": Option("millrace.worker.autoscale:Autoscaler", "str"),
    "worker_concurrency": Option(None, "int"),
    "worker_direct": Option(False, "bool"),
    "worker_disable_prefetch": Option(False, "bool"),
    "worker_disable_rate_limits": Option(False, "bool"),
    "worker_enable_remote_control": Option(True, "bool"),
    "worker_hijack_root_logger": Option(True, "bool"),
    "worker_log_color": Option(None, "bool"),
    "worker_log_datefmt": Option(None, "str"),
    "worker_log_format": Option(_LOG_FORMAT, "str"),
    "worker_max_memory_per_child": Option(None, "int"),
    "worker_max_tasks_per_child": Option(None, "int"),
    "worker_pool": Option("prefork", "str"),
    "worker_prefetch_multiplier": Option(4, "int"),
    "worker_redirect_stdouts": Option(True, "bool"),
    "worker_redirect_stdouts_level": Option("WARNING", "str"),
    "worker_send_task_events": Option(False, "bool"),
    "worker_soft_shutdown_timeout": Option(0.0, "float"),
    "worker_task_log_datefmt": Option(None, "str"),
    "worker_task_log_format": Option(_TASK_LOG_FORMAT, "str"),
}

# Accepted without effect; their defaults are told to code that reads them.
_WITHOUT_EFFECT: Final = {
    "accept_content": Option(("json",), "list"),
    "broker_channel_error_retry": Option(False, "bool"),
    "broker_connection_max_retries": Option(100, "int"),
    "broker_connection_retry": Option(True, "bool"),
    "broker_connection_retry_on_startup": Option(None, "bool"),
    "broker_connection_timeout": Option(4, "float"),
    "broker_heartbeat": Option(120, "int"),
    "broker_pool_limit": Option(10, "int"),
    "broker_transport_options": Option({}, "dict"),
    "broker_use_ssl": Option(False, "bool"),
    "control_exchange": Option("celery", "str"),
    "event_serializer": Option("json", "str"),
    "result_accept_content": Option(None, "list"),
    "result_backend_transport_options": Option({}, "dict"),
    "result_cache_max": Option(-1, "int"),
    "result_chord_join_timeout": Option(3.0, "float"),
    "result_chord_retry_interval": Option(1.0, "float"),
    "result_compression": Option(None, "str"),
    "result_extended": Option(False, "bool"),
    "result_persistent": Option(None, "bool"),
    "result_serializer": Option("json", "str"),
    "task_acks_on_failure": Option(None, "bool"),
    "task_acks_on_failure_or_timeout": Option(True, "bool"),
    "task_acks_on_timeout": Option(None, "bool"),
    "task_compression": Option(None, "str"),
    "task_create_missing_queue_exchange_type": Option(None, "str"),
    "task_create_missing_queue_type": Option("classic", "str"),
    "task_default_delivery_mode": Option(2, "any"),
    "task_default_exchange_type": Option("direct", "str"),
    "task_default_queue_type": Option("classic", "str"),
    "task_default_routing_key": Option(None, "str"),
    "task_protocol": Option(2, "int"),
    "task_publish_retry": Option(True, "bool"),
    "task_publish_retry_policy": Option(_RETRY_POLICY, "dict"),
    "task_queue_max_priority": Option(None, "int"),
    "task_remote_tracebacks": Option(False, "bool"),
    "task_repr_maxlevels": Option(3, "int"),
    "task_send_sent_event": Option(False, "bool"),
    "task_serializer": Option("json", "str"),
    "task_track_started": Option(False, "bool"),
    "worker_cancel_long_running_tasks_on_connection_loss": Option(False, "bool"),
    "worker_deduplicate_successful_tasks": Option(False, "bool"),
    "worker_detect_quorum_queues": Option(True, "bool"),
    "worker_enable_prefetch_count_reduction": Option(True, "bool"),
    "worker_enable_soft_shutdown_on_idle": Option(False, "bool"),
    "worker_eta_task_limit": Option(None, "int"),
    "worker_lost_wait": Option(10.0, "float"),
    "worker_pool_putlocks": Option(True, "bool"),
    "worker_pool_restarts": Option(False, "bool"),
    "worker_proc_alive_timeout": Option(4.0, "float"),
    "worker_state_db": Option(None, "str"),
    "worker_timer_precision": Option(1.0, "float"),
}

OPTIONS: Final = {
    **_USED,
    **{name: option._replace(used=False) for name, option in _WITHOUT_EFFECT.items()},
}
"""The settings that have a default of their own."""

DEFAULTS: Final = {name: option.default for name, option in OPTIONS.items()}

FAMILIES: Final = (
    "arangodb_",
    "azureblockblob_",
    "beat_",
    "broker_",
    "cache_",
    "cassandra_",
    "control_queue_",
    "cosmosdbsql_",
    "couchbase_",
    "couchdb_",
    "database_",
    "dynamodb_",
    "elasticsearch_",
    "event_",
    "gcs_",
    "mongodb_",
    "redis_",
    "result_",
    "s3_",
    "security_",
    "task_",
    "worker_",
)
"""Prefixes of settings: what begins so and is not in OPTIONS is another setting of Celery's without meaning here."""

# Where the old name is not the new one in capital letters with CELERY_, CELERYD_ or CELERYBEAT_ in front.
_IRREGULAR: Final = {
    "celery_always_eager": "task_always_eager",
    "celery_disable_rate_limits": "worker_disable_rate_limits",
    "celery_eager_propagates_exceptions": "task_eager_propagates",
    "celery_enable_remote_control": "worker_enable_remote_control",
    "celery_max_cached_results": "result_cache_max",
    "celery_message_compression": "task_compression",
    "celery_queues": "task_queues",
    "celery_redirect_stdouts": "worker_redirect_stdouts",
    "celery_redirect_stdouts_level": "worker_redirect_stdouts_level",
    "celery_result_db_short_lived_sessions": "database_short_lived_sessions",
    "celery_result_db_tablenames": "database_table_names",
    "celery_result_dburi": "database_url",
    "celery_result_engine_options": "database_engine_options",
    "celery_send_events": "worker_send_task_events",
    "celery_send_task_error_emails": "task_send_error_emails",
    "celery_send_task_sent_event": "task_send_sent_event",
    "celery_task_publish_retry": "task_publish_retry",
    "celery_task_publish_retry_policy": "task_publish_retry_policy",
    "celery_task_result_expires": "result_expires",
    "celery_task_serializer": "task_serializer",
    "celeryd_task_soft_time_limit": "task_soft_time_limit",
    "celeryd_task_time_limit": "task_time_limit",
    "celeryd_worker_lost_wait": "worker_lost_wait",
}


def is_setting(name: str) -> bool:
    """Whether it is the name of a setting, with meaning here or without."""
    return name in OPTIONS or name.startswith(FAMILIES)


def canonical(name: str) -> str | None:
    """The setting that is meant by a name of today or of the old days, in whatever case; None if none is."""
    lower = name.lower()
    if lower in OPTIONS:
        return lower
    if lower in _IRREGULAR:
        return _IRREGULAR[lower]
    for old, new in (("celerybeat_", "beat_"), ("celeryd_", "worker_")):
        if lower.startswith(old):
            return new + lower[len(old) :]
    if lower.startswith("celery_"):
        rest = lower[len("celery_") :]
        if is_setting(rest):
            return rest
        return f"task_{rest}" if f"task_{rest}" in OPTIONS else None
    return lower if is_setting(lower) else None


def find(name: str, namespace: str = "celery") -> tuple[str, str, Option]:
    """The namespace, the name within it and the option of a setting. Raises KeyError."""
    found = canonical(name) or canonical(f"{namespace}_{name}")
    if found is None:
        raise KeyError(name)
    first, _, rest = found.partition("_")
    return first if rest else "", rest or first, OPTIONS.get(found, Option(used=False))
