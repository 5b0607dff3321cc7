"""`app.conf`: where settings come from, under which names, and what they change."""

import datetime as dt
import logging
import sys
import types

import pytest
from millrace import Celery, Millrace
from millrace.app import defaults
from millrace.conf import Settings
from millrace.errors import ImproperlyConfigured, InvalidArgument


@pytest.fixture
def app(tmp_path):
    with Millrace("conf", store=tmp_path / "jobs.db", durability="process") as made:
        yield made


@pytest.fixture
def settings_module():
    module = types.ModuleType("conf_settings_of_a_test")
    module.CELERY_TIMEZONE = "Europe/Vienna"
    module.CELERY_TASK_ALWAYS_EAGER = True
    module.CELERY_BROKER_POOL_LIMIT = 3
    module.CELERY_MY_OWN = "kept"
    module.TIMEZONE = "not this one"
    sys.modules[module.__name__] = module
    yield module
    del sys.modules[module.__name__]


def test_attributes_and_items(app):
    app.conf.timezone = "Europe/Vienna"
    app.conf["task_time_limit"] = 60
    assert (app.conf["timezone"], app.conf.task_time_limit) == ("Europe/Vienna", 60)
    assert app.conf.beat_schedule == {}
    assert "timezone" in app.conf
    assert "no_such_setting_at_all" not in app.conf
    with pytest.raises(AttributeError, match="no_such_setting_at_all"):
        _ = app.conf.no_such_setting_at_all
    with pytest.raises(KeyError):
        _ = app.conf["no_such_setting_at_all"]
    del app.conf["timezone"]
    assert app.conf.timezone is None


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("CELERY_TASK_SERIALIZER", "task_serializer"),
        ("CELERY_ACCEPT_CONTENT", "accept_content"),
        ("CELERY_TIMEZONE", "timezone"),
        ("CELERY_ALWAYS_EAGER", "task_always_eager"),
        ("CELERY_EAGER_PROPAGATES_EXCEPTIONS", "task_eager_propagates"),
        ("CELERY_TASK_RESULT_EXPIRES", "result_expires"),
        ("CELERY_RESULT_BACKEND", "result_backend"),
        ("CELERY_ROUTES", "task_routes"),
        ("CELERY_QUEUES", "task_queues"),
        ("CELERY_DEFAULT_QUEUE", "task_default_queue"),
        ("CELERY_IGNORE_RESULT", "task_ignore_result"),
        ("CELERY_SEND_EVENTS", "worker_send_task_events"),
        ("CELERY_DISABLE_RATE_LIMITS", "worker_disable_rate_limits"),
        ("CELERYD_CONCURRENCY", "worker_concurrency"),
        ("CELERYD_MAX_TASKS_PER_CHILD", "worker_max_tasks_per_child"),
        ("CELERYD_TASK_TIME_LIMIT", "task_time_limit"),
        ("CELERYD_TASK_SOFT_TIME_LIMIT", "task_soft_time_limit"),
        ("CELERYBEAT_SCHEDULE", "beat_schedule"),
        ("CELERYBEAT_SCHEDULER", "beat_scheduler"),
        ("BROKER_URL", "broker_url"),
        ("BROKER_TRANSPORT_OPTIONS", "broker_transport_options"),
        ("Task_Track_Started", "task_track_started"),
    ],
)
def test_lower_case_and_upper_case_names(old, new):
    conf = Settings()
    conf[old] = "a value"
    assert (conf[new], conf[old], getattr(conf, old)) == ("a value",) * 3
    assert conf.changes == {new: "a value"}


def test_update_is_all_or_nothing(app):
    app.conf.update(timezone="UTC", task_time_limit=5)
    app.conf.update({"worker_concurrency": 3}, beat_max_loop_interval=7)
    assert (app.conf.worker_concurrency, app.conf.beat_max_loop_interval) == (3, 7)
    before = dict(app.conf.changes)
    with pytest.raises(TypeError, match="task_default_queue"):
        app.conf.update(timezone="Europe/Vienna", task_default_queue=5)
    assert app.conf.changes == before


def test_get_and_first_and_setdefault(app):
    assert app.conf.get("worker_concurrency") is None
    assert app.conf.get("nothing_of_that_name", 5) == 5
    assert app.conf.first("worker_concurrency", "worker_pool") == "prefork"
    assert app.conf.setdefault("worker_concurrency", 4) == 4
    assert app.conf.setdefault("worker_concurrency", 5) == 4


def test_changes_and_defaults(app):
    app.conf.timezone = "UTC"
    app.add_defaults({"worker_concurrency": 2, "timezone": "Europe/Vienna"})
    app.add_defaults(lambda: {"task_time_limit": 9})
    assert app.conf.changes == {"timezone": "UTC"}
    assert (app.conf.worker_concurrency, app.conf.task_time_limit) == (2, 9)
    assert app.conf.defaults[1] == {
        "worker_concurrency": 2,
        "timezone": "Europe/Vienna",
        "task_time_limit": 9,
    }
    assert app.conf.defaults[-1]["worker_pool"] == "prefork"


