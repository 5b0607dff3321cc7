"""The names of chain, group, chord and their relatives, and the rules that users rely on."""

import pytest
from millrace import Signature, chain, chord, chunks, group, xmap, xstarmap
from millrace.errors import ChordError, InvalidArgument
from millrace.result import AsyncResult, GroupResult

# --- chain ----------------------------------------------------------------------------------------


def test_chain_gives_each_the_result_of_the_one_before(t):
    assert t.run(chain(t.add.s(2, 2), t.add.s(4), t.add.s(8))).get(0) == 16
    assert t.run(chain(t.add.s(i) for i in range(3)), 10).get(0) == 13
    assert t.run(chain([t.add.s(1, 1), t.mul.s(5)])).get(0) == 10
    assert chain().apply_async() is None
    assert chain()() is None


def test_parents_along_a_chains_results(t):
    result = t.run(chain(t.add.s(1, 1), t.add.s(1), t.add.s(1)))
    assert [result.get(0), result.parent.get(0), result.parent.parent.get(0)] == [4, 3, 2]
    assert result.parent.parent.parent is None
    assert result.as_list() == [result.id, result.parent.id, result.parent.parent.id]


def test_a_failure_ends_the_chain_with_its_error(t):
    result = t.run(chain(t.add.s(1, 1), t.fail.s(), t.note.s(), t.note.s()))
    with pytest.raises(ValueError, match="it failed"):
        result.get(0)
    assert result.state == "FAILURE"
    with pytest.raises(ValueError, match="it failed"):
        result.parent.get(0)
    assert t.seen == []


def test_link_error_of_a_chain_is_called_for_the_task_that_fails(t):
    result = t.run(chain(t.add.s(1, 1), t.fail.s(), t.add.s(1)).on_error(t.on_error_id.s()))
    assert t.seen == [result.parent.id]


def test_link_of_a_chain_is_the_last_tasks(t):
    sig = chain(t.add.s(1, 1), t.add.s(1))
    sig.link(t.note.s())
    t.run(sig)
    assert t.seen == [[3]]


def test_options_of_a_chain(t):
    sig = chain(t.add.s(1, 1), t.add.s(1)).set(task_id="last", queue="q")
    result = t.run(sig)
    assert result.id == "last"
    assert (result.parent.details().spec.queue, result.details().spec.queue) == ("q", "default")


def test_chain_run(t):
    result = chain(t.add.s(1), t.add.s(1)).run((5,))
    t.harness.run_all()
    assert result.get(0) == 7


def test_chain_clone(t):
    sig = chain(t.add.s(1), t.add.s(2))
    copy = sig.clone((10,))
    copy.tasks[1].set(queue="q")
    assert sig.tasks[1].options == {}
    assert t.run(copy).get(0) == 13
    assert t.run(sig, 1).get(0) == 4


def test_chain_or(t):
    both = chain(t.add.s(1, 1), t.add.s(1)) | chain(t.add.s(2), t.add.s(3))
    assert len(both.tasks) == 4
    assert t.run(both).get(0) == 8
    upgraded = chain(t.add.s(1, 1), group(t.add.s(1), t.add.s(2))) | t.total.s()
    assert isinstance(upgraded.tasks[-1], chord)
    assert t.run(upgraded).get(0) == 7
    assert t.run(upgraded | t.add.s(1)).get(0) == 8


def test_chain_unchain_tasks(t):
    sig = chain(t.add.s(1), t.add.s(2)).set(link=[t.note.s()], link_error=[t.on_error.s()])
    first, last = sig.unchain_tasks()
    assert first.options == {"link_error": [t.on_error.s()]}
    assert last.options == {"link": [t.note.s()], "link_error": [t.on_error.s()]}
    assert sig.tasks[0].options == {}


def test_chain_prepare_steps(t):
    tasks, results = chain(t.add.s(1), chain(t.add.s(2), t.add.s(3))).prepare_steps((5,))
    assert [each.args for each in tasks] == [(3,), (2,), (5, 1)]
    assert [each.id for each in tasks] == [each.id for each in results]


