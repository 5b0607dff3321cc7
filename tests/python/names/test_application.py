"""`Celery(...)` and what the application has beside tasks and settings."""

import contextlib
import importlib
import sys
import types
from pathlib import Path

import millrace
import pytest
from millrace import Celery, Millrace, current_app, current_task, shared_task, signals
from millrace.app.task import Task as AppTask
from millrace.errors import (
    AlreadyRegistered,
    ImproperlyConfigured,
    InvalidArgument,
    NotRegistered,
)
from millrace.task import Task
from millrace.testing import Harness


@pytest.fixture
def app(tmp_path):
    with Millrace("shop", store=tmp_path / "jobs.db", durability="process") as made:
        yield made


@contextlib.contextmanager
def module(name, **content):
    made = types.ModuleType(name)
    vars(made).update(content)
    sys.modules[name] = made
    try:
        yield made
    finally:
        del sys.modules[name]


# --- The constructor ------------------------------------------------------------------------------


def test_celery_is_millrace():
    assert Celery is Millrace
    assert millrace.app.Celery is Millrace


def test_main():
    app = Celery("proj", set_as_current=False)
    assert (app.main, app.name) == ("proj", "proj")
    assert Celery(set_as_current=False).main == "millrace"


def test_broker_is_the_store(tmp_path):
    app = Celery("x", broker=f"sqlite:///{tmp_path}/jobs.db", set_as_current=False)
    app.send_task("f")
    assert (tmp_path / "jobs.db").exists()
    app.close()
    assert Celery("x", broker="memory://", set_as_current=False).store == ":memory:"
    with pytest.raises(ImproperlyConfigured, match=r"redis://.*sqlite:///"):
        Celery("x", broker="redis://localhost")
    with pytest.raises(InvalidArgument, match="broker"):
        Celery("x", broker="memory://", store="x.db")
    with pytest.raises(TypeError, match="broker"):
        Celery("x", broker=5)


def test_backend_is_ignored_unless_it_is_a_server():
    Celery("x", backend="rpc://", set_as_current=False)
    with pytest.raises(ImproperlyConfigured, match="backend"):
        Celery("x", backend="redis://localhost/0")