def test_humanize_and_table_hide_secrets(app):
    app.conf.update(
        timezone="UTC",
        redis_password="hush",
        broker_transport_options={"api_key": "hush"},
        database_url="postgresql://me:hush@host/db",
    )
    table = app.conf.table()
    assert table["timezone"] == "UTC"
    assert table["redis_password"] == table["broker_transport_options"]["api_key"] == "********"
    assert table["database_url"] == "postgresql://me:********@host/db"
    assert "hush" not in app.conf.humanize()
    assert "timezone: 'UTC'" in app.conf.humanize()
    assert app.conf.table(censored=False)["redis_password"] == "hush"
    assert "worker_pool" not in table
    assert app.conf.table(with_defaults=True)["worker_pool"] == "prefork"


def test_without_defaults(app):
    app.conf.timezone = "UTC"
    assert dict(app.conf.without_defaults()) == {"timezone": "UTC"}
    assert app.conf.value_set_for("CELERY_TIMEZONE")
    assert not app.conf.value_set_for("worker_pool")


def test_find_option_and_its_value(app):
    namespace, key, option = app.conf.find_option("worker_concurrency")
    assert (namespace, key, option.type) == ("worker", "concurrency", "int")
    assert app.conf.find_option("always_eager")[:2] == ("task", "always_eager")
    assert app.conf.find_value_for_key("always_eager") is False
    assert app.conf.get_by_parts("worker", "pool") == "prefork"
    with pytest.raises(KeyError):
        app.conf.find_option("nothing_of_that_name")


def test_a_namespace_takes_only_its_own_names(app, settings_module):
    app.config_from_object(settings_module, namespace="CELERY")
    assert app.conf.timezone == "Europe/Vienna"
    assert app.conf.task_always_eager is True
    assert app.conf.my_own == "kept"
    old = {"CELERY_ROUTES": {"a": "b"}, "CELERY_RESULT_EXPIRES": 5, "OTHER": 1}
    app.config_from_object(old, namespace="CELERY")
    assert (app.conf.task_routes, app.conf.result_expires) == ({"a": "b"}, 5)
    assert "other" not in app.conf


def test_config_from_object_is_lazy_for_a_name(app, settings_module):
    app.config_from_object("nowhere.at.all")
    with pytest.raises(ImproperlyConfigured, match=r"nowhere\.at\.all"):
        _ = app.conf.timezone
    other = Millrace("other", namespace="CELERY", set_as_current=False)
    other.config_from_object("conf_settings_of_a_test")
    assert not other.configured
    assert other.conf.timezone == "Europe/Vienna"
    assert other.configured
    other.config_from_object("nowhere.at.all", silent=True, force=True)
    with pytest.raises(TypeError, match="obj must be"):
        other.config_from_object(None)


def test_config_from_object_takes_module_attribute_object_and_mapping(app, settings_module):
    settings_module.inner = types.SimpleNamespace(timezone="UTC", worker_concurrency=9)
    app.config_from_object("conf_settings_of_a_test:inner")
    assert (app.conf.timezone, app.conf.worker_concurrency) == ("UTC", 9)
    app.config_from_object({"worker_concurrency": 10})
    assert app.conf.worker_concurrency == 10
    app.conf.worker_concurrency = 11
    app.config_from_object({"worker_concurrency": 12})
    assert app.conf.worker_concurrency == 11, "what was set counts more than what was loaded"


def test_a_setting_of_a_source_decides_the_store(tmp_path, monkeypatch):
    monkeypatch.delenv("MILLRACE_STORE", raising=False)
    app = Celery("late", set_as_current=False)

    @app.task
    def f(): ...

    app.config_from_object(
        {"broker_url": f"sqlite:///{tmp_path}/late.db", "task_default_queue": "q"}
    )
    result = f.delay()
    assert (tmp_path / "late.db").exists()
    assert result.queue == "q"
    app.close()


def test_config_from_envvar(app, settings_module, monkeypatch):
    monkeypatch.setenv("MY_SETTINGS", "conf_settings_of_a_test")
    assert app.config_from_envvar("MY_SETTINGS")
    assert app.conf.task_always_eager is True
    monkeypatch.delenv("MY_SETTINGS")
    assert app.config_from_envvar("MY_SETTINGS", silent=True) is False
    with pytest.raises(ImproperlyConfigured, match="MY_SETTINGS"):
        app.config_from_envvar("MY_SETTINGS")


def test_config_from_cmdline(app):
    app.config_from_cmdline(
        [
            "worker.concurrency=4",
            "task_ignore_result=yes",
            "beat.schedule=(json){}",
            "always_eager=on",
        ]
    )
    assert app.conf.worker_concurrency == 4
    assert app.conf.task_ignore_result is True
    assert app.conf.task_always_eager is True
    with pytest.raises(InvalidArgument, match="worker_concurrency"):
        app.config_from_cmdline(["worker_concurrency=many"])
    with pytest.raises(InvalidArgument, match="name=value"):
        app.config_from_cmdline(["worker_concurrency"])


