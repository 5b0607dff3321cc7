"""What programs can be told of: jobs that are published and run, workers that come and go, logging that is set up.

    from millrace.signals import task_failure

    @task_failure.connect
    def report(sender, task_id, exception, **kwargs):
        print(sender.name, task_id, exception)

Names, senders and arguments are Celery's. Sending costs nothing while nobody is connected.
"""

from __future__ import annotations

from typing import Final

from millrace.utils.dispatch import Signal

PUBLISHING: Final[list[Signal]] = []
"""The signals about publishing that somebody is connected to: empty, there is nothing to do."""
RUNNING: Final[list[Signal]] = []
"""The same for those about running tasks."""

# The sender of those about publishing is the task's name, of the others about tasks the task.
before_task_publish: Final = Signal(
    ("body", "exchange", "routing_key", "headers", "properties", "declare", "retry_policy"),
    name="before_task_publish",
    family=PUBLISHING,
)
"""Before a job is written, in the producer; `headers` may be added to, and travel. Sender: the task's name."""
after_task_publish: Final = Signal(
    ("body", "exchange", "routing_key", "headers"), name="after_task_publish", family=PUBLISHING
)
"""After the commit, in the producer. Sender: the task's name."""
task_sent: Final = Signal(
    ("task_id", "task", "args", "kwargs", "eta", "taskset"), name="task_sent", family=PUBLISHING
)
"""The old form of `after_task_publish`."""

task_received: Final = Signal(("request",), name="task_received", family=RUNNING)
"""The worker has taken a job. Sender: the worker's consumer; `request` is the `Request`."""
task_prerun: Final = Signal(
    ("task_id", "task", "args", "kwargs"), name="task_prerun", family=RUNNING
)
"""Before the task's function is called."""
task_postrun: Final = Signal(
    ("task_id", "task", "args", "kwargs", "retval", "state"), name="task_postrun", family=RUNNING
)
"""After the attempt, however it ended."""
task_success: Final = Signal(("result", "runtime"), name="task_success", family=RUNNING)
"""The attempt succeeded."""
task_retry: Final = Signal(("request", "reason", "einfo"), name="task_retry", family=RUNNING)
"""The job will be run again."""
task_failure: Final = Signal(
    ("task_id", "exception", "args", "kwargs", "traceback", "einfo"),
    name="task_failure",
    family=RUNNING,
)
"""The job failed for good."""
task_internal_error: Final = Signal(
    ("task_id", "args", "kwargs", "request", "exception", "traceback", "einfo"),
    name="task_internal_error",
    family=RUNNING,
)
"""The worker itself could not end the job, such as when its result cannot be stored."""
task_revoked: Final = Signal(
    ("request", "terminated", "signum", "expired"), name="task_revoked", family=RUNNING
)
"""The job was revoked while a worker had it."""
task_rejected: Final = Signal(("message", "exc"), name="task_rejected", family=RUNNING)
"""The task raised `Reject`; `message` is the `Request`."""
task_unknown: Final = Signal(("message", "exc", "name", "id"), name="task_unknown", family=RUNNING)
"""The worker knows no task of the job's name; `message` is the job."""

celeryd_init: Final = Signal(("instance", "conf", "options"), name="celeryd_init")
"""The worker is made, before anything is set up. Sender: its node name."""
celeryd_after_setup: Final = Signal(("instance", "conf"), name="celeryd_after_setup")
"""The worker's queues are known; it does not run yet. Sender: its node name."""
import_modules: Final = Signal(name="import_modules")
"""The modules that the settings name are imported. Sender: the application."""
worker_init: Final = Signal(name="worker_init")
"""The worker begins to start."""
worker_before_create_process: Final = Signal(name="worker_before_create_process")
"""The supervisor is about to start a process of the pool."""
worker_process_init: Final = Signal(name="worker_process_init")
"""In each process of the pool, before its first job."""
worker_process_shutdown: Final = Signal(("pid", "exitcode"), name="worker_process_shutdown")
"""In each process of the pool, before it ends."""
worker_ready: Final = Signal(name="worker_ready")
"""The worker takes jobs."""
worker_shutting_down: Final = Signal(("sig", "how", "exitcode"), name="worker_shutting_down")
"""The worker was told to stop."""
worker_shutdown: Final = Signal(name="worker_shutdown")
"""The worker has stopped."""
heartbeat_sent: Final = Signal(name="heartbeat_sent")
"""The worker's heartbeat was written, if somebody is connected."""

setup_logging: Final = Signal(("loglevel", "logfile", "format", "colorize"), name="setup_logging")
"""Instead of the worker's own set-up of logging, which is left out if somebody is connected."""
after_setup_logger: Final = Signal(
    ("logger", "loglevel", "logfile", "format", "colorize"), name="after_setup_logger"
)
"""The root logger has its handlers."""
after_setup_task_logger: Final = Signal(
    ("logger", "loglevel", "logfile", "format", "colorize"), name="after_setup_task_logger"
)
"""The logger of tasks has its handlers."""

beat_init: Final = Signal(name="beat_init")
"""`millrace beat` starts. Sender: its service."""
beat_embedded_init: Final = Signal(name="beat_embedded_init")
"""Beat starts inside a worker (`-B`). Sender: its service."""

eventlet_pool_started: Final = Signal(name="eventlet_pool_started")
"""Here for settings that connect to it; there is no such pool, so it is never sent."""
eventlet_pool_preshutdown: Final = Signal(name="eventlet_pool_preshutdown")
"""As `eventlet_pool_started`."""
eventlet_pool_postshutdown: Final = Signal(name="eventlet_pool_postshutdown")
"""As `eventlet_pool_started`."""
eventlet_pool_apply: Final = Signal(("target", "args", "kwargs"), name="eventlet_pool_apply")
"""As `eventlet_pool_started`."""

user_preload_options: Final = Signal(("app", "options"), name="user_preload_options")
"""The command line has read the options that an application added (`app.user_options`)."""

__all__ = [name for name, value in list(globals().items()) if isinstance(value, Signal)]