# --- group ----------------------------------------------------------------------------------------


def test_group_answers_the_list_of_results(t):
    result = t.run(group(t.add.s(i, i) for i in range(4)))
    assert isinstance(result, GroupResult)
    assert result.get(0) == [0, 2, 4, 6]
    assert t.run(group(t.add.s(1), t.add.s(2)), 10).get(0) == [11, 12]
    assert t.run(group([t.add.s(1, 1)])).get(0) == [2]
    assert len(group(t.add.s(1), t.add.s(2))) == 2


def test_a_group_is_one_commit(t):
    with pytest.raises(TypeError):
        group(t.add.s(1), t.add.s(1, 2, 3)).apply_async()
    assert t.harness.enqueued() == []


def test_generators_as_a_groups_tasks(t):
    sig = group(t.add.s(i, 1) for i in range(3))
    assert t.run(sig).get(0) == [1, 2, 3]
    assert t.run(sig).get(0) == [1, 2, 3]
    assert t.run(chord((t.add.s(i, 1) for i in range(3)), t.total.s())).get(0) == 6


def test_group_members_know_their_group(t):
    result = t.run(group(t.whoami.s(), t.whoami.s()))
    first, second = result.get(0)
    assert (first["group"], second["group"]) == (result.id, result.id)
    assert (first["index"], second["index"]) == (0, 1)


def test_group_task_is_a_chord(t):
    sig = group(t.add.s(1, 1), t.add.s(2, 2)) | t.total.s()
    assert isinstance(sig, chord)
    assert t.run(sig).get(0) == 6


def test_nested_groups_count_as_their_tasks(t):
    sig = group(t.add.s(1, 1), group(t.add.s(2, 2), group(t.add.s(3, 3))))
    assert t.run(sig).get(0) == [2, 4, 6]


def test_chain_of_groups(t):
    sig = chain(group(t.add.s(1, 1), t.add.s(2, 2)), group(t.total.s(), t.same.s()))
    assert t.run(sig).get(0) == [6, [2, 4]]


def test_a_group_in_a_chain_gets_the_result(t):
    result = t.run(chain(t.add.s(1, 1), group(t.add.s(1), t.add.s(2))))
    assert result.get(0) == [3, 4]
    assert result.parent.get(0) == 2


def test_empty_group_and_empty_chord(t, app):
    result = t.run(group(app=app))
    assert (len(result), result.get(0), result.ready()) == (0, [], True)
    assert t.run(chord([], t.total.s())).get(0) == 0
    assert t.run(chain(t.add.s(1, 1), group(), t.total.s())).get(0) == 0
    assert t.run(t.add.s(1, 1) | group() | t.total.s()).get(0) == 0
    assert t.run(chain(t.add.s(1, 1), group())).get(0) == []
    assert t.run(chain(group(), t.same.s())).get(0) == []
    assert t.run(chain(group(t.add.s(1, 1), t.add.s(2, 2)), group(), t.same.s())).get(0) == []
    assert chain(t.add.s(1, 1), group(), t.total.s()).apply().get() == 0


def test_a_group_of_one_in_a_chain_stands_for_its_task(t):
    one = group(t.total.s())
    assert t.run(chain(t.add.s(1, 1), group(t.add.s(1)))).get(0) == 3
    more = group(t.add.s(1), t.add.s(2))
    assert t.run(chain(t.add.s(1, 1), more, one)).get(0) == 7


def test_group_skew(t):
    sig = group(t.add.s(i) for i in range(4)).skew(start=1, stop=3, step=1)
    assert [each.options["countdown"] for each in sig.tasks] == [1, 2, 3, 3]


def test_group_link_goes_to_the_first_task(t):
    sig = group(t.add.s(1, 1), t.add.s(2, 2))
    sig.link(t.note.s("linked"))
    t.run(sig)
    assert t.seen == [["linked"]]
    with pytest.raises(TypeError, match="Cannot add link to group"):
        sig.apply_async(link=t.note.s())


