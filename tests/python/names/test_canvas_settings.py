"""Settings that a canvas minds: eager mode, and errbacks on the header of a chord."""

import pickle

import pytest
from millrace import EagerResult, GroupResult, chain, chord, group, signature
from millrace.errors import Retry
from millrace.result import AsyncResult, result_from_tuple


@pytest.fixture
def eager(t, app):
    app.conf.task_always_eager = True
    return t


def test_always_eager_canvases(eager):
    t = eager
    assert chain(t.add.s(1, 1), t.add.s(1)).delay().get() == 3
    assert group(t.add.s(1, 1), t.add.s(2, 2)).delay().get() == [2, 4]
    result = chord([t.add.s(1, 1), t.add.s(2, 2)], t.total.s()).delay()
    assert isinstance(result, EagerResult)
    assert result.get() == 6
    assert t.add.s(1, 1).set(link=t.note.s()).delay().get() == 2
    assert t.seen == [[2]]
    assert t.add.delay(1, 1).get() == 2
    assert t.add.apply_async((1, 1), link=t.note.s()).get() == 2
    assert t.harness.enqueued() == []


def test_eager_errors(eager, app):
    t = eager
    result = t.fail.s().on_error(t.on_error.s()).on_error(t.on_error_id.s()).delay()
    assert isinstance(result.result, ValueError)
    (job_id, name, error, trace), only_id = t.seen
    assert (job_id, name, only_id) == (result.id, "fail", result.id)
    assert error is result.result
    assert "it failed" in trace
    with pytest.raises(ValueError, match="it failed"):
        chain(t.fail.s(), t.note.s()).delay()
    app.conf.task_eager_propagates = True
    with pytest.raises(ValueError, match="it failed"):
        t.fail.delay()


def test_eager_retries(t, app):
    tries = []

    @app.task(bind=True, max_retries=3)
    def flaky(self, enough):
        tries.append(self.request.retries)
        if len(tries) < enough:
            raise self.retry(exc=KeyError("again"), countdown=60)
        return "done"

    assert flaky.apply((3,)).get() == "done"
    assert tries == [0, 1, 2]
    tries.clear()
    failed = flaky.apply((9,))
    assert isinstance(failed.result, KeyError)
    assert tries == [0, 1, 2, 3]
    assert not isinstance(failed.result, Retry)


def test_eager_replace_and_async(t, app):
    @app.task(bind=True)
    def replaced(self, x):
        raise self.replace(chain(t.add.s(x, 1), t.add.s(1)))

    @app.task
    async def later(x):
        return x + 1

    assert replaced.apply((1,)).get() == 3
    assert chain(later.s(1), later.s()).apply().get() == 3


def test_store_eager_result(eager, app):
    app.conf.task_store_eager_result = True
    result = eager.add.delay(1, 1)
    assert AsyncResult(result.id, app=app).get(0) == 2
    failed = eager.fail.delay()
    with pytest.raises(ValueError, match="it failed"):
        AsyncResult(failed.id, app=app).get(0)


def test_allow_error_cb_on_chord_header(t, app):
    app.conf.task_allow_error_cb_on_chord_header = True
    sig = chord([t.fail.s(), t.add.s(1, 1)], t.total.s())
    sig.link_error(t.on_error_id.s())
    result = t.run(sig)
    assert sorted(t.seen) == sorted([result.parent[0].id, result.id])
    app.conf.task_allow_error_cb_on_chord_header = False
    t.seen.clear()
    sig = chord([t.fail.s(), t.add.s(1, 1)], t.total.s())
    sig.link_error(t.on_error_id.s())
    assert t.seen == []
    result = t.run(sig)
    assert t.seen == [result.id]


def test_options_of_a_call(t):
    result = t.add.apply_async((1, 1), link=[t.note.s()], link_error=t.on_error_id.s())
    t.harness.run_all()
    assert result.get(0) == 2
    assert t.seen == [[2]]
    failed = t.fail.apply_async(link=t.note.s(), link_error=t.on_error_id.s())
    t.harness.run_all()
    assert t.seen[1:] == [failed.id]
    chained = t.add.apply_async((1, 1), chain=[t.note.s("last"), t.add.s(1)])
    t.harness.run_all()
    assert chained.get(0) == 2
    assert t.seen[2:] == [[3, "last"]]
    placed = t.whoami.apply_async(replaced_task_nesting=2)
    t.harness.run_all()
    assert placed.get(0)["nesting"] == 2
    member = t.whoami.apply_async(group_id="g", group_index=2, root_id="r", parent_id="p")
    t.harness.run_all()
    answer = member.get(0)
    assert (answer["group"], answer["index"], answer["root"]) == ("g", 2, "r")


