"""The names of Signature, each with what it does."""

import json

import pytest
from millrace import Signature, chain, group, maybe_signature, serializer, signature, subtask
from millrace.errors import InvalidArgument, NotRegistered


def test_a_signature_is_a_dict_with_celerys_keys(t):
    sig = t.add.s(2, y=3).set(queue="q")
    assert dict(sig) == {
        "task": "add",
        "args": (2,),
        "kwargs": {"y": 3},
        "options": {"queue": "q"},
        "subtask_type": None,
        "immutable": False,
    }
    assert (sig.task, sig.name, sig.args, sig.kwargs) == ("add", "add", (2,), {"y": 3})
    assert sig.options == {"queue": "q"}
    assert sig.subtask_type is None
    assert sig.immutable is False
    sig.args, sig.kwargs, sig.options, sig.task = (1,), {"y": 1}, {}, "mul"
    assert (sig["args"], sig["kwargs"], sig["options"], sig["task"]) == ((1,), {"y": 1}, {}, "mul")


def test_type_and_app(t, app):
    assert t.add.s().type is t.add
    assert t.add.s().app is app
    by_name = signature("add", args=(1,), app=app)
    assert by_name.type is t.add
    with pytest.raises(NotRegistered, match="no task 'nobody' is registered"):
        _ = signature("nobody", app=app).type


def test_id_parent_id_and_root_id_are_options(t):
    sig = t.add.s()
    assert (sig.id, sig.parent_id, sig.root_id) == (None, None, None)
    sig.set(task_id="a", parent_id="b", root_id="c")
    assert (sig.id, sig.parent_id, sig.root_id) == ("a", "b", "c")
    sig.id = "d"
    assert sig.options["task_id"] == "d"


def test_delay_and_apply_async_put_arguments_before_its_own(t):
    sig = t.mul.s(4)
    assert t.run(sig, 3).get(0) == 12
    delayed = sig.delay(5)
    t.harness.run_all()
    assert delayed.get(0) == 20
    with pytest.raises(TypeError, match=r"mul\(\)"):
        sig.apply_async((1, 2, 3))
    assert t.run(t.add.s(1), y=5).get(0) == 6


def test_apply_async_gives_options_to_the_job(t):
    result = t.add.s(1, 2).set(queue="a", priority=3).apply_async(queue="b", countdown=60)
    info = result.details()
    assert (info.spec.queue, info.spec.priority, info.state) == ("b", 3, "scheduled")


def test_apply_runs_here(t):
    result = t.add.s(2).apply((1,))
    assert (result.get(), result.state, result.ready()) == (3, "SUCCESS", True)
    assert t.harness.enqueued("add") == []


def test_call_calls_the_function(t):
    assert t.add.s(2)(1) == 3
    assert t.add.si(2, 2)(9, 9) == 4


def test_clone_and_partial(t):
    sig = t.add.s(2, y=1).set(queue="q", link=[t.note.s()])
    copy = sig.clone((1,), {"y": 5}, priority=2)
    assert copy.args == (1, 2)
    assert copy.kwargs == {"y": 5}
    assert copy.options == {"queue": "q", "link": [t.note.s()], "priority": 2}
    copy.options["link"].append(t.same.s())
    copy.kwargs["y"] = 9
    assert sig.options["link"] == [t.note.s()]
    assert sig.kwargs == {"y": 1}
    assert sig.partial == sig.clone
    assert t.add.si(2).clone((1,)).args == (2,)


def test_set_and_set_immutable(t):
    sig = t.add.s(1, 1)
    assert sig.set(countdown=5, immutable=True) is sig
    assert sig.options == {"countdown": 5}
    assert sig.immutable is True
    sig.set_immutable(False)
    assert sig.immutable is False


def test_replace_answers_a_copy(t):
    sig = t.add.s(1, y=2).set(queue="a")
    other = sig.replace(args=(9,), kwargs={"y": 8}, options={"queue": "b"})
    assert (other.args, other.kwargs, other.options) == ((9,), {"y": 8}, {"queue": "b"})
    assert (sig.args, sig.kwargs, sig.options) == ((1,), {"y": 2}, {"queue": "a"})
    assert sig.replace().args == (1,)