def test_group_link_error_goes_to_each_task(t):
    sig = group(t.fail.s(), t.add.s(1, 1), t.fail.s())
    assert sig.link_error(t.on_error_id.s()) == (t.on_error_id.s(),) * 3
    result = t.run(sig)
    assert sorted(t.seen) == sorted([result[0].id, result[2].id])


def test_group_freeze(t):
    sig = group(t.add.s(1, 1), group(t.add.s(2, 2)))
    frozen = sig.freeze("g")
    assert (frozen.id, len(frozen), len(sig.tasks)) == ("g", 2, 2)
    assert t.run(sig) == frozen
    assert frozen.get(0) == [2, 4]


# --- chord ----------------------------------------------------------------------------------------


def test_chord_call(t):
    result = chord(t.add.s(i, i) for i in range(3))(t.total.s())
    t.harness.run_all()
    assert result.get(0) == 6
    assert isinstance(result.parent, GroupResult)
    assert result.parent.get(0) == [0, 2, 4]
    with pytest.raises(InvalidArgument, match="the chord has no body"):
        chord([t.add.s(1, 1)])()


def test_chord_run(t):
    result = chord([], t.same.s()).run(group(t.add.s(1), t.add.s(2)), t.total.s(), (10,))
    t.harness.run_all()
    assert result.get(0) == 23


def test_chord_knows_its_body(t):
    result = t.run(chord([t.whoami.s(), t.whoami.s()], t.same.s()))
    first, second = result.get(0)
    assert first["chord"] == second["chord"] == result.id


def test_the_error_of_a_header_reaches_the_bodys_errback(t):
    body = t.note.s().on_error(t.on_error.s()).on_error(t.on_error_id.s())
    result = t.run(chord([t.add.s(1, 1), t.fail.s()], body))
    with pytest.raises(
        ChordError, match=r"Dependency .* raised ValueError\('it failed'\)"
    ) as caught:
        result.get(0)
    assert isinstance(caught.value.__cause__, ValueError)
    assert result.parent[1].id in str(caught.value)
    (job_id, name, error, _), only_id = sorted(t.seen, key=lambda each: isinstance(each, str))
    assert (job_id, name, only_id) == (result.id, "note", result.id)
    assert isinstance(error, ChordError)


def test_chord_link_and_link_error(t):
    sig = chord([t.add.s(1, 1)], t.total.s())
    callback = t.note.s()
    assert sig.link(callback) is callback
    t.run(sig)
    assert t.seen == [[2]]
    failing = chord([t.fail.s()], t.total.s())
    assert failing.link_error(t.on_error_id.s()) == t.on_error_id.s()
    result = t.run(failing)
    assert t.seen[1:] == [result.id]


def test_chord_set_immutable_is_of_the_header(t):
    sig = chord([t.same.s(1), t.same.s(2)], t.total.s())
    sig.set_immutable(True)
    assert t.run(sig, 9).get(0) == 3
    assert sig.body.immutable is False


def test_chord_clone(t):
    sig = chord([t.add.s(1)], t.total.s())
    copy = sig.clone((10,))
    copy.tasks[0].set(queue="q")
    copy.body.set(queue="q")
    assert (sig.tasks[0].options, sig.body.options) == ({}, {})
    assert t.run(copy).get(0) == 11


def test_chord_length_hint(t):
    a = t.add.s(1, 1)
    sig = chord([a, group(a, a), chain(a, group(a, a, a)), chord([a, a], a)], t.total.s())
    assert sig.__length_hint__() == 7


def test_options_of_a_chord(t):
    result = chord([t.add.s(1, 1)], t.total.s()).apply_async(
        task_id="body", queue="q", countdown=60
    )
    assert result.id == "body"
    header = result.parent[0].details()
    assert (header.spec.queue, header.state) == ("q", "scheduled")
    assert (result.details().spec.queue, result.details().due_at_ms) == ("q", 0)