def test_signature_from_request(t, app):
    made = []

    @app.task(bind=True)
    def again(self, x, y=1):
        made.append(self.signature_from_request())
        made.append(self.subtask_from_request(args=(9,), kwargs={}, queue="other"))

    result = again.apply_async((1,), {"y": 2}, queue="q", priority=4, headers={"h": "v"})
    t.harness.run_all()
    assert result.successful()
    same, other = made
    assert same.options["queue"] == "q"
    assert same.options["priority"] == 4
    assert same.options["headers"] == {"h": "v"}
    assert {**dict(zip(("x", "y"), same.args, strict=False)), **same.kwargs} == {"x": 1, "y": 2}
    assert (other.args, other.kwargs, other.options["queue"]) == ((9,), {}, "other")


def test_a_canvas_on_a_schedule(t, app):
    app.schedules.put("s", chain(t.add.s(1, 1), t.note.s()), every=3600, immediately=True)
    t.harness.run_all()
    assert t.seen == [[2]]


def test_a_canvas_in_a_transaction(t, app):
    with app.transaction() as tx:
        gone = chain(t.add.s(1, 1), t.note.s()).apply_async(tx=tx)
        tx.rollback()
    assert not gone.exists()
    with app.transaction() as tx:
        kept = chain(t.add.s(2, 2), t.note.s()).apply_async(tx=tx)
        tx.enqueue(t.add.s(3, 3) | t.note.s())
    t.harness.run_all()
    assert kept.get(0) == [4]
    assert sorted(t.seen) == [[4], [6]]


def test_the_current_app_is_meant_where_none_is_named(t, app):
    app.set_current()
    result = group(t.add.s(1, 1)).apply_async()
    result.save()
    t.harness.run_all()
    assert pickle.loads(pickle.dumps(result)).get(0) == [2]
    assert pickle.loads(pickle.dumps(result[0])).get(0) == 2
    assert GroupResult.restore(result.id).get(0) == [2]
    assert AsyncResult(result[0].id).get(0) == 2
    assert result_from_tuple(result.as_tuple()).get(0) == [2]
    assert signature("add", args=(1, 1)).apply_async().app is app
    assert pickle.loads(pickle.dumps(t.add.s(1, 1))).type is t.add
    assert group().apply_async().get(0) == []


def test_results_of_the_application(t, app):
    result = group(t.add.s(1, 1)).apply_async()
    result.save()
    assert app.GroupResult.restore(result.id) == result
    assert app.AsyncResult(result[0].id) == result[0]
    assert app.ResultSet([result[0]]).app is app


def test_app_signature(t, app):
    sig = app.signature("add", (1,), {"y": 2}, queue="q")
    assert sig == t.add.s(1, y=2).set(queue="q")
    assert sig.app is app
    assert app.signature(dict(sig)) == sig
    assert t.run(app.signature("add", args=(2, 2))).get(0) == 4


def test_on_replace(t, app):
    seen = []

    class Replacing(app.Task):
        def on_replace(self, sig):
            seen.append(sig)
            sig.set(queue="other")

    @app.task(base=Replacing, bind=True)
    def replaced(self):
        raise self.replace(t.add.s(1, 1))

    assert t.run(replaced.s()).get(0) == 2
    assert seen == [t.add.s(1, 1).set(queue="other")]
    assert t.harness.enqueued("add")[0].spec.queue == "other"


def test_a_canvas_where_jobs_are_taken(t, app):
    three = chain(t.add.s(1, 1), group(t.add.s(1), t.add.s(2)))
    alone, both, last = app.enqueue_many([t.add.s(5, 5), three, t.add.s(6, 6) | t.note.s()])
    flow = app.flow()
    end = flow.add(t.add.s(1, 1) | t.add.s(1), name="end")

    @app.task(bind=True)
    def reads(self):
        with self.transaction() as tx:
            seen.append(tx.enqueue(t.add.s(7, 7) | t.add.s(1)))
        return self.dependencies()["end"].result

    seen = []
    after = flow.add(reads.s(), after=end)
    results = flow.enqueue()
    t.harness.run_all()
    assert (alone.get(0), both.get(0), last.get(0)) == (10, [3, 4], [12])
    assert (results[end].get(0), results[after].get(0), seen[0].get(0)) == (3, 3, 15)
    with pytest.raises(TypeError, match=r"jobs\[1\] must be made by task.s\(\)"):
        app.enqueue_many([t.add.s(1, 1), 5, three])