def test_include_is_imported_when_the_application_is_complete(tmp_path, monkeypatch):
    (tmp_path / "included_tasks.py").write_text("LOADED = True\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    app = Celery("x", include=["included_tasks"], set_as_current=False)
    assert "included_tasks" not in sys.modules
    app.finalize()
    assert sys.modules.pop("included_tasks").LOADED
    with pytest.raises(TypeError, match="include"):
        Celery("x", include="tasks")


def test_changes_and_keywords_are_settings():
    app = Celery("x", changes={"timezone": "UTC"}, worker_concurrency=3, set_as_current=False)
    assert (app.conf.timezone, app.conf.worker_concurrency) == ("UTC", 3)
    with pytest.raises(TypeError, match=r"worker_concurency.*worker_concurrency"):
        Celery("x", worker_concurency=3)


def test_config_source_and_namespace():
    source = {"CELERY_TIMEZONE": "UTC", "TIMEZONE": "Europe/Vienna"}
    app = Celery("x", config_source=source, namespace="CELERY", set_as_current=False)
    assert app.conf.timezone == "UTC"


class CountingTask(Task):
    calls = 0

    def before_start(self, *args):
        type(self).calls += 1


def test_task_cls():
    app = Celery("x", task_cls=CountingTask, set_as_current=False)

    @app.task
    def f(): ...

    assert isinstance(f, CountingTask)
    f.apply()
    assert f.calls == 1
    with module("own_task_classes", CountingTask=CountingTask):
        other = Celery("x", task_cls="own_task_classes:CountingTask", set_as_current=False)
        assert other.task_cls is CountingTask
        assert issubclass(other.Task, CountingTask)


def test_strict_typing_can_be_off(tmp_path):
    app = Celery("x", store=tmp_path / "a.db", strict_typing=False, set_as_current=False)

    @app.task
    def f(x): ...

    @app.task(typing=True)
    def strict(x): ...

    f.delay(1, 2, 3)
    with pytest.raises(TypeError, match="strict"):
        strict.delay(1, 2)
    app.close()


@pytest.mark.parametrize(
    "part", ["loader", "amqp", "events", "log", "control", "fixups", "autofinalize", "tasks"]
)
def test_parts_of_celerys_application_are_accepted(part):
    assert Celery("x", set_as_current=False, **{part: object()}).main == "x"


# --- The current one ------------------------------------------------------------------------------


def test_set_as_current():
    made = Celery("one")
    assert current_app.main == "one"
    other = Celery("two", set_as_current=False)
    assert current_app == made
    other.set_current()
    assert current_app.main == "two"
    assert isinstance(current_app, Millrace)
    made.set_current()


def test_set_default_counts_where_no_other_is_current(monkeypatch):
    from millrace import current

    monkeypatch.setattr(current, "_apps", current._Apps())
    app = Celery("fallback", set_as_current=False)
    app.set_default()
    assert current.get_current_app() is app
    monkeypatch.setattr(current, "_apps", current._Apps())
    assert current.get_current_app().main == "default"
    assert current.app_or_default(app) is app


def test_current_task(app):
    @app.task
    def look():
        return current_task.name, app.current_task is current_task._get_current_object()

    assert not current_task
    assert app.current_task is None
    assert look.apply().get() == (look.name, True)
    assert app.current_worker_task is None


def test_shared_task_is_one_of_every_application(tmp_path):
    first = Celery("first", store=":memory:")

    @shared_task(name="shared.add", bind=True, max_retries=7)
    def add(self, x, y):
        return x + y

    @shared_task
    def plain():
        """Documented."""

    second = Celery("second", store=":memory:", set_as_current=False)
    assert first.tasks["shared.add"].max_retries == second.tasks["shared.add"].max_retries == 7
    assert add.app is first
    second.set_current()
    assert add.app is second
    assert add.delay(1, 2).app is second
    assert add(1, 2) == 3
    assert isinstance(plain, Task)
    assert plain.__doc__ == "Documented."
    assert plain.name == f"{__name__}.test_shared_task_is_one_of_every_application.<locals>.plain"
    with pytest.raises(TypeError, match="twice"):
        shared_task(plain)
    with pytest.raises(TypeError, match="function"):
        shared_task("name")
    from millrace import current

    del current.shared[:]


# --- Tasks ----------------------------------------------------------------------------------------


def test_tasks_by_name(app):
    @app.task(name="f")
    def f(): ...

    assert app.tasks["f"] is f
    with pytest.raises(NotRegistered, match="'g'"):
        app.tasks["g"]
    assert app.tasks.get("g") is None
    app.tasks.unregister(f)
    assert not app.tasks
    with pytest.raises(KeyError):
        app.tasks.unregister("f")


def test_register_task_takes_an_object_or_a_class(app):
    class Resize(app.Task):
        name = "resize"
        max_retries = 5

        def __init__(self):
            self.made = 0

        def run(self, url, width=3):
            self.made += 1
            return f"{url}@{width} by {self.request.id} {self.made}"

    resize = app.register_task(Resize())
    assert app.tasks["resize"] is resize
    assert resize.spec.retry.max_attempts == 1
    assert resize.policy.max_attempts == 6
    assert resize("a") == "a@3 by None 1"
    with pytest.raises(TypeError, match=r"resize|run"):
        resize.delay()
    result = resize.apply_async(("a",), {"width": 4}, task_id="mine")
    with Harness(app) as harness:
        assert harness is not None
    assert result.details().spec.data == '{"url":"a","width":4}'
    assert resize.apply(("a",), task_id="t").get() == "a@3 by t 2"

    class Unnamed(Task):
        def run(self):
            return self.name

    made = app.register_task(Unnamed)
    assert made.name == f"{__name__}.Unnamed"
    assert made.apply().get() == made.name
    with pytest.raises(TypeError, match="Task"):
        app.register_task(5)
    with pytest.raises(AlreadyRegistered, match="'resize'"):
        app.register_task(type("Other", (Task,), {"name": "resize", "run": lambda self: None})())


def test_task_and_create_task_cls(app):
    assert issubclass(app.Task, Task)
    assert AppTask is Task
    assert app.Task.app is app
    assert app.create_task_cls() is not app.create_task_cls()
    made = app.subclass_with_self(dict, name="Own", attribute="owner", more=1)
    assert (made.__name__, made.owner, made.more) == ("Own", app, 1)


def test_gen_task_name_can_be_overridden(tmp_path):
    class Named(Celery):
        def gen_task_name(self, name, module):
            return f"mine.{module.rpartition('.')[2]}.{name.rpartition('.')[2]}"

    app = Named("x", set_as_current=False)

    @app.task
    def f(): ...

    assert f.name == "mine.test_application.f"


def test_two_tasks_of_one_name_are_an_error(app):
    @app.task(name="same")
    def f(): ...

    with pytest.raises(AlreadyRegistered, match="'same'"):

        @app.task(name="same")
        def g(): ...


def test_autodiscover_tasks(app, tmp_path, monkeypatch):
    for package, file, text in [
        ("pack_one", "tasks.py", "ONE = 1\n"),
        ("pack_two", "jobs.py", "TWO = 2\n"),
        ("pack_three", "other.py", ""),
        ("pack_four", "tasks.py", "import nothing_that_exists\n"),
    ]:
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").write_text("")
        (tmp_path / package / file).write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path))
    app.autodiscover_tasks(["pack_one", "pack_three"])
    assert "pack_one.tasks" not in sys.modules
    app.finalize()
    assert sys.modules["pack_one.tasks"].ONE == 1
    app.autodiscover_tasks(lambda: ["pack_two"], related_name="jobs", force=True)
    assert sys.modules["pack_two.jobs"].TWO == 2
    app.autodiscover_tasks(["pack_four"])
    with pytest.raises(ModuleNotFoundError, match="nothing_that_exists"):
        app.finalize()
    with pytest.raises(TypeError, match="packages"):
        app.autodiscover_tasks("pack_one")


