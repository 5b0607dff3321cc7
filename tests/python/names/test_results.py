"""The names of AsyncResult, EagerResult and the functions around them."""

import asyncio
import copy
import datetime as dt
import json
import pickle

import pytest
from millrace import EagerResult, Ignore, allow_join_result, chain, chord, group, states
from millrace.errors import InvalidArgument, NotFound, TaskRevokedError, Timeout
from millrace.result import (
    AsyncResult,
    GroupResult,
    ResultBase,
    assert_will_not_block,
    denied_join_result,
    result_from_tuple,
)
from worker_support import PATIENCE_S, running, until


def test_identity(t, app):
    result = t.add.delay(1, 1)
    other = AsyncResult(result.id, app=app)
    assert (result.id, result.task_id, str(result)) == (other.id, other.task_id, other.id)
    assert result == other == result.id
    assert result != "other"
    assert hash(result) == hash(other)
    assert result.app is app
    assert copy.copy(result) == result
    assert isinstance(result, ResultBase)
    assert repr(result) == f"<AsyncResult: {result.id}>"
    assert AsyncResult(result.id, app).app is app
    assert pickle.loads(pickle.dumps(result.id)) == result


def test_state_and_value(t):
    good, bad = t.add.delay(1, 1), t.fail.delay()
    assert (good.state, good.status, good.result, good.info) == ("PENDING", "PENDING", None, None)
    assert not good.ready()
    assert not good.successful()
    assert not good.failed()
    t.harness.run_all()
    assert (good.state, good.result, good.info, good.get(0), good.wait(0)) == (
        "SUCCESS",
        2,
        2,
        2,
        2,
    )
    assert good.ready()
    assert good.successful()
    assert bad.failed()
    assert isinstance(bad.result, ValueError)
    assert "it failed" in bad.traceback
    assert good.traceback is None
    assert isinstance(good.date_done, dt.datetime)
    assert good.parent is None


def test_what_is_known_of_the_job(t):
    result = t.add.apply_async((1,), {"y": 2}, queue="q")
    t.harness.run_all()
    assert (result.name, result.queue, result.retries) == ("add", "q", 0)
    assert {**dict(enumerate(result.args)), **result.kwargs} in ({"x": 1, "y": 2}, {0: 1, "y": 2})
    assert result.worker is None or isinstance(result.worker, str)
    gone = AsyncResult("nobody", app=t.app)
    assert (gone.name, gone.worker, gone.retries, gone.args, gone.kwargs, gone.queue) == (
        None,
        None,
        None,
        [],
        {},
        "",
    )


def test_get_and_its_arguments(t):
    result = t.add.delay(1, 1)
    with pytest.raises(result.TimeoutError):
        result.get(timeout=0)
    ticks = []
    with pytest.raises(Timeout):
        result.get(timeout=0.03, interval=0.01, on_interval=lambda: ticks.append(1))
    assert ticks
    t.harness.run_all()
    seen, messages = [], []
    answer = result.get(
        timeout=1,
        propagate=True,
        interval=0.1,
        no_ack=False,
        follow_parents=False,
        callback=lambda job_id, value: seen.append((job_id, value)),
        on_message=messages.append,
    )
    assert answer == 2
    assert seen == [(result.id, 2)]
    assert messages[0]["status"] == "SUCCESS"
    assert messages[0]["task_id"] == result.id
    bad = t.run(t.fail.s())
    with pytest.raises(ValueError, match="it failed"):
        bad.get(0)
    assert isinstance(bad.get(0, propagate=False), ValueError)


def test_get_inside_a_task_is_refused(t, app):
    answers = []

    @app.task
    def waits():
        done = AsyncResult(first.id, app=app)
        with pytest.raises(RuntimeError, match="inside a task"):
            done.get(0)
        with pytest.raises(RuntimeError, match="inside a task"):
            assert_will_not_block()
        with pytest.raises(RuntimeError, match="inside a task"):
            group(t.add.s(1, 1)).apply_async().get(0)
        answers.append(done.get(0, disable_sync_subtasks=False))
        with allow_join_result():
            answers.append(done.get(0))
            with denied_join_result(), pytest.raises(RuntimeError):
                done.get(0)

    first = t.run(t.add.s(1, 1))
    t.run(waits.s()).get(0)
    assert answers == [2, 2]
    assert_will_not_block()


def test_forget(t):
    result = t.run(chain(t.add.s(1, 1), t.add.s(1)))
    first = result.parent
    result.forget()
    assert (result.state, first.state) == ("PENDING", "PENDING")
    with pytest.raises(NotFound):
        result.details()
    result.forget()


def test_revoke(t):
    result = t.add.delay(1, 1)
    assert result.revoke(wait=True, timeout=1) == "cancelled"
    assert result.state == "REVOKED"
    with pytest.raises(TaskRevokedError):
        result.get(0)
    done = t.run(t.add.s(1, 1))
    assert done.revoke(terminate=True, signal="SIGKILL") == "finished"
    with pytest.raises(InvalidArgument, match="signal must be a name"):
        done.revoke(terminate=True, signal="odd")


