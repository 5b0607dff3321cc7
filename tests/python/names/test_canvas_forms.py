"""Compositions of every kind, with what Celery 5.6 answered to each, on a worker and in eager mode."""

import pytest
from canvas_support import harnessed
from millrace import Millrace, chain, chord, group

FORMS = [
    ("chain(add.s(1, 2), mul.s(3))", 9),
    ("add.s(1, 2) | mul.s(3) | mul.s(2)", 18),
    ("add.s(1, 2) | mul.si(3, 4)", 12),
    ("chain(add.s(1, 2))", 3),
    ("chain([add.s(1, 2), mul.s(3)])", 9),
    ("chain(add.s(i) if i else add.s(0, 0) for i in range(4))", 6),
    ("chain(add.s(1, 2), chain(mul.s(2), mul.s(3)), add.s(1))", 19),
    ("group(add.s(1, 1), add.s(2, 2))", [2, 4]),
    ("group(add.s(i, i) for i in range(5))", [0, 2, 4, 6, 8]),
    ("group()", []),
    ("group(add.s(1, 1))", [2]),
    ("group(add.s(1, 1), group(add.s(2, 2), add.s(3, 3)))", [2, 4, 6]),
    ("group(add.s(1, 1), add.s(2, 2)) | total.s()", 6),
    ("chord([add.s(1, 1), add.s(2, 2)], total.s())", 6),
    ("chord((add.s(i, i) for i in range(5)), total.s())", 20),
    ("chord([], total.s())", 0),
    ("chord([add.s(1, 1)], total.s())", 2),
    ("chord(add.s(1, 1), same.s())", [2]),
    ("chord([add.s(1, 1), add.s(2, 2)], total.s() | mul.s(10))", 60),
    ("chord([add.s(1, 1), add.s(2, 2)], group(total.s(), same.s()))", [6, [2, 4]]),
    ("chord([add.s(1, 1) | mul.s(2), add.s(2, 2) | mul.s(3)], total.s())", 16),
    ("chord([chord([add.s(1, 1), add.s(2, 2)], total.s()), add.s(3, 3)], total.s())", 12),
    ("chord([add.s(1, 1), add.s(2, 2)], chord([total.s(), total.s()], total.s()))", 12),
    ("chain(group(add.s(1, 1), add.s(2, 2)), group(same.s(), total.s()))", [[2, 4], 6]),
    ("chain(group(add.s(1, 1), add.s(2, 2)), group(same.s()))", [[2, 4]]),
    ("chain(group(add.s(1, 1), add.s(2, 2)), group(same.s()), same.s())", [[2, 4]]),
    ("chain(add.s(1, 1), group(add.s(1), add.s(2)))", [3, 4]),
    ("chain(add.s(1, 1), group(add.s(1), add.s(2)), total.s())", 7),
    ("chain(group(add.s(1, 1)), same.s())", 2),
    ("chain(add.s(1, 1), group(add.s(1)), same.s())", 3),
    ("chain(group(add.s(1, 1), add.s(2, 2)), total.s(), group(add.s(1), add.s(2)), total.s())", 15),
    ("chain(chord([add.s(1, 1), add.s(2, 2)], total.s()), mul.s(3))", 18),
    ("chain(add.s(1, 1), chord([add.s(1), add.s(2)], total.s()))", 7),
    ("chain(add.s(1, 1), chord([add.s(1), add.s(2)], total.s()), mul.s(3))", 21),
    (
        "chain(chord([add.s(1, 1), add.s(2, 2)], total.s()), chord([add.s(1), add.s(2)], total.s()))",
        15,
    ),
    ("group(add.s(1, 1) | mul.s(2), add.s(2, 2) | mul.s(3))", [4, 12]),
    ("group(add.s(1, 1) | mul.s(2), add.s(2, 2) | mul.s(3)) | total.s()", 16),
    ("group(chord([add.s(1, 1), add.s(2, 2)], total.s()), add.s(1, 1))", [6, 2]),
    ("group(chain(group(add.s(1, 1), add.s(2, 2)), total.s()), add.s(5, 5))", [6, 10]),
    ("group(chain(add.s(1, 1), group(add.s(1), add.s(2))), add.s(5, 5))", [[3, 4], 10]),
    ("group(add.s(1, 1), add.s(2, 2)) | group(same.s(), same.s())", [[2, 4], [2, 4]]),
    ("add.chunks([(i, i) for i in range(5)], 2)", [[0, 2], [4, 6], [8]]),
    ("add.chunks([(i, i) for i in range(5)], 2).group()", [[0, 2], [4, 6], [8]]),
    ("add.chunks([(i, i) for i in range(4)], 2).group() | same.s()", [[0, 2], [4, 6]]),
    ("same.map(range(3))", [0, 1, 2]),
    ("add.starmap([(1, 2), (3, 4)])", [3, 7]),
    ("same.map([1, 2, 3]) | total.s()", 6),
    ("add.starmap([(1, 2), (3, 4)]) | group(total.s(), same.s())", [10, [3, 7]]),
    ("group(add.s(1, 1), add.s(2, 2)) | chord([total.s(), total.s()], same.s())", [6, 6]),
    ("chord([add.s(1, 1), add.s(2, 2)], total.s()) | group(add.s(1), add.s(2))", [7, 8]),
    ("(add.s(1, 1) | mul.s(2)) | (mul.s(3) | add.s(1))", 13),
    ("add.s(1, 1) | (mul.s(3) | add.s(1))", 7),
    ("(add.s(1, 1) | mul.s(2)) | group(add.s(1), add.s(2))", [5, 6]),
    ("group(add.s(1, 1), add.s(2, 2)) | (total.s() | mul.s(2))", 12),
    ("chain(add.s(1, 1), group(add.s(1), add.s(2))) | total.s()", 7),
    (
        "chain(group(chain(add.s(1, 1), group(add.s(1), add.s(2)), total.s()), add.s(3, 3)), "
        "total.s(), group(add.s(1), chain(add.s(2), mul.s(2))), total.s())",
        44,
    ),
    ("chord([chord([chord([add.s(1, 1)], total.s())], total.s())], total.s())", 2),
    ("chain(add.s(1, 1), group(add.si(5, 5), add.s(1)), same.s())", [10, 3]),
    ("group([]) | same.s()", []),
    ("chain(group(add.s(1, 1)), group(same.s()))", 2),
    ("chain(group(add.s(1, 1)), group(same.s()), same.s())", 2),
    ("chain(add.s(1, 1), group(same.s()))", 2),
    ("chain(add.s(1, 1), group(same.s()), group(same.s()))", 2),
    ("chain(add.s(1, 1), group(same.s()), group(same.s(), same.s()))", [2, 2]),
    ("chain(chord([add.s(1, 1)], same.s()), group(same.s()))", [2]),
    ("chain(chord([add.s(1, 1)], same.s()), group(same.s()), same.s())", [2]),
    ("chain(chord([add.s(1, 1)], group(same.s(), same.s())), group(same.s()))", [[2], [2]]),
    ("chord([add.s(1, 1)], group(same.s()))", [[2]]),
    ("chain(chord([add.s(1, 1)], group(same.s())), same.s())", [[2]]),
    ("chain(add.s(1, 1), chord([same.s()], group(same.s())), same.s())", [[2]]),
    ("chain(add.s(1, 1), group(group(same.s())))", 2),
    ("chain(add.s(1, 1), group(group(same.s())), same.s())", 2),
    ("group(group(add.s(1, 1))) | same.s()", [2]),
    ("chain(add.s(1, 1), chain(group(same.s()), same.s()))", 2),
    ("chain(group(add.s(1, 1), add.s(2, 2)), chain(group(same.s()), same.s()))", [2, 4]),
    ("chain(group(add.s(1, 1), add.s(2, 2)), chain(group(same.s())))", [2, 4]),
    ("chain(add.s(1, 1), chord([], same.s()))", []),
    ("chain(add.s(1, 1), chord([], same.s()), same.s())", []),
    ("group(chain(add.s(1, 1), same.s()))", [2]),
    ("chain(group(chain(add.s(1, 1), same.s())), same.s())", 2),
    ("chain(add.s(1, 1), group(chain(same.s(), same.s())), same.s())", 2),
    ("chain(add.s(1, 1), group(group(same.s(), same.s())), same.s())", [2, 2]),
    ("chain(add.s(1, 1), group(group(same.s(), same.s())))", [2, 2]),
    ("group(add.s(1, 1), add.s(2, 2)) | group(same.s()) | same.s()", [[2, 4]]),
    ("chain(group(add.s(1, 1), add.s(2, 2)), group(same.s()), group(same.s()))", [[2, 4]]),
    (
        "chain(group(add.s(1, 1), add.s(2, 2)), group(same.s()), group(same.s(), same.s()), same.s())",
        [[[2, 4]], [[2, 4]]],
    ),
    ("chain(add.s(1, 1), group(same.s(), same.s()), group(same.s()), same.s())", [2, 2]),
    ("group(add.s(1, 1), add.s(2, 2)) | same.map([1, 2])", [1, 2]),
    (
        "chain(add.s(1, 1), same.si(4), add.chunks([(1, 1), (2, 2), (3, 3)], 2).group(), same.s())",
        [[2, 4], [6]],
    ),
]


@pytest.fixture(scope="module")
def names(tmp_path_factory):
    """What the compositions name, and `run`."""
    store = tmp_path_factory.mktemp("forms") / "jobs.db"
    with Millrace("forms", store=store, durability="memory") as app:
        harness, tasks = harnessed(app)

        def run(sig):
            result = sig.apply_async()
            harness.run_all()
            return result.get(0)

        with harness:
            yield {**vars(tasks), "chain": chain, "chord": chord, "group": group, "run": run}


@pytest.mark.parametrize(("form", "answer"), FORMS, ids=[form for form, _ in FORMS])
def test_a_composition_answers_as_celerys(names, form, answer):
    assert names["run"](eval(form, names)) == answer
    assert eval(form, names).apply().get() == answer
