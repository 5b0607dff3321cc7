import os
import pickle
import subprocess
import sys
from pathlib import Path

import millrace
import pytest
from millrace import Millrace, errors


def test_no_store_is_a_clear_error(monkeypatch):
    monkeypatch.delenv("MILLRACE_STORE", raising=False)
    app = Millrace("x")
    with pytest.raises(errors.InvalidArgument, match="MILLRACE_STORE"):
        app.counts()


def test_the_store_from_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("MILLRACE_STORE", str(tmp_path / "env.db"))
    monkeypatch.setenv("MILLRACE_DURABILITY", "process")
    with Millrace("x") as app:
        assert app.store == str(tmp_path / "env.db")
        assert app.durability == "process"
        assert app.counts().ready == 0
    assert (tmp_path / "env.db").exists()


def test_a_relative_path_counts_from_where_the_application_was_made(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    app = Millrace("x", store="jobs.db")
    monkeypatch.chdir("/")
    assert app.store == str(tmp_path / "jobs.db")


def test_making_an_application_opens_nothing(tmp_path):
    Millrace("x", store=tmp_path / "jobs.db")
    assert list(tmp_path.iterdir()) == []


def test_closing_and_using_again(app):
    app.counts()
    app.close()
    app.close()
    assert app.counts().ready == 0


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({"name": 5}, TypeError, "name"),
        ({"name": ""}, errors.InvalidArgument, "name"),
        ({"store": 5}, TypeError, "store"),
        ({"store": ""}, errors.InvalidArgument, "store"),
        ({"store": b"x"}, TypeError, "store"),
        ({"durability": "fsync"}, errors.InvalidArgument, "durability"),
        ({"durability": 5}, TypeError, "durability"),
        ({"default_queue": 5}, TypeError, "default_queue"),
        ({"max_payload_bytes": "1"}, TypeError, "max_payload_bytes"),
        ({"max_payload_bytes": 1}, errors.InvalidArgument, "max_payload_bytes"),
        ({"result_expires": "x"}, TypeError, "result_expires"),
    ],
)
def test_options_are_checked(options, error, match):
    with pytest.raises(error, match=match):
        Millrace(**options)


def test_opening_errors_say_what_is_wrong(tmp_path):
    with pytest.raises(errors.MillraceError, match="nowhere"):
        Millrace("x", store=tmp_path / "nowhere" / "jobs.db").counts()
    text = tmp_path / "text.db"
    text.write_text("this is no database " * 100)
    with pytest.raises(errors.NotAStore) as caught:
        Millrace("x", store=text).counts()
    assert caught.value.code == "not_a_store"


def test_a_payload_over_the_limit(tmp_path):
    with Millrace("x", store=tmp_path / "jobs.db", max_payload_bytes=2048) as app:

        @app.task
        def f(x): ...

        with pytest.raises(errors.TooLarge, match=r"2,?048|limit"):
            f.delay("x" * 3000)
        assert app.counts().ready == 0


def test_queues(app):
    @app.task
    def f(): ...

    f.delay()
    f.apply_async(countdown=60)
    app.pause()
    assert app.counts().paused
    app.resume()
    assert not app.counts().paused
    assert app.purge() == 1
    assert app.purge(scheduled=True) == 1
    assert app.counts().ready == 0


def test_register_error(app):
    @app.register_error
    class OddError(Exception): ...

    assert app.registered_errors["OddError"] is OddError
    with pytest.raises(TypeError, match="exception class"):
        app.register_error(5)


OTHER_ARGUMENTS = {"RateLimited", "RemoteError", "ReplaceJob", "WaitForChildren"}


@pytest.mark.parametrize("name", [n for n in errors.__all__ if n not in OTHER_ARGUMENTS])
def test_errors_are_classes_with_a_code(name):
    kind = getattr(errors, name)
    assert issubclass(kind, errors.MillraceError)
    assert isinstance(kind.code, str)
    assert pickle.loads(pickle.dumps(kind("text"))).args == ("text",)
    assert kind.__doc__


def test_rate_limited_says_what_was_wrong():
    error = errors.RateLimited(2.5, scope="task")
    again = pickle.loads(pickle.dumps(error))
    assert (again.throttle, str(again)) == (("task", 2500), "rate limited for 2.5 s (scope task)")
    with pytest.raises(errors.InvalidArgument, match="scope must be one of queue, task, group"):
        errors.RateLimited(1, scope="world")
    with pytest.raises(errors.InvalidArgument, match="seconds"):
        errors.RateLimited(-1)


def test_errors_are_also_what_python_calls_them():
    assert issubclass(errors.InvalidArgument, ValueError)
    assert issubclass(errors.NotFound, LookupError)
    assert issubclass(errors.Timeout, TimeoutError)
    assert issubclass(errors.IoError, OSError)
    assert issubclass(errors.PermissionDenied, PermissionError)


def test_everything_public_can_be_imported():
    for name in millrace.__all__:
        assert getattr(millrace, name) is not None
    with pytest.raises(AttributeError, match="nonsense"):
        millrace.nonsense  # noqa: B018


def test_importing_stays_light():
    """A worker process shall cost little more than the interpreter: no asyncio, inspect or subprocess on the way."""
    code = (
        "import sys; before = set(sys.modules); import millrace; "
        "print(*(set(sys.modules) - before) & {'asyncio', 'inspect', 'subprocess', 'traceback', 'logging', 'uuid'})"
    )
    root = Path(millrace.__file__).parent.parent
    answer = subprocess.run(
        [sys.executable, "-S", "-c", code],
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(root)},
    )
    assert answer.stdout.strip() == ""


def test_a_task_of_the_main_script_has_the_name_that_its_worker_sees(tmp_path):
    script = tmp_path / "shop.py"
    script.write_text(
        "from millrace import Millrace\napp = Millrace('x', store='x.db')\n"
        "@app.task\ndef f(): ...\nif __name__ == '__main__': print(f.name)\n"
    )
    root = Path(millrace.__file__).parent.parent
    answer = subprocess.run(
        [sys.executable, str(script)],
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(root)},
    )
    assert answer.stdout.strip() == "shop.f"


def test_an_interrupt_at_the_end_of_the_program_is_not_told(tmp_path, monkeypatch):
    from millrace.app import base

    closed = []

    class Interrupted(Millrace):
        def close(self) -> None:
            closed.append(self.name)
            raise KeyboardInterrupt

    made = [Interrupted(name, store=tmp_path / "jobs.db") for name in ("one", "two")]
    monkeypatch.setattr(base, "_apps", made)
    base._close_engines()
    assert closed == ["one", "two"]