def test_freeze_decides_the_id(t):
    sig = t.add.s(1, 2)
    frozen = sig.freeze("my-id", group_id="g", group_index=3, root_id="r", parent_id="p")
    assert (frozen.id, sig.id, sig.root_id, sig.parent_id) == ("my-id", "my-id", "r", "p")
    assert (sig.options["group_id"], sig.options["group_index"]) == ("g", 3)
    assert sig.freeze().id == "my-id"
    result = t.run(sig)
    assert result == frozen
    assert frozen.get(0) == 3


def test_link_runs_a_callback_with_the_result(t):
    sig = t.add.s(1, 2)
    callback = t.note.s("own")
    assert sig.link(callback) is callback
    assert sig.link(callback) is callback
    assert sig.options["link"] == [callback]  # once
    assert t.run(sig).get(0) == 3
    assert t.seen == [[3, "own"]]


def test_a_callback_may_be_a_canvas(t):
    t.run(t.add.s(1, 2).set(link=chain(t.add.s(1), t.note.s())))
    assert t.seen == [[4]]


def test_no_callback_after_a_failure(t):
    result = t.run(t.fail.s().set(link=[t.note.s(), t.add.s(1) | t.note.s()]))
    assert result.state == "FAILURE"
    assert t.seen == []
    states = {info.spec.name: info.state for info in t.harness.enqueued()}
    assert states == {"fail": "failed", "note": "cancelled", "add": "cancelled"}


def test_link_error_calls_with_the_request_the_error_and_the_traceback(t):
    sig = t.fail.s(1)
    assert sig.link_error(t.on_error.s()) == t.on_error.s()
    result = t.run(sig)
    ((job_id, name, error, trace),) = t.seen
    assert (job_id, name) == (result.id, "fail")
    assert isinstance(error, ValueError)
    assert "it failed" in trace


def test_link_error_calls_with_the_id_if_that_is_all_it_takes(t):
    result = t.run(t.fail.s().on_error(t.on_error_id.s()))
    assert t.seen == [result.id]


def test_an_errback_may_be_a_canvas(t):
    result = t.run(t.fail.s().on_error(chain(t.same.s(), t.note.s())))
    assert t.seen == [[result.id]]


def test_no_errback_after_success(t):
    t.run(t.add.s(1).on_error(t.on_error_id.s()).on_error(t.same.s() | t.note.s()))
    assert t.seen == []
    assert [info.spec.name for info in t.harness.enqueued()] == ["add"]  # nothing is left of them


def test_on_error_answers_the_signature(t):
    sig = t.fail.s()
    assert sig.on_error(t.on_error_id.s()) is sig


def test_immutable_links_take_nothing(t):
    t.run(t.add.s(1, 2).set(link=t.note.si("only")))
    t.run(t.fail.s().on_error(t.note.si("failed")))
    assert t.seen == [["only"], ["failed"]]


def test_list_options(t):
    sig = t.add.s().set(link=t.note.s())
    assert sig.append_to_list_option("link", t.same.s()) == t.same.s()
    sig.append_to_list_option("link", t.same.s())
    assert sig.options["link"] == [t.note.s(), t.same.s()]
    sig.extend_list_option("link", [t.same.s()])
    sig.extend_list_option("link_error", t.on_error.s())
    assert sig.options["link"] == [t.note.s(), t.same.s(), t.same.s()]
    assert sig.options["link_error"] == [t.on_error.s()]


def test_flatten_links(t):
    inner = t.same.s().set(link=t.note.s())
    sig = t.add.s(1).set(link=[inner])
    assert sig.flatten_links() == [sig, inner, t.note.s()]


def test_or_makes_a_chain(t):
    made = t.add.s(1, 1) | t.mul.s(3)
    assert isinstance(made, chain)
    made |= t.add.s(1)
    assert [each.task for each in made.tasks] == ["add", "mul", "add"]
    assert t.run(made).get(0) == 7
    with pytest.raises(TypeError):
        _ = t.add.s() | 5


