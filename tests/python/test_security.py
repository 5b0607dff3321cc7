"""Payloads sealed with keys, through the whole layer."""

import sqlite3
from contextlib import closing

import pytest
from millrace import Millrace, PayloadUnreadable
from millrace.errors import InvalidArgument, PermissionDenied
from worker_support import PATIENCE_S, running

OLD = ("k1", bytes(range(32)))
NEW = ("k2", bytes(range(32, 64)))


def make(store, keys, **options):
    app = Millrace("sealed", store=store, durability="process", encryption_keys=keys, **options)

    @app.task(name="shout", bind=True)
    def shout(self, text: str) -> str:
        self.update_state(meta={"progress-of": text})
        self.checkpoint({"checkpoint-of": text})
        self.log(f"log-of {text}")
        if text == "fail":
            raise ValueError("error-of fail")
        return text.upper()

    return app


def contents(store) -> bytes:
    """All that is in the file and beside it."""
    return b"".join(path.read_bytes() for path in store.parent.glob(store.name + "*"))


def test_the_file_shows_no_plaintext(store):
    with make(store, [OLD]) as app:
        shout = app.tasks["shout"]
        with running(app):
            well, badly = shout.delay("secret-word"), shout.delay("fail")
            assert well.get(PATIENCE_S) == "SECRET-WORD"
            assert str(badly.get(PATIENCE_S, propagate=False)) == "error-of fail"
        assert well.logs() == ["log-of secret-word"]
        found = contents(store)
        for text in (b"secret-word", b"SECRET-WORD", b"error-of", b"checkpoint-of", b"log-of"):
            assert text not in found
        assert b"shout" in found


def test_a_plain_store_does(store):
    with make(store, []) as app:
        app.tasks["shout"].delay("secret-word")
        assert b"secret-word" in contents(store)


def test_signed_payloads_are_readable_and_cannot_be_changed(store):
    with make(store, [OLD], security_mode="sign") as app:
        result = app.tasks["shout"].delay("honest")
        assert b"honest" in contents(store)
    with closing(sqlite3.connect(store)) as connection, connection:
        changed = connection.execute(
            "UPDATE jobs SET data = CAST(replace(CAST(data AS TEXT), 'honest', 'forged') AS BLOB)"
        )
        assert changed.rowcount == 1
    with make(store, [OLD]) as app, running(app):
        error = app.AsyncResult(result.id).get(PATIENCE_S, propagate=False)
        assert isinstance(error, PayloadUnreadable)


def test_keys_are_rotated_by_putting_a_new_one_in_front(store):
    with make(store, [OLD]) as app:
        first = app.tasks["shout"].delay("first")
    with make(store, [NEW, OLD]) as app, running(app):
        assert app.AsyncResult(first.id).get(PATIENCE_S) == "FIRST"
        second = app.tasks["shout"].delay("second")
        assert second.get(PATIENCE_S) == "SECOND"
    with make(store, [NEW]) as app:
        assert app.AsyncResult(second.id).get(0) == "SECOND"


def test_without_the_key_nothing_is_read(store):
    with make(store, [OLD]) as app:
        result = app.tasks["shout"].delay("hidden")
    with make(store, []) as app:
        with pytest.raises(PermissionDenied, match="k1"):
            app.AsyncResult(result.id).details()
        with running(app):
            error = app.AsyncResult(result.id).get(PATIENCE_S, propagate=False)
        assert isinstance(error, PayloadUnreadable)


def test_one_task_may_differ(store):
    with make(store, [OLD]) as app:

        @app.task(sealing="none")
        def public(x: str) -> None: ...

        public.delay("for-all-to-see")
        app.tasks["shout"].apply_async(("signed-word",), sealing="sign")
        app.tasks["shout"].delay("hidden-word")
        found = contents(store)
        assert b"for-all-to-see" in found
        assert b"signed-word" in found
        assert b"hidden-word" not in found


def test_only_sealed_payloads_are_accepted_on_request(store):
    with make(store, []) as app:
        plain = app.tasks["shout"].delay("planted")
    with make(store, [OLD], require_sealed=True) as app, running(app):
        error = app.AsyncResult(plain.id).get(PATIENCE_S, propagate=False)
        assert isinstance(error, PayloadUnreadable)


@pytest.mark.parametrize(
    ("given", "error", "says"),
    [
        ({"encryption_keys": "k"}, TypeError, "must be a list of pairs"),
        ({"encryption_keys": ["kk"]}, TypeError, r"encryption_keys\[0\] must be a pair"),
        (
            {"encryption_keys": [("k", "s" * 32)]},
            TypeError,
            r"secret of encryption_keys\[0\] must be bytes",
        ),
        ({"encryption_keys": [("k", b"s" * 31)]}, InvalidArgument, "must have 32 bytes, not 31"),
        ({"encryption_keys": [("", b"s" * 32)]}, InvalidArgument, "id of"),
        ({"security_mode": "hide"}, InvalidArgument, "security_mode must be one of encrypt, sign"),
        ({"require_sealed": 1}, TypeError, "require_sealed must be a bool"),
    ],
)
def test_refused(given, error, says):
    with pytest.raises(error, match=says) as caught:
        Millrace("refused", store=":memory:", **given)
    assert "ssss" not in str(caught.value)


def test_another_secret_under_a_known_id_is_refused(store):
    with make(store, [OLD]) as app:
        app.tasks["shout"].delay("x")
    with make(store, [("k1", bytes(32))]) as app, pytest.raises(InvalidArgument, match="k1"):
        app.counts()