def test_revoke_by_stamped_headers(t):
    ann, bob = t.add.s(1, 1), t.add.s(2, 2)
    ann.stamp(customer="ann")
    bob.stamp(customer="bob")
    kept, gone = bob.delay(), ann.delay()
    kept.revoke_by_stamped_headers({"customer": ["ann", "cem"]})
    assert (kept.state, gone.state) == ("PENDING", "REVOKED")


def test_backend(t, app):
    result = t.add.delay(1, 1)
    assert type(result.backend) is type(app.backend)
    assert result.backend.app is app
    assert result.supports_native_join


def test_ignored_and_exists(t, app):
    result = t.add.delay(1, 1)
    assert result.ignored is False
    result.ignored = True
    assert result.get(0) is None
    assert result.exists()
    assert not AsyncResult("nobody", app=app).exists()


def test_throw_and_maybe_throw(t):
    good, bad = t.run(t.add.s(1, 1)), t.run(t.fail.s())
    seen = []
    assert good.maybe_throw(callback=lambda *args: seen.append(args)) == 2
    assert good.maybe_reraise() == 2
    assert good.throw() == 2
    assert seen == [(good.id, 2)]
    for call in (bad.maybe_throw, bad.maybe_reraise, bad.throw):
        with pytest.raises(ValueError, match="it failed"):
            call()
    assert isinstance(bad.maybe_throw(propagate=False), ValueError)
    with pytest.raises(KeyError):
        good.throw(KeyError("mine"))


def test_then(app):
    import threading

    from canvas_support import harnessed

    _, t = harnessed(app)
    told = threading.Semaphore(0)
    seen = []

    def heard(result):
        seen.append(result.id)
        told.release()

    good, bad = t.add.delay(1, 1), t.fail.delay()
    assert good.then(heard) is good
    bad.then(lambda _: seen.append("wrong"), on_error=heard)
    group(t.add.s(1, 1), t.add.s(2, 2)).apply_async().then(lambda result: told.release())
    with running(app):
        for _ in range(3):
            assert told.acquire(timeout=PATIENCE_S)
    assert sorted(seen) == sorted([good.id, bad.id])
    good.then(heard)  # at once
    assert seen[2:] == [good.id]


def test_tuples_and_lists(t, app):
    result = t.run(chain(t.add.s(1, 1), chord([t.add.s(1), t.add.s(2)], t.total.s())))
    again = result_from_tuple(json.loads(json.dumps(result.as_tuple())), app=app)
    assert again == result
    assert isinstance(again.parent, GroupResult)
    assert again.parent == result.parent
    assert again.parent.parent.get(0) == 2
    assert result.as_list() == [result.id, result.parent.id, result.parent.parent.id]
    assert result_from_tuple(again) is again
    assert result_from_tuple(("id", None), app=app).id == "id"


def test_awaiting(app):
    from canvas_support import harnessed

    _, t = harnessed(app)

    async def main():
        result = await chain(t.add.s(1, 1), t.add.s(1)).adelay()
        several = await group(t.add.s(1, 1), t.add.s(2, 2)).aapply_async()
        with pytest.raises(Timeout):
            await several.aget(timeout=0.001)
        with running(app):
            return await result, await several, await several.aget(timeout=PATIENCE_S)

    assert asyncio.run(main()) == (3, [2, 4], [2, 4])


def test_eager_results(t):
    good, bad = t.add.s(1, 1).apply(), t.fail.apply()
    assert isinstance(good, EagerResult)
    assert isinstance(good, AsyncResult)
    assert (good.get(), good.result, good.state, good.ready()) == (2, 2, "SUCCESS", True)
    assert good.successful()
    assert bad.failed()
    with pytest.raises(ValueError, match="it failed"):
        bad.get()
    assert isinstance(bad.get(propagate=False), ValueError)
    assert "it failed" in bad.traceback
    assert (good.children, good.exists(), good.name) == ([], True, "add")
    assert good.supports_native_join is False
    assert copy.copy(good).get() == 2
    assert pickle.loads(pickle.dumps(EagerResult("id", 5, "SUCCESS"))).get() == 5
    assert asyncio.run(good.aget()) == 2
    seen = []
    good.then(seen.append)
    bad.then(seen.append, on_error=lambda result: seen.append(result.state))
    assert seen == [good, "FAILURE"]
    good.forget()
    good.revoke()
    assert good.state == "REVOKED"
    with pytest.raises(TaskRevokedError):
        good.get()


def test_eager_chain_has_parents(t):
    result = chain(t.add.s(1, 1), t.add.s(1)).apply()
    assert (result.get(), result.parent.get()) == (3, 2)


def test_states_of_a_tasks_own(t, app):
    seen = []

    @app.task(bind=True)
    def slow(self):
        self.update_state(state="HALF", meta={"done": 50})
        result = AsyncResult(self.request.id, app=app)
        until(lambda: result.state != "STARTED")
        seen.append((result.state, result.info))

    @app.task
    def skipped():
        raise Ignore

    assert t.run(slow.s()).state == "SUCCESS"
    assert seen == [("HALF", {"done": 50})]
    assert skipped.apply().state == states.IGNORED == "IGNORED"
    assert t.run(skipped.s()).get(0) is None