def test_reprcall(t):
    assert t.add.s(2, y=3).reprcall() == "add(2, y=3)"
    assert t.add.s(2).reprcall(1, y=4) == "add(1, 2, y=4)"
    assert repr(t.add.s("a")) == "add('a')"


def test_json_form_and_from_dict(t, app):
    canvas = chain(t.add.s(1, 1), group(t.mul.s(2), t.mul.s(3)), t.total.s()).set(link=t.note.s())
    text = serializer.dumps(canvas)
    assert json.loads(text) == json.loads(json.dumps(canvas))
    again = Signature.from_dict(json.loads(text), app=app)
    assert t.run(again).get(0) == 10
    assert t.seen == [[10]]
    with pytest.raises(InvalidArgument, match="subtask_type must be one of"):
        Signature.from_dict({"task": "a", "subtask_type": "odd"})
    with pytest.raises(InvalidArgument, match="must have the key 'task'"):
        Signature.from_dict({})


def test_register_type(app):
    @Signature.register_type(name="mine")
    class Mine(Signature):
        @classmethod
        def from_dict(cls, d, app=None):
            return cls(d["task"], app=app)

    try:
        made = Signature.from_dict({"task": "x", "subtask_type": "mine"}, app=app)
        assert type(made) is Mine
    finally:
        del Signature.TYPES["mine"]


def test_items(t):
    assert dict(t.add.s(1).items())["args"] == (1,)


def test_election_runs_it_once(t):
    result = t.add.s(1, 1).election()
    t.harness.run_all()
    assert result.get(0) == 2


def test_signature_function(t, app):
    sig = t.add.s(1)
    copy = signature(sig)
    assert copy == sig
    assert copy is not sig
    assert signature({"task": "add", "args": [1]}, app=app).args == [1]
    assert subtask is signature
    made = signature("add", args=(1, 2), kwargs={"y": 3}, queue="q", app=app)
    assert (made.args, made.kwargs, made.options) == ((1, 2), {"y": 3}, {"queue": "q"})


def test_maybe_signature(t, app):
    sig = t.add.s(1)
    assert maybe_signature(None) is None
    assert maybe_signature(sig) is sig
    assert maybe_signature(sig, clone=True) is not sig
    assert maybe_signature(dict(sig), app=app).app is app
    with pytest.raises(TypeError, match="a part of a canvas must be a signature"):
        maybe_signature(5)


def test_arguments_are_checked_when_it_is_applied(t):
    sig = t.add.s(1, 2, 3)
    with pytest.raises(TypeError, match=r"add\(\) takes"):
        sig.apply_async()
    with pytest.raises(TypeError, match=r"add\(\) takes"):
        chain(t.same.s(1), sig).apply_async()
    with pytest.raises(TypeError, match=r"argument \[0\]|argument"):
        t.same.s(object()).apply_async()
    assert t.harness.enqueued() == []


def test_task_methods(t):
    assert t.add.signature((1,), {"y": 2}, queue="q") == t.add.s(1, y=2).set(queue="q")
    assert t.add.subtask((1,)) == t.add.s(1)
    assert t.add.si(1).immutable
    assert t.run(t.same.map([1, 2])).get(0) == [1, 2]
    assert t.run(t.add.starmap([(1, 2), (3, 4)])).get(0) == [3, 7]
    assert t.run(t.add.chunks([(1, 1), (2, 2), (3, 3)], 2)).get(0) == [[2, 4], [6]]


def test_a_signature_is_taken_where_jobs_are(t, app):
    results = app.enqueue_many([t.add.s(1, 1), t.add.s(2, 2) | t.add.s(1)])
    flow = app.flow()
    a = flow.add(t.add.s(4, 4), name="a")
    flow.add(t.same.s(1), after=a)
    flow.enqueue()
    app.schedules.put("s", t.add.s(5, 5), every=3600, immediately=True)
    with app.transaction() as tx:
        inside = tx.enqueue(t.add.s(6, 6))
    t.harness.run_all()
    assert results[0].get(0) == 2
    assert inside.get(0) == 12
    answers = {info.result for info in t.harness.enqueued("add")}
    assert answers >= {"2", "4", "5", "8", "10", "12"}
