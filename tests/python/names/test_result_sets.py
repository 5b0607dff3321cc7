"""The names of ResultSet and GroupResult."""

import pickle

import pytest
from millrace import ResultSet, chain, group
from millrace.errors import TaskRevokedError, Timeout
from millrace.result import AsyncResult, GroupResult, ResultBase


@pytest.fixture
def three(t):
    return ResultSet([t.add.delay(i, i) for i in range(3)])


def test_a_set_of_results(t, three, app):
    a, b, c = three.results
    assert (len(three), three[0], three[-1], three[:2], list(three)) == (3, a, c, [a, b], [a, b, c])
    assert three == ResultSet([a, b, c], app=app)
    assert three != ResultSet([a, b])
    assert three.app is app
    assert isinstance(three, ResultBase)
    assert repr(three) == f"<ResultSet: [{a.id}, {b.id}, {c.id}]>"
    assert three.supports_native_join
    with pytest.raises(TypeError, match="unhashable"):
        hash(three)


def test_add_remove_discard_update_clear(t, three):
    a, b, c = three.results
    three.add(a)
    assert len(three) == 3
    three.remove(a)
    three.remove(b.id)
    assert three.results == [c]
    with pytest.raises(KeyError):
        three.remove(a)
    three.discard(a)
    three.discard(c)
    three.update([a, b, a])
    assert three.results == [a, b]
    three.clear()
    assert (len(three), three.results, three.join()) == (0, [], [])


def test_states_of_a_set(t, three):
    assert (three.ready(), three.waiting(), three.successful(), three.completed_count()) == (
        False,
        True,
        False,
        0,
    )
    t.harness.run_all()
    assert (three.ready(), three.waiting(), three.successful(), three.completed_count()) == (
        True,
        False,
        True,
        3,
    )
    assert not three.failed()
    three.add(t.run(t.fail.s()))
    assert three.failed()
    assert not three.successful()
    assert three.completed_count() == 3


def test_join_and_get(t, three):
    with pytest.raises(Timeout, match=r"not all of \d+ jobs have ended within [\d.]+ s"):
        three.join(timeout=0)
    t.harness.run_all()
    assert three.join(0) == three.get(0) == three.join_native(0) == [0, 2, 4]
    seen, messages = [], []
    assert three.join(callback=lambda *args: seen.append(args), on_message=messages.append) == []
    assert seen == [(each.id, each.get(0)) for each in three]
    assert len(messages) == 3
    three.add(t.run(t.fail.s()))
    with pytest.raises(ValueError, match="it failed"):
        three.join(0)
    assert isinstance(three.join(0, propagate=False)[-1], ValueError)


def test_iter_native_in_the_order_of_ends(t):
    late = t.add.apply_async((1, 1), countdown=10)
    early = t.add.delay(2, 2)
    results = ResultSet([late, early])
    t.harness.run_all()
    found = results.iter_native(timeout=10)
    job_id, meta = next(found)
    assert (job_id, meta["status"], meta["result"]) == (early.id, "SUCCESS", 4)
    t.harness.advance(10)
    t.harness.run_all()
    assert [job_id for job_id, _ in found] == [late.id]
    with pytest.raises(Timeout, match="1 of 1 jobs"):
        list(ResultSet([t.add.delay(1, 1)]).iter_native(timeout=0.01))
    assert list(GroupResult("g", [], app=t.app).iter_native()) == []


def test_then_of_a_set(t, three):
    t.harness.run_all()
    seen = []
    assert three.then(seen.append) is three
    failed = ResultSet([t.run(t.fail.s())])
    failed.then(lambda _: seen.append("wrong"), on_error=lambda _: seen.append("failed"))
    assert seen == [three, "failed"]


def test_maybe_throw_of_a_set(t, three):
    t.harness.run_all()
    three.maybe_throw()
    three.add(t.run(t.fail.s()))
    for call in (three.maybe_throw, three.maybe_reraise):
        with pytest.raises(ValueError, match="it failed"):
            call()
    three.maybe_throw(propagate=False)


def test_forget_and_revoke(t, three):
    assert three.revoke() == ["cancelled"] * 3
    with pytest.raises(TaskRevokedError):
        three.get(0)
    three.forget()
    assert [each.state for each in three] == ["PENDING"] * 3


# --- GroupResult ----------------------------------------------------------------------------------


def test_group_results(t, app):
    result = t.run(group(t.add.s(1, 1), t.add.s(2, 2)))
    assert isinstance(result, GroupResult)
    assert result.children == result.results
    assert result.parent is None
    assert str(result) == result.id
    assert result == result.id
    assert hash(result) == hash(result.id)
    assert result == GroupResult(result.id, result.results, app=app)
    assert result != GroupResult("other", result.results, app=app)
    assert bool(GroupResult("g", [])) is True
    assert bool(GroupResult(None, [])) is False
    assert repr(result) == f"<GroupResult: {result.id} [{result[0].id}, {result[1].id}]>"
    after = t.run(chain(t.add.s(1, 1), group(t.add.s(1), t.add.s(2))))
    assert isinstance(after.parent, AsyncResult)
    assert after.as_list() == [after.id, after.parent.id]
    ids = after.as_tuple()
    assert ids == ((after.id, after.parent.as_tuple()), [each.as_tuple() for each in after])


def test_save_restore_and_delete(t, app):
    result = group(t.add.s(1, 1), chain(t.add.s(2, 2), t.add.s(1))).apply_async()
    assert result.save() is result
    again = GroupResult.restore(result.id, app=app)
    assert again == result
    t.harness.run_all()
    assert again.get(0) == [2, 5]
    assert GroupResult.restore(result.id, app=app).get(0) == [2, 5]
    result.save()
    result.delete()
    assert GroupResult.restore(result.id, app=app) is None
    assert result.get(0) == [2, 5]


def test_save_an_empty_group(t, app):
    empty = group(app=app).apply_async()
    empty.save()
    assert GroupResult.restore(empty.id, app=app) == empty


def test_saved_groups_are_forgotten_with_them(t, app):
    result = t.run(group(t.add.s(1, 1)))
    result.save()
    result.forget()
    assert GroupResult.restore(result.id, app=app) is None


def test_bound_classes(t, app):
    from millrace.result import bound

    of_app = bound(GroupResult, app)
    made = of_app("g", [t.add.delay(1, 1)])
    assert made.app is app
    assert isinstance(made, GroupResult)
    made.save()
    assert of_app.restore("g") == made
    assert bound(AsyncResult, app)("x").app is app


def test_nested_groups(t, app):
    inner = GroupResult("i", [t.add.delay(1, 1), t.add.delay(2, 2)], app=app)
    outer = GroupResult("o", [inner, t.add.delay(3, 3)], app=app)
    t.harness.run_all()
    assert outer.get(0) == [[2, 4], 6]
    assert outer.successful()
    assert pickle.loads(pickle.dumps("x")) == "x"