def test_nested_chords(t):
    inner = chord([t.add.s(1, 1), t.add.s(2, 2)], t.total.s())
    assert t.run(chord([inner, t.add.s(3, 3)], t.total.s())).get(0) == 12
    body = chord([t.total.s(), t.total.s()], t.total.s())
    assert t.run(chord([t.add.s(1, 1), t.add.s(2, 2)], body)).get(0) == 12
    grouped = chord([group(t.same.s(42), t.same.s(1337))], t.same.s())
    assert t.run(grouped).get(0) == [42, 1337]
    kept = chord([chain(t.same.s(42), group(t.same.s(), t.same.s()))], t.same.s())
    assert t.run(kept).get(0) == [[42, 42]]


def test_a_chord_in_a_chain(t):
    sig = chain(t.add.s(1, 1), chord([t.add.s(1), t.add.s(2)], t.total.s()), t.add.s(100))
    result = t.run(sig)
    assert result.get(0) == 107
    assert result.parent.get(0) == 7
    assert result.parent.parent.get(0) == [3, 4]
    assert result.parent.parent.parent.get(0) == 2


def test_a_group_as_body(t):
    result = t.run(chord([t.add.s(1, 1), t.add.s(2, 2)], group(t.total.s(), t.same.s())))
    assert result.get(0) == [6, [2, 4]]


def test_immutable_signatures_take_no_results(t):
    assert t.run(chain(t.add.s(1, 1), t.add.si(5, 5))).get(0) == 10
    assert t.run(chord([t.add.s(1, 1)], t.add.si(5, 5))).get(0) == 10
    result = t.run(chord([t.fail.s()], t.add.si(5, 5)))
    with pytest.raises(ChordError):
        result.get(0)


# --- map, starmap, chunks -------------------------------------------------------------------------


def test_xmap_and_xstarmap_are_one_job(t):
    result = t.run(xmap(t.same.s(), [1, 2, 3]))
    assert isinstance(result, AsyncResult)
    assert result.get(0) == [1, 2, 3]
    assert t.run(xstarmap(t.add.s(), [(1, 2), (3, 4)])).get(0) == [3, 7]
    names = sorted(info.spec.name for info in t.harness.enqueued())
    assert names == ["millrace.map", "millrace.starmap"]
    assert repr(xmap(t.same.s(), [1])) == "[same(x) for x in [1]]"
    assert repr(xstarmap(t.add.s(), [(1, 2)])) == "[add(*x) for x in [(1, 2)]]"


def test_map_of_coroutine_functions(t, app):
    @app.task(name="later")
    async def later(x):
        return x + 1

    assert t.run(later.map([1, 2])).get(0) == [2, 3]


def test_chunks_group(t):
    sig = chunks(t.add.s(), ((i, i) for i in range(5)), 2)
    made = sig.group()
    assert [type(each) for each in made.tasks] == [xstarmap] * 3
    assert t.run(sig).get(0) == [[0, 2], [4, 6], [8]]
    with pytest.raises(InvalidArgument, match="n must be at least 1"):
        chunks(t.add.s(), [], 0)


def test_chunks_apply_chunks(t):
    result = chunks.apply_chunks(t.add.s(), [(1, 1), (2, 2)], 1)
    t.harness.run_all()
    assert result.get(0) == [[2], [4]]


def test_canvases_of_dicts(t, app):
    for sig in (
        xmap(t.same.s(), [1, 2]),
        chunks(t.add.s(), [(1, 1), (2, 2)], 1),
        chord([t.add.s(1, 1)], t.total.s()),
        group(t.add.s(1, 1)),
        chain(t.add.s(1, 1), t.add.s(1)),
    ):
        again = Signature.from_dict(dict(sig), app=app)
        assert type(again) is type(sig)
        assert t.run(again).get(0) == t.run(sig).get(0)


# --- A task that only others know -----------------------------------------------------------------


