"""How flows are built, and the text from which a tree is read. How they run is in test_flows.py."""

import json
from types import SimpleNamespace

import pytest
from millrace import After
from millrace.errors import InvalidArgument
from millrace.flow_tree import parse_tree
from millrace.flows import chain, chord, group, tree


@pytest.fixture
def tasks(app):
    one = app.task(name="one")(lambda x: x)
    return SimpleNamespace(one=one, total=app.task(name="total")(lambda: None))


def edges(flow):
    return [[each.job for each in node.after] for node in flow.nodes]


def test_the_shapes(app, tasks):
    one, total = tasks.one, tasks.total
    assert edges(chain(one.s(1), one.s(2), one.s(3))) == [[], [0], [1]]
    assert edges(group(one.s(1), one.s(2))) == [[], []]
    assert edges(chord([one.s(1), one.s(2)], total.s())) == [[], [], [0, 1]]
    assert edges(chord([], total.s())) == [[]]
    assert edges(chain(one.s(1), group(one.s(2), one.s(3)), total.s())) == [[], [0], [0], [1, 2]]
    assert edges(group(chain(one.s(1), one.s(2)), one.s(3))) == [[], [0], []]
    nested = tree(total.s(), [tree(total.s(), [one.s(1), one.s(2)]), one.s(3)])
    assert edges(nested) == [[], [], [0, 1], [], [2, 3]]
    assert [node.index for node in nested.ends()] == [4]


def test_names_and_policies_go_with_the_edges(app, tasks):
    flow = app.flow()
    a = flow.add(tasks.one.s(1), name="first")
    b = flow.add(tasks.one.s(2))
    flow.add(
        tasks.total.s(),
        after=[a, After(b, policy="ignore", name="second"), "an-id"],
        policy="continue",
    )
    assert [(each.job, each.policy, each.name) for each in flow.specs()[2].after] == [
        (0, "continue", "first"),
        (1, "ignore", "second"),
        ("an-id", "continue", ""),
    ]


def test_wrong_uses_of_the_builder(app, tasks):
    flow, other = app.flow(), app.flow()
    node = other.add(tasks.one.s(1))
    with pytest.raises(InvalidArgument, match="the flow has no jobs"):
        flow.enqueue()
    with pytest.raises(InvalidArgument, match=r"after\[0\] is a node of another flow"):
        flow.add(tasks.one.s(1), after=node)
    with pytest.raises(TypeError, match=r"job must be made by task.s\(\)"):
        flow.add(tasks.one)
    with pytest.raises(
        TypeError, match=r"parts\[1\] must be made by task.s\(\), or a flow, not int"
    ):
        chain(tasks.one.s(1), 5)
    with pytest.raises(InvalidArgument, match="at least one job is needed"):
        group()
    with pytest.raises(InvalidArgument, match="policy 'odd' is unknown"):
        chain(tasks.one.s(1), tasks.one.s(2), policy="odd")
    with pytest.raises(InvalidArgument, match="cannot include itself"):
        flow.include(flow)
    with pytest.raises(InvalidArgument, match="at least one job to collect"):
        flow.collect([])
    assert len(flow) == 0


def test_the_text_of_a_tree_may_be_deeper_than_the_interpreter_can_call():
    text = ""
    for depth in range(3000):
        inner = f'"children":[{text}],' if text else '"children":[],'
        text = f'{{"id":"{depth}","queue":"q, [{{\\"","name":"n",{inner}"state":"ready","more":0}}'
    shown = parse_tree(text)
    assert sum(1 for _ in shown.walk()) == 3000
    assert (shown.id, shown.queue, shown.state) == ("2999", 'q, [{"', "ready")
    assert json.loads('"q, [{\\""') == shown.queue