def test_import_modules_is_sent_and_may_stop_everything(app):
    heard = []

    @signals.import_modules.connect(sender=app)
    def hear(sender, **kwargs):
        heard.append(sender)

    app.finalize()
    assert heard == [app]


# --- send_task ------------------------------------------------------------------------------------


def test_send_task_with_celerys_options(app):
    app.conf.task_routes = {"images.*": {"queue": "images", "priority": 4}}
    result = app.send_task(
        "images.resize",
        args=[1],
        kwargs={"a": 2},
        countdown=60,
        task_id="mine",
        producer=object(),
        connection=None,
        serializer="json",
        retry=True,
        retry_policy={"max_retries": 3},
        headers={"tenant": 7},
        ignore_result=True,
        shadow="pretty",
    )
    spec = result.details().spec
    assert (result.id, spec.queue, spec.priority) == ("mine", "images", 4)
    assert spec.data == '{"$args":[1],"$kwargs":{"a":2}}'
    assert '"tenant":"7"' in spec.headers
    assert app.send_task("images.x", queue="mine").queue == "mine"
    assert app.send_task("plain", route_name="images.y").queue == "images"
    with pytest.raises(TypeError, match=r"countdwn.*countdown"):
        app.send_task("x", countdwn=5)


# --- Other ----------------------------------------------------------------------------------------


def test_bugreport(app):
    app.conf.redis_password = "hush"
    report = app.bugreport()
    assert millrace.__version__ in report
    assert app.store in report
    assert "hush" not in report
    app.set_current()
    assert millrace.bugreport() == report


def test_ids_of_the_application(app):
    assert app.oid == app.oid != Celery("x", set_as_current=False).oid
    assert app.thread_oid.startswith(app.oid)
    assert len(millrace.uuid()) == 36
    assert millrace.uuid() != millrace.uuid()


def test_close_and_the_context_manager(tmp_path):
    with Celery("x", store=tmp_path / "jobs.db", set_as_current=False) as app:
        app.send_task("f")
        assert app._engine is not None
    assert app._engine is None
    app.close()


def test_hooks_of_subclasses():
    class Own(Celery):
        ready = False

        def on_init(self):
            self.ready = True

    app = Own("x", set_as_current=False)
    assert app.ready
    assert app.prepare_config({"a": 1}) == {"a": 1}


def test_setup_security_says_what_to_do_instead(app):
    with pytest.raises(ImproperlyConfigured, match="encryption_keys"):
        app.setup_security()


def test_type_checker(app):
    check = app.type_checker(lambda a, b=1: None)
    check(1, b=2)
    with pytest.raises(TypeError):
        check()


def test_loader_and_log(app, tmp_path, monkeypatch):
    (tmp_path / "loaded_by_name.py").write_text("X = 5\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert app.loader.import_task_module("loaded_by_name").X == 5
    assert app.loader.conf is app.conf
    assert app.loader.import_default_modules() == []
    assert app.log.get_default_logger("shop").name == "shop"
    assert callable(app.log.setup)
    assert app.builtin_fixups


def test_user_options_and_steps_are_collected(app):
    app.user_options["worker"].add("option")
    app.steps["worker"].add("step")
    assert app.user_options["worker"] == {"option"}
    assert app.steps["worker"] == {"step"}


def test_annotations(app):
    assert app.annotations == ()
    app.conf.task_annotations = {"*": {"max_retries": 9}}
    assert app.annotations[0].annotate_any() == {"max_retries": 9}


def test_on_after_fork(tmp_path):
    import os

    app = Celery("x", set_as_current=False)
    read, write = os.pipe()
    app.on_after_fork.connect(
        lambda sender, **kw: os.write(write, sender.main.encode()), weak=False
    )
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)
    assert os.read(read, 10) == b"x"
    os.close(read)
    os.close(write)


def test_worker_main_and_start_call_the_command_line(tmp_path, monkeypatch):
    given = []
    command = importlib.import_module("millrace.cli.main")
    monkeypatch.setattr(
        command, "main", lambda arguments, application: given.append((arguments, application)) or 0
    )
    app = Celery("x", set_as_current=False)
    with module("main_app_of_a_test", app=app):
        assert app.worker_main(["worker", "-c", "4"]) == 0
        assert app.worker_main(["--pool", "solo"]) == 0
        assert app.start(["worker", "-c", "2"]) == 0
        assert app.start(["inspect", "--store", "x"]) == 0
    assert [each[0] for each, _ in given] == ["worker", "worker", "worker", "inspect"]
    assert all(application is app for _, application in given)
    assert given[0][0] == ["worker", "-c", "4"]


def test_worker_and_beat_are_made_by_the_application(app):
    worker = app.Worker(concurrency=1, pool="solo")
    assert worker.app is app
    assert app.WorkController(pool="solo").app is app
    assert app.Beat().app is app
    assert Path(app.store).parent.exists()