def test_a_task_by_name_in_the_middle(t, app):
    unknown = Signature("node.double", app=app).set(queue="node")
    result = chain(t.add.s(1, 1), unknown, t.add.s(1)).apply_async()
    t.harness.run_all()  # the harness serves every queue, and does not know the task
    info = result.parent.details()
    assert (info.spec.name, info.spec.queue, info.spec.data, info.state) == (
        "node.double",
        "node",
        "{}",
        "failed",
    )


# --- replace, add_to_chord ------------------------------------------------------------------------


def test_replace_in_chain_group_and_chord(t, app):
    @app.task(bind=True)
    def replaced(self, x):
        raise self.replace(chain(t.add.s(x, 1), group(t.add.s(1), t.add.s(2))))

    assert t.run(replaced.s(1)).get(0) == [3, 4]
    assert t.run(chain(t.add.s(1, 0), replaced.s(), t.total.s())).get(0) == 7
    assert t.run(group(replaced.s(1), t.add.s(5, 5))).get(0) == [[3, 4], 10]
    assert t.run(chord([replaced.s(1), t.add.s(5, 5)], t.same.s())).get(0) == [[3, 4], 10]


def test_replace_keeps_the_id_the_links_and_the_errors(t, app):
    @app.task(bind=True)
    def replaced(self, sig):
        raise self.replace(Signature.from_dict(sig, app=app))

    sig = replaced.s(t.add.s(1, 1).set(link=t.note.s("inner"))).set(link=t.note.s("outer"))
    assert t.run(sig).get(0) == 2
    assert sorted(t.seen) == [[2, "inner"], [2, "outer"]]
    failing = t.run(replaced.s(t.fail.s()).on_error(t.on_error_id.s()))
    with pytest.raises(ValueError, match="it failed"):
        failing.get(0)
    assert t.seen[2:] == [failing.id]


def test_replaced_jobs_count_their_nesting(t, app):
    depths = []

    @app.task(bind=True, name="deep")
    def deep(self, left):
        depths.append(self.request.place.nesting)
        if left == 0:
            return "bottom"
        raise self.replace(deep.s(left - 1))

    assert t.run(deep.s(2)).get(0) == "bottom"
    assert depths == [0, 1, 2]


def test_add_to_chord(t, app):
    @app.task(bind=True)
    def grows(self, x):
        self.add_to_chord(t.add.s(x, 100))
        return x

    assert t.run(chord([grows.s(1), t.same.s(2)], t.same.s())).get(0) == [1, 2, 101]

    @app.task(bind=True)
    def alone(self):
        with pytest.raises(ValueError, match="in the header of no chord"):
            self.add_to_chord(t.add.s(1, 1))

    assert t.run(alone.s()).get(0) is None


def test_roots_and_parents(t):
    result = t.run(chain(t.whoami.s(), t.whoami.si(), t.whoami.si()))
    answers = [result.parent.parent.get(0), result.parent.get(0), result.get(0)]
    assert {each["root"] for each in answers} == {result.parent.parent.id}


def test_a_canvas_inside_a_task_has_the_tasks_root(t, app):
    made = []

    @app.task(bind=True)
    def spawns(self):
        made.append(chain(t.whoami.s(), t.whoami.si()).apply_async())

    result = t.run(spawns.s())
    answer = made[0].get(0)
    assert answer["root"] == result.id
    assert made[0].parent.get(0)["root"] == result.id


def test_ten_thousand_in_one_commit(t):
    result = chord([t.same.si(i) for i in range(2_000)], t.total.s()).apply_async()
    assert t.harness.run_all(limit=10_000) == 2_001
    assert result.get(0) == sum(range(2_000))


def test_a_long_chain(t):
    result = t.run(chain(t.same.s(0), *(t.add.s(1) for _ in range(1_500))))
    assert result.get(0) == 1_500
    assert len(result.as_list()) == 1_501
    group(chain(t.same.s(0), *(t.add.s(1) for _ in range(600)))).apply_async().save()
    result.as_tuple()
    result.forget()
    assert not result.exists()
    failed = t.run(chain(t.fail.s(), *(t.add.s(1) for _ in range(1_500))))
    with pytest.raises(ValueError, match="it failed"):
        failed.get(0)