def test_hooks_around_loading(app):
    heard = []
    app.on_configure.connect(lambda **kwargs: heard.append("on_configure"), weak=False)

    @app.on_after_configure.connect
    def after(sender, source, **kwargs):
        heard.append(("after", sender is app, source.timezone))

    @app.on_after_finalize.connect
    def complete(sender, **kwargs):
        heard.append("complete")

    app.config_from_object({"timezone": "UTC"})
    app.conf.worker_concurrency = 3
    assert heard == [], "setting something loads nothing"
    assert app.conf.timezone == "UTC"
    app.finalize()
    app.finalize()
    assert heard == ["on_configure", ("after", True, "UTC"), "complete"]


@pytest.mark.parametrize(
    "name", ["broker_url", "result_backend", "CELERY_RESULT_BACKEND", "BROKER_URL"]
)
@pytest.mark.parametrize(
    "url",
    ["redis://:hush@localhost:6379/0", "amqp://guest:hush@h//", "rediss://h", "mongodb://h/db"],
)
def test_a_server_is_an_error_that_says_what_to_write(app, name, url):
    with pytest.raises(ImproperlyConfigured, match=url.split(":")[0]) as caught:
        app.conf[name] = url
    assert "hush" not in str(caught.value)
    assert "sqlite:///" in str(caught.value) or "leave" in str(caught.value)


@pytest.mark.parametrize(
    "backend", ["rpc://", "django-db", "disabled://", "cache+memory://", "file:///x"]
)
def test_places_for_results_that_need_no_server_are_ignored(app, backend):
    app.conf.result_backend = backend
    assert app.conf.result_backend == backend


def test_settings_without_meaning_are_told_in_one_line(app, caplog):
    caplog.set_level(logging.DEBUG, "millrace")
    app.conf.update(
        broker_pool_limit=3,
        redis_max_connections=5,
        cassandra_table="t",
        task_track_started=True,
        timezone="UTC",
    )
    lines = [each.getMessage() for each in caplog.records if "no effect" in each.getMessage()]
    assert len(lines) == 1
    for name in ("broker_pool_limit", "redis_max_connections", "cassandra_table"):
        assert name in lines[0]
    assert "timezone" not in lines[0]


IGNORED = [name for name, option in defaults.OPTIONS.items() if not option.used]


@pytest.mark.parametrize("name", IGNORED)
def test_accepted_without_effect(name):
    conf = Settings()
    assert conf[name] == defaults.DEFAULTS[name]
    conf[name] = "anything"
    assert conf[name] == "anything"


def test_the_default_queue_and_the_time_limits_reach_tasks_made_before(app):
    @app.task(name="f")
    def f(): ...

    @app.task(name="own", time_limit=9, queue="own")
    def own(): ...

    app.conf.update(task_default_queue="q", task_time_limit=60, task_soft_time_limit=50)
    assert app.default_queue == app.conf.task_default_queue == "q"
    assert (f.spec.queue, f.spec.time_limit_ms, f.spec.soft_time_limit_ms) == ("q", 60000, 50000)
    assert (own.spec.queue, own.spec.time_limit_ms, own.spec.soft_time_limit_ms) == ("own", 9000, 0)
    assert f.delay().queue == "q"


def test_result_expires(tmp_path):
    from millrace.testing import Harness

    with Millrace("x", store=tmp_path / "jobs.db", set_as_current=False) as app:

        @app.task
        def f():
            return 5

        app.conf.result_expires = dt.timedelta(minutes=1)
        assert app.conf.result_expires == dt.timedelta(minutes=1)
        with Harness(app):
            assert app.engine is not None
            assert app._keep_ms == 60_000
        app.conf.result_expires = None
        assert app._keep_ms == -1


def test_the_time_zone(app):
    assert app.timezone == dt.timezone.utc
    assert app.uses_utc_timezone()
    app.conf.timezone = "Europe/Vienna"
    assert str(app.timezone) == "Europe/Vienna"
    assert not app.uses_utc_timezone()
    assert app.now().tzinfo is not None
    assert str(app.now().tzinfo) == "Europe/Vienna"
    app.conf.timezone = "Mars/Olympus"
    with pytest.raises(ImproperlyConfigured, match="Mars/Olympus"):
        _ = app.timezone


def test_either(app):
    assert app.either("worker_pool", None, "solo") == "solo"
    assert app.either("worker_pool", None, None) == "prefork"


def test_settings_that_cannot_be_loaded_are_an_error_each_time(tmp_path):
    module = types.ModuleType("conf_settings_with_a_fault")
    module.broker_url = f"sqlite:///{tmp_path / 'a.db'}"
    module.result_backend = "redis://localhost"
    sys.modules[module.__name__] = module
    with Millrace("faulty") as app:

        @app.task
        def f(): ...

        app.config_from_object(module.__name__)
        for _ in range(2):
            with pytest.raises(ImproperlyConfigured, match="result_backend"):
                f.delay()
            with pytest.raises(ImproperlyConfigured, match="result_backend"):
                _ = app.conf.timezone
        del module.result_backend
        assert f.delay().state == "PENDING"
        assert list(tmp_path.glob("*.db")) == [tmp_path / "a.db"]
